//! Names of products and placements that only erased events bore, which go with them.
//!
//! A name may tell of its shopper, such as that of a product made to order. Whether another event bears it is told by reading the others until
//! one does.

use std::collections::HashSet;

use rusqlite::{Connection, ToSql};

use super::row::unpack_items;

/// Numbers of names that events bear.
#[derive(Debug, Default)]
pub(super) struct Borne {
    products: HashSet<u32>,
    placements: HashSet<u32>,
}

impl Borne {
    /// The names of the events that `condition` (SQL after `FROM events`) finds.
    pub(super) fn by(connection: &Connection, condition: &str, parameters: &[&dyn ToSql]) -> rusqlite::Result<Self> {
        let mut borne = Self::default();
        let mut select = connection.prepare(&format!("SELECT items, placement FROM events {condition}"))?;
        let mut rows = select.query(parameters)?;
        while let Some(row) = rows.next()? {
            // What cannot be read names nothing that could be told.
            let items = row.get_ref(0)?.as_blob().ok().and_then(unpack_items).unwrap_or_default();
            borne.products.extend(items.iter().map(|item| item.product));
            borne.placements.extend(row.get::<_, Option<u32>>(1)?);
        }
        Ok(borne)
    }

    /// Deletes those of the names that no event bears any more. Returns whether there were any.
    pub(super) fn delete_unused(mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let mut select = connection.prepare("SELECT items, placement FROM events")?;
        let mut rows = select.query([])?;
        while !(self.products.is_empty() && self.placements.is_empty())
            && let Some(row) = rows.next()?
        {
            // A row that cannot be read may name any product.
            match row.get_ref(0)?.as_blob().ok().and_then(unpack_items) {
                Some(items) => {
                    for item in items {
                        self.products.remove(&item.product);
                    }
                }
                None => self.products.clear(),
            }
            if let Some(placement) = row.get::<_, Option<u32>>(1)? {
                self.placements.remove(&placement);
            }
        }
        drop(rows);
        for (table, numbers) in [("products", &self.products), ("placements", &self.placements)] {
            let mut delete = connection.prepare(&format!("DELETE FROM {table} WHERE number = ?1"))?;
            for number in numbers {
                delete.execute([number])?;
            }
        }
        Ok(!(self.products.is_empty() && self.placements.is_empty()))
    }
}
