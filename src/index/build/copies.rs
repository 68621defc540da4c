//! Rows with equal codes: the first of them stands in the graph, the others hang behind it in a chain.
//!
//! Shops sell many products under one text. To the graph they are one point: their mutual distance is zero, so pruning would keep
//! links among them alone and cut the whole group off. A walk that meets the first meets the next through it, at the same score.

use super::super::hnsw::NONE;

/// Which rows stand in the graph, and who follows whom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Copies {
    /// Rows of the insertion order without the copies.
    pub(super) firsts: Vec<u32>,
    /// Groups of two or more rows, the one in the graph first.
    groups: Vec<Vec<u32>>,
}

impl Copies {
    /// Finds the rows of `order` whose `stride` codes equal those of an earlier one.
    pub(super) fn find(codes: &[u8], stride: usize, order: &[u32]) -> Self {
        let row_codes = |place: &u32| &codes[order[*place as usize] as usize * stride..][..stride];
        let mut places: Vec<u32> = (0..order.len() as u32).collect();
        places.sort_unstable_by(|a, b| row_codes(a).cmp(row_codes(b)).then(a.cmp(b)));
        let mut is_copy = vec![false; order.len()];
        let mut groups = Vec::new();
        for group in places.chunk_by(|a, b| row_codes(a) == row_codes(b)).filter(|group| group.len() > 1) {
            group[1..].iter().for_each(|place| is_copy[*place as usize] = true);
            groups.push(group.iter().map(|place| order[*place as usize]).collect());
        }
        let firsts = order.iter().zip(is_copy).filter(|(_, is_copy)| !is_copy).map(|(row, _)| *row).collect();
        Self { firsts, groups }
    }

    /// Hangs every group's copies behind its first row: each row links to the next, and each copy to the first. A full list of
    /// the first row gives up its last link.
    pub(super) fn chain(&self, links: &mut [u32], m0: usize) {
        for group in &self.groups {
            let list = &mut links[group[0] as usize * m0..][..m0];
            let place = list.iter().position(|link| *link == NONE).unwrap_or(m0 - 1);
            list[place] = group[1];
            for pair in group[1..].windows(2) {
                links[pair[0] as usize * m0..][..2].copy_from_slice(&[pair[1], group[0]]);
            }
            if let Some(last) = group.last() {
                links[*last as usize * m0] = group[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_leave_the_order_and_hang_in_a_chain() {
        let codes = [7, 7, 1, 1, 7, 7, 2, 2, 7, 7];
        let copies = Copies::find(&codes, 2, &[4, 3, 2, 1, 0]);
        assert_eq!(copies.firsts, [4, 3, 1]);
        let mut links = vec![NONE; 5 * 4];
        links[16..].copy_from_slice(&[3, 1, 3, 1]);
        copies.chain(&mut links, 4);
        assert_eq!(links[16..], [3, 1, 3, 2], "the first row gives up its last link");
        assert_eq!(links[8..10], [0, 4]);
        assert_eq!(links[..2], [4, NONE]);
    }
}
