//! One catalog's live changes: kept in its log, and visible at once.
//!
//! All changes go through one thread, which puts everything that waits into one transaction. A request is answered once its changes
//! are on disk and in the view, so the next view has them. Nobody who takes a view waits for anything.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::change::{Change, Entry, Upsert};
use super::error::LiveError;
use super::log::{Append, ChangeLog, LogSize};
use super::overlay::{Baseline, Overlay, Refusal};
use super::view::{State, View};
use crate::catalog::{Product, TextTemplate};
use crate::embed::Embedder;
use crate::index::Generation;

/// Changes that are put into one transaction at most, unless a single request has more.
const MAX_GROUP_CHANGES: usize = 10_000;

/// What became of the changes of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// How many are kept and visible.
    pub accepted: usize,
    /// Places in the request of those that are not, and why.
    pub refused: Vec<(usize, Refusal)>,
    /// Number of the last change that was visible when this request's were.
    pub seq: u64,
}

/// Called once with what became of a request.
type Reply = Box<dyn FnOnce(Result<Receipt, LiveError>) + Send>;

struct Request {
    changes: Vec<Change>,
    reply: Reply,
}

/// The live changes of one catalog over the generation in use.
///
/// ```no_run
/// use kindred::catalog::ProductId;
/// use kindred::live::{Change, LiveCatalog};
///
/// # fn delete(live: &LiveCatalog) -> Result<(), Box<dyn std::error::Error>> {
/// let receipt = live.submit(vec![Change::Delete { id: ProductId::new("SKU-1")? }])?;
/// assert_eq!(receipt.accepted + receipt.refused.len(), 1);
/// assert!(live.view().row("SKU-1").is_none());
/// # Ok(())
/// # }
/// ```
pub struct LiveCatalog {
    shared: Arc<Shared>,
    /// Taken when dropped, which ends the writer.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    embedder: Arc<Embedder>,
    template: TextTemplate,
    view: ArcSwap<State>,
    /// Held by whoever changes the view. `None` until there is a file.
    log: Mutex<Option<ChangeLog>>,
}

impl LiveCatalog {
    /// Opens the changes at `path` (none where there is no file yet) and applies to `generation` those that it lacks. New products'
    /// texts are rendered by `template` and embedded by `embedder`, which must be the model that made the generation.
    ///
    /// Returns an error if the file is damaged, foreign, or lacks changes that the generation needs.
    pub fn open(
        path: PathBuf,
        generation: Generation,
        embedder: Arc<Embedder>,
        template: TextTemplate,
    ) -> Result<Self, LiveError> {
        let mut log = ChangeLog::open_existing(&path)?;
        let state = replayed(log.as_mut(), generation, &path, &embedder, &template)?;
        let view = ArcSwap::from_pointee(state);
        let shared = Arc::new(Shared { path, embedder, template, view, log: Mutex::new(log) });
        let (requests, waiting) = mpsc::channel();
        let of_writer = shared.clone();
        let writer = std::thread::Builder::new().name("live-changes".to_owned());
        let writer = writer.spawn(move || of_writer.write_all(&waiting));
        let writer = writer.map_err(|_| LiveError::NoWriter { path: shared.path.clone() })?;
        Ok(Self { shared, requests: Some(requests), writer: Some(writer) })
    }

    /// The catalog as it is now.
    pub fn view(&self) -> View {
        View::of(self.shared.view.load_full())
    }

    /// The file of the changes.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How much the log holds; nothing before the first change.
    ///
    /// Returns an error if the file cannot be read.
    pub fn log_size(&self) -> Result<LogSize, LiveError> {
        self.shared.log().as_ref().map_or(Ok(LogSize::default()), ChangeLog::size)
    }

    /// Puts `generation` in place of the one in use, with the changes that it lacks. Views taken before stay as they are.
    ///
    /// Returns an error as [`LiveCatalog::open`] does; then the one in use stays.
    pub fn take_over(&self, generation: Generation) -> Result<(), LiveError> {
        let shared = &self.shared;
        // Held to the end, so that no change is acknowledged in the old view alone.
        let mut log = shared.log();
        shared.find_file(&mut log)?;
        let state = replayed(log.as_mut(), generation, &shared.path, &shared.embedder, &shared.template)?;
        shared.view.store(Arc::new(state));
        Ok(())
    }

    /// Makes visible what another process has added. Returns whether there was anything.
    ///
    /// Returns an error if the file cannot be read; what was visible stays so.
    pub fn catch_up(&self) -> Result<bool, LiveError> {
        self.shared.catch_up()
    }

    /// Embeds `products` and returns them as changes, in their order.
    ///
    /// Returns an error if a text cannot be embedded.
    pub fn upserts(&self, products: Vec<Product>) -> Result<Vec<Change>, LiveError> {
        let Shared { embedder, template, .. } = &*self.shared;
        let texts: Vec<String> = products.iter().map(|product| template.render(product)).collect();
        let vectors = match texts.as_slice() {
            [text] => embedder.embed_one(text)?,
            texts => embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &|_| {})?.into_vec(),
        };
        let upsert = |(product, vector): (Product, &[f32])| {
            let model = embedder.fingerprint().to_owned();
            Change::Upsert(Box::new(Upsert { product, vector: vector.to_vec(), model }))
        };
        Ok(products.into_iter().zip(vectors.chunks_exact(embedder.dim())).map(upsert).collect())
    }

    /// Keeps `changes`, in order, and calls `reply` when they are on disk and visible, or with an error when none of them is. Does not
    /// wait; `reply` runs on the writer's thread.
    pub fn submit_with(&self, changes: Vec<Change>, reply: impl FnOnce(Result<Receipt, LiveError>) + Send + 'static) {
        let request = Request { changes, reply: Box::new(reply) };
        let sent = match &self.requests {
            Some(requests) => requests.send(request).map_err(|mpsc::SendError(request)| request),
            None => Err(request),
        };
        if let Err(request) = sent {
            (request.reply)(Err(LiveError::NoWriter { path: self.shared.path.clone() }));
        }
    }

    /// As [`LiveCatalog::submit_with`], and waits.
    ///
    /// Returns an error if the changes could not be written; then none of them is kept.
    pub fn submit(&self, changes: Vec<Change>) -> Result<Receipt, LiveError> {
        let (reply, answer) = mpsc::sync_channel(1);
        // Nobody else takes the answer, so it can always be sent.
        self.submit_with(changes, move |result| drop(reply.send(result)));
        answer.recv().unwrap_or_else(|_| Err(LiveError::NoWriter { path: self.shared.path.clone() }))
    }
}

impl Drop for LiveCatalog {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was answered to whoever waited for it.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Option<ChangeLog>> {
        // The log is left whole by every step, whatever panics between two.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file when another process has made it.
    fn find_file(&self, log: &mut Option<ChangeLog>) -> Result<(), LiveError> {
        if log.is_none() {
            *log = ChangeLog::open_existing(&self.path)?;
        }
        Ok(())
    }

    fn catch_up(&self) -> Result<bool, LiveError> {
        let mut log = self.log();
        let is_new = log.is_none();
        self.find_file(&mut log)?;
        let Some(log) = log.as_mut() else { return Ok(false) };
        if !is_new && !log.has_news()? {
            return Ok(false);
        }
        let state = self.view.load_full();
        let mut overlay = state.overlay.clone();
        let mut fresh = Replay { baseline: &state.baseline, embedder: &self.embedder, template: &self.template };
        log.read_since(overlay.seq, &mut |entry| fresh.apply(&mut overlay, entry))?;
        let is_changed = overlay.seq != state.overlay.seq;
        if is_changed {
            self.view.store(Arc::new(State::new(state.baseline.clone(), overlay)));
        }
        Ok(is_changed)
    }

    /// The writer's life: everything that waits, again and again.
    fn write_all(&self, waiting: &mpsc::Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            let mut num_changes = first.changes.len();
            let mut group = vec![first];
            while num_changes < MAX_GROUP_CHANGES
                && let Ok(next) = waiting.try_recv()
            {
                num_changes += next.changes.len();
                group.push(next);
            }
            let outcome = self.write(&group);
            for (place, request) in group.into_iter().enumerate() {
                let receipt = outcome.as_ref().map(|receipts| receipts.get(place).cloned().unwrap_or_default());
                (request.reply)(receipt.map_err(LiveError::clone));
            }
        }
    }

    /// Keeps the changes of all requests in one transaction, then makes them visible.
    fn write(&self, group: &[Request]) -> Result<Vec<Receipt>, LiveError> {
        let mut log = self.log();
        let log = match &mut *log {
            Some(log) => log,
            none => none.insert(ChangeLog::open(&self.path)?),
        };
        let state = self.view.load_full();
        let mut overlay = state.overlay.clone();
        let mut append = log.begin()?;
        let seen = append.seen();
        let mut replay = Replay { baseline: &state.baseline, embedder: &self.embedder, template: &self.template };
        append.read_since(overlay.seq, &mut |entry| replay.apply(&mut overlay, entry))?;
        let at_ms = Timestamp::now().as_millisecond();
        let mut add = |request: &Request| add(request, &state.baseline, &mut overlay, &mut append, at_ms);
        let mut receipts = group.iter().map(&mut add).collect::<Result<Vec<Receipt>, LiveError>>()?;
        if receipts.iter().any(|receipt| receipt.accepted > 0) {
            append.commit()?;
        } else {
            drop(append);
        }
        receipts.iter_mut().for_each(|receipt| receipt.seq = overlay.seq);
        if overlay.seq != state.overlay.seq {
            self.view.store(Arc::new(State::new(state.baseline.clone(), overlay)));
        }
        log.has_taken(seen);
        Ok(receipts)
    }
}

fn add(
    request: &Request,
    baseline: &Baseline,
    overlay: &mut Overlay,
    append: &mut Append<'_>,
    at_ms: i64,
) -> Result<Receipt, LiveError> {
    let mut receipt = Receipt::default();
    for (place, change) in request.changes.iter().enumerate() {
        match overlay.check(baseline, change)? {
            Some(refusal) => receipt.refused.push((place, refusal)),
            None => {
                let seq = append.push(change, at_ms)?;
                overlay.apply(baseline, seq, change)?;
                receipt.accepted += 1;
            }
        }
    }
    Ok(receipt)
}

/// `generation` with the changes of `log` that it lacks.
fn replayed(
    log: Option<&mut ChangeLog>,
    generation: Generation,
    path: &Path,
    embedder: &Embedder,
    template: &TextTemplate,
) -> Result<State, LiveError> {
    let baseline = Arc::new(Baseline::of(generation)?);
    let Some(log) = log else {
        let overlay = Overlay::new(&baseline, 0);
        return Ok(State::new(baseline, overlay));
    };
    let manifest = baseline.generation.manifest();
    let mark = manifest.live.as_ref().filter(|mark| mark.log == log.name());
    let settled = mark.map_or(0, |mark| mark.seq);
    let first = log.purged()?;
    if mark.is_some() && first > settled {
        let (path, generation) = (path.to_owned(), manifest.generation.clone());
        return Err(LiveError::Purged { path, generation, first, settled });
    }
    if mark.is_none() && manifest.live.is_some() {
        tracing::warn!(
            generation = manifest.generation,
            "`{}` is another log than the build's; all of it is applied",
            path.display()
        );
    }
    let mut overlay = Overlay::new(&baseline, settled.max(first));
    let mut replay = Replay { baseline: &baseline, embedder, template };
    log.read_since(settled, &mut |entry| replay.apply(&mut overlay, entry))?;
    Ok(State::new(baseline, overlay))
}

/// Applies entries of the log.
struct Replay<'a> {
    baseline: &'a Baseline,
    embedder: &'a Embedder,
    template: &'a TextTemplate,
}

impl Replay<'_> {
    /// A vector by another model means nothing in this generation: the text is embedded again.
    fn apply(&mut self, overlay: &mut Overlay, Entry { seq, mut change, .. }: Entry) -> Result<(), LiveError> {
        if let Change::Upsert(upsert) = &mut change
            && (upsert.model != self.embedder.fingerprint() || upsert.vector.len() != self.embedder.dim())
        {
            upsert.vector = self.embedder.embed_one(&self.template.render(&upsert.product))?;
            upsert.model = self.embedder.fingerprint().to_owned();
        }
        Ok(overlay.apply(self.baseline, seq, &change)?)
    }
}
