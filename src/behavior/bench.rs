//! Speed of learning and of session answers on generated shoppers: for volume, never for quality.

use std::time::Instant;

use serde::Serialize;

use super::baskets::Baskets;
use super::copurchase::copurchases;
use super::ease::ease;
use super::neighbors::{SessionScratch, Step, session_votes};
use super::session_index::SessionIndex;
use super::settings::BehaviorConfig;
use super::trails::Trails;
use super::transitions::views_after_view;

/// Products of a kind: shoppers mostly stay inside one.
const KIND_PRODUCTS: u64 = 40;
/// Products of a generated order, 1 to this.
const MAX_ORDER_PRODUCTS: u64 = 18;
/// Steps of a generated session, 1 to this.
const MAX_SESSION_STEPS: u64 = 11;
/// Lengths of the live sessions that are timed.
const LENGTHS: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// How much is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BehaviorVolume {
    /// Order lines, about.
    pub order_lines: u64,
    /// Past sessions.
    pub sessions: u64,
    /// Products, 40 or more.
    pub products: u32,
    /// Live sessions timed at each length.
    pub questions: u32,
    /// Fixes what is generated.
    pub seed: u64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct BehaviorReport {
    /// Order lines, repeated products of an order taken out.
    pub order_lines: usize,
    /// Orders.
    pub orders: usize,
    /// Seconds for putting orders together.
    pub orders_s: f64,
    /// Seconds for the table of what is bought together.
    pub copurchase_s: f64,
    /// Seconds for the closed form on the most bought products.
    pub ease_s: f64,
    /// Past sessions.
    pub sessions: usize,
    /// Their steps.
    pub session_steps: usize,
    /// Seconds for the table of what is met next.
    pub next_s: f64,
    /// Seconds for the session index.
    pub session_index_s: f64,
    /// Most memory that the process had at any time, where the system tells.
    pub peak_bytes: Option<u64>,
    /// The source `session` by length of the live session.
    pub questions: Vec<QuestionFigures>,
}

/// Times of the source `session` for live sessions of one length, on one thread: its processor time, where the system tells.
#[derive(Debug, Clone, Serialize)]
pub struct QuestionFigures {
    /// Steps of the live session.
    pub steps: usize,
    /// Median in microseconds.
    pub p50_us: f64,
    /// 99th percentile in microseconds.
    pub p99_us: f64,
    /// Products voted for, on average.
    pub mean_found: f64,
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Below `end`, low numbers often: the cube of an even draw.
    fn skewed(&mut self, end: u64) -> u64 {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((share * share * share * end as f64) as u64).min(end.saturating_sub(1))
    }
}

/// Draws products as shoppers meet them: eight of ten of one kind, the others of any.
struct Shopper<'r> {
    random: &'r mut Random,
    products: u64,
    kind: u64,
}

impl<'r> Shopper<'r> {
    fn new(random: &'r mut Random, products: u32) -> Self {
        let products = u64::from(products);
        let kind = random.skewed(products / KIND_PRODUCTS);
        Self { random, products, kind }
    }

    fn product(&mut self) -> u32 {
        let product = match self.random.below(10) {
            0..8 => self.kind * KIND_PRODUCTS + self.random.skewed(KIND_PRODUCTS),
            _ => self.random.skewed(self.products),
        };
        product as u32
    }
}

/// Generates `volume`, learns from it, and times live sessions.
pub fn bench_behavior(volume: BehaviorVolume, config: &BehaviorConfig) -> BehaviorReport {
    let mut random = Random(volume.seed);
    let volume = BehaviorVolume { products: volume.products.max(KIND_PRODUCTS as u32), ..volume };
    let (baskets, orders_s) = timed(|| generated_orders(&mut random, volume));
    let (_, copurchase_s) = timed(|| copurchases(&baskets, config));
    let (_, ease_s) = timed(|| ease(&baskets, config));
    let order_lines = (0..baskets.len()).map(|number| baskets.products(number).len()).sum();
    let orders = baskets.len();
    drop(baskets);
    let trails = generated_sessions(&mut random, volume);
    let (_, next_s) = timed(|| views_after_view(&trails, config));
    let (index, session_index_s) = timed(|| SessionIndex::new(&trails, config.num_candidates()));
    let (sessions, session_steps) = (trails.len(), trails.products.len());
    drop(trails);
    let questions = LENGTHS.map(|steps| time_questions(&index, steps, &mut random, volume, config)).into();
    BehaviorReport {
        order_lines,
        orders,
        orders_s,
        copurchase_s,
        ease_s,
        sessions,
        session_steps,
        next_s,
        session_index_s,
        peak_bytes: peak_bytes(),
        questions,
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed().as_secs_f64())
}

fn generated_orders(random: &mut Random, volume: BehaviorVolume) -> Baskets {
    let num_orders = volume.order_lines / MAX_ORDER_PRODUCTS.div_ceil(2);
    let order = |number: u64| {
        let length = 1 + random.below(MAX_ORDER_PRODUCTS);
        let mut shopper = Shopper::new(random, volume.products);
        let time_s = (number * 31_536_000 / num_orders.max(1)) as u32;
        (time_s, (0..length).map(|_| shopper.product()).collect())
    };
    Baskets::from_orders(volume.products as usize, (0..num_orders).map(order))
}

fn generated_sessions(random: &mut Random, volume: BehaviorVolume) -> Trails {
    let session = |number: u64| {
        let length = 1 + random.below(MAX_SESSION_STEPS);
        let mut shopper = Shopper::new(random, volume.products);
        let time_s = (number * 7_776_000 / volume.sessions.max(1)) as u32;
        (time_s, (0..length).map(|_| shopper.product()).collect())
    };
    Trails::of_views(volume.products as usize, (0..volume.sessions).map(session))
}

fn time_questions(
    index: &SessionIndex,
    num_steps: usize,
    random: &mut Random,
    volume: BehaviorVolume,
    config: &BehaviorConfig,
) -> QuestionFigures {
    let mut scratch = SessionScratch::default();
    let mut times_us = Vec::with_capacity(volume.questions as usize);
    let mut num_found = 0;
    let now_s = index.last_s.last().copied().unwrap_or(0);
    for _ in 0..volume.questions {
        let mut shopper = Shopper::new(random, volume.products);
        let steps: Vec<Step> = (0..num_steps).map(|_| Step { product: shopper.product(), weight: 1.0 }).collect();
        let began_s = thread_seconds();
        let (found, wall_s) = timed(|| session_votes(index.view(), &steps, now_s, config, 100, &mut scratch));
        let seconds = thread_seconds().zip(began_s).map_or(wall_s, |(end_s, began_s)| end_s - began_s);
        num_found += found.len();
        times_us.push(seconds * 1e6);
    }
    times_us.sort_by(f64::total_cmp);
    let at = |share: f64| times_us.get((times_us.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    let mean_found = num_found as f64 / f64::from(volume.questions.max(1));
    QuestionFigures { steps: num_steps, p50_us: at(0.5), p99_us: at(0.99), mean_found }
}

/// Processor time of this thread in seconds, where the system tells: other work on the machine does not count.
fn thread_seconds() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The high-water mark of the process's memory, as Linux tells it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_generates_the_same_volume_and_every_length_is_timed() {
        let volume = BehaviorVolume { order_lines: 2000, sessions: 500, products: 100, questions: 10, seed: 4 };
        let orders = || generated_orders(&mut Random(volume.seed), volume);
        assert_eq!(orders(), orders());
        let report = bench_behavior(volume, &BehaviorConfig::default());
        assert_eq!((report.orders, report.sessions, report.questions.len()), (222, 500, LENGTHS.len()));
        assert!(
            report.questions.iter().all(|question| question.p50_us <= question.p99_us && question.mean_found > 0.0)
        );
    }
}
