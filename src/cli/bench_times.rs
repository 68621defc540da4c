//! Times of answers, of the same questions asked in two ways.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

/// Answers before the first that is timed.
const WARM_UP: usize = 200;
/// How often each question is asked: its time is the least, so that another process's work counts less.
const ROUNDS: usize = 3;

/// Microseconds of each question.
pub(super) struct Times(Vec<f64>);

/// What half, and what all but one in a hundred, stay under; in microseconds.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Times {
    /// Asks each of `questions` several times; `ask` is told which round it is.
    ///
    /// Returns the first error of `ask`.
    pub(super) fn of<Q>(questions: &[Q], mut ask: impl FnMut(&Q, usize) -> Result<()>) -> Result<Self> {
        for question in questions.iter().cycle().take(WARM_UP.min(ROUNDS * questions.len())) {
            ask(question, ROUNDS)?;
        }
        let mut times = vec![f64::INFINITY; questions.len()];
        for round in 0..ROUNDS {
            for (question, time) in questions.iter().zip(&mut times) {
                let began = Instant::now();
                ask(question, round)?;
                *time = time.min(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(Self(times))
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        quantiles(self.0.clone())
    }

    /// How much longer each question took than in `other`.
    pub(super) fn beyond(&self, other: &Self) -> Quantiles {
        quantiles(self.0.iter().zip(&other.0).map(|(with, without)| with - without).collect())
    }
}

fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let at = (share * values.len() as f64) as usize;
        values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    Quantiles { p50_us: at(0.5), p99_us: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_all_but_one_in_a_hundred_stay_under_and_differences_are_taken_question_by_question() {
        let slow = Times((0..100).map(f64::from).rev().collect());
        let Quantiles { p50_us, p99_us } = slow.quantiles();
        assert_eq!((p50_us, p99_us), (50.0, 99.0));
        let fast = Times((0..100).map(|at| f64::from(at) - 3.0).rev().collect());
        let Quantiles { p50_us, p99_us } = slow.beyond(&fast);
        assert_eq!((p50_us, p99_us), (3.0, 3.0));
        assert!(Times(Vec::new()).quantiles().p50_us.is_nan());
    }
}
