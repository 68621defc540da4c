//! Upsell on products drawn by seed: whether every answer keeps the rules, how many products get one, and at what price.
//!
//! The rules are checked again from the products' records by a slow reading of its own: prices, categories, stock, exact price positions
//! among all products, and the values that titles, fields and descriptions state. Nothing of the index is taken for it.

use std::collections::HashMap;

use serde::Serialize;

use super::super::error::EvalError;
use super::super::random::Random;
use crate::catalog::{
    Attribute, AttributeKind, Availability, CATEGORY_SEPARATOR, Product, Verdict, attributes, compare, position, tier,
    unit_price,
};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{ComparedRow, Engine, FewerBecause, Intent, Query, Reason, UpsellConfig};
use crate::rules::RuleSet;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct UpsellSettings {
    /// Products to step up from.
    pub num_anchors: usize,
    /// Length of the lists.
    pub k: usize,
    /// Draws the products.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct UpsellReport {
    /// Products asked about, drawn from those with a price.
    pub num_anchors: usize,
    /// Answers that keep every rule, and all.
    pub num_inside: usize,
    /// Products shown.
    pub num_shown: usize,
    /// Share of the products asked about that get at least one answer.
    pub coverage: f64,
    /// Median of the price of the first answer over the product's own.
    pub median_price_ratio: Option<f64>,
    /// What is against the rules, in words.
    pub violations: Vec<String>,
    /// Every product asked about with its answer.
    pub answers: Vec<UpsellAnswer>,
}

/// One product and what is shown beside it.
#[derive(Debug, Clone, Serialize)]
pub struct UpsellAnswer {
    /// The product's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What a shopper pays.
    pub price: String,
    /// The main category.
    pub category: String,
    /// What is shown, best first.
    pub results: Vec<UpsellResult>,
    /// Why there are fewer than asked.
    pub fewer_because: Option<FewerBecause>,
}

/// A product that is shown.
#[derive(Debug, Clone, Serialize)]
pub struct UpsellResult {
    /// The product's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What a shopper pays.
    pub price: String,
    /// Its price over that of the product asked about.
    pub price_ratio: f64,
    /// Its score.
    pub score: f32,
    /// Why it is there.
    pub reason: Reason,
    /// What differs.
    pub comparison: Vec<ComparedRow>,
}

/// Asks `engine` for something better than products drawn by seed, with none of the shop's rules in force, and checks every answer against
/// `config` from the records.
///
/// Returns an error if a record is damaged or a question cannot be answered.
pub fn upsell(
    engine: &Engine,
    view: &View,
    config: &UpsellConfig,
    settings: UpsellSettings,
) -> Result<UpsellReport, EvalError> {
    let rows: Vec<u32> = view.all_rows().iter().collect();
    let products = rows.iter().map(|&row| view.product(RowId(row))).collect::<Result<Vec<_>, _>>()?;
    let priced: Vec<usize> = (0..products.len()).filter(|&at| is_priced(&products[at])).collect();
    let drawn = Random::new(settings.seed, 0).sample(&priced, settings.num_anchors);
    let shelf = Prices::of(&products);
    let no_rules = engine.try_rules(view, &RuleSet::default())?;
    let (mut answers, mut violations, mut ratios, mut num_shown) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for at in drawn {
        let (anchor, row) = (&products[at], RowId(rows[at]));
        let id = view.id(row).unwrap_or_default().to_owned();
        let query = Query { intent: Intent::Upsell, anchors: vec![id], limit: settings.k, ..Query::default() };
        let answer = engine.answer_with(view, &query, &no_rules)?;
        let explained = engine.explain(view, &query, &answer)?;
        let mut results = Vec::new();
        for (hit, reason) in answer.hits.iter().zip(explained.reasons) {
            let product = view.product(hit.row)?;
            let comparison = engine.compare(view, &query, &answer, hit.row)?.unwrap_or_default();
            let broken = shelf.broken(anchor, &product, config);
            violations.extend(broken.into_iter().map(|rule| format!("{} for {}: {rule}", product.id, anchor.id)));
            let (id, title) = (product.id.to_string(), product.title.clone());
            let price_ratio = ratio(anchor, &product).unwrap_or(f64::NAN);
            results.push(UpsellResult {
                id,
                title,
                price: price(&product),
                price_ratio,
                score: hit.score,
                reason,
                comparison,
            });
        }
        num_shown += results.len();
        ratios.extend(results.first().map(|first| first.price_ratio));
        answers.push(UpsellAnswer {
            id: anchor.id.to_string(),
            title: anchor.title.clone(),
            price: price(anchor),
            category: anchor.main_category().join(CATEGORY_SEPARATOR),
            results,
            fewer_because: answer.fewer_because,
        });
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let broken: std::collections::HashSet<&str> =
        violations.iter().filter_map(|line| line.split_once(": ")).map(|(pair, _)| pair).collect();
    Ok(UpsellReport {
        num_anchors: answers.len(),
        num_inside: num_shown - broken.len(),
        num_shown,
        coverage: ratios.len() as f64 / answers.len().max(1) as f64,
        median_price_ratio: ratios.get(ratios.len() / 2).copied(),
        violations,
        answers,
    })
}

fn is_priced(product: &Product) -> bool {
    product.effective_price().is_some_and(|price| price.minor > 0)
}

fn price(product: &Product) -> String {
    product.effective_price().map_or_else(String::new, |price| price.to_string())
}

fn ratio(from: &Product, to: &Product) -> Option<f64> {
    let (from, to) = (from.effective_price()?, to.effective_price()?);
    (from.currency == to.currency && from.minor > 0).then(|| to.minor as f64 / from.minor as f64)
}

/// All prices by the piece, by currency and category path, ascending; the empty path is the whole shop.
struct Prices(HashMap<(String, String), Vec<f32>>);

impl Prices {
    fn of(products: &[Product]) -> Self {
        let mut prices: HashMap<(String, String), Vec<f32>> = HashMap::new();
        for product in products {
            let Some((currency, price)) = by_piece(product, &attributes(product)) else { continue };
            for path in paths(product) {
                prices.entry((currency.clone(), path)).or_default().push(price);
            }
        }
        prices.values_mut().for_each(|prices| prices.sort_unstable_by(f32::total_cmp));
        Self(prices)
    }

    fn position(&self, product: &Product, attributes: &[Attribute]) -> Option<f32> {
        let (currency, price) = by_piece(product, attributes)?;
        let groups: Vec<&[f32]> = paths(product)
            .into_iter()
            .filter_map(|path| self.0.get(&(currency.clone(), path)))
            .map(Vec::as_slice)
            .collect();
        Some(position(price, groups.into_iter()))
    }

    /// The rules that showing `to` beside `from` breaks.
    fn broken(&self, from: &Product, to: &Product, config: &UpsellConfig) -> Vec<String> {
        let mut broken = Vec::new();
        let band = config.price_min - 0.005..=config.price_max + 0.005;
        if ratio(from, to).is_none_or(|ratio| !band.contains(&ratio)) {
            broken.push(format!("price {} is outside the band of {}", price(to), price(from)));
        }
        if from.main_category() != to.main_category() {
            broken.push("another category".to_owned());
        }
        if to.availability == Availability::OutOfStock {
            broken.push("out of stock".to_owned());
        }
        let (of_from, of_to) = (attributes(from), attributes(to));
        let tiers =
            self.position(from, &of_from).zip(self.position(to, &of_to)).map(|(from, to)| (tier(from), tier(to)));
        if tiers.is_none_or(|(from, to)| to > from + config.max_tier_step) {
            broken.push(format!("price tiers {tiers:?}"));
        }
        let differences = compare(&of_from, &of_to, |kind: AttributeKind| config.direction(kind));
        let worse = differences.iter().filter(|difference| difference.verdict == Verdict::Worse);
        broken.extend(worse.map(|worse| format!("{} is worse", worse.kind.label())));
        if differences.iter().any(|difference| difference.kind.must_agree()) {
            broken.push("made for another size or plug".to_owned());
        }
        if !differences.iter().any(|difference| difference.verdict == Verdict::Better && difference.is_noticeable()) {
            broken.push("nothing is better".to_owned());
        }
        broken
    }
}

/// The leaf's path, its ancestors', and the empty one.
fn paths(product: &Product) -> Vec<String> {
    let path = product.main_category();
    (0..=path.len()).rev().map(|depth| path[..depth].join(CATEGORY_SEPARATOR)).collect()
}

fn by_piece(product: &Product, attributes: &[Attribute]) -> Option<(String, f32)> {
    let price = product.effective_price()?;
    Some((price.currency.code().to_owned(), unit_price(price, attributes.iter().copied())?))
}
