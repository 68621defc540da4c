//! Refunds tied to the sales that they take back, piece by piece and never more pieces than were sold.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Gathered, Head, NO_HASH};
use crate::events::history::Interaction;
use crate::events::kind::EventKind;

/// Lines of one refund, each with the order that it takes back or [`NO_HASH`].
type Tied = Vec<(i64, Interaction)>;

/// Sales of the orders that refunds name.
struct Stock {
    /// Places of an order's lines, whatever the number of events that told them.
    places: HashMap<i64, Vec<u32>>,
    /// Pieces of a line that no refund has taken back yet.
    left: HashMap<u32, u32>,
}

impl Gathered {
    /// Refunds that say of nobody who sent it back are of the shopper who bought, where that is one.
    pub(super) fn give_refunds_to_their_shoppers(&mut self) {
        let of_nobody = |head: &&Head| head.kind == EventKind::Refund && head.shopper == head.order;
        let mut owners: HashMap<i64, Option<i64>> =
            self.heads.iter().filter(of_nobody).map(|head| (head.order, None)).collect();
        let mut contested = HashSet::new();
        for head in self.heads.iter().filter(|head| head.kind == EventKind::Purchase) {
            if let Some(owner) = owners.get_mut(&head.order)
                && *owner.get_or_insert(head.shopper) != head.shopper
            {
                contested.insert(head.order);
            }
        }
        for head in &mut self.heads {
            let is_of_nobody = of_nobody(&&*head) && !contested.contains(&head.order);
            if let (true, Some(Some(owner))) = (is_of_nobody, owners.get(&head.order)) {
                head.shopper = *owner;
            }
        }
    }

    /// Orders that refunds name and that were not gathered.
    pub(super) fn unknown_orders(&self) -> HashSet<i64> {
        let named = self.heads.iter().filter(|head| head.kind == EventKind::Refund && head.order != NO_HASH);
        let mut unknown: HashSet<i64> = named.map(|head| head.order).collect();
        for head in self.heads.iter().filter(|head| head.kind == EventKind::Purchase) {
            unknown.remove(&head.order);
        }
        unknown
    }

    /// Writes the lines of every refund anew, each with the order whose pieces it takes back in [`Gathered::taken_back`]. Heads are by
    /// shopper and time. What names an order of `sold_elsewhere`, which was not gathered, takes back nothing here.
    pub(super) fn tie_refunds(&mut self, sold_elsewhere: &HashSet<i64>) {
        let mut stock = self.stock();
        let mut tied: BTreeMap<usize, Tied> = BTreeMap::new();
        for at in self.refunds_by_time() {
            let head = &self.heads[at];
            if let Some(places) = stock.places.get(&head.order) {
                tied.insert(at, take_named(head, &self.lines, places, &mut stock.left));
            }
        }
        self.tie_by_shopper(&stock.left, sold_elsewhere, &mut tied);
        for (at, lines) in tied {
            self.replace_lines(at, lines);
        }
    }

    fn stock(&self) -> Stock {
        let named = self.heads.iter().filter(|head| head.kind == EventKind::Refund);
        let named: HashSet<i64> = named.map(|head| head.order).collect();
        let mut stock = Stock { places: HashMap::new(), left: HashMap::new() };
        for head in self.heads.iter().filter(|head| head.kind == EventKind::Purchase && named.contains(&head.order)) {
            let places = stock.places.entry(head.order).or_default();
            for (line, place) in self.lines[head.lines()].iter().zip(head.first_line..) {
                places.push(place);
                stock.left.insert(place, line.quantity);
            }
        }
        stock
    }

    /// Places of the refunds in [`Gathered::heads`], oldest first.
    fn refunds_by_time(&self) -> Vec<usize> {
        let is_refund = |at: &usize| self.heads[*at].kind == EventKind::Refund;
        let mut refunds: Vec<usize> = (0..self.heads.len()).filter(is_refund).collect();
        refunds.sort_by_key(|at| (self.heads[*at].time_ms, self.heads[*at].content, self.heads[*at].tie));
        refunds
    }

    /// Ties the refunds that name no known order to what the shopper bought before, the latest first. `left` has what is left of lines
    /// that refunds by name took from.
    fn tie_by_shopper(
        &self,
        left: &HashMap<u32, u32>,
        sold_elsewhere: &HashSet<i64>,
        tied: &mut BTreeMap<usize, Tied>,
    ) {
        let mut bought: HashMap<u32, Vec<(i64, u32)>> = HashMap::new();
        let mut shopper = None;
        for (at, head) in self.heads.iter().enumerate() {
            if shopper != Some(head.shopper) {
                shopper = Some(head.shopper);
                bought.clear();
            }
            let lines = self.lines[head.lines()].iter();
            if head.kind == EventKind::Purchase {
                for (line, place) in lines.zip(head.first_line..) {
                    let pieces = left.get(&place).copied().unwrap_or(line.quantity);
                    bought.entry(line.product).or_default().push((head.order, pieces));
                }
            } else if head.kind == EventKind::Refund && !tied.contains_key(&at) {
                let is_elsewhere = sold_elsewhere.contains(&head.order);
                let none = &mut Vec::new();
                let take = |line: &Interaction| {
                    let sold = if is_elsewhere { None } else { bought.get_mut(&line.product) };
                    take_back(sold.unwrap_or(none), line)
                };
                let lines = lines.flat_map(take).collect();
                tied.insert(at, lines);
            }
        }
    }

    fn replace_lines(&mut self, at: usize, lines: Tied) {
        // Past these numbers, which no shop reaches, a refund stays as it was told.
        let Ok(first_line) = u32::try_from(self.lines.len() + lines.len()) else { return };
        let Ok(num_lines) = u16::try_from(lines.len()) else { return };
        let head = &mut self.heads[at];
        (head.first_line, head.num_lines, head.order) = (first_line - u32::from(num_lines), num_lines, NO_HASH);
        for ((order, line), place) in lines.into_iter().zip(head.first_line..) {
            self.lines.push(line);
            if order != NO_HASH {
                self.taken_back.insert(place, order);
            }
        }
    }
}

/// What the refund `head` takes from the order that it names, whose lines stand at `places`: what its lines say, or else all that is left.
fn take_named(head: &Head, lines: &[Interaction], places: &[u32], left: &mut HashMap<u32, u32>) -> Tied {
    let mut tied = Tied::new();
    let mut take = |place: u32, wanted: u32| {
        let pieces = left.get_mut(&place).map_or(0, |left| {
            let pieces = wanted.min(*left);
            *left -= pieces;
            pieces
        });
        (pieces > 0).then_some(pieces)
    };
    if head.num_lines == 0 {
        for &place in places {
            if let Some(quantity) = take(place, u32::MAX) {
                let line =
                    Interaction { time_s: head.time_s(), kind: EventKind::Refund, quantity, ..lines[place as usize] };
                tied.push((head.order, line));
            }
        }
    }
    for line in &lines[head.lines()] {
        let mut wanted = line.quantity;
        for &place in places.iter().filter(|place| lines[**place as usize].product == line.product) {
            wanted -= take(place, wanted).unwrap_or(0);
        }
        let parts = [(head.order, line.quantity - wanted), (NO_HASH, wanted)];
        let parts = parts.into_iter().filter(|(_, quantity)| *quantity > 0);
        tied.extend(parts.map(|(order, quantity)| (order, Interaction { quantity, ..*line })));
    }
    tied
}

/// The refund `line` in parts: by the orders of `sold` (with their pieces, by time) that it takes back, the latest first, and what is of none.
fn take_back(sold: &mut Vec<(i64, u32)>, line: &Interaction) -> Tied {
    let mut wanted = line.quantity;
    let mut tied = Tied::new();
    while let (Some((order, left)), true) = (sold.last_mut(), wanted > 0) {
        let quantity = wanted.min(*left);
        if quantity > 0 {
            tied.push((*order, Interaction { quantity, ..*line }));
        }
        (wanted, *left) = (wanted - quantity, *left - quantity);
        if *left == 0 {
            sold.pop();
        }
    }
    if wanted > 0 {
        tied.push((NO_HASH, Interaction { quantity: wanted, ..*line }));
    }
    tied
}
