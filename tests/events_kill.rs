//! `kill -9` of a server while four clients post events. A file of its own, as it takes all of the machine.

mod command;

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use command::{Workplace, feed, titles};
use kindred::events::{EventStore, EventsConfig, HistoryPart};
use serde_json::{Value, json};

const KILLS: u64 = 25;
const CLIENTS: usize = 4;
const BATCH: usize = 20;

fn serve(work: &Workplace) -> (String, Child) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let child = work.command(&["serve", "--bind", &address]).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while ureq::get(format!("http://{address}/healthz/ready")).call().is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the server does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    (address, child)
}

/// The `count`th batch of a client: each event has an id and a product of its own.
fn batch(client: usize, count: usize) -> Value {
    let event = |place: usize| {
        let name = format!("{client}-{count}-{place}");
        json!({"event": "view_item", "event_id": name, "visitor_id": format!("v{client}"), "items": [{"item_id": name}]})
    };
    (0..BATCH).map(event).collect()
}

/// Posts a batch; how many of its events were accepted and duplicates, or `None` when no answer came.
fn post(address: &str, body: &Value) -> Option<(u64, u64)> {
    let mut reply = ureq::post(format!("http://{address}/v1/shop/events")).send_json(body).ok()?;
    let answer = reply.body_mut().read_json::<Value>().ok()?;
    Some((answer["accepted"].as_u64()?, answer["duplicates"].as_u64()?))
}

#[test]
fn no_acknowledged_event_is_lost_and_none_is_doubled_by_a_retry() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(12, "kill")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    // Batches that were acknowledged, by client; the next is the one that is retried.
    let acknowledged = Mutex::new([0usize; CLIENTS]);
    for round in 0..KILLS {
        let (address, mut child) = serve(&work);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (address, acknowledged) = (&address, &acknowledged);
                scope.spawn(move || {
                    let mut is_retry = round > 0;
                    loop {
                        let count = acknowledged.lock().unwrap()[client];
                        let Some((accepted, duplicates)) = post(address, &batch(client, count)) else { break };
                        // A batch is kept whole or not at all.
                        let whole = BATCH as u64;
                        assert!([(whole, 0), (0, whole)].contains(&(accepted, duplicates)), "{accepted} {duplicates}");
                        assert!(is_retry || duplicates == 0, "an event that was never sent is known");
                        is_retry = false;
                        acknowledged.lock().unwrap()[client] += 1;
                    }
                });
            }
            // Multiples of the golden ratio's fraction: kills in no order all over the way to and through the commits.
            std::thread::sleep(Duration::from_millis(40).mul_f64(1.0 + 5.0 * (round as f64 * 0.618_034).fract()));
            child.kill().unwrap();
        });
        child.wait().unwrap();
    }
    // What no answer came for is sent once more.
    let (address, mut child) = serve(&work);
    let batches = acknowledged.into_inner().unwrap();
    (0..CLIENTS).for_each(|client| assert!(post(&address, &batch(client, batches[client])).is_some()));
    child.kill().unwrap();
    child.wait().unwrap();
    let store = EventStore::open(&work.path("index/shop"), &EventsConfig::default()).unwrap();
    let history = store.history(&HistoryPart::default()).unwrap();
    let sent: usize = batches.iter().map(|count| (count + 1) * BATCH).sum();
    assert_eq!((history.num_interactions(), history.products().len()), (sent, sent));
    let mut expected: Vec<String> = (0..CLIENTS)
        .flat_map(|client| {
            (0..=batches[client])
                .flat_map(move |count| (0..BATCH).map(move |place| format!("{client}-{count}-{place}")))
        })
        .collect();
    expected.sort();
    assert_eq!(history.products(), expected);
    assert!(sent > 1000, "{sent} events in all");
}
