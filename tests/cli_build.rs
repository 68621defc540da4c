//! `kindred index build` as its user runs it: what a rebuild embeds, two builds at once.

mod command;

use std::thread;
use std::time::Duration;

use command::{Workplace, feed, titles};

#[test]
fn a_rebuild_embeds_exactly_the_texts_that_changed() {
    let work = Workplace::new();
    let mut all = titles(300, "first");
    work.write("feed.csv", feed(&all));
    let build = ["index", "build", "shop", "--feed", "feed.csv"];
    let first = work.json(&build);
    assert_eq!(first["manifest"]["build"]["embedded"], 300);
    for changed in [17, 140, 299] {
        all[changed].push_str(" reworded");
    }
    work.write("feed.csv", feed(&all));
    let second = work.json(&build);
    let figures = &second["manifest"]["build"];
    assert_eq!((figures["embedded"].as_u64(), figures["reused"].as_u64()), (Some(3), Some(297)));
    assert_eq!(work.json(&build)["manifest"]["build"]["embedded"], 0);
    assert!(second["manifest"]["build"]["recall_at_10"].as_f64().unwrap() >= 0.98);
}

#[test]
fn the_same_feed_gives_the_same_files_in_another_folder() {
    let files = || {
        let work = Workplace::new();
        work.write("feed.csv", feed(&titles(120, "x")));
        work.json(&["index", "build", "shop", "--feed", "feed.csv"])["manifest"]["files"].clone()
    };
    assert_eq!(files(), files());
}

#[test]
fn the_second_of_two_builds_is_told_so_and_the_first_ends_well() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(600, "busy")));
    let build = ["index", "build", "shop", "--feed", "feed.csv"];
    let mut first = work.command(&build).spawn().unwrap();
    let lock = work.path("index/shop/LOCK");
    while !lock.exists() {
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_millis(100));
    let error = work.fails(&build, 8);
    assert!(error.contains("another build of catalog `shop`"), "{error}");
    assert!(first.wait().unwrap().success());
}
