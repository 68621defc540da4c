//! The map from a product's vector to where its complements lie: what goes with it, not what is like it. Learned from pairs and vectors
//! alone; nothing here knows what a product or an order is.
//!
//! | file | subject |
//! |---|---|
//! | `map` | [`ComplementMap`]: applied to a vector |
//! | `train` | [`train_map`]: learned by gradient descent |
//! | `batch` | what a step looks at |

mod batch;
mod map;
mod train;

pub use map::ComplementMap;
pub use train::{MapExamples, MapPair, MapTraining, train_map};
