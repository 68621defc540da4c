//! `kindred index build` as its user runs it: what a rebuild embeds, what a killed build leaves, two builds at once.

mod command;

use std::thread;
use std::time::{Duration, Instant};

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

/// 20 builds, each of a new feed, killed at moments spread over the time that a whole build takes.
#[test]
fn a_build_killed_at_any_moment_leaves_the_old_index_and_the_next_build_works() {
    const KILLS: u32 = 20;
    let work = Workplace::new();
    let build = ["index", "build", "shop", "--feed", "feed.csv"];
    let write_feed = |round: u32| work.write("feed.csv", feed(&titles(150, &format!("round {round}"))));
    write_feed(0);
    let began = Instant::now();
    let mut in_use = work.json(&build)["manifest"]["generation"].clone();
    let whole = began.elapsed();
    let mut num_killed = 0;
    for round in 1..=KILLS {
        write_feed(round);
        let mut child = work.command(&build).spawn().unwrap();
        thread::sleep(whole * round / KILLS);
        child.kill().unwrap();
        let was_killed = !child.wait().unwrap().success();
        num_killed += u32::from(was_killed);
        let verified = work.json(&["index", "verify", "shop"]);
        assert_eq!(verified[0]["ok"], true, "round {round}: {verified}");
        if was_killed {
            // A kill between the last rename and the exit finds the new index in use, and whole.
            let now = verified[0]["generation"].clone();
            assert!(now == in_use || work.json(&["index", "list", "shop"])[0]["error"].is_null(), "round {round}");
        }
        in_use = work.json(&build)["manifest"]["generation"].clone();
        assert_eq!(work.json(&["index", "verify", "shop"])[0]["generation"], in_use);
    }
    assert!(num_killed >= KILLS / 2, "only {num_killed} builds were still running when they were killed");
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
