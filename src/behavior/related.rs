//! Tables "product → related products, best first, with evidence", in one layout in memory and on disk, and how they are counted.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// One related product of a row.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Related {
    /// Its product number.
    pub product: u32,
    /// Higher is better; comparable inside one table only.
    pub score: f32,
    /// How many orders or sessions back the pair, undecayed.
    pub evidence: u32,
}

/// A table in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct RelatedTable {
    ends: Vec<u64>,
    entries: Vec<Related>,
}

/// A table in memory or in a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct RelatedRows<'a> {
    ends: &'a [u64],
    entries: &'a [Related],
}

impl RelatedTable {
    /// A table of `num_rows` rows of the `limit` best, each row counted by `count` into an empty [`Tally`] and scored by
    /// `score(row, product, sum)`. Rows are counted on all threads; the table is the same whatever their number.
    pub fn count(
        num_rows: usize,
        limit: usize,
        count: impl Fn(u32, &mut Tally) + Sync,
        score: impl Fn(u32, u32, f32) -> f32 + Sync,
    ) -> Self {
        let row = |tally: &mut Tally, row: u32| {
            count(row, tally);
            tally.take_best(limit, |product, sum| score(row, product, sum))
        };
        let rows: Vec<Vec<Related>> =
            (0..num_rows as u32).into_par_iter().map_init(|| Tally::new(num_rows), row).collect();
        Self::from_rows(rows)
    }

    /// A table of the rows given, each already best first.
    pub fn from_rows(rows: Vec<Vec<Related>>) -> Self {
        let mut table = Self { ends: Vec::with_capacity(rows.len()), entries: Vec::new() };
        for row in rows {
            table.entries.extend(row);
            table.ends.push(table.entries.len() as u64);
        }
        table
    }

    /// Where each row ends among the entries, and the entries: as they go to disk.
    pub fn parts(&self) -> (&[u64], &[Related]) {
        (&self.ends, &self.entries)
    }

    /// Its rows.
    pub fn rows(&self) -> RelatedRows<'_> {
        RelatedRows { ends: &self.ends, entries: &self.entries }
    }
}

impl<'a> RelatedRows<'a> {
    /// The table whose rows end at `ends`. Ends that lie outside `entries` give empty rows.
    pub fn new(ends: &'a [u64], entries: &'a [Related]) -> Self {
        Self { ends, entries }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What is related to `product`, best first; empty for a product without evidence or past the last row.
    pub fn row(&self, product: u32) -> &'a [Related] {
        let at = product as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).map_or(0, |&end| end as usize) };
        let end = self.ends.get(at).map_or(0, |&end| end as usize);
        self.entries.get(start..end).unwrap_or(&[])
    }
}

/// Sums by product, emptied in time that follows the products touched.
#[derive(Debug, Clone)]
pub struct Tally {
    sums: Vec<f32>,
    counts: Vec<u32>,
    touched: Vec<u32>,
}

impl Tally {
    /// For products below `num_products`.
    pub fn new(num_products: usize) -> Self {
        Self { sums: vec![0.0; num_products], counts: vec![0; num_products], touched: Vec::new() }
    }

    /// Room for products below `num_products`; never shrinks.
    pub fn reserve(&mut self, num_products: usize) {
        if self.sums.len() < num_products {
            self.sums.resize(num_products, 0.0);
            self.counts.resize(num_products, 0);
        }
    }

    /// Adds `weight` and one piece of evidence to `product`; a product out of range is left out.
    #[inline]
    pub fn add(&mut self, product: u32, weight: f32) {
        let at = product as usize;
        let Some(count) = self.counts.get_mut(at) else { return };
        if *count == 0 {
            self.touched.push(product);
        }
        *count += 1;
        self.sums[at] += weight;
    }

    /// The `limit` products whose `score(product, sum)` is highest and above zero, best first, equal ones by number; empties the tally.
    pub fn take_best(&mut self, limit: usize, score: impl Fn(u32, f32) -> f32) -> Vec<Related> {
        let mut entries = Vec::with_capacity(self.touched.len().min(4 * limit.max(16)));
        for product in self.touched.drain(..) {
            let (sum, count) = (&mut self.sums[product as usize], &mut self.counts[product as usize]);
            let score = score(product, *sum);
            if score > 0.0 {
                entries.push(Related { product, score, evidence: *count });
            }
            (*sum, *count) = (0.0, 0);
        }
        keep_best(&mut entries, limit);
        entries
    }
}

/// Sorts best first, equal scores by product number, and keeps the first `limit`.
pub fn keep_best(entries: &mut Vec<Related>, limit: usize) {
    let order = |a: &Related, b: &Related| b.score.total_cmp(&a.score).then(a.product.cmp(&b.product));
    if entries.len() > limit && limit > 0 {
        entries.select_nth_unstable_by(limit - 1, order);
    }
    entries.truncate(limit);
    entries.sort_unstable_by(order);
}
