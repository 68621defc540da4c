//! Asks every ranker every question, and measures the lists.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::bootstrap::{Bootstrap, Draws, GroupSums};
use super::error::EvalError;
use super::metrics::Measures;
use super::question::{Question, Ranker, Scores};
use super::report::{Estimate, MethodReport, Report, Slice};
use super::slices::{SliceKind, Slices, evidence};
use super::task::{Case, Task};
use super::texts::ProductTexts;
use crate::recommend::in_cart;

/// What a measurement is made with besides the task.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
    /// Texts of the task's products, for the substitute rate; without them it is not measured.
    pub texts: Option<&'a ProductTexts>,
    /// The method that the others are compared with; the last without it.
    pub reference: Option<&'a str>,
    /// Called after every method with how many are done.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// What one list came to.
struct Outcome {
    measures: Measures,
    list: Vec<u32>,
    num_substitutes: usize,
}

/// Measures every ranker on every case. One is the *reference*: every other method gets the interval by which the reference is ahead of it,
/// over the same drawn groups. The same input gives the same report, however many threads there are.
///
/// Returns an error if `settings` name a reference that is no ranker.
pub fn judge(task: &Task, rankers: &[&dyn Ranker], settings: &Settings<'_>) -> Result<Report, EvalError> {
    let reference = reference(rankers, settings.reference)?;
    let slices = Slices::new(&evidence(&task.train));
    let mut sums = GroupSums::new(task.num_groups(), rankers.len() * Measures::COUNT);
    let mut values = vec![Vec::new(); task.cases.len()];
    let mut methods = Vec::new();
    for (number, ranker) in rankers.iter().enumerate() {
        let outcomes = ask(task, *ranker, settings.texts);
        values.iter_mut().zip(&outcomes).for_each(|(row, outcome)| row.extend(outcome.measures.to_array()));
        methods.push(method_report(task, ranker.name(), &outcomes, &slices, settings.texts.is_some()));
        (settings.progress)(number + 1);
    }
    task.cases.iter().zip(&values).for_each(|(case, row)| sums.add(case.group as usize, row.iter().copied()));
    add_estimates(&mut methods, reference, &sums.means(), &settings.bootstrap.draw(&sums));
    Ok(Report {
        protocol: task.protocol.to_owned(),
        k: task.k,
        keeps_seen: task.keeps_seen,
        num_cases: task.cases.len(),
        num_groups: task.num_groups(),
        num_products: task.train.products().len(),
        num_train_sessions: task.train.num_sessions(),
        seed: settings.bootstrap.seed,
        draws: settings.bootstrap.draws,
        reference: rankers.get(reference).map_or(String::new(), |ranker| ranker.name().to_owned()),
        methods,
    })
}

/// Which of `rankers` is `named`: the last without a name.
fn reference(rankers: &[&dyn Ranker], named: Option<&str>) -> Result<usize, EvalError> {
    let Some(named) = named else { return Ok(rankers.len().saturating_sub(1)) };
    let unknown = || EvalError::UnknownReference {
        reference: named.to_owned(),
        methods: rankers.iter().map(|ranker| ranker.name()).collect::<Vec<_>>().join(", "),
    };
    rankers.iter().position(|ranker| ranker.name() == named).ok_or_else(unknown)
}

fn ask(task: &Task, ranker: &dyn Ranker, texts: Option<&ProductTexts>) -> Vec<Outcome> {
    let new_scores = || Scores::new(task.train.products().len());
    let ask_one = |scores: &mut Scores, case: &Case| {
        scores.clear();
        let Case { products, steps, bought, now_s, .. } = case;
        ranker.score(&Question { products, steps, bought, now_s: *now_s }, scores);
        let list = scores.best(task.k, &left_out(task, case));
        let num_substitutes = texts.map_or(0, |texts| num_substitutes(texts, &list, &case.products));
        Outcome { measures: Measures::of(&list, &case.targets, task.k), list, num_substitutes }
    };
    task.cases.par_iter().map_init(new_scores, ask_one).collect()
}

/// What no list may hold, whoever makes it: what is in the cart, and, unless the task keeps it, all that was seen.
fn left_out(task: &Task, case: &Case) -> Vec<u32> {
    let steps = case.steps.iter().copied();
    match task.keeps_seen {
        true => in_cart(steps),
        false => case.products.iter().copied().chain(steps.map(|(product, _)| product)).collect(),
    }
}

fn num_substitutes(texts: &ProductTexts, list: &[u32], held: &[u32]) -> usize {
    let is_substitute = |product: &&u32| held.iter().any(|of| of != *product && texts.are_substitutes(*of, **product));
    list.iter().filter(is_substitute).count()
}

fn method_report(task: &Task, name: &str, outcomes: &[Outcome], slices: &Slices, has_texts: bool) -> MethodReport {
    let mut is_listed = vec![false; task.train.products().len()];
    let listed = outcomes.iter().flat_map(|outcome| &outcome.list);
    listed.for_each(|&product| is_listed[product as usize] = true);
    let num_listed: usize = outcomes.iter().map(|outcome| outcome.list.len()).sum();
    let num_substitutes: usize = outcomes.iter().map(|outcome| outcome.num_substitutes).sum();
    MethodReport {
        method: name.to_owned(),
        coverage: share(is_listed.iter().filter(|is_listed| **is_listed).count(), is_listed.len()),
        substitute_rate: has_texts.then(|| share(num_substitutes, num_listed)),
        empty_lists: share(outcomes.iter().filter(|outcome| outcome.list.is_empty()).count(), outcomes.len()),
        slices: slices_of(task, outcomes, slices),
        ..MethodReport::default()
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// HR and MRR of each target by itself, by slice: a case with several targets counts once for each.
fn slices_of(task: &Task, outcomes: &[Outcome], slices: &Slices) -> Vec<Slice> {
    let mut sums: BTreeMap<(SliceKind, u32), (usize, f64, f64)> = BTreeMap::new();
    for (case, outcome) in task.cases.iter().zip(outcomes) {
        for target in &case.targets {
            let measures = Measures::of(&outcome.list, std::slice::from_ref(target), task.k);
            for slice in slices.of(*target) {
                let sum = sums.entry(slice).or_default();
                *sum = (sum.0 + 1, sum.1 + measures.hit_rate, sum.2 + measures.mrr);
            }
        }
    }
    let slice = |((by, value), (num_targets, hits, mrr)): ((SliceKind, u32), (usize, f64, f64))| Slice {
        by,
        value,
        num_targets,
        hit_rate: hits / num_targets as f64,
        mrr: mrr / num_targets as f64,
    };
    sums.into_iter().map(slice).collect()
}

/// Fills in the means, their intervals, and how far method `reference` is ahead of each.
fn add_estimates(methods: &mut [MethodReport], reference: usize, means: &[f64], draws: &Draws) {
    for (number, method) in methods.iter_mut().enumerate() {
        let estimate = |measure: usize| {
            let (at, of_reference) = (number * Measures::COUNT + measure, reference * Measures::COUNT + measure);
            Estimate {
                value: means[at],
                interval: draws.interval(|means| means[at]),
                reference_ahead: (number != reference).then(|| draws.interval(|means| means[of_reference] - means[at])),
            }
        };
        (method.hit_rate, method.recall, method.ndcg, method.mrr) =
            (estimate(0), estimate(1), estimate(2), estimate(3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::Cosine;
    use crate::eval::bm25::Bm25;
    use crate::eval::fixture;

    /// Scores by a fixed table, whatever is asked.
    struct Fixed(&'static str, Vec<(u32, f32)>);

    impl Ranker for Fixed {
        fn name(&self) -> &str {
            self.0
        }

        fn score(&self, _: &Question<'_>, scores: &mut Scores) {
            self.1.iter().for_each(|(product, score)| scores.add(*product, *score));
        }
    }

    fn task() -> Task {
        let train = fixture::views(&[&["a", "b", "c", "d"], &["a", "b"], &["a"]]);
        let case = |group: u32, products: &[u32], targets: &[u32]| Case {
            group,
            products: products.to_vec(),
            steps: Vec::new(),
            bought: Vec::new(),
            now_s: 1_000,
            targets: targets.to_vec(),
        };
        Task {
            protocol: "sessions",
            train,
            cases: vec![case(0, &[0], &[1]), case(0, &[0, 1], &[2]), case(1, &[2], &[0]), case(2, &[3], &[3])],
            k: 2,
            keeps_seen: true,
        }
    }

    #[test]
    fn a_report_agrees_with_a_count_by_hand() {
        // Lists: [1, 0] always (equal scores: the lower id first is 0 and 1 for the second).
        let first = Fixed("first", vec![(1, 2.0), (0, 1.0)]);
        let second = Fixed("second", vec![(1, 1.0), (0, 1.0), (2, 0.5)]);
        let settings =
            Settings { bootstrap: Bootstrap { draws: 50, seed: 1 }, texts: None, reference: None, progress: &|_| {} };
        let report = judge(&task(), &[&first, &second], &settings).unwrap();
        let [one, two] = &report.methods[..] else { panic!() };
        // Hits: case 0 (rank 1 / 2), case 2 (rank 2 / 1); the others miss.
        assert_eq!((one.hit_rate.value, two.hit_rate.value), (0.5, 0.5));
        assert_eq!((one.mrr.value, two.mrr.value), (1.5 / 4.0, 1.5 / 4.0));
        assert_eq!((one.coverage, report.num_groups, report.reference.as_str()), (0.5, 3, "second"));
        assert!(two.hit_rate.reference_ahead.is_none() && one.hit_rate.reference_ahead.is_some());
        let targets: usize =
            one.slices.iter().filter(|slice| slice.by == SliceKind::Evidence).map(|slice| slice.num_targets).sum();
        assert_eq!(targets, 4);
        let named =
            |reference| judge(&task(), &[&first, &second], &Settings { reference: Some(reference), ..settings });
        assert_eq!(named("first").unwrap().reference, "first");
        let message = named("third").unwrap_err().to_string();
        assert!(message.contains("`third`") && message.contains("first, second"), "{message}");
        let unseen = judge(&Task { keeps_seen: false, ..task() }, &[&second], &settings).unwrap();
        // Without what was seen: [1, 2], [2], [0, 1], [0, 1].
        assert_eq!((unseen.methods[0].hit_rate.value, unseen.methods[0].mrr.value), (0.75, 0.75));
    }

    #[test]
    fn what_is_in_the_cart_is_in_no_list_and_what_was_seen_is_in_every_one_that_may_hold_it() {
        use crate::events::EventKind::{AddToCart, ViewItem};
        let steps = vec![(0, ViewItem), (1, AddToCart), (2, ViewItem)];
        let case = Case { products: vec![0, 1, 2], steps, targets: vec![3], ..task().cases[0].clone() };
        let task = Task { cases: vec![case], k: 4, ..task() };
        let vectors: [&[f32]; 4] = [&[1.0, 0.0], &[0.9, 0.1], &[0.8, 0.2], &[0.7, 0.3]];
        let texts = ProductTexts::made_up(2, &vectors.map(|vector| ("red mug", None, vector)));
        let all = Fixed("all", (0..4).map(|product| (product, 1.0)).collect());
        let rankers: [&dyn Ranker; 3] = [&all, &Cosine::new(&texts), &Bm25::new(&texts)];
        let lists = |keeps_seen| {
            let task = Task { keeps_seen, ..task.clone() };
            rankers.map(|ranker| {
                let mut list = ask(&task, ranker, None).remove(0).list;
                list.sort_unstable();
                list
            })
        };
        assert_eq!(lists(true), [[0, 2, 3]; 3]);
        assert_eq!(lists(false), [[3]; 3]);
    }

    #[test]
    fn a_better_reference_is_ahead_by_a_positive_interval_and_a_worse_one_by_a_negative() {
        // Everybody wants product 1: one method lists it first, the other never, whatever is drawn.
        let cases = (0..5).map(|group| Case { group, targets: vec![1], ..task().cases[0].clone() });
        let task = Task { cases: cases.collect(), ..task() };
        let (better, worse) = (Fixed("better", vec![(1, 1.0)]), Fixed("worse", vec![(2, 1.0)]));
        let ahead = |reference: &str, of: usize| {
            let bootstrap = Bootstrap { draws: 20, seed: 1 };
            let settings = Settings { bootstrap, texts: None, reference: Some(reference), progress: &|_| {} };
            let report = judge(&task, &[&better, &worse], &settings).unwrap();
            let method = &report.methods[of];
            [&method.hit_rate, &method.recall, &method.ndcg, &method.mrr].map(|estimate| {
                let interval = estimate.reference_ahead.as_ref().unwrap();
                (interval.low, interval.high)
            })
        };
        assert_eq!(ahead("better", 1), [(1.0, 1.0); 4]);
        assert_eq!(ahead("worse", 0), [(-1.0, -1.0); 4]);
    }

    #[test]
    fn threads_change_nothing() {
        let fixed = Fixed("fixed", vec![(1, 2.0), (0, 1.0)]);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let settings = Settings {
                bootstrap: Bootstrap { draws: 200, seed: 1 },
                texts: None,
                reference: None,
                progress: &|_| {},
            };
            pool.install(|| serde_json::to_string(&judge(&task(), &[&fixed], &settings).unwrap()).unwrap())
        };
        assert_eq!(on(1), on(4));
    }
}
