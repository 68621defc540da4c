//! Files of orders, read as `kindred events import` reads them: the same code keeps their events in a folder that is removed again.

use std::path::{Path, PathBuf};

use super::error::EvalError;
use crate::events::{EventReject, EventStore, EventsConfig, History, HistoryPart, Import, Imported, RetentionDays};

/// What a file of orders holds.
#[derive(Debug, Clone)]
pub struct OrderFile {
    /// Its orders and refunds, as they would be learned from had they been imported.
    pub history: History,
    /// What became of its lines.
    pub imported: Imported,
}

/// Nothing is too old to be measured.
const FOR_EVER: RetentionDays = RetentionDays {
    view_item: 0,
    view_item_list: 0,
    select_item: 0,
    add_to_cart: 0,
    remove_from_cart: 0,
    add_to_wishlist: 0,
    begin_checkout: 0,
    purchase: 0,
    refund: 0,
    search: 0,
};

/// Reads a file of orders: CSV with columns such as `order_id`, `product_id`, `timestamp`, `quantity`, `unit_price` and `customer_id`, the names of
/// UCI's Online Retail among them, or JSON Lines; plain, gzip or zstd. `progress` is told the bytes read and the file's length.
///
/// Returns an error if the file cannot be read, its header does not say what is what, no line of it can be used, or there is no room for a
/// copy of its events in the system's folder for temporary files.
pub fn read_orders(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<OrderFile, EvalError> {
    let scratch = Scratch::make()?;
    let config = EventsConfig { retention_days: FOR_EVER, ..EventsConfig::default() };
    let store = EventStore::open(&scratch.0, &config)?;
    let import = Import {
        store: &store,
        columns: Default::default(),
        now_ms: jiff::Timestamp::now().as_millisecond(),
        is_known: &|_| true,
    };
    let mut first: Option<EventReject> = None;
    let imported = import.run(path, progress, &mut |reject| {
        first.get_or_insert_with(|| reject.clone());
    })?;
    if let (0, Some(EventReject { index, field, message, .. })) = (imported.accepted, first) {
        return Err(EvalError::NoOrder { path: path.to_owned(), line: index, field, message });
    }
    Ok(OrderFile { history: store.history(&HistoryPart::default())?, imported })
}

/// A folder that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, EvalError> {
        let path = std::env::temp_dir().join(format!("kindred-eval-{}", ulid::Ulid::generate()));
        std::fs::create_dir(&path).map_err(|source| EvalError::Scratch { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("`{}` is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::OrderLines;

    /// Lines of `text`, a CSV file with order, product, quantity and customer in this order: what of each order was kept, by a count by hand.
    fn slow(text: &str) -> Vec<(String, Vec<String>)> {
        let mut kept: std::collections::BTreeMap<(String, String), i64> = Default::default();
        let mut of_customer: std::collections::HashMap<(String, String), Vec<String>> = Default::default();
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let [order, product, quantity, _, customer] = cells[..] else { panic!("{line}") };
            let (quantity, product) = (quantity.parse::<i64>().unwrap(), product.to_owned());
            if quantity > 0 {
                *kept.entry((order.to_owned(), product.clone())).or_default() += quantity;
                of_customer.entry((customer.to_owned(), product)).or_default().push(order.to_owned());
            } else {
                let mut left = -quantity;
                for order in of_customer.entry((customer.to_owned(), product.clone())).or_default().iter().rev() {
                    let pieces = kept.get_mut(&(order.clone(), product.clone())).unwrap();
                    let taken = left.min(*pieces);
                    (*pieces, left) = (*pieces - taken, left - taken);
                }
            }
        }
        let mut orders: Vec<(String, Vec<String>)> = Vec::new();
        for ((order, product), _) in kept.into_iter().filter(|(_, pieces)| *pieces > 0) {
            match orders.last_mut() {
                Some((last, products)) if *last == order => products.push(product),
                _ => orders.push((order, vec![product])),
            }
        }
        orders
    }

    #[test]
    fn orders_and_refunds_are_those_of_a_count_by_hand_and_nothing_is_left_behind() {
        let mut text = "order_id,product_id,quantity,timestamp,customer_id\n".to_owned();
        for order in 0..40 {
            for line in 0..3 {
                let product = (order * 7 + line * 3) % 11;
                let (hour, day) = (order % 20, 1 + order / 20);
                let customer = order % 4;
                text += &format!(
                    "{},p{product:02},{},2026-01-{day:02}T{hour:02}:00:00Z,c{customer}\n",
                    1000 + order,
                    1 + line
                );
            }
            if order % 5 == 4 {
                // The customer sends a whole line and a part of another back.
                let (whole, part) = ((order * 7) % 11, (order * 7 + 6) % 11);
                let (hour, day, customer) = (order % 20, 1 + order / 20, order % 4);
                for (product, pieces) in [(whole, 1), (part, 2)] {
                    text +=
                        &format!("C{order},p{product:02},-{pieces},2026-01-{day:02}T{hour:02}:30:00Z,c{customer}\n");
                }
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let read = read_orders(file.path(), &mut |_, _| {}).unwrap();
        assert_eq!((read.imported.records, read.imported.rejected), (136, 0));
        let ids = read.history.products();
        let lines = OrderLines::of(&read.history);
        let mut found: Vec<Vec<String>> = lines
            .all()
            .chunk_by(|a, b| a.order == b.order)
            .map(|order| {
                order.iter().filter(|line| line.is_kept()).map(|line| ids[line.product as usize].clone()).collect()
            })
            .collect();
        found.retain(|order| !order.is_empty());
        let mut expected: Vec<Vec<String>> = slow(&text).into_iter().map(|(_, products)| products).collect();
        found.iter_mut().for_each(|products| products.sort());
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        assert!(expected.iter().map(Vec::len).sum::<usize>() < 120);
    }

    #[test]
    fn a_file_of_which_no_line_can_be_used_is_an_error_that_names_the_first() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "order_id,product_id,timestamp\no1,a,yesterday\n").unwrap();
        let message = read_orders(file.path(), &mut |_, _| {}).unwrap_err().to_string();
        assert!(message.contains("line 2, time"), "{message}");
    }
}
