//! The map learned: what goes with an anchor is told from what else there is, and from what only looks like the anchor (InfoNCE; van den
//! Oord and others 2018), by Candle's gradients.

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};

use super::batch::{Batch, Batches, Random};
use super::map::ComplementMap;
use crate::embed::error::EmbedError;

/// Something that goes with something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapPair {
    /// Row of what is started from.
    pub anchor: u32,
    /// Row of what goes with it.
    pub other: u32,
    /// How often it is looked at, against the other pairs; above 0.
    pub weight: f32,
}

/// What a map is learned from.
#[derive(Debug, Clone, Copy)]
pub struct MapExamples<'a> {
    /// Vectors of length 1, end to end.
    pub vectors: &'a [f32],
    /// Numbers in a vector.
    pub dim: usize,
    /// Pairs of rows, by anchor; none twice.
    pub pairs: &'a [MapPair],
    /// For each row the rows that are like it and do not go with it.
    pub look_alikes: &'a [Vec<u32>],
}

impl MapExamples<'_> {
    pub(super) fn num_rows(&self) -> usize {
        self.vectors.len() / self.dim.max(1)
    }

    /// What is wrong with them.
    fn fault(&self) -> Option<&'static str> {
        let num_rows = self.num_rows() as u32;
        let is_row = |row: u32| row < num_rows;
        let is_good =
            |pair: &MapPair| is_row(pair.anchor) && is_row(pair.other) && pair.weight > 0.0 && pair.weight.is_finite();
        let is_sorted = self.pairs.is_sorted_by_key(|pair| pair.anchor);
        if self.dim == 0 || !self.vectors.len().is_multiple_of(self.dim) {
            Some("the vectors are no whole number of rows")
        } else if !self.pairs.iter().all(is_good) || !self.look_alikes.iter().flatten().all(|&row| is_row(row)) {
            Some("a pair or look-alike is of no row, or a weight is not above 0")
        } else if self.pairs.is_empty() || !is_sorted {
            Some("there are no pairs, or not in the order of their anchors")
        } else {
            None
        }
    }
}

/// How a map is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapTraining {
    /// Rank of what is learned besides the identity.
    pub rank: usize,
    /// Batches looked at.
    pub num_steps: usize,
    /// Pairs of a batch.
    pub batch_size: usize,
    /// Difference in cosine over which an answer counts `e` times as much.
    pub temperature: f64,
    /// Look-alikes drawn for each anchor.
    pub num_look_alikes: usize,
    /// Highest rate of learning: it rises over the first steps and then falls to 0.
    pub learning_rate: f64,
    /// Draws the batches and the start.
    pub seed: u64,
}

/// Steps over which the rate of learning rises.
const WARM_UP: usize = 50;
/// What the learned part is held back by at each step, as a share of the rate of learning.
const WEIGHT_DECAY: f64 = 0.01;
/// Width of the numbers that the map starts from.
const START: f64 = 0.05;

/// Learns the map from `examples`. `progress` is called with the steps done. The same examples and seed give the same map on the same
/// machine.
///
/// Returns an error if the examples do not fit together, or a tensor operation fails.
pub fn train_map(
    examples: &MapExamples<'_>,
    training: &MapTraining,
    progress: &mut dyn FnMut(usize),
) -> std::result::Result<ComplementMap, EmbedError> {
    if let Some(reason) = examples.fault() {
        return Err(EmbedError::MapExamples { reason });
    }
    let failed = |source: candle_core::Error| EmbedError::TrainMap { source: Box::new(source) };
    let mut batches = Batches::new(examples, training.batch_size.max(1), training.num_look_alikes, training.seed);
    let mut trainer = Trainer::new(examples, training).map_err(failed)?;
    for step in 0..training.num_steps {
        trainer.step(&batches.draw(), step).map_err(failed)?;
        progress(step + 1);
    }
    let (down, up) = trainer.parts().map_err(failed)?;
    let is_finite = down.iter().chain(&up).all(|x| x.is_finite());
    let map = is_finite.then(|| ComplementMap::new(examples.dim, down, up)).flatten();
    map.ok_or(EmbedError::MapExamples { reason: "what was learned is not finite" })
}

struct Trainer<'a> {
    training: &'a MapTraining,
    vectors: Tensor,
    /// `rank` by `dim`.
    down: Var,
    /// `rank` by `dim`.
    up: Var,
    optimizer: AdamW,
}

impl<'a> Trainer<'a> {
    fn new(examples: &MapExamples<'_>, training: &'a MapTraining) -> Result<Self> {
        let device = Device::Cpu;
        let vectors = Tensor::from_slice(examples.vectors, (examples.num_rows(), examples.dim), &device)?;
        let shape = (training.rank, examples.dim);
        let mut random = Random(!training.seed);
        let mut start = || (START * 12f64.sqrt() * (random.share() - 0.5)) as f32;
        let start: Vec<f32> = (0..training.rank * examples.dim).map(|_| start()).collect();
        let down = Var::from_tensor(&Tensor::from_vec(start, shape, &device)?)?;
        // The map starts as the identity.
        let up = Var::zeros(shape, candle_core::DType::F32, &device)?;
        let params = ParamsAdamW { weight_decay: WEIGHT_DECAY, ..ParamsAdamW::default() };
        let optimizer = AdamW::new(vec![down.clone(), up.clone()], params)?;
        Ok(Self { training, vectors, down, up, optimizer })
    }

    fn step(&mut self, batch: &Batch, step: usize) -> Result<()> {
        let done = step as f64 / self.training.num_steps as f64;
        let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        let rate = self.training.learning_rate * warm * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.optimizer.set_learning_rate(rate);
        let loss = self.loss(batch)?;
        self.optimizer.backward_step(&loss)
    }

    /// How surprising the right answers of `batch` are, in nats.
    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let (size, num_look_alikes) = (batch.anchors.len(), self.training.num_look_alikes);
        let tensor = |rows: &[u32]| Tensor::from_slice(rows, rows.len(), &Device::Cpu);
        let anchors = self.vectors.index_select(&tensor(&batch.anchors)?, 0)?;
        let others = self.vectors.index_select(&tensor(&batch.others)?, 0)?;
        let mapped = self.mapped(&anchors)?;
        let sharpness = 1.0 / self.training.temperature;
        let bias = Tensor::from_slice(&batch.other_bias, (size, size), &Device::Cpu)?;
        let mut scores = ((mapped.matmul(&others.t()?)? * sharpness)? + bias)?;
        if num_look_alikes > 0 {
            let look_alikes = self.vectors.index_select(&tensor(&batch.look_alikes)?, 0)?;
            let look_alikes = look_alikes.reshape((size, num_look_alikes, ()))?;
            let alike = mapped.unsqueeze(1)?.broadcast_mul(&look_alikes)?.sum(2)?;
            let bias = Tensor::from_slice(&batch.look_alike_bias, (size, num_look_alikes), &Device::Cpu)?;
            scores = Tensor::cat(&[&scores, &((alike * sharpness)? + bias)?], 1)?;
        }
        let right = ((&mapped * &others)?.sum(1)? * sharpness)?;
        let corrections: Vec<f32> = (0..size).map(|at| batch.other_bias[at * size + at]).collect();
        let right = (right + Tensor::from_vec(corrections, size, &Device::Cpu)?)?;
        let highest = scores.max_keepdim(1)?.detach();
        let all = scores.broadcast_sub(&highest)?.exp()?.sum(1)?.log()?;
        ((all + highest.squeeze(1)?)? - right)?.mean(0)
    }

    fn mapped(&self, vectors: &Tensor) -> Result<Tensor> {
        let along = vectors.matmul(&self.down.t()?)?;
        let mapped = (vectors + along.matmul(self.up.as_tensor())?)?;
        mapped.broadcast_div(&mapped.sqr()?.sum_keepdim(1)?.sqrt()?)
    }

    fn parts(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        Ok((self.down.flatten_all()?.to_vec1()?, self.up.flatten_all()?.to_vec1()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIM: usize = 8;

    /// Products in four kinds, those of kind `k` near axis `k`; what goes with kind 0 is kind 1, with kind 2 kind 3, and the other way round.
    fn shop() -> (Vec<f32>, Vec<MapPair>, Vec<Vec<u32>>) {
        let mut random = Random(3);
        let mut vectors = Vec::new();
        for row in 0..80 {
            let mut vector: Vec<f32> = (0..DIM).map(|_| 0.3 * (random.share() as f32 - 0.5)).collect();
            vector[row % 4] += 1.0;
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vectors.extend(vector.iter().map(|x| x / length));
        }
        let goes_with = |anchor: u32, other: u32| anchor % 4 == (other % 4) ^ 1;
        // Every fifth product is in no pair: nothing is known of it but its vector.
        let known = |row: &u32| !row.is_multiple_of(5);
        let pairs = (0..80).filter(known).flat_map(|anchor| {
            (0..80).filter(known).filter(move |&other| goes_with(anchor, other)).map(move |other| (anchor, other))
        });
        let pairs = pairs.map(|(anchor, other)| MapPair { anchor, other, weight: 1.0 }).collect();
        let alike = |row: u32| (0..80).filter(|&other| other != row && other % 4 == row % 4).collect();
        (vectors, pairs, (0..80).map(alike).collect())
    }

    fn training() -> MapTraining {
        MapTraining {
            rank: 4,
            num_steps: 150,
            batch_size: 64,
            temperature: 0.1,
            num_look_alikes: 2,
            learning_rate: 0.02,
            seed: 1,
        }
    }

    #[test]
    fn a_product_that_was_never_sold_is_mapped_to_what_goes_with_its_kind() {
        let (vectors, pairs, look_alikes) = shop();
        let examples = MapExamples { vectors: &vectors, dim: DIM, pairs: &pairs, look_alikes: &look_alikes };
        let mut steps = Vec::new();
        let map = train_map(&examples, &training(), &mut |step| steps.push(step)).unwrap();
        assert_eq!(steps, (1..=150).collect::<Vec<_>>());
        for anchor in (0..80usize).step_by(5) {
            let mapped = map.apply(&vectors[anchor * DIM..][..DIM]).unwrap();
            let near = |axis: usize| mapped[axis];
            let (wanted, own) = ((anchor % 4) ^ 1, anchor % 4);
            assert!((0..4).all(|axis| axis == wanted || near(axis) < near(wanted)), "{anchor}: {mapped:?}");
            assert!(near(wanted) > near(own) + 0.3, "{anchor}: {mapped:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_map_and_another_one_another() {
        let (vectors, pairs, look_alikes) = shop();
        let examples = MapExamples { vectors: &vectors, dim: DIM, pairs: &pairs, look_alikes: &look_alikes };
        let map = |seed| train_map(&examples, &MapTraining { seed, ..training() }, &mut |_| {}).unwrap();
        assert_eq!(map(1), map(1));
        assert_ne!(map(1), map(2));
    }

    #[test]
    fn gradients_lower_the_loss_that_is_worked_out_by_hand() {
        let (vectors, pairs, look_alikes) = shop();
        let examples = MapExamples { vectors: &vectors, dim: DIM, pairs: &pairs, look_alikes: &look_alikes };
        let training = training();
        let batch = Batches::new(&examples, 16, 2, 5).draw();
        let trainer = Trainer::new(&examples, &training).unwrap();
        let found: f32 = trainer.loss(&batch).unwrap().to_scalar().unwrap();
        // The map is the identity still: scores are cosines.
        let row = |row: u32| &vectors[row as usize * DIM..][..DIM];
        let score = |a: u32, b: u32| row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum::<f32>() / 0.1;
        let of_pair = |at: usize| {
            let anchor = batch.anchors[at];
            let others = (0..16).map(|to| score(anchor, batch.others[to]) + batch.other_bias[at * 16 + to]);
            let alike =
                (0..2).map(|to| score(anchor, batch.look_alikes[at * 2 + to]) + batch.look_alike_bias[at * 2 + to]);
            let right = score(anchor, batch.others[at]) + batch.other_bias[at * 16 + at];
            others.chain(alike).map(f32::exp).sum::<f32>().ln() - right
        };
        let expected = (0..16).map(of_pair).sum::<f32>() / 16.0;
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }

    #[test]
    fn examples_that_do_not_fit_together_are_refused() {
        let (vectors, pairs, look_alikes) = shop();
        let good = MapExamples { vectors: &vectors, dim: DIM, pairs: &pairs, look_alikes: &look_alikes };
        let bad = [
            MapExamples { dim: 7, ..good },
            MapExamples { dim: 0, ..good },
            MapExamples { pairs: &[], ..good },
            MapExamples { pairs: &[MapPair { anchor: 0, other: 80, weight: 1.0 }], ..good },
            MapExamples { pairs: &[MapPair { anchor: 0, other: 1, weight: f32::NAN }], ..good },
            MapExamples { look_alikes: &[vec![80]], ..good },
        ];
        for examples in bad {
            let error = train_map(&examples, &training(), &mut |_| {}).unwrap_err();
            assert!(matches!(error, EmbedError::MapExamples { .. }), "{error}");
        }
    }
}
