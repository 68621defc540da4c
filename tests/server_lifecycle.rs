//! New generations, damaged ones, limits, slow clients and stopping, on a running server.

mod shop;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kindred::index::{CatalogDir, Manifest};
use kindred::server::{ServerConfig, ServerError};
use serde_json::{Value, json};
use shop::{Reply, Running, publish, publish_as};

/// Flips one bit in the middle of a file of the generation.
fn damage(root: &Path, catalog: &str, manifest: &Manifest) {
    let path = root.join(catalog).join(&manifest.generation).join("hnsw.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A new file, as the old one may be mapped.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

/// Publishes a generation in whose `hnsw.bin` one bit is flipped before `CURRENT` names it.
fn publish_damaged(root: &Path, catalog: &str) -> Manifest {
    let aside = tempfile::tempdir().unwrap();
    let manifest = publish(aside.path(), catalog, &shop::products());
    let dir = CatalogDir::new(root, catalog).unwrap();
    let lock = dir.lock().unwrap();
    let (building, generation) = dir.start_build(&lock).unwrap();
    for file in std::fs::read_dir(aside.path().join(catalog).join(&manifest.generation)).unwrap() {
        let file = file.unwrap();
        let mut bytes = std::fs::read(file.path()).unwrap();
        if file.file_name() == "hnsw.bin" {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        std::fs::write(building.join(file.file_name()), bytes).unwrap();
    }
    let manifest = Manifest { generation, ..manifest };
    dir.publish(&lock, &building, &manifest).unwrap();
    manifest
}

fn generation(reply: &Reply) -> Option<String> {
    let catalogs = reply.json()["catalogs"].clone();
    catalogs.as_array()?.iter().find(|catalog| catalog["catalog"] == "shop")?["generation"].as_str().map(str::to_owned)
}

#[test]
fn a_new_generation_is_taken_over_without_a_failed_request() {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    let (is_over, num_answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let request = json!({"context": {"product": "000"}, "include": ["product"]});
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let reply = running.post("/v1/shop/recommend", &request);
                    assert_eq!(
                        (reply.status, reply.json()["results"].as_array().unwrap().len()),
                        (200, 10),
                        "{}",
                        reply.text()
                    );
                    num_answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let began = Instant::now();
        let mut num_swaps = 0;
        while began.elapsed() < Duration::from_secs(3) || num_swaps < 3 {
            let manifest = publish(root.path(), "shop", &shop::products());
            running.wait_until("/v1/catalogs", |reply| generation(reply).as_deref() == Some(&manifest.generation));
            CatalogDir::new(root.path(), "shop").unwrap().gc(0).unwrap();
            num_swaps += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(num_answers.load(Ordering::Relaxed) > 20);
    assert!(!running.get("/metrics").text().contains("result=\"refused\""));
}

#[test]
fn a_damaged_or_foreign_generation_is_refused_once_and_the_old_one_serves_on() {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    let before = running.recommended(&json!({"context": {"product": "000"}}));
    let refused = |reply: &Reply| reply.json()["catalogs"][0]["refused_generation"].clone();
    let damaged = publish_damaged(root.path(), "shop");
    let status = running.wait_until("/healthz/ready", |reply| refused(reply) == json!(damaged.generation));
    assert_eq!((status.status, generation(&status).unwrap().as_str()), (200, "gen-000001"));
    let foreign = publish_as(root.path(), "shop", &shop::products(), &"0".repeat(64));
    running.wait_until("/v1/catalogs", |reply| refused(reply) == json!(foreign.generation));
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})), before);
    // Several looks at the same file count once each generation.
    std::thread::sleep(Duration::from_millis(200));
    let metrics = running.get("/metrics").text();
    assert!(metrics.contains("kindred_reloads_total{catalog=\"shop\",result=\"refused\"} 2\n"), "{metrics}");
    let good = publish(root.path(), "shop", &shop::products());
    let status = running.wait_until("/v1/catalogs", |reply| generation(reply).as_deref() == Some(&good.generation));
    assert_eq!(refused(&status), Value::Null);
}

#[test]
fn a_generation_damaged_at_the_start_answers_503_while_the_others_serve() {
    let root = shop::index();
    let manifest = publish(root.path(), "broken", &shop::products());
    damage(root.path(), "broken", &manifest);
    let running = Running::start(root.path(), shop::config());
    let reply = running.post("/v1/broken/recommend", &json!({"context": {"product": "000"}}));
    assert_eq!((reply.status, reply.problem().0.as_str()), (503, "index_damaged"));
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})).len(), 10);
    let ready = running.get("/healthz/ready");
    assert_eq!((ready.status, ready.problem().0.as_str()), (503, "not_ready"));
    assert_eq!(ready.json()["catalogs"][0]["state"], "index_damaged");
    publish(root.path(), "broken", &shop::products());
    running.wait_until("/healthz/ready", |reply| reply.status == 200);
    assert_eq!(running.post("/v1/broken/recommend", &json!({"context": {"product": "000"}})).status, 200);
}

#[test]
fn catalogs_that_appear_are_picked_up_and_one_that_disappears_serves_on() {
    let root = tempfile::tempdir().unwrap();
    let running = Running::start(&root.path().join("not-yet"), shop::config());
    assert_eq!((running.get("/healthz/ready").status, running.get("/healthz/live").status), (503, 200));
    publish(&root.path().join("not-yet"), "shop", &shop::products());
    running.wait_until("/healthz/ready", |reply| reply.status == 200);
    std::fs::remove_dir_all(root.path().join("not-yet/shop")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(running.recommended(&json!({"context": {"product": "000"}})).len(), 10);
}

/// Reads until the server closes, which it has to do within 10 seconds.
fn read_to_close(connection: &mut TcpStream) -> Vec<u8> {
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        match connection.read(&mut part) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("the server does not close: {error}"),
        }
    }
}

#[test]
fn slow_clients_are_cut_off() {
    let root = shop::index();
    let config = ServerConfig { header_timeout_ms: 300, request_timeout_ms: 300, ..shop::config() };
    let running = Running::start(root.path(), config);
    let mut silent = running.connect();
    let mut half_a_head = running.connect();
    half_a_head.write_all(b"GET /healthz/live HTTP/1.1\r\nhost:").unwrap();
    let mut idle = running.connect();
    idle.write_all(b"GET /healthz/live HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
    let mut half_a_body = running.connect();
    let head = "POST /v1/shop/recommend HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    half_a_body.write_all(head.as_bytes()).unwrap();
    assert!(read_to_close(&mut silent).is_empty());
    assert!(!read_to_close(&mut half_a_head).starts_with(b"HTTP/1.1 2"));
    assert!(read_to_close(&mut idle).starts_with(b"HTTP/1.1 200"));
    let reply = Reply::parse(&read_to_close(&mut half_a_body));
    assert_eq!((reply.status, reply.problem().0.as_str()), (408, "request_timeout"));
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let root = shop::index();
    let running = Running::start(root.path(), ServerConfig { request_timeout_ms: 300, ..shop::config() });
    let mut connection = running.connect();
    connection.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(500);
    let error = loop {
        if let Err(error) = connection.write_all(requests.as_bytes()) {
            break error;
        }
    };
    assert!(!matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_connection_over_the_limit_is_told_so_and_a_freed_place_is_used() {
    let root = shop::index();
    let running = Running::start(root.path(), ServerConfig { max_connections: 2, ..shop::config() });
    let ask = |connection: &mut TcpStream| {
        connection.write_all(b"GET /healthz/live HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
        let mut part = [0; 4096];
        let count = connection.read(&mut part).unwrap();
        Reply::parse(&part[..count]).status
    };
    let (mut first, mut second) = (running.connect(), running.connect());
    assert_eq!((ask(&mut first), ask(&mut second)), (200, 200));
    let reply = running.get("/healthz/live");
    assert_eq!((reply.status, reply.problem().0.as_str()), (503, "overloaded"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(ask(&mut first), 200);
    drop(second);
    running.wait_until("/healthz/live", |reply| reply.status == 200);
    assert!(!running.get("/metrics").text().contains("kindred_http_connections_refused_total 0"));
}

#[test]
fn a_stop_lets_the_running_request_end_and_takes_no_new_ones() {
    let root = shop::index();
    let mut running = Running::start(root.path(), shop::config());
    let body = br#"{"context":{"product":"000"}}"#;
    let mut half = running.connect();
    let head = format!(
        "POST /v1/shop/recommend HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    half.write_all(head.as_bytes()).unwrap();
    half.write_all(&body[..5]).unwrap();
    let mut idle = running.connect();
    running.wait_until("/metrics", |reply| reply.text().contains("kindred_http_requests_in_flight 2\n"));
    running.begin_stop();
    assert!(read_to_close(&mut idle).is_empty());
    let began = Instant::now();
    while TcpStream::connect(running.address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "still listening");
    }
    half.write_all(&body[5..]).unwrap();
    let reply = Reply::parse(&read_to_close(&mut half));
    assert_eq!((reply.status, reply.json()["results"].as_array().unwrap().len()), (200, 10));
    running.stop().unwrap();
}

#[test]
fn a_request_that_does_not_end_is_cut_off_after_the_grace_time() {
    let root = shop::index();
    let config = ServerConfig { shutdown_grace_ms: 200, request_timeout_ms: 60_000, ..shop::config() };
    let mut running = Running::start(root.path(), config);
    let mut half = running.connect();
    let head = "POST /v1/shop/recommend HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    half.write_all(head.as_bytes()).unwrap();
    running.wait_until("/metrics", |reply| reply.text().contains("kindred_http_requests_in_flight 2\n"));
    let began = Instant::now();
    running.stop().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(read_to_close(&mut half).is_empty());
}

fn start_error(config: ServerConfig) -> ServerError {
    let settings = kindred::server::Serve {
        config,
        index_root: std::env::temp_dir().join("kindred-no-such-root"),
        recommend: Default::default(),
        behavior: Default::default(),
        events: kindred::events::EventsConfig::default(),
        catalogs: Default::default(),
        embedder: shop::EMBEDDER.clone(),
        ready: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(kindred::server::serve(settings, std::future::pending())).unwrap_err()
}

#[test]
fn a_port_in_use_and_a_useless_setting_are_one_line_errors() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap();
    let error = start_error(ServerConfig { bind, ..shop::config() }).to_string();
    assert!(error.contains(&bind.to_string()) && error.contains("server.bind") && !error.contains('\n'), "{error}");
    let error = start_error(ServerConfig { max_connections: 0, ..shop::config() }).to_string();
    assert!(error.contains("server.max_connections"), "{error}");
    let error = start_error(ServerConfig { cors_allow_origins: vec!["\n".into()], ..shop::config() }).to_string();
    assert!(error.contains("server.cors_allow_origins"), "{error}");
}
