//! What a measurement found, as it is printed and written as JSON.

use serde::Serialize;

use super::bootstrap::Interval;
use super::slices::SliceKind;

/// A mean over cases, with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Where it lies in 95 of 100 redrawn sets of groups.
    pub interval: Interval,
    /// The same for the reference's mean minus this one; the reference itself has none. A win is an interval above 0.
    pub reference_ahead: Option<Interval>,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { value: 0.0, interval: Interval { low: 0.0, high: 0.0 }, reference_ahead: None }
    }
}

/// The targets of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// What it is cut by.
    pub by: SliceKind,
    /// The decile, or the lower end of the bucket.
    pub value: u32,
    /// How many targets it has.
    pub num_targets: usize,
    /// Share of them that are in their list.
    pub hit_rate: f64,
    /// Mean of their reciprocal ranks.
    pub mrr: f64,
}

/// What one method came to.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct MethodReport {
    /// Its name.
    pub method: String,
    /// HR@k.
    pub hit_rate: Estimate,
    /// recall@k.
    pub recall: Estimate,
    /// nDCG@k.
    pub ndcg: Estimate,
    /// MRR@k.
    pub mrr: Estimate,
    /// Share of all products that are in any list.
    pub coverage: f64,
    /// Share of listed products that are look-alikes of something that the question holds; only with texts.
    pub substitute_rate: Option<f64>,
    /// Share of cases for which it had no answer at all.
    pub empty_lists: f64,
    /// By popularity and evidence of the targets.
    pub slices: Vec<Slice>,
}

/// What all methods came to on one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The protocol.
    pub protocol: String,
    /// Length of the lists.
    pub k: usize,
    /// Whether lists may hold what the question holds.
    pub keeps_seen: bool,
    /// How many questions were asked.
    pub num_cases: usize,
    /// Of how many sessions or baskets.
    pub num_groups: usize,
    /// How many products were ranked.
    pub num_products: usize,
    /// How many sessions or orders were learned from.
    pub num_train_sessions: usize,
    /// Seed of draws and samples.
    pub seed: u64,
    /// Draws of the bootstrap.
    pub draws: usize,
    /// The method that the others are compared with.
    pub reference: String,
    /// The methods, in the order of the table.
    pub methods: Vec<MethodReport>,
}

impl Report {
    /// The report of `method`.
    pub fn method(&self, method: &str) -> Option<&MethodReport> {
        self.methods.iter().find(|report| report.method == method)
    }
}
