//! Forgetting what is older than its retention, unless the clock that tells ages may be wrong.
//!
//! A clock that is far ahead would have everything forgotten. So the file keeps the latest time at which a purge found the clock to be
//! right; one that is further past it than `events.max_clock_jump_days` may be wrong, and forgets nothing until a person says that it is right.
//! Events do not vouch for it, since they bear its time.

use rusqlite::params;

use super::error::{EventError, Step};
use super::file::{EventFile, last_seq};
use super::kind::EventKind;
use super::settings::DAY_MS;
use super::store::EventStore;

/// Events that one transaction of a purge looks at.
const PURGE_STEP: i64 = 100_000;

impl EventStore {
    /// Forgets the events that are older than their kind's retention at `now_ms`, and the refunds of orders that go with them. Returns how many.
    ///
    /// Returns an error if the file cannot be written, or there are such events while the clock is further past the last time that it
    /// was right than `events.max_clock_jump_days`: then it may be wrong, and nothing is forgotten.
    pub fn purge(&self, now_ms: i64) -> Result<u64, EventError> {
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let Some(opened) = file.as_mut() else { return Ok(0) };
        let days = days_past(opened, now_ms)?;
        if days <= i64::from(self.config().max_clock_jump_days) {
            set_clock(opened, "UPDATE store SET clock_ms = max(coalesce(clock_ms, ?1), ?1)", now_ms)?;
            drop(file);
            return self.forget(now_ms);
        }
        if self.is_any_old(opened, now_ms)? {
            return Err(EventError::ClockJump { path: opened.path().to_owned(), days });
        }
        Ok(0)
    }

    /// As [`EventStore::purge`], taking the clock to be right however far it has moved on.
    ///
    /// Returns an error if the file cannot be written.
    pub fn purge_anyway(&self, now_ms: i64) -> Result<u64, EventError> {
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let Some(opened) = file.as_mut() else { return Ok(0) };
        set_clock(opened, "UPDATE store SET clock_ms = ?1", now_ms)?;
        drop(file);
        self.forget(now_ms)
    }

    fn forget(&self, now_ms: i64) -> Result<u64, EventError> {
        let mut num_purged = 0;
        let mut next = Some(0);
        while let Some(from) = next {
            // The lock is let go between two steps, so that events go on being kept.
            let mut file = self.shared.file();
            self.shared.find_file(&mut file)?;
            let Some(file) = file.as_mut() else { return Ok(0) };
            let (purged, last) = self.purge_step(file, from, now_ms)?;
            num_purged += purged;
            next = last;
        }
        if num_purged > 0 {
            self.finish_purge()?;
        }
        Ok(num_purged)
    }

    /// Purges the events numbered from `from` on, as many as one step takes. Returns how many went and where the next step begins.
    fn purge_step(&self, file: &mut EventFile, from: i64, now_ms: i64) -> Result<(u64, Option<i64>), EventError> {
        let path = file.path().to_owned();
        let failed = |error| Step::Write.failed(&path, error);
        let append = file.begin()?;
        let last = last_seq(append.transaction()).map_err(failed)?;
        let until = from.saturating_add(PURGE_STEP);
        let is_old = self.is_old(now_ms);
        // A refund whose order is gone would take back another order of the shopper's.
        let (sale, refund) = (EventKind::Purchase.number(), EventKind::Refund.number());
        let orphans = format!(
            "DELETE FROM events WHERE kind = {refund} AND order_hash IN
                (SELECT order_hash FROM events WHERE seq >= ?1 AND seq < ?2 AND kind = {sale} AND order_hash IS NOT NULL AND {is_old})
                AND NOT EXISTS (SELECT 1 FROM events AS kept
                    WHERE kept.order_hash = events.order_hash AND kept.kind = {sale} AND NOT ({is_old}))"
        );
        let old = format!("DELETE FROM events WHERE seq >= ?1 AND seq < ?2 AND {is_old}");
        let forgets_sales = self.config().retention_days.purchase > 0;
        let mut num_purged = 0;
        for delete in forgets_sales.then_some(orphans).into_iter().chain([old]) {
            num_purged += append.transaction().execute(&delete, params![from, until]).map_err(failed)? as u64;
        }
        append.commit()?;
        Ok((num_purged, (last >= until).then_some(until)))
    }

    /// Whether an event is older than its kind's retention, in SQL: one pass over the rows, whatever the number of kinds.
    fn is_old(&self, now_ms: i64) -> String {
        // What is kept for ever compares with the least time there is.
        let oldest = EventKind::ALL.map(|kind| {
            let oldest_ms = self.config().oldest_ms(kind, now_ms).unwrap_or(i64::MIN);
            format!("WHEN {} THEN {oldest_ms}", kind.number())
        });
        format!("time_ms < CASE kind {} END", oldest.join(" "))
    }

    fn is_any_old(&self, file: &EventFile, now_ms: i64) -> Result<bool, EventError> {
        let select = format!("SELECT EXISTS (SELECT 1 FROM events WHERE {})", self.is_old(now_ms));
        let found = file.connection().query_row(&select, [], |row| row.get(0));
        found.map_err(|error| Step::Read.failed(file.path(), error))
    }

    fn finish_purge(&self) -> Result<(), EventError> {
        let mut file = self.shared.file();
        let Some(file) = file.as_mut() else { return Ok(()) };
        let path = file.path().to_owned();
        let append = file.begin()?;
        let unused = "DELETE FROM links WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.visitor = links.visitor)";
        append.transaction().execute(unused, []).map_err(|error| Step::Write.failed(&path, error))?;
        append.commit()?;
        self.shared.restore(file)
    }
}

/// Days from the last time that the clock was right until `now_ms`. In a file that was never purged that is the newest event's.
fn days_past(file: &EventFile, now_ms: i64) -> Result<i64, EventError> {
    let select = "SELECT coalesce((SELECT clock_ms FROM store), (SELECT max(time_ms) FROM events))";
    let seen_ms: Option<i64> = file
        .connection()
        .query_row(select, [], |row| row.get(0))
        .map_err(|error| Step::Read.failed(file.path(), error))?;
    Ok(seen_ms.map_or(0, |seen_ms| now_ms.saturating_sub(seen_ms) / DAY_MS))
}

/// Writes down that the clock was right at `now_ms`, by `update`.
fn set_clock(file: &mut EventFile, update: &str, now_ms: i64) -> Result<(), EventError> {
    let path = file.path().to_owned();
    let append = file.begin()?;
    let set = append.transaction().execute(update, [now_ms]);
    set.map_err(|error| Step::Write.failed(&path, error))?;
    append.commit()
}

#[cfg(test)]
mod tests;
