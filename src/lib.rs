//! Kindred: a semantic recommender for online shops.
pub mod catalog;
pub mod cli;
pub mod config;
pub mod embed;
pub mod rules;
pub mod index;
pub mod rank;
pub mod pipeline;
pub mod recommend;
pub mod server;
