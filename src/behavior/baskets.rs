//! Orders as sets of products, refunds taken out.

use super::lines::{OrderLine, OrderLines};
use super::settings::decay;
use crate::events::History;

/// Orders, oldest first, each a set of different products in the order of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Baskets {
    num_products: usize,
    ends: Vec<usize>,
    products: Vec<u32>,
    times_s: Vec<u32>,
    now_s: u32,
}

impl Baskets {
    /// The orders of `history`: lines with one order number, and, of purchases without one, those of a session. A line of which nothing
    /// was kept is no part of the order. While it works it takes 24 bytes a line.
    pub fn of(history: &History) -> Self {
        let lines = OrderLines::of(history);
        let kept: Vec<OrderLine> = lines.all().iter().filter(|line| line.is_kept()).copied().collect();
        Self::grouped(history.products().len(), &kept, history.now_s())
    }

    /// Orders given as sets of products and their times in seconds; what is out of range or repeated is left out.
    pub fn from_orders(num_products: usize, orders: impl IntoIterator<Item = (u32, Vec<u32>)>) -> Self {
        let mut lines = Vec::new();
        for (number, (time_s, products)) in orders.into_iter().enumerate() {
            let known = products.into_iter().filter(|&product| (product as usize) < num_products);
            let line = |product| OrderLine { order: number as u64, product, time_s, bought: 1, returned: 0 };
            lines.extend(known.map(line));
        }
        lines.sort_by_key(|line| (line.order, line.product));
        lines.dedup_by_key(|line| (line.order, line.product));
        let now_s = lines.iter().map(|line| line.time_s).max().unwrap_or(0);
        Self::grouped(num_products, &lines, now_s)
    }

    /// From lines sorted by order and product.
    fn grouped(num_products: usize, lines: &[OrderLine], now_s: u32) -> Self {
        let orders: Vec<&[OrderLine]> = lines.chunk_by(|a, b| a.order == b.order).collect();
        let time_s = |order: &&[OrderLine]| order.iter().map(|line| line.time_s).min().unwrap_or(0);
        let mut by_time: Vec<(u32, &[OrderLine])> = orders.iter().map(|order| (time_s(order), *order)).collect();
        by_time.sort_by_key(|(time_s, order)| (*time_s, order.first().map(|line| line.order)));
        let mut baskets = Self { num_products, ends: Vec::new(), products: Vec::new(), times_s: Vec::new(), now_s };
        for (time_s, order) in by_time {
            baskets.products.extend(order.iter().map(|line| line.product));
            baskets.ends.push(baskets.products.len());
            baskets.times_s.push(time_s);
        }
        baskets
    }

    /// How many products there are; numbers lie below.
    pub fn num_products(&self) -> usize {
        self.num_products
    }

    /// How many orders there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no order.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The products of order `number`, ascending; empty past the last.
    pub fn products(&self, number: usize) -> &[u32] {
        let start = if number == 0 { 0 } else { self.ends.get(number - 1).copied().unwrap_or(0) };
        let end = self.ends.get(number).copied().unwrap_or(start);
        &self.products[start..end]
    }

    /// When order `number` was placed, in seconds since 1970.
    pub fn time_s(&self, number: usize) -> u32 {
        self.times_s.get(number).copied().unwrap_or(0)
    }

    /// The weight of each order: halved by every `half_life_days` before the [`History::now_s`]; 1 for all when that is 0, and
    /// 0 for orders of more than `max_products`.
    pub fn weights(&self, half_life_days: f32, max_products: usize) -> Vec<f32> {
        let weight = |number: usize| {
            let is_telling = self.products(number).len() <= max_products;
            if is_telling { decay(self.now_s.saturating_sub(self.times_s[number]), half_life_days) } else { 0.0 }
        };
        (0..self.len()).map(weight).collect()
    }

    /// How many orders hold each product, weighted: the `n_i` of the formulas.
    pub fn product_weights(&self, weights: &[f32]) -> Vec<f32> {
        let mut sums = vec![0f32; self.num_products];
        for (number, &weight) in weights.iter().enumerate() {
            self.products(number).iter().for_each(|&product| sums[product as usize] += weight);
        }
        sums
    }

    /// How many orders hold each product, each counting one whatever its age and size.
    pub fn orders_by_product(&self) -> Vec<u32> {
        let mut counts = vec![0; self.num_products];
        self.products.iter().for_each(|&product| counts[product as usize] += 1);
        counts
    }

    /// For each product the orders that hold it, oldest first.
    pub(super) fn by_product(&self) -> Postings {
        let pairs = (0..self.len()).flat_map(|number| self.products(number).iter().map(move |&p| (p, number as u32)));
        Postings::new(self.num_products, pairs)
    }
}

/// For each product a list of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Postings {
    pub ends: Vec<u64>,
    pub numbers: Vec<u32>,
}

impl Postings {
    /// Lists in the order of `pairs`, which is gone through twice.
    pub(super) fn new(num_products: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut places = vec![0u64; num_products + 1];
        pairs.clone().for_each(|(product, _)| places[product as usize + 1] += 1);
        for at in 0..num_products {
            places[at + 1] += places[at];
        }
        let mut numbers = vec![0u32; places[num_products] as usize];
        for (product, number) in pairs {
            let place = &mut places[product as usize];
            numbers[*place as usize] = number;
            *place += 1;
        }
        places.truncate(num_products);
        Self { ends: places, numbers }
    }

    pub(super) fn of(&self, product: u32) -> &[u32] {
        let at = product as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.numbers[start..self.ends[at] as usize]
    }
}
