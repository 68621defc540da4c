//! What is learned from events, recounted the slow way on random histories: every table, session neighbors, the closed form.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kindred::behavior::{
    Baskets, BehaviorConfig, EaseConfig, Fade, NO_CATEGORY, PriceSteps, Related, RelatedTable, SessionConfig,
    SessionIndex, SessionScratch, SessionVectors, Step, Tally, Trails, categories_after_category,
    categories_bought_together, copurchases, decay, ease, most_popular, next_products, popularity,
    purchases_after_view, semantic_votes, sum_rows, views_after_view,
};
use kindred::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER, Session};
use proptest::prelude::*;

const NUM_PRODUCTS: u32 = 7;
const DAY_S: u32 = 86_400;

/// Session, product, time, kind, order, pieces.
type Event = (u64, u32, u32, EventKind, u32, u32);

fn history(events: &[Event]) -> History {
    let mut builder = HistoryBuilder::default();
    (0..NUM_PRODUCTS).for_each(|product| assert_eq!(builder.product(&format!("p{product}")), product));
    for &(session, product, time_s, kind, order, quantity) in events {
        let price = (product + 1) as f32;
        let interaction = Interaction { product, time_s, order, quantity, price, kind };
        builder.push(session, session as u32 % 3, interaction);
    }
    builder.finish()
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    use EventKind::*;
    prop_oneof![4 => Just(ViewItem), 1 => Just(AddToCart), 4 => Just(Purchase), 1 => Just(ViewItemList), 1 => Just(Refund)]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let order = prop_oneof![3 => 0u32..6, 1 => Just(NO_ORDER)];
    prop::collection::vec((0u64..9, 0..NUM_PRODUCTS, 0u32..40 * DAY_S, any_kind(), order, 1u32..4), 1..80)
}

fn config() -> BehaviorConfig {
    BehaviorConfig { order_half_life_days: 20.0, session_half_life_days: 10.0, ..BehaviorConfig::default() }
}

/// Whether the order is a session's, and its number.
type OrderKey = (u32, u32);

/// Pieces bought of each order and product, when first, and how many of them were sent back.
fn slow_lines(history: &History) -> BTreeMap<(OrderKey, u32), (u32, u32, u32)> {
    let mut lines: BTreeMap<(OrderKey, u32), (u32, u32, u32)> = BTreeMap::new();
    for (number, session) in history.sessions().enumerate() {
        for step in session.interactions.iter().filter(|step| step.kind == EventKind::Purchase) {
            let line = lines.entry((key(number, step), step.product)).or_insert((0, step.time_s, 0));
            (line.0, line.1) = (line.0 + step.quantity, line.1.min(step.time_s));
        }
    }
    let all = history.sessions().flat_map(|session| session.interactions.to_vec());
    for step in all.filter(|step| step.kind == EventKind::Refund && step.order != NO_ORDER) {
        if let Some(line) = lines.get_mut(&((0, step.order), step.product)) {
            line.2 = line.0.min(line.2 + step.quantity);
        }
    }
    lines
}

fn key(number: usize, step: &Interaction) -> OrderKey {
    match step.order {
        NO_ORDER => (1, number as u32),
        order => (0, order),
    }
}

/// Whether the step is a purchase of which nothing was kept.
fn is_undone(history: &History, number: usize, step: &Interaction) -> bool {
    let lines = slow_lines(history);
    let line = lines.get(&(key(number, step), step.product));
    step.kind == EventKind::Purchase && line.is_some_and(|(bought, _, returned)| bought == returned)
}

/// The orders by their definition: each key's pieces bought less its pieces sent back.
fn slow_orders(history: &History) -> Vec<(u32, BTreeSet<u32>)> {
    let lines = slow_lines(history);
    let mut orders: BTreeMap<OrderKey, (u32, BTreeSet<u32>)> = BTreeMap::new();
    for ((key, product), (bought, time_s, returned)) in lines {
        if bought > returned {
            let order = orders.entry(key).or_insert((time_s, BTreeSet::new()));
            order.0 = order.0.min(time_s);
            order.1.insert(product);
        }
    }
    let mut orders: Vec<_> = orders.into_iter().map(|(key, (time_s, products))| (time_s, key, products)).collect();
    orders.sort();
    orders.into_iter().map(|(time_s, _, products)| (time_s, products)).collect()
}

fn last_s(history: &History) -> u32 {
    history.sessions().map(|session| session.last_s()).max().unwrap_or(0)
}

/// The table as a map, and a check that each row is in its order.
fn as_map(table: &RelatedTable) -> BTreeMap<(u32, u32), (f32, u32)> {
    let mut map = BTreeMap::new();
    for row in 0..table.rows().len() as u32 {
        let entries = table.rows().row(row);
        let is_sorted = |a: &Related, b: &Related| a.score > b.score || (a.score == b.score && a.product < b.product);
        assert!(entries.is_sorted_by(is_sorted), "{entries:?}");
        map.extend(entries.iter().map(|entry| ((row, entry.product), (entry.score, entry.evidence))));
    }
    map
}

fn check_same(found: &RelatedTable, expected: &BTreeMap<(u32, u32), (f64, u32)>) -> Result<(), TestCaseError> {
    let found = as_map(found);
    let expected: BTreeMap<_, _> = expected.iter().filter(|(_, (score, _))| *score > 0.0).collect();
    prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
    for (pair, (score, evidence)) in &found {
        let (wanted, count) = expected[pair];
        // Counts are summed as f32 and inverted: a few of its last bits are lost.
        prop_assert!((f64::from(*score) - wanted).abs() <= 1e-4 * wanted.abs().max(1e-3), "{pair:?}: {score} {wanted}");
        prop_assert_eq!(evidence, count);
    }
    Ok(())
}

/// Products of each session's steps: events that count more than nothing.
fn slow_trails(history: &History, config: &BehaviorConfig) -> Vec<(u32, Vec<(u32, EventKind)>)> {
    let steps = |(number, session): (usize, Session<'_>)| {
        let counts = |step: &&Interaction| config.weights.of(step.kind) > 0.0 && !is_undone(history, number, step);
        let kept = session.interactions.iter().filter(counts);
        (session.last_s(), kept.map(|step| (step.product, step.kind)).collect::<Vec<_>>())
    };
    history.sessions().enumerate().map(steps).filter(|(_, steps)| !steps.is_empty()).collect()
}

proptest! {
    #[test]
    fn orders_are_lines_of_one_number_less_what_was_sent_back(events in any_events()) {
        let history = history(&events);
        let baskets = Baskets::of(&history);
        let found: Vec<(u32, BTreeSet<u32>)> = (0..baskets.len())
            .map(|number| (baskets.time_s(number), baskets.products(number).iter().copied().collect()))
            .collect();
        prop_assert_eq!(found, slow_orders(&history));
    }

    #[test]
    fn copurchases_are_the_shrunk_asymmetric_cosine_of_decayed_counts(events in any_events()) {
        let (history, config) = (history(&events), config());
        let orders = slow_orders(&history);
        let weight = |time_s: u32| f64::from(decay(last_s(&history) - time_s, config.order_half_life_days));
        let count = |has: &dyn Fn(&BTreeSet<u32>) -> bool| -> (f64, u32) {
            let kept = orders.iter().filter(|(_, products)| has(products));
            kept.fold((0.0, 0), |(sum, count), (time_s, _)| (sum + weight(*time_s), count + 1))
        };
        let (k, a) = (f64::from(config.copurchase.shrinkage), f64::from(config.copurchase.exponent));
        let mut expected = BTreeMap::new();
        for i in 0..NUM_PRODUCTS {
            for j in (0..NUM_PRODUCTS).filter(|&j| j != i) {
                let (both, evidence) = count(&|products| products.contains(&i) && products.contains(&j));
                let (n_i, n_j) = (count(&|p| p.contains(&i)).0, count(&|p| p.contains(&j)).0);
                expected.insert((i, j), (both / ((n_i + k).powf(a) * (n_j + k).powf(1.0 - a)), evidence));
            }
        }
        check_same(&copurchases(&Baskets::of(&history), &config), &expected)?;
    }

    #[test]
    fn ease_is_the_closed_form_on_the_most_bought_products(events in any_events(), head in 1usize..9) {
        let history = history(&events);
        let orders = slow_orders(&history);
        let both = |i: u32, j: u32| orders.iter().filter(|(_, p)| p.contains(&i) && p.contains(&j)).count();
        let weight = |i: u32, j: u32| -> f64 {
            let with_both = orders.iter().filter(|(_, p)| p.contains(&i) && p.contains(&j));
            with_both.map(|(_, p)| (p.len() as f64).powf(-0.5)).sum()
        };
        let mut products: Vec<u32> = (0..NUM_PRODUCTS).filter(|&p| both(p, p) > 0).collect();
        products.sort_by(|&a, &b| weight(b, b).total_cmp(&weight(a, a)));
        // Which of two products comes first whose sums differ by rounding alone is left open: the cut is made below them.
        let falls = |cut: &usize| weight(products[*cut - 1], products[*cut - 1]) - weight(products[*cut], products[*cut]) > 1e-4;
        let head = (head..products.len()).find(falls).unwrap_or(products.len()).max(1);
        products.truncate(head);
        products.sort_unstable();
        let ease_config = EaseConfig { num_products: head, lambda: 0.5, size_exponent: 0.5, popularity_exponent: 0.2 };
        let config = BehaviorConfig { order_half_life_days: 0.0, ease: ease_config, ..config() };
        let n = products.len();
        let gram: Vec<Vec<f64>> = products.iter().map(|&i| {
            products.iter().map(|&j| weight(i, j) + if i == j { 0.5 } else { 0.0 }).collect()
        }).collect();
        let inverse = naive_inverse(gram);
        let mut expected = BTreeMap::new();
        for i in 0..n {
            for j in (0..n).filter(|&j| j != i) {
                let damping = (1.0 + weight(products[j], products[j])).powf(-0.2);
                let weight = -inverse[i][j] / inverse[j][j] * damping;
                // What rounding alone lifts above zero is neither here nor there.
                if weight > 1e-9 {
                    expected.insert((products[i], products[j]), (weight, both(products[i], products[j]) as u32));
                }
            }
        }
        let found: Vec<Vec<Related>> = (0..NUM_PRODUCTS)
            .map(|row| {
                let table = ease(&Baskets::of(&history), &config);
                table.rows().row(row).iter().filter(|entry| entry.score > 1e-9).copied().collect()
            })
            .collect();
        check_same(&RelatedTable::from_rows(found), &expected)?;
    }

    #[test]
    fn transitions_count_one_over_the_distance_up_to_eight_steps(events in any_events()) {
        let (history, config) = (history(&events), config());
        let trails = slow_trails(&history, &config);
        let last_s = trails.last().map_or(0, |(end, _)| *end);
        let category_of: Vec<u32> = (0..NUM_PRODUCTS).map(|p| if p == 6 { NO_CATEGORY } else { p % 3 }).collect();
        let mut next: BTreeMap<(u32, u32), (f64, u32)> = BTreeMap::new();
        let mut categories: BTreeMap<(u32, u32), (f64, u32)> = BTreeMap::new();
        for (end, steps) in &trails {
            let weight = f64::from(decay(last_s - end, config.session_half_life_days));
            for (i, (from, _)) in steps.iter().enumerate() {
                for (j, (to, _)) in steps.iter().enumerate() {
                    if j > i && j - i <= 8 {
                        let add = |map: &mut BTreeMap<(u32, u32), (f64, u32)>, pair| {
                            let sum = map.entry(pair).or_default();
                            *sum = (sum.0 + weight / (j - i) as f64, sum.1 + 1);
                        };
                        add(&mut next, (*from, *to));
                        let pair = (category_of[*from as usize], category_of[*to as usize]);
                        if pair.0 != NO_CATEGORY && pair.1 != NO_CATEGORY {
                            add(&mut categories, pair);
                        }
                    }
                }
            }
        }
        let found = Trails::of(&history, &config.weights);
        check_same(&views_after_view(&found, &config), &next)?;
        let totals: HashMap<u32, f64> = categories.iter().fold(HashMap::new(), |mut totals, ((from, _), (sum, _))| {
            *totals.entry(*from).or_default() += sum;
            totals
        });
        let shares = categories.iter().map(|(pair, (sum, count))| (*pair, (sum / totals[&pair.0], *count))).collect();
        check_same(&categories_after_category(&found, &category_of, 3, &config), &shares)?;
    }

    #[test]
    fn purchases_after_a_view_are_counted_once_a_session(events in any_events()) {
        let (history, config) = (history(&events), config());
        let trails = slow_trails(&history, &config);
        let last_s = trails.last().map_or(0, |(end, _)| *end);
        let mut sums: BTreeMap<(u32, u32), (f64, u32)> = BTreeMap::new();
        let mut met: BTreeMap<u32, f64> = BTreeMap::new();
        for (end, steps) in &trails {
            let weight = f64::from(decay(last_s - end, config.session_half_life_days));
            for i in 0..NUM_PRODUCTS {
                let Some(first) = steps.iter().position(|(product, _)| *product == i) else { continue };
                *met.entry(i).or_default() += weight;
                let later = steps[first + 1..].iter().filter(|(p, kind)| *kind == EventKind::Purchase && *p != i);
                for j in later.map(|(product, _)| *product).collect::<BTreeSet<_>>() {
                    let sum = sums.entry((i, j)).or_default();
                    *sum = (sum.0 + weight, sum.1 + 1);
                }
            }
        }
        let shrunk = |(i, j): &(u32, u32), (sum, count): &(f64, u32)| ((*i, *j), (sum / (met[i] + 20.0), *count));
        let expected = sums.iter().map(|(pair, sum)| shrunk(pair, sum)).collect();
        check_same(&purchases_after_view(&Trails::of(&history, &config.weights), &config), &expected)?;
    }

    #[test]
    fn popularity_is_the_decayed_sum_of_weights_and_refunds_count_against(events in any_events()) {
        let (history, config) = (history(&events), config());
        let numbered = |(number, session): (usize, Session<'_>)| session.interactions.iter().map(|step| (number, *step)).collect::<Vec<_>>();
        let all: Vec<(usize, Interaction)> = history.sessions().enumerate().flat_map(numbered).collect();
        let last_s = all.iter().map(|(_, step)| step.time_s).max().unwrap();
        let lines = slow_lines(&history);
        let score = |product: u32| {
            let of = all.iter().filter(|(_, step)| step.product == product && step.kind != EventKind::Refund);
            let weight = |(number, step): &(usize, Interaction)| {
                let line = lines.get(&(key(*number, step), product)).filter(|_| step.kind == EventKind::Purchase);
                let returned = line.map_or(0.0, |&(bought, _, returned)| f64::from(returned) / f64::from(bought));
                let age_days = f64::from(last_s - step.time_s) / f64::from(DAY_S);
                (f64::from(config.weights.of(step.kind)) - 3.0 * returned) * 0.5f64.powf(age_days / 30.0)
            };
            of.map(weight).sum::<f64>().max(0.0)
        };
        let found = popularity(&history, &config);
        for product in 0..NUM_PRODUCTS {
            let (found, expected) = (f64::from(found[product as usize].0), score(product));
            prop_assert!((found - expected).abs() < 1e-4, "{product}: {found} {expected}");
        }
        let category_of: Vec<u32> = (0..NUM_PRODUCTS).map(|product| product % 2).collect();
        let table = most_popular(&found, &category_of, 2, 50);
        let rows: Vec<BTreeSet<u32>> =
            (0..3).map(|row| table.rows().row(row).iter().map(|entry| entry.product).collect()).collect();
        prop_assert_eq!(&rows[1] | &rows[2], rows[0].clone());
        prop_assert!(rows[1].iter().all(|product| product % 2 == 0));
    }

    #[test]
    fn pairs_of_categories_in_orders_are_shares_of_what_is_bought_with_one(events in any_events()) {
        let history = history(&events);
        let config = BehaviorConfig { order_half_life_days: 0.0, ..config() };
        let category_of: Vec<u32> = (0..NUM_PRODUCTS).map(|product| product % 3).collect();
        let mut sums: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (_, products) in slow_orders(&history) {
            for i in &products {
                for j in products.iter().filter(|j| *j != i) {
                    *sums.entry((i % 3, j % 3)).or_default() += 1;
                }
            }
        }
        let total = |from: u32| sums.iter().filter(|((i, _), _)| *i == from).map(|(_, n)| *n).sum::<u32>();
        let expected =
            sums.iter().map(|(pair, n)| (*pair, (f64::from(*n) / f64::from(total(pair.0)), *n))).collect();
        check_same(&categories_bought_together(&Baskets::of(&history), &category_of, 3, &config), &expected)?;
    }

    #[test]
    fn price_steps_are_counted_once_a_session_and_pair_of_one_category(events in any_events()) {
        let history = history(&events);
        let category_of: Vec<u32> = (0..NUM_PRODUCTS).map(|product| product % 2).collect();
        let price_of: Vec<f32> = (0..NUM_PRODUCTS).map(|product| if product == 3 { f32::NAN } else { (product + 1) as f32 }).collect();
        let found = PriceSteps::count(&history, &category_of, 2, &price_of);
        let mut expected = vec![0u32; 3 * kindred::behavior::NUM_BINS];
        for (number, session) in history.sessions().enumerate() {
            let mut pairs = BTreeSet::new();
            for (at, bought) in session.interactions.iter().enumerate() {
                for viewed in &session.interactions[..at] {
                    let is_pair = bought.kind == EventKind::Purchase
                        && !is_undone(&history, number, bought)
                        && viewed.kind == EventKind::ViewItem
                        && viewed.product != bought.product
                        && viewed.product % 2 == bought.product % 2;
                    if is_pair {
                        pairs.insert((viewed.product, bought.product));
                    }
                }
            }
            for (viewed, bought) in pairs {
                // A bin is a tenth of the logarithm wide, the middle one holds equal prices.
                let ratio = (bought + 1) as f32 / price_of[viewed as usize];
                if ratio.is_finite() {
                    let bin = ((ratio.ln() * 10.0).round() as i32 + 20).clamp(0, 40) as usize;
                    expected[bin] += 1;
                    expected[(viewed as usize % 2 + 1) * kindred::behavior::NUM_BINS + bin] += 1;
                }
            }
        }
        prop_assert_eq!(found.counts, expected);
    }

    #[test]
    fn session_votes_are_those_of_the_formula(
        events in any_events(),
        live in prop::collection::vec((0..NUM_PRODUCTS, 1u8..4), 1..12),
        num_candidates in 1usize..12,
        num_neighbors in 1usize..12,
        is_length_normalized in any::<bool>(),
    ) {
        let history = history(&events);
        let session = SessionConfig {
            num_candidates, num_neighbors, is_length_normalized, max_products: 4,
            position: Fade::Exponential(1.5), last_match: Fade::Linear(6.0), ..SessionConfig::default()
        };
        let config = config();
        let index = SessionIndex::new(&Trails::of(&history, &config.weights), 12);
        let steps: Vec<Step> = live.iter().map(|&(product, weight)| Step { product, weight: f32::from(weight) }).collect();
        let now_s = 50 * DAY_S;
        let found = next_products(index.view(), &steps, now_s, &session, 50, &mut SessionScratch::default());
        let expected = slow_votes(&slow_trails(&history, &config), &steps, now_s, &session);
        let found: BTreeMap<u32, f64> = found.iter().map(|entry| (entry.product, f64::from(entry.score))).collect();
        // With neighbors of equal similarity at the cut the choice is free; compare where there is none.
        if let Some(expected) = expected {
            prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (product, score) in &found {
                let wanted = expected[product];
                prop_assert!((score - wanted).abs() <= 1e-4 * wanted, "{product}: {score} {wanted}");
            }
        }
    }

    #[test]
    fn numbers_of_products_follow_the_ids_given(events in any_events()) {
        let history = history(&events);
        let ids = ["p5", "new", "p2"];
        let renumbered = history.clone().for_products(ids);
        let mut expected = Vec::new();
        for session in history.sessions() {
            let kept: Vec<(u32, u32)> = session.interactions.iter().filter_map(|step| {
                let at = ids.iter().position(|id| *id == history.products()[step.product as usize])?;
                Some((at as u32, step.time_s))
            }).collect();
            if !kept.is_empty() {
                expected.push((session.visitor, kept));
            }
        }
        let found: Vec<(u32, Vec<(u32, u32)>)> = renumbered.sessions()
            .map(|session| (session.visitor, session.interactions.iter().map(|s| (s.product, s.time_s)).collect()))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

/// The votes of the formula in the docs of `next_products`, session by session; `None` where the choice of neighbors is not unique.
fn slow_votes(
    trails: &[(u32, Vec<(u32, EventKind)>)],
    steps: &[Step],
    now_s: u32,
    config: &SessionConfig,
) -> Option<BTreeMap<u32, f64>> {
    // Each product's first place in its session.
    let sessions: Vec<(u32, Vec<u32>)> = trails
        .iter()
        .map(|(end, steps)| {
            let mut products: Vec<u32> = Vec::new();
            steps.iter().for_each(|(product, _)| {
                if !products.contains(product) {
                    products.push(*product)
                }
            });
            (*end, products)
        })
        .collect();
    let mut recent: Vec<(u32, usize, f64)> = Vec::new();
    for (distance, step) in steps.iter().rev().enumerate() {
        let weight = f64::from(step.weight) * (-(distance as f64) / 1.5).exp();
        if let Some((.., strongest)) = recent.iter_mut().find(|(product, ..)| *product == step.product) {
            *strongest = strongest.max(weight);
        } else if recent.len() < config.max_products {
            recent.push((step.product, distance, weight));
        } else {
            break;
        }
    }
    let norm = recent.iter().map(|(.., weight)| weight * weight).sum::<f64>().sqrt();
    let sharing = sessions.iter().rev().filter(|(_, products)| recent.iter().any(|(p, ..)| products.contains(p)));
    let mut neighbors: Vec<(f64, &Vec<u32>, u32, usize)> = sharing
        .take(config.num_candidates)
        .map(|(end, products)| {
            let shared: Vec<_> = recent.iter().filter(|(p, ..)| products.contains(p)).collect();
            let dot: f64 = shared.iter().map(|(.., weight)| weight).sum();
            let length = if config.is_length_normalized { (products.len() as f64).sqrt() } else { 1.0 };
            let age_days = f64::from(now_s - end) / f64::from(DAY_S);
            let newest = shared.iter().min_by_key(|(_, distance, _)| distance).unwrap();
            let similarity = dot / norm / length * (-age_days / f64::from(config.recency_days)).exp();
            (similarity, products, newest.0, newest.1)
        })
        .collect();
    neighbors.sort_by(|a, b| b.0.total_cmp(&a.0));
    let k = config.num_neighbors;
    if k < neighbors.len() && (neighbors[k - 1].0 - neighbors[k].0).abs() < 1e-6 * neighbors[k].0 {
        return None;
    }
    let mut votes: BTreeMap<u32, f64> = BTreeMap::new();
    for (similarity, products, shared, distance) in neighbors.into_iter().take(k) {
        let at = products.iter().position(|product| *product == shared).unwrap();
        for (place, product) in products.iter().enumerate() {
            let fade = (-(place.abs_diff(at) as f64) / 2.0).exp() * (1.0 - distance as f64 / 6.0).max(0.0);
            let having = sessions.iter().filter(|(_, products)| products.contains(product)).count();
            let idf = (sessions.len() as f64 / having as f64).ln();
            *votes.entry(*product).or_default() += similarity * fade * (1.0 + 2.0 * idf);
        }
    }
    votes.retain(|_, score| *score > 0.0);
    Some(votes)
}

fn naive_inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for (i, row) in a.iter_mut().enumerate() {
        row.extend((0..n).map(|j| if i == j { 1.0 } else { 0.0 }));
    }
    for k in 0..n {
        let pivot = a[k][k];
        a[k].iter_mut().for_each(|x| *x /= pivot);
        let row = a[k].clone();
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k];
            a[i].iter_mut().zip(&row).for_each(|(x, y)| *x -= factor * y);
        }
    }
    a.into_iter().map(|row| row[n..].to_vec()).collect()
}

#[test]
fn a_refund_takes_the_pair_away_and_a_part_of_the_pieces_does_not() {
    let buy = |product, quantity| (1, product, 10, EventKind::Purchase, 5, quantity);
    let refund = |quantity| (2, 1, 20, EventKind::Refund, 5, quantity);
    let pairs = |refunded| {
        let events = [buy(0, 1), buy(1, 3), refund(refunded)];
        as_map(&copurchases(&Baskets::of(&history(&events)), &config())).len()
    };
    assert_eq!((pairs(2), pairs(3)), (2, 0));
}

#[test]
fn orders_above_the_bound_say_nothing_about_pairs() {
    let orders = [(10, (0..5).collect::<Vec<u32>>()), (20, vec![0, 1, 9, 1])];
    let config = BehaviorConfig { max_order_products: 4, ..config() };
    let table = copurchases(&Baskets::from_orders(5, orders), &config);
    assert_eq!(as_map(&table).keys().copied().collect::<Vec<_>>(), [(0, 1), (1, 0)]);
}

#[test]
fn a_cart_is_scored_by_the_sum_of_its_rows() {
    let entry = |product, score| Related { product, score, evidence: 2 };
    let rows = vec![vec![entry(2, 0.5), entry(3, 0.4)], vec![entry(3, 0.3)], vec![]];
    let table = RelatedTable::from_rows(rows);
    let found: Vec<(u32, u32)> =
        sum_rows(table.rows(), &[0, 1, 2], 10).iter().map(|e| (e.product, e.evidence)).collect();
    assert_eq!(found, [(3, 4), (2, 2)]);
    assert_eq!(sum_rows(table.rows(), &[0, 1], 1).len(), 1);
    assert!(sum_rows(table.rows(), &[99], 10).is_empty());
}

/// Products 0 to 2 lie in one direction, 3 to 5 in another; product 6 is as 0, but in no session.
#[test]
fn sessions_alike_by_their_products_vectors_vote_also_for_a_product_in_no_session() {
    let view = |session, product, at| (session, product, 100 * session as u32 + at, EventKind::ViewItem, NO_ORDER, 1);
    let buy = |session, product, at| (session, product, 100 * session as u32 + at, EventKind::Purchase, NO_ORDER, 1);
    let events =
        [view(0, 0, 0), view(0, 1, 1), buy(0, 2, 2), view(1, 3, 0), view(1, 4, 1), buy(1, 5, 2), view(2, 0, 0)];
    let (history, config) = (history(&events), config());
    let index = SessionIndex::new(&Trails::of(&history, &config.weights), 10);
    let vector = |product: u32| match product {
        0..=2 | 6 => vec![0.8, 0.6],
        _ => vec![-0.6, 0.8],
    };
    let vectors = SessionVectors::new(index.view(), 2, &config, |product| Some(vector(product).into()));
    assert_eq!(vectors.sessions, [0, 1], "a session of one product says nothing about a next one");
    for row in vectors.vectors.chunks(2) {
        assert!((row[0].hypot(row[1]) - 1.0).abs() < 1e-6);
    }
    let nearest = vectors.nearest(&vector(6), 2);
    assert_eq!(nearest.iter().map(|near| near.row.0).collect::<Vec<_>>(), [0, 1]);
    let votes = semantic_votes(index.view(), &vectors.sessions, &nearest, &config, 10, &mut Tally::new(0));
    assert_eq!(votes[0].product, 2, "what was bought counts most");
    assert_eq!(votes.iter().take(3).map(|v| v.product).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
}

#[test]
fn one_new_event_does_not_make_old_ones_vanish() {
    assert!(decay(u32::MAX, 30.0) > 0.0 && decay(86_400 * 30, 30.0) == 0.5 && decay(u32::MAX, 0.0) == 1.0);
    let mut builder = HistoryBuilder::default();
    let view = |product, time_s| Interaction {
        product,
        time_s,
        order: NO_ORDER,
        quantity: 1,
        price: f32::NAN,
        kind: EventKind::ViewItem,
    };
    let [old, older, new] = ["old", "older", "new"].map(|id| builder.product(id));
    // Fifteen years apart, and the older one looked at twice.
    [(1, old, 1_000_000_000), (2, older, 999_000_000), (3, older, 998_000_000), (4, new, 1_475_000_000)]
        .into_iter()
        .for_each(|(session, product, time_s)| builder.push(session, session as u32, view(product, time_s)));
    let sums = popularity(&builder.finish(), &BehaviorConfig::default());
    assert!(sums[new as usize].0 > sums[older as usize].0);
    assert!(sums[older as usize].0 > sums[old as usize].0 && sums[old as usize].0 > 0.0);
}
