//! What can be typed after `kindred events`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::events::ColumnMap;

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// Keep the events of a file of orders or interactions; again is harmless, as what is known already counts once
    ///
    /// Reads CSV of order lines (usual column names are known; --map names others), Amazon Personalize interactions CSV, and JSON Lines of
    /// GA4 or Google Retail events; plain, .gz or .zst. Lines with a negative quantity and orders numbered C and digits are refunds.
    Import {
        /// The catalog
        catalog: String,
        /// The file
        file: PathBuf,
        /// Which column says what: order, product, quantity, time, price, visitor, user, session, event, event_id, currency, value, recommendation_id, consent
        #[arg(long, value_name = "ROLE=COLUMN,…")]
        map: Option<ColumnMap>,
        /// Write the lines that cannot be used to this file as JSON Lines
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
    },
    /// Count the events, read every page of their file, and hold every event against its digest
    Status {
        /// The catalog
        catalog: String,
    },
    /// Print all that is kept of one visitor or user, as JSON
    Export {
        /// The catalog
        catalog: String,
        /// The visitor's or user's id, as events bear it, or that of a session whose events bear neither
        id: String,
    },
    /// Erase all that is kept of one visitor or user, and print a receipt
    Erase {
        /// The catalog
        catalog: String,
        /// The visitor's or user's id, as events bear it, or that of a session whose events bear neither
        id: String,
    },
    /// Forget the events that are past their retention [setting: events.retention_days]
    Purge {
        /// The catalog
        catalog: String,
        /// The clock is right, however far it has moved on since the last time [setting: events.max_clock_jump_days]
        #[arg(long)]
        force: bool,
    },
}
