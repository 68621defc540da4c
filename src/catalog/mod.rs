//! The shop's products and how they are read.
mod money;
mod product;

pub use money::{Currency, Money, MoneyError};
pub use product::*;
