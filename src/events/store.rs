//! One catalog's events: kept by one writer, the live sessions beside them.
//!
//! All events go through one thread, which puts everything that waits into one transaction. A request is answered once its events are on
//! disk and in the live sessions. Nothing is made on disk before the first event.

use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, mpsc,
};
use std::thread::JoinHandle;

use jiff::Timestamp;

use super::error::EventError;
use super::event::Event;
use super::file::{EVENTS_FILE, EventFile};
use super::history::History;
use super::identity::{Domain, IdentityKey, KEY_FILE};
use super::live::{LiveInteraction, LiveSessions};
use super::restore;
use super::row::Hashes;
use super::sessions::{self, HistoryPart};
use super::settings::EventsConfig;
use super::tables::is_there;

/// Events that are put into one transaction at most, unless a single request has more.
const MAX_GROUP_EVENTS: usize = 10_000;

/// What became of the events of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventReceipt {
    /// How many are kept.
    pub accepted: u64,
    /// How many had been kept before, all of them; an order that has something more than was known is accepted, and that much of it kept.
    pub duplicates: u64,
}

/// Called once with what became of a request.
type Reply = Box<dyn FnOnce(Result<EventReceipt, EventError>) + Send>;

struct Request {
    events: Vec<(Event, Hashes)>,
    reply: Reply,
}

/// The events of one catalog.
///
/// ```no_run
/// use std::path::Path;
/// use kindred::catalog::ProductId;
/// use kindred::events::{Event, EventKind, EventStore, EventsConfig, Ids, Item};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = EventStore::open(Path::new("index/myshop"), &EventsConfig::default())?;
/// let item = Item { product: ProductId::new("SKU-1")?, quantity: 1, price: None };
/// let now_ms = jiff::Timestamp::now().as_millisecond();
/// let ids = Ids { visitor: Some("v1".into()), ..Ids::default() };
/// let receipt = store.submit(vec![Event { ids, items: vec![item], ..Event::new(EventKind::ViewItem, now_ms) }])?;
/// assert_eq!(receipt.accepted, 1);
/// assert_eq!(&*store.live_session(&["v1"], None, now_ms)?[0].product, "SKU-1");
/// # Ok(())
/// # }
/// ```
pub struct EventStore {
    pub(super) shared: Arc<Shared>,
    /// Taken when dropped, which ends the writer.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer and the callers share.
pub(super) struct Shared {
    folder: PathBuf,
    path: PathBuf,
    pub(super) config: EventsConfig,
    key: OnceLock<IdentityKey>,
    /// `None` until there is a file.
    file: Mutex<Option<EventFile>>,
    live: Mutex<LiveSessions>,
    /// Held by who reads one shopper's events, and alone by an erasure, which readers that take turns would keep waiting.
    readers: RwLock<()>,
}

impl EventStore {
    /// Opens the events in a catalog's `folder` (none where there is no file yet), and restores the live sessions.
    ///
    /// Returns an error naming the file if it is damaged, foreign, held by another process, or its key is missing or another one.
    pub fn open(folder: &Path, config: &EventsConfig) -> Result<Self, EventError> {
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            path: folder.join(EVENTS_FILE),
            config: config.clone(),
            key: OnceLock::new(),
            file: Mutex::new(None),
            live: Mutex::new(LiveSessions::new(config.live_sessions, config.session_idle_ms())),
            readers: RwLock::new(()),
        });
        shared.find_file(&mut shared.file())?;
        let (requests, waiting) = mpsc::channel();
        let of_writer = shared.clone();
        let writer = std::thread::Builder::new().name("events".to_owned());
        let writer = writer.spawn(move || of_writer.write_all(&waiting));
        let writer = writer.map_err(|_| EventError::NoWriter { path: shared.path.clone() })?;
        Ok(Self { shared, requests: Some(requests), writer: Some(writer) })
    }

    /// The file of the events.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The settings that it was opened with.
    pub fn config(&self) -> &EventsConfig {
        &self.shared.config
    }

    /// Keeps `events` and calls `reply` when they are on disk and in the live sessions, or with an error when none of them is. Does not
    /// wait; `reply` runs on the writer's thread.
    ///
    /// Events are kept as they are: [`EventReader::settle`](super::EventReader::settle) checks them and heeds the consent.
    pub fn submit_with(
        &self,
        events: Vec<Event>,
        reply: impl FnOnce(Result<EventReceipt, EventError>) + Send + 'static,
    ) {
        // Hashed here, on the caller's thread, as the writer's is the narrow one.
        let key = match self.shared.key_for_writing() {
            Ok(key) => key,
            Err(error) => return reply(Err(error)),
        };
        let hashed = events.into_iter().map(|event| {
            let hashes = Hashes::of(&event, &key);
            (event, hashes)
        });
        let request = Request { events: hashed.collect(), reply: Box::new(reply) };
        let sent = match &self.requests {
            Some(requests) => requests.send(request).map_err(|mpsc::SendError(request)| request),
            None => Err(request),
        };
        if let Err(request) = sent {
            (request.reply)(Err(EventError::NoWriter { path: self.shared.path.clone() }));
        }
    }

    /// As [`EventStore::submit_with`], and waits.
    ///
    /// Returns an error if the events could not be written; then none of them is kept.
    pub fn submit(&self, events: Vec<Event>) -> Result<EventReceipt, EventError> {
        let (reply, answer) = mpsc::sync_channel(1);
        // Nobody else takes the answer, so it can always be sent.
        self.submit_with(events, move |result| drop(reply.send(result)));
        answer.recv().unwrap_or_else(|_| Err(EventError::NoWriter { path: self.shared.path.clone() }))
    }

    /// What the first of `shoppers` (visitors' or users' ids) with a session under way at `now_ms` (milliseconds since 1970) did in it, oldest
    /// first, at most [`MAX_LIVE_INTERACTIONS`](super::MAX_LIVE_INTERACTIONS): what bears the id `session`, or else all up to the last
    /// pause. Where none of them has one, what was done under the session's id by nobody who is named, or where nobody is asked for, by
    /// anybody. Empty where nothing is known of any.
    ///
    /// Returns an error if the key of the ids cannot be read.
    pub fn live_session(
        &self,
        shoppers: &[&str],
        session: Option<&str>,
        now_ms: i64,
    ) -> Result<Vec<LiveInteraction>, EventError> {
        let Some(key) = self.shared.key.get() else { return Ok(Vec::new()) };
        let session = session.map(|session| key.hash(Domain::Session, session));
        let shoppers: Vec<i64> = shoppers.iter().map(|shopper| key.hash(Domain::Shopper, shopper)).collect();
        let live = self.shared.live();
        let mut found = shoppers.iter().map(|shopper| live.of(*shopper, session, now_ms));
        let under_session = || session.map(|session| live.under_session(session, &shoppers, now_ms));
        Ok(found.find(|found| !found.is_empty()).or_else(under_session).unwrap_or_default())
    }

    /// What a visitor (or user) was shown, and what they looked at, clicked and bought, oldest first, however long ago, at most
    /// [`MAX_MARKS`](super::MAX_MARKS) of each. Empty for a shopper who is not known.
    ///
    /// Returns an error if the key of the ids cannot be read.
    pub fn marks(&self, visitor: &str) -> Result<Vec<LiveInteraction>, EventError> {
        let Some(key) = self.shared.key.get() else { return Ok(Vec::new()) };
        let shopper = key.hash(Domain::Shopper, visitor);
        Ok(self.shared.live().marks(shopper))
    }

    /// The events as what behaviour is learned from: see [`HistoryPart`]. Reads beside the writer and stops nobody.
    ///
    /// Needs 48 bytes an event and, at its peak, 48 bytes a product in it. Returns an error if the file is damaged or cannot be read.
    pub fn history(&self, part: &HistoryPart) -> Result<History, EventError> {
        if !self.is_there()? {
            return Ok(History::default());
        }
        sessions::history(&self.shared.path, part, self.shared.config.session_idle_ms(), None)
    }

    /// Whether there are events, or have been.
    pub(super) fn is_there(&self) -> Result<bool, EventError> {
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        Ok(file.is_some())
    }

    /// Takes in what another process has written. Returns whether there was anything.
    ///
    /// Returns an error if the file cannot be read.
    pub fn catch_up(&self) -> Result<bool, EventError> {
        let mut file = self.shared.file();
        let Some(file) = file.as_mut() else { return self.shared.find_file(&mut file) };
        if !file.take_news()? {
            return Ok(false);
        }
        if file.take_erasures()? {
            self.shared.restore(file)?;
        } else {
            file.show_others(&mut self.shared.live())?;
        }
        Ok(true)
    }

    /// Bytes of the file, without what is free in it; 0 before the first event.
    ///
    /// Returns an error if the file cannot be read.
    pub fn num_bytes(&self) -> Result<u64, EventError> {
        self.shared.file().as_ref().map_or(Ok(0), EventFile::num_bytes)
    }
}

impl Drop for EventStore {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was answered to whoever waited for it.
            let _ = writer.join();
        }
    }
}

impl Shared {
    pub(super) fn file(&self) -> MutexGuard<'_, Option<EventFile>> {
        // The file is left whole by every step, whatever panics between two.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self) -> MutexGuard<'_, LiveSessions> {
        // What a panic leaves out is missing from a live session alone.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For as long as one shopper's events are read; `None` while an erasure needs the file without readers.
    pub(super) fn reading(&self) -> Option<RwLockReadGuard<'_, ()>> {
        match self.readers.try_read() {
            Ok(reading) => Some(reading),
            // It guards nothing that a panic could leave half done.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// For as long as nobody may read one shopper's events.
    pub(super) fn without_readers(&self) -> RwLockWriteGuard<'_, ()> {
        self.readers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key, if there are events or have been.
    pub(super) fn key(&self) -> Option<&IdentityKey> {
        self.key.get()
    }

    /// Opens the file when it is there. Returns whether it was opened now.
    pub(super) fn find_file(&self, file: &mut Option<EventFile>) -> Result<bool, EventError> {
        if file.is_some() || !is_there(&self.path)? {
            return Ok(false);
        }
        let Some(key) = IdentityKey::read(&self.folder)? else {
            return Err(EventError::MissingKey { path: self.folder.join(KEY_FILE) });
        };
        let key = self.key.get_or_init(|| key);
        let mut opened = EventFile::open(&self.folder, key)?;
        self.restore(&mut opened)?;
        *file = Some(opened);
        Ok(true)
    }

    /// The key, made if this is the first event of all.
    fn key_for_writing(&self) -> Result<IdentityKey, EventError> {
        if let Some(key) = self.key.get() {
            return Ok(key.clone());
        }
        // Under the lock, so that a key is never made beside events that another thread is about to find.
        let mut file = self.file();
        self.find_file(&mut file)?;
        if let Some(key) = self.key.get() {
            return Ok(key.clone());
        }
        let key = IdentityKey::read_or_make(&self.folder)?;
        Ok(self.key.get_or_init(|| key).clone())
    }

    pub(super) fn restore(&self, file: &mut EventFile) -> Result<(), EventError> {
        let now_ms = Timestamp::now().as_millisecond();
        let mut live = self.live();
        live.clear();
        *file.last_live() = restore::latest(file.path(), file.connection(), now_ms, &mut live)?;
        Ok(())
    }

    /// The writer's life: everything that waits, again and again.
    fn write_all(&self, waiting: &mpsc::Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            let mut num_events = first.events.len();
            let mut group = vec![first];
            while num_events < MAX_GROUP_EVENTS
                && let Ok(next) = waiting.try_recv()
            {
                num_events += next.events.len();
                group.push(next);
            }
            let outcome = self.write(&group);
            for (place, request) in group.into_iter().enumerate() {
                let receipt = outcome.as_ref().map(|receipts| receipts.get(place).copied().unwrap_or_default());
                (request.reply)(receipt.map_err(EventError::clone));
            }
        }
    }

    /// Keeps the events of all requests in one transaction, then shows them in the live sessions.
    fn write(&self, group: &[Request]) -> Result<Vec<EventReceipt>, EventError> {
        let mut file = self.file();
        self.find_file(&mut file)?;
        let file = match (&mut *file, self.key.get()) {
            (Some(file), _) => file,
            (none, Some(key)) => none.insert(EventFile::open(&self.folder, key)?),
            (None, None) => return Err(EventError::MissingKey { path: self.folder.join(KEY_FILE) }),
        };
        let mut append = file.begin()?;
        append.show_others(&mut self.live())?;
        let mut receipts = Vec::with_capacity(group.len());
        let mut added = Vec::new();
        for request in group {
            let mut receipt = EventReceipt::default();
            for event in &request.events {
                match append.push(&event.0, event.1)? {
                    Some(kept) => {
                        receipt.accepted += 1;
                        let sign_in = append.first_sign_in(&event.1, &self.live())?;
                        added.push((kept, event.1, sign_in));
                    }
                    None => receipt.duplicates += 1,
                }
            }
            receipts.push(receipt);
        }
        if !added.is_empty() {
            append.commit()?;
        }
        let mut live = self.live();
        for (event, hashes, sign_in) in added {
            live.add(&event, &hashes);
            if let (Some(visitor), Some(sign_in)) = (hashes.visitor, sign_in) {
                live.sign_in(visitor, sign_in);
            }
        }
        Ok(receipts)
    }
}

#[cfg(test)]
mod tests;
