//! Kindred: a semantic recommender for online shops.
pub mod catalog;
pub mod cli;
pub mod config;
pub mod embed;
pub mod index;
pub mod rank;
pub mod recommend;
pub mod server;
