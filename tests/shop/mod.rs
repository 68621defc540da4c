//! A small real shop for the server's tests: its products, its generations on disk, a server on a free port, and an HTTP client
//! that sends exactly the bytes it is told to.

#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kindred::behavior::BehaviorConfig;
use kindred::catalog::{CatalogConfig, Product, TextTemplate};
use kindred::embed::{EmbedConfig, Embedder};
use kindred::events::{EventsConfig, History};
use kindred::index::{CatalogDir, GenerationInput, IndexConfig, Manifest, ModelRecord, write_generation};
use kindred::live::FoldChanges;
use kindred::pipeline::{Build, Built};
use kindred::recommend::RecommendConfig;
use kindred::server::{CatalogSettings, Serve, ServerConfig, ServerError, serve};
use serde_json::{Value, json};

/// The files below `folder` that hold `needle`.
pub fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
            found.push(path);
        }
    }
    found
}

/// Builds the catalog `shop` from the lines of a feed, as `kindred index build` does, and puts it in use. Half of them may be bad.
pub fn build(root: &Path, lines: &str, history: History) -> Built {
    build_with(root, lines, history, &BehaviorConfig::default())
}

/// The same of records.
pub fn build_records(root: &Path, records: &[Value], history: History) -> Built {
    build(root, &records.iter().map(|record| format!("{record}\n")).collect::<String>(), history)
}

/// The same as [`build`] with settings of what is learned.
pub fn build_with(root: &Path, lines: &str, history: History, behavior: &BehaviorConfig) -> Built {
    let feed = root.join("feed.jsonl");
    std::fs::write(&feed, lines).unwrap();
    let dir = CatalogDir::new(root, "shop").unwrap();
    let catalog = CatalogConfig { text: template(), max_reject_share: 0.5, ..CatalogConfig::default() };
    let build = Build {
        dir: &dir,
        catalog: &catalog,
        // Hundreds of products that differ by a number have many neighbors as near as the ten nearest.
        index: &IndexConfig { recall_floor: 0.0, ..IndexConfig::default() },
        live: FoldChanges::Newer,
        behavior,
        history: &|| Ok(history.clone()),
        embedder: &EMBEDDER,
    };
    build.run(&feed, &|_| {}).unwrap()
}

/// The real model, loaded once a test binary.
pub static EMBEDDER: LazyLock<Arc<Embedder>> = LazyLock::new(|| {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/all-MiniLM-L6-v2");
    assert!(model.is_dir(), "no model at {}: run scripts/fetch_model, then the tests again", model.display());
    Arc::new(Embedder::load(&EmbedConfig { model, ..EmbedConfig::default() }).expect("the fetched model loads"))
});

/// 48 products in 24 families of two colours, and four with ids that need care in an address.
pub fn products() -> Vec<Product> {
    let things = ["retrospot bag", "phone case", "glass lantern", "tea mug", "garden chair", "wool scarf"];
    let sizes = ["small", "large", "mini", "jumbo"];
    let mut records = Vec::new();
    for (t, thing) in things.iter().enumerate() {
        for (s, size) in sizes.iter().enumerate() {
            for (c, color) in ["red", "blue"].iter().enumerate() {
                let mut record = json!({
                    "id": format!("{t}{s}{c}"), "title": format!("{size} {color} {thing}"),
                    "item_group_id": format!("family-{t}{s}"), "price": format!("{}.50 USD", 5 * (t + 1) + s),
                    "brand": if s % 2 == 0 { "Acme" } else { "Bolt" },
                    "availability": if c == 1 && s == 3 { "out_of_stock" } else { "in_stock" },
                    "product_type": [["Home", if t < 3 { "Carry" } else { "Live" }, thing]],
                    "attributes": {"color": [color], "size": [size]},
                });
                if s == 0 {
                    record["sale_price"] = json!(format!("{}.25 USD", 4 * (t + 1)));
                }
                records.push(record);
            }
        }
    }
    for id in ["a/b", "/lead", "ключ 🔑", "100%+1&x=?"] {
        records.push(json!({"id": id, "title": format!("odd key ring {id}"), "price": "900 JPY", "link": "https://shop.example/x"}));
    }
    records.into_iter().map(|record| serde_json::from_value(record).unwrap()).collect()
}

/// The products as the index keeps them.
pub fn records() -> Vec<Value> {
    products().iter().map(|product| serde_json::to_value(product).unwrap()).collect()
}

/// The text that [`publish`] embeds: the title alone.
pub fn template() -> TextTemplate {
    serde_json::from_value(json!({"separator": ". ", "fields": [{"field": "title", "max_chars": 300}]})).unwrap()
}

/// How the shop's products are read.
pub fn settings() -> CatalogSettings {
    let default = CatalogConfig { text: template(), currency: Some("USD".into()), ..CatalogConfig::default() };
    CatalogSettings { default, ..CatalogSettings::default() }
}

/// Builds a generation of `products` and puts it in use.
pub fn publish(root: &Path, catalog: &str, products: &[Product]) -> Manifest {
    publish_as(root, catalog, products, EMBEDDER.fingerprint())
}

/// The same, by a model of the given fingerprint.
pub fn publish_as(root: &Path, catalog: &str, products: &[Product], fingerprint: &str) -> Manifest {
    let titles: Vec<&str> = products.iter().map(|product| product.title.as_str()).collect();
    let vectors = EMBEDDER.embed(&titles, &|_| {}).unwrap();
    let dir = CatalogDir::new(root, catalog).unwrap();
    let lock = dir.lock().unwrap();
    let (building, generation) = dir.start_build(&lock).unwrap();
    let input = GenerationInput {
        catalog,
        generation: &generation,
        parent: dir.current().unwrap_or(None),
        feed: "feed.jsonl",
        products,
        vectors: vectors.as_slice(),
        model: ModelRecord {
            name: EMBEDDER.name().into(),
            fingerprint: fingerprint.into(),
            precision: EMBEDDER.precision().name().into(),
            text: "title".into(),
            dim: EMBEDDER.dim(),
        },
        live: None,
        num_rejects: 0,
        num_embedded: titles.len(),
        num_reused: 0,
        started: Instant::now(),
        now: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let manifest = write_generation(&building, &input, &IndexConfig::default(), &mut |_| {}).unwrap();
    dir.publish(&lock, &building, &manifest).unwrap();
    manifest
}

/// An index root with the catalog `shop`.
pub fn index() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "shop", &products());
    root
}

/// Settings for tests: a free port and short times.
pub fn config() -> ServerConfig {
    let bind = "127.0.0.1:0".parse().unwrap();
    ServerConfig { bind, reload_interval_ms: 20, shutdown_grace_ms: 3000, ..ServerConfig::default() }
}

/// A server in a thread of its own; stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    pub fn start(root: &Path, config: ServerConfig) -> Self {
        let (ready, listening) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let index_root: PathBuf = root.to_owned();
        let thread = std::thread::spawn(move || {
            let ready: Box<dyn FnOnce(SocketAddr) + Send> = Box::new(move |address| ready.send(address).unwrap());
            let (recommend, embedder) = (RecommendConfig::default(), EMBEDDER.clone());
            let (events, behavior) = (EventsConfig::default(), BehaviorConfig::default());
            let (catalogs, ready) = (settings(), Some(ready));
            let settings = Serve { config, index_root, recommend, behavior, catalogs, events, embedder, ready };
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(serve(settings, async move { drop(stopped.await) }))
        });
        let address = listening.recv_timeout(Duration::from_secs(60)).expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells the server to stop, without waiting.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server and returns what it ended with.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.begin_stop();
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("the server does not panic"))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str, body: &Value) -> Reply {
        self.send("DELETE", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// One request on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut connection = self.connect();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n");
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        if !body.is_empty() || method == "POST" {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        connection.write_all(body).unwrap();
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes).unwrap();
        Reply::parse(&bytes)
    }

    pub fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.set_nodelay(true).unwrap();
        connection
    }

    /// Ids that are recommended for `request`, best first.
    pub fn recommended(&self, request: &Value) -> Vec<String> {
        let reply = self.post("/v1/shop/recommend", request);
        assert_eq!(reply.status, 200, "{request}: {}", reply.text());
        let reply = reply.json();
        let results = reply["results"].as_array().unwrap();
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks until `is_reached` holds; fails after 20 seconds.
    pub fn wait_until(&self, path: &str, is_reached: impl Fn(&Reply) -> bool) -> Reply {
        let began = Instant::now();
        loop {
            let reply = self.get(path);
            if is_reached(&reply) {
                return reply;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{path} stays at {}", reply.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// The header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Checks that this is a whole problem document, and returns its code and field.
    pub fn problem(&self) -> (String, Value) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}: {}", self.head, self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        for name in ["type", "title", "detail", "code", "hint"] {
            assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {problem}");
        }
        assert!(!problem.to_string().contains("/tmp"), "a path of the machine leaks: {problem}");
        (problem["code"].as_str().unwrap().to_owned(), problem["field"].clone())
    }
}
