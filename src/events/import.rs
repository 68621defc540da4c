//! Files of orders and interactions to events: CSV by its columns, JSON Lines as over HTTP.
//!
//! A file may be imported again, whole or with more in it: what is known already counts as a duplicate.
//!
//! * Lines of one order that follow each other become one event, in parts of at most [`MAX_ITEMS`] products; those of a refund only if they
//!   are of one `event_id`, or else of one time. However an order's lines lie in a file, the file is one telling of it ([`super::orders`]): a later file adds what it
//!   has more. For that, some 20 to 40 bytes are held for each product of each order of the file while it is read.
//! * In a file with orders and without event names, a line with a negative quantity, or of an order whose number is `C` and digits, is a
//!   refund; any other line is a purchase. In a file with neither, a line is a view.
//! * Other lines are known by all that they say.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::columns::{ColumnMap, Columns, Role, word};
use super::error::EventError;
use super::event::{Event, Ids, Item, MAX_ID_BYTES, MAX_ITEMS};
use super::fields::{consent, price_parts, quantity_of};
use super::kind::EventKind;
use super::names::{Named, named};
use super::orders::{is_known_by_order, number_of};
use super::parse::{EventReader, ReadEvents, Reading};
use super::reject::{EventFault, EventReject, EventRejectCode};
use super::store::EventStore;
use super::time;
use crate::catalog::{FileRecord, ProductId, ProductIdError, RecordFile};

/// Events that are acknowledged together.
const BATCH_EVENTS: usize = 5_000;
/// Longest record in bytes.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records read, bad ones included.
    pub records: u64,
    /// Events that are kept now.
    pub accepted: u64,
    /// Events that had been kept before.
    pub duplicates: u64,
    /// Records that the shopper did not agree to.
    pub without_consent: u64,
    /// Records of whose names nothing is learned.
    pub ignored: u64,
    /// Records that cannot be used.
    pub rejected: u64,
    /// Products that the catalog does not have; their events are kept.
    pub unknown_products: HashSet<String>,
}

/// How a file is read.
pub struct Import<'a> {
    /// Where the events go.
    pub store: &'a EventStore,
    /// Columns of a CSV file.
    pub columns: ColumnMap,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Whether the catalog has a product.
    pub is_known: &'a dyn Fn(&str) -> bool,
}

impl Import<'_> {
    /// Keeps the events of the file at `path`; plain, gzip or zstd. `progress` is told the bytes read and the file's length, `reject` each
    /// record that cannot be used, its index being the line's number.
    ///
    /// Returns an error if the file cannot be read, its header does not say what is what, or events cannot be kept; those before are.
    pub fn run(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(u64, u64),
        reject: &mut dyn FnMut(&EventReject),
    ) -> Result<Imported, EventError> {
        let unreadable = |source| EventError::ReadFile { path: path.to_owned(), source: std::sync::Arc::new(source) };
        let mut file = RecordFile::open(path, MAX_RECORD_BYTES).map_err(unreadable)?;
        let columns = file.columns().map(|header| Columns::find(header, &self.columns)).transpose();
        let columns = columns.map_err(|reason| EventError::Columns { path: path.to_owned(), reason })?;
        let reader = EventReader::new(self.store.config(), self.now_ms);
        let mut orders = Orders::default();
        let mut last_told = None;
        let mut done = Imported::default();
        let mut read = ReadEvents::default();
        while let Some(record) = file.next_record().map_err(unreadable)? {
            done.records += 1;
            match (record, &columns) {
                (Ok(FileRecord::Cells { line, cells }), Some(columns)) => {
                    let told = event_of(columns, &cells, &mut last_told)
                        .and_then(|event| event.map_or(Ok(Reading::Unused), |event| reader.settle(event)));
                    orders.push(line, told, &mut read);
                }
                (Ok(FileRecord::Json { line, text }), _) => reader.read_line(&text, &mut line.clone(), &mut read),
                (Ok(FileRecord::Cells { .. }), None) => {}
                (Err(bad), _) => {
                    read.push(bad.row, Err(EventFault::new(bad.field, EventRejectCode::BadRecord, bad.message)));
                }
            }
            if read.events.len() + read.rejected.len() >= BATCH_EVENTS {
                self.keep(&mut read, &mut done, reject)?;
                let (num_read, num_bytes) = file.position();
                progress(num_read, num_bytes);
            }
        }
        orders.finish(&mut read);
        self.keep(&mut read, &mut done, reject)?;
        Ok(done)
    }

    /// Keeps what was read, and empties `read`.
    fn keep(
        &self,
        read: &mut ReadEvents,
        done: &mut Imported,
        reject: &mut dyn FnMut(&EventReject),
    ) -> Result<(), EventError> {
        let ReadEvents { events, without_consent, ignored, rejected } = std::mem::take(read);
        for item in events.iter().flat_map(|event| &event.items) {
            let product = item.product.as_str();
            if !done.unknown_products.contains(product) && !(self.is_known)(product) {
                done.unknown_products.insert(product.to_owned());
            }
        }
        if !events.is_empty() {
            let receipt = self.store.submit(events)?;
            done.accepted += receipt.accepted;
            done.duplicates += receipt.duplicates;
        }
        done.without_consent += without_consent;
        done.ignored += ignored;
        done.rejected += rejected.len() as u64;
        rejected.iter().for_each(reject);
        Ok(())
    }
}

/// Joins the lines of an order.
#[derive(Default)]
struct Orders {
    open: Option<Box<Event>>,
    /// Pieces told so far in this file, by a hash of the order and the product.
    told: HashMap<u64, u32>,
}

impl Orders {
    /// Sorts a line in: to the order that is open, or for itself.
    fn push(&mut self, line: u64, told: Result<Reading, EventFault>, read: &mut ReadEvents) {
        let event = match told {
            Ok(Reading::Kept(event)) if is_known_by_order(&event) => event,
            other => return read.push(line, other),
        };
        match &mut self.open {
            Some(open) if is_more_of(open, &event) => open.items.extend(event.items),
            _ => {
                self.finish(read);
                self.open = Some(event);
            }
        }
    }

    /// Ends the order that is open. Where the file has told pieces of its products before, they are told again with it, since an event that
    /// tells no more than is known adds nothing.
    fn finish(&mut self, read: &mut ReadEvents) {
        let Some(mut event) = self.open.take() else { return };
        let names: Vec<u64> = event.items.iter().map(|item| name_of(&event, item)).collect();
        let before: Vec<u32> = names.iter().map(|name| self.told.get(name).copied().unwrap_or(0)).collect();
        let mut seen = HashSet::new();
        for ((item, name), before) in event.items.iter_mut().zip(names).zip(before) {
            let told = self.told.entry(name).or_default();
            *told = told.saturating_add(item.quantity);
            if seen.insert(name) {
                item.quantity = item.quantity.saturating_add(before);
            }
        }
        read.events.push(*event);
    }
}

/// Whether `event` goes on telling the order that is `open`.
fn is_more_of(open: &Event, event: &Event) -> bool {
    let is_one = open.order == event.order && open.kind == event.kind && open.ids.event == event.ids.event;
    is_one && refund_of(open) == refund_of(event) && open.items.len() < MAX_ITEMS
}

/// Which refund of its order it is told to be; nothing for a purchase.
fn refund_of(event: &Event) -> (Option<&str>, i64) {
    match (event.kind, &event.ids.event) {
        (EventKind::Refund, Some(id)) => (Some(id), 0),
        (EventKind::Refund, None) => (None, event.told_ms.unwrap_or(event.time_ms)),
        _ => (None, 0),
    }
}

/// A hash of a product in the purchase of an order, or in a refund of it.
fn name_of(event: &Event, item: &Item) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let (refund, time_ms) = refund_of(event);
    hasher.update(&[event.kind.number()]).update(&time_ms.to_le_bytes());
    for text in [refund.unwrap_or_default(), event.order.as_deref().unwrap_or_default()] {
        hasher.update(&(text.len() as u32).to_le_bytes()).update(text.as_bytes());
    }
    hasher.update(item.product.as_str().as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The number and time of an order.
type OrderTime = (String, i64);

/// The event that a line tells; `None` when its name is one of which nothing is learned. `last_told` is the order of the line before.
fn event_of(
    columns: &Columns,
    cells: &[String],
    last_told: &mut Option<OrderTime>,
) -> Result<Option<Event>, EventFault> {
    let cell = |role| columns.cell(role, cells);
    let order = id(Role::Order, cell(Role::Order))?.and_then(|order| number_of(&order));
    let pieces = cell(Role::Quantity).map(|text| number(Role::Quantity, text)).transpose()?;
    let Some(kind) = kind_of(columns, cells, order.as_deref(), pieces)? else { return Ok(None) };
    let is_sale = matches!(kind, EventKind::Purchase | EventKind::Refund);
    // The sign has told a refund already.
    let pieces = if columns.has(Role::Event) { pieces } else { pieces.map(f64::abs) };
    let price = cell(Role::Price).or(if is_sale { cell(Role::Value) } else { None });
    let bad_id = |error: ProductIdError| EventFault::new("product", EventRejectCode::BadId, error.to_string());
    let item = Item {
        product: ProductId::new(cell(Role::Product).ok_or_else(|| missing(Role::Product))?).map_err(bad_id)?,
        quantity: pieces.map_or(Ok(1), |pieces| quantity_of("quantity", pieces))?,
        price: price.map(|text| price_parts("price", number(Role::Price, text)?)).transpose()?,
    };
    // The lines of an order after its first may leave the time out.
    let of_order = last_told.take().filter(|(last, _)| order.as_ref() == Some(last) && cell(Role::Time).is_none());
    let time_ms = of_order.map_or_else(|| time_of(cell(Role::Time)), |(_, time_ms)| Ok(time_ms))?;
    *last_told = order.clone().map(|order| (order, time_ms));
    let bad_currency =
        |_| EventFault::new("currency", EventRejectCode::BadCurrency, "write an ISO 4217 code such as USD");
    Ok(Some(Event {
        ids: ids_of(columns, cells)?,
        order: order.filter(|_| is_sale),
        consent: cell(Role::Consent).map(|text| consent("consent", &text.into())).transpose()?,
        currency: cell(Role::Currency).map(|code| code.parse().map_err(bad_currency)).transpose()?,
        recommendation: id(Role::Recommendation, cell(Role::Recommendation))?,
        items: vec![item],
        ..Event::new(kind, time_ms)
    }))
}

/// What a line's event is called, or else what its numbers say.
fn kind_of(
    columns: &Columns,
    cells: &[String],
    order: Option<&str>,
    pieces: Option<f64>,
) -> Result<Option<EventKind>, EventFault> {
    match columns.cell(Role::Event, cells).map(named) {
        Some(Some(Named::Kind(kind))) => return Ok(Some(kind)),
        Some(Some(Named::Unused)) => return Ok(None),
        Some(None) => {
            let message = "it is no event that is known; write GA4's names, such as view_item or purchase";
            return Err(EventFault::new("event", EventRejectCode::UnknownEvent, message));
        }
        None if columns.has(Role::Event) => return Err(missing(Role::Event)),
        None => {}
    }
    let is_refund = pieces.is_some_and(|pieces| pieces < 0.0) || order.is_some_and(is_cancelled);
    Ok(Some(match (columns.has(Role::Order) || columns.has(Role::Quantity), is_refund) {
        (false, _) => EventKind::ViewItem,
        (true, true) => EventKind::Refund,
        (true, false) => EventKind::Purchase,
    }))
}

fn ids_of(columns: &Columns, cells: &[String]) -> Result<Ids, EventFault> {
    let of = |role| id(role, columns.cell(role, cells));
    Ok(Ids {
        event: of(Role::EventId)?,
        visitor: of(Role::Visitor)?,
        user: of(Role::User)?,
        session: of(Role::Session)?,
    })
}

fn time_of(cell: Option<&str>) -> Result<i64, EventFault> {
    let message = "write RFC 3339, a date and a time of day, or an epoch number";
    let told = cell.ok_or_else(|| missing(Role::Time))?;
    time::from_text(told).ok_or_else(|| EventFault::new("time", EventRejectCode::BadTime, message))
}

/// Whether an order's number says that it was cancelled, such as `C536379`.
fn is_cancelled(order: &str) -> bool {
    order.strip_prefix('C').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn missing(role: Role) -> EventFault {
    EventFault::new(word(role), EventRejectCode::MissingField, "the cell is empty")
}

fn id(role: Role, cell: Option<&str>) -> Result<Option<String>, EventFault> {
    match cell {
        Some(text) if text.len() > MAX_ID_BYTES => {
            let message = format!("it has {} bytes, at most {MAX_ID_BYTES} are read", text.len());
            Err(EventFault::new(word(role), EventRejectCode::TooLong, message))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(EventFault::new(word(role), EventRejectCode::BadId, "it holds a control character"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// A number with a point, or with a comma after which not just three digits stand: `1,000` may mean two numbers.
fn number(role: Role, text: &str) -> Result<f64, EventFault> {
    let with_point = match text.split_once(',') {
        Some((whole, part)) if part.len() != 3 && !text.contains('.') => format!("{whole}.{part}"),
        _ => text.to_owned(),
    };
    let number = with_point.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| EventFault::new(word(role), EventRejectCode::WrongType, "write a number such as 2.5"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventsConfig, HistoryPart, NO_ORDER};

    struct Shop {
        dir: tempfile::TempDir,
        store: EventStore,
    }

    impl Shop {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = EventStore::open(dir.path(), &EventsConfig::default()).unwrap();
            Self { dir, store }
        }

        fn import(&self, text: &str) -> (Imported, Vec<(u64, String, String)>) {
            let path = self.dir.path().join("file");
            std::fs::write(&path, text).unwrap();
            let import = Import {
                store: &self.store,
                columns: ColumnMap::default(),
                now_ms: 1_800_000_000_000,
                is_known: &|id| id != "POST",
            };
            let mut rejects = Vec::new();
            let mut reject = |bad: &EventReject| rejects.push((bad.index, bad.field.clone(), bad.code.to_string()));
            let done = import.run(&path, &mut |_, _| {}, &mut reject).unwrap();
            (done, rejects)
        }
    }

    const ORDERS: &str = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n\
        1,a,2,12/1/2010 8:26,2.55,anna\n1,a,2,12/1/2010 8:26,2.55,anna\n1,POST,1,12/1/2010 8:26,18.00,anna\n\
        2,b,1,12/1/2010 8:30,1.00,\nC3,a,-1,12/2/2010 8:26,2.55,anna\n";

    #[test]
    fn orders_are_read_with_their_refunds_and_once() {
        let shop = Shop::new();
        let (done, rejects) = shop.import(ORDERS);
        assert_eq!((done.records, done.accepted, done.duplicates, rejects.len()), (5, 3, 0, 0));
        assert_eq!(done.unknown_products, HashSet::from(["POST".to_owned()]));
        let history = shop.store.history(&HistoryPart::default()).unwrap();
        let lines: Vec<_> = history
            .sessions()
            .flat_map(|session| session.interactions.iter().map(|line| (line.kind, line.order, line.quantity)))
            .collect();
        use EventKind::{Purchase, Refund};
        assert_eq!(lines, [(Purchase, 0, 2), (Purchase, 0, 2), (Purchase, 0, 1), (Purchase, 1, 1), (Refund, 0, 1)]);
        assert!(lines.iter().all(|line| line.1 != NO_ORDER));
        let (again, _) = shop.import(&format!("{ORDERS}4,c,1,12/3/2010 8:26,1,ben\n"));
        assert_eq!((again.accepted, again.duplicates), (1, 3));
    }

    #[test]
    fn an_export_of_shopifys_orders_and_one_with_semicolons_and_commas_are_read() {
        let shop = Shop::new();
        let shopify = "Name,Email,Currency,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku\n\
            #1001,anna@x,EUR,2026-01-01 10:00:00 -0500,2,\"Mug, blue\",12.50,MUG\n#1001,anna@x,,,1,Bowl,7.00,BOWL\n\
            #1002,ben@x,EUR,2026-01-02 10:00:00 -0500,1,Bowl,7.00,BOWL\n";
        let semicolons = "order;sku;quantity;date;price\nA;MUG;3;2026-01-01 15:00:00;12,5\nB;BOWL;1;2026-01-01;1,000\n";
        let (done, rejects) = shop.import(shopify);
        assert_eq!((done.accepted, rejects.len()), (2, 0));
        let anna = shop.store.export("anna@x").unwrap();
        assert_eq!((anna.len(), anna[0].timestamp.to_string()), (1, "2026-01-01T15:00:00Z".to_owned()));
        let items: Vec<_> = anna[0].items.iter().map(|item| (&*item.item_id, item.quantity, item.price)).collect();
        assert_eq!(items, [("MUG", 2, Some(12.5)), ("BOWL", 1, Some(7.0))]);
        let (done, rejects) = shop.import(semicolons);
        assert_eq!((done.accepted, rejects), (1, vec![(3, "price".to_owned(), "wrong_type".to_owned())]));
        let history = shop.store.history(&HistoryPart::default()).unwrap();
        let sold = history.sessions().find(|session| session.interactions[0].quantity == 3).unwrap().interactions[0];
        assert_eq!((sold.price, sold.time_s), (12.5, 1_767_279_600));
    }

    #[test]
    fn an_order_in_pieces_or_with_very_many_lines_is_whole() {
        let line = |order: &str, product: usize| format!("{order},p{product},1,2024-05-05,1,anna\n");
        let many: String = (0..2500).map(|product| line("1", product)).collect();
        let text = format!("order_id,sku,qty,date,price,email\n{many}{}{}{}", line("2", 0), line("1", 7), line("2", 1));
        let shop = Shop::new();
        assert_eq!(shop.import(&text).0.accepted, 3 + 1 + 1 + 1);
        assert_eq!(shop.import(&text).0.duplicates, 6);
        assert_eq!(shop.store.history(&HistoryPart::default()).unwrap().num_interactions(), 2503);
    }

    #[test]
    fn interactions_of_personalize_and_lines_of_json_are_read() {
        let shop = Shop::new();
        let text = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\nu,a,1790000000,View,\nu,b,1790000060,Purchase,9.5\nu,c,1790000061,PageView,\n";
        let (done, rejects) = shop.import(text);
        assert_eq!((done.accepted, done.ignored, rejects.len()), (2, 1, 0));
        assert_eq!(shop.store.export("u").unwrap()[1].items[0].price, Some(9.5));
        let json =
            "{\"event\":\"view_item\",\"item_id\":\"a\",\"timestamp\":1790000000}\n{\"event\":\"view_item\"}\n\n{\n";
        let (done, rejects) = shop.import(json);
        assert_eq!(
            (done.accepted, rejects),
            (1, vec![(2, "items".into(), "missing_field".into()), (4, "event".into(), "bad_json".into())])
        );
    }

    #[test]
    fn bad_lines_are_named_and_stop_no_other() {
        let shop = Shop::new();
        let text = "order,product,quantity,time,price\n1,a,1,2024-05-05,1\n1,,1,2024-05-05,1\n1,a,0,2024-05-05,1\n1,a,x,2024-05-05,1\n\
            1,a,1,never,1\n1,a,1,2024-05-05,-1\n1,a,1,1990-05-05,1\n1,a\n2,b,1,2024-05-05,1\n";
        let (done, rejects) = shop.import(text);
        let expected = [
            (3, "product", "missing_field"),
            (4, "quantity", "out_of_range"),
            (5, "quantity", "wrong_type"),
            (6, "time", "bad_time"),
            (7, "price", "out_of_range"),
            (8, "timestamp", "bad_time"),
            (9, "record", "bad_record"),
        ];
        let expected = expected.map(|(line, field, code)| (line, field.to_owned(), code.to_owned()));
        assert_eq!((done.accepted, done.rejected, rejects), (2, 7, expected.to_vec()));
    }

    #[test]
    fn a_line_whose_consent_is_denied_is_not_kept() {
        let shop = Shop::new();
        let lines =
            "order_id,product_id,timestamp,consent\nX1,a,2026-01-01,false\nX2,b,2026-01-02,true\nX3,c,2026-01-03,\n";
        let (done, rejects) = shop.import(lines);
        assert_eq!((done.without_consent, rejects.len()), (1, 0));
        assert_eq!(shop.store.history(&HistoryPart::default()).unwrap().products(), ["b", "c"]);
    }
}
