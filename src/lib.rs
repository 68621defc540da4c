//! Kindred: a semantic recommender for online shops.
pub mod catalog;
pub mod rank;
pub mod embed;
pub mod index;
pub mod recommend;
pub mod server;
pub mod config;
pub mod cli;
