//! What sources count in a placement, beside what they count for its intents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recommend::source::{Source, SourceWeights};

/// Factors on [`SourceWeights`] by source, 0 to 1000; a source that is not named keeps its weight.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceFactors(BTreeMap<Source, f32>);

impl SourceFactors {
    /// The weights times the factors.
    pub fn times(&self, mut weights: SourceWeights) -> SourceWeights {
        for (&source, factor) in &self.0 {
            *weights.of_mut(source) *= factor;
        }
        weights
    }

    /// Whether every factor is a number from 0 to 1000.
    pub fn is_in_range(&self) -> bool {
        self.0.values().all(|factor| (0.0..=1000.0).contains(factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_counts_its_weight_times_its_factor_and_without_one_its_weight() {
        let factors = SourceFactors(BTreeMap::from([(Source::Bought, 0.0), (Source::Similar, 2.0)]));
        let usual = SourceWeights::FOR_YOU;
        let weights = factors.times(usual);
        for source in Source::ALL {
            let factor = match source {
                Source::Bought => 0.0,
                Source::Similar => 2.0,
                _ => 1.0,
            };
            assert_eq!(weights.of(source), usual.of(source) * factor, "{}", source.word());
        }
        assert!(factors.is_in_range() && !SourceFactors(BTreeMap::from([(Source::Next, f32::NAN)])).is_in_range());
    }
}
