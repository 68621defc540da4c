//! `kindred eval` end to end on made-up sessions and orders: the same figures whatever the threads, and clear errors.

mod command;

use command::Workplace;

/// Sessions that walk along a ring of 12 products, from another start each: the next one is always known.
fn ring(first: usize, num_sessions: usize) -> String {
    let line = |session: usize, step: usize| {
        let (id, time) = ((first + session + step) % 12, 1_000 * (first + session) + 10 * step);
        format!("{}\tp{id:02}\t{time}.5\n", first + session)
    };
    let lines = (0..num_sessions).flat_map(|session| (0..4).map(move |step| line(session, step)));
    format!("SessionId\tItemId\tTime\n{}", lines.collect::<String>())
}

#[test]
fn sessions_are_measured_the_same_on_any_number_of_threads() {
    let work = Workplace::new();
    work.write("train.tsv", ring(0, 120));
    work.write("test.tsv", ring(120, 24));
    let args = [
        "eval",
        "--train",
        "train.tsv",
        "--test",
        "test.tsv",
        "--k",
        "1",
        "--drop-seen",
        "--draws",
        "100",
        "--json",
        "-q",
    ];
    let on = |threads: &str| {
        let output = work.command(&args).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(on("1"), on("3"));
    let found: serde_json::Value = serde_json::from_str(&on("2")).unwrap();
    let report = &found["reports"][0];
    assert_eq!((report["num_cases"].as_u64(), report["num_products"].as_u64()), (Some(72), Some(12)));
    let hit_rate = |name: &str| {
        let methods = report["methods"].as_array().unwrap();
        let method = methods.iter().find(|method| method["method"] == name).unwrap();
        method["hit_rate"]["value"].as_f64().unwrap()
    };
    // On a ring the next product is certain: whoever knows the order hits always, and popularity at best one of the nine or more left.
    assert_eq!((hit_rate("next"), hit_rate("blend")), (1.0, 1.0));
    assert!(hit_rate("popularity") < 0.3);
}

#[test]
fn orders_are_measured_and_what_is_missing_is_named() {
    let work = Workplace::new();
    let line = |order: usize, product: usize| format!("o{order},p{product},2026-01-{:02}T10:00:00Z\n", 1 + order / 4);
    // Two kinds of orders that share no product.
    let lines = (0..100).flat_map(|order| (0..3).map(move |at| line(order, 3 * (order % 2) + at)));
    work.write("orders.csv", format!("order_id,product_id,timestamp\n{}", lines.collect::<String>()));
    let found =
        work.json(&["eval", "--orders", "orders.csv", "--protocol", "baskets", "--k", "1", "--draws", "50", "-q"]);
    let methods = found["reports"][0]["methods"].as_array().unwrap();
    let served = methods.last().unwrap();
    assert_eq!((&served["method"], served["hit_rate"]["value"].as_f64()), (&"blend".into(), Some(1.0)));
    let error = work.fails(&["eval", "--orders", "orders.csv", "--protocol", "cold-anchors", "-q"], 6);
    assert!(error.contains("first sold after"), "{error}");
    let error = work.fails(&["eval", "--orders", "nothing.csv", "-q"], 3);
    assert!(error.contains("nothing.csv"), "{error}");
    work.write("bad.csv", "order_id,product_id,timestamp\no1,p1,soon\n");
    let error = work.fails(&["eval", "--orders", "bad.csv", "-q"], 3);
    assert!(error.contains("bad.csv") && error.contains("line 2, time"), "{error}");
}

#[test]
fn a_flag_that_would_change_nothing_is_an_error_that_says_what_would() {
    let work = Workplace::new();
    let line = |order: usize, product: usize| format!("o{order},p{product},2026-01-{:02}T10:00:00Z\n", 1 + order / 4);
    let lines = (0..40).flat_map(|order| (0..2).map(move |at| line(order, at)));
    work.write("orders.csv", format!("order_id,product_id,timestamp\n{}", lines.collect::<String>()));
    let baskets = ["eval", "--orders", "orders.csv", "--protocol", "baskets", "--draws", "10", "-q"];
    let error = work.fails(&[&baskets[..], &["--reference", "nosuch"]].concat(), 6);
    assert!(error.contains("`nosuch`") && error.contains("popularity, co-count"), "{error}");
    let error = work.fails(&[&baskets[..], &["--plot", "ladder.svg"]].concat(), 6);
    assert!(error.contains("--protocol") && !work.path("ladder.svg").exists(), "{error}");
    let error = work.fails(&["eval", "--orders", "orders.csv", "--protocol", "sessions", "-q"], 6);
    assert!(error.contains("baskets"), "{error}");
    let report = &work.json(&[&baskets[..], &["--reference", "ease"]].concat())["reports"][0];
    assert_eq!(report["reference"], "ease");
}

#[test]
fn a_shop_with_views_and_hardly_an_order_is_measured_by_its_sessions() {
    let work = Workplace::new();
    let products = (0..12).map(|product| format!("p{product:02},Mug {product},{product}.00 EUR,in stock\n"));
    work.write("feed.csv", format!("id,title,price,availability\n{}", products.collect::<String>()));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv", "-q"]);
    let line = |session: usize, step: usize| {
        let (product, minute) = ((session + step) % 12, 10 * session + step);
        format!("v{session},p{product:02},{},view_item\n", 1_790_000_000 + 60 * minute)
    };
    let lines: String = (0..40).flat_map(|session| (0..4).map(move |step| line(session, step))).collect();
    work.write("events.csv", format!("visitor_id,item_id,timestamp,event\n{lines}v0,p00,1790000500,purchase\n"));
    work.ok(&["events", "import", "shop", "events.csv", "-q"]);
    let found = work.json(&["eval", "shop", "--draws", "10", "-q"]);
    assert_eq!(found["reports"].as_array().unwrap().len(), 1);
    assert_eq!(found["reports"][0]["protocol"], "sessions");
    assert!(found["skipped"].to_string().contains("`baskets`: there are fewer than five"), "{found}");
    // Who asks for orders by name is told that there are too few.
    let error = work.fails(&["eval", "shop", "--protocol", "baskets", "-q"], 6);
    assert!(error.contains("fewer than five"), "{error}");
}
