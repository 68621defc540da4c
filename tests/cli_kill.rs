//! `kill -9` during `kindred index build`. A file of its own: nothing else may run while the length of a build is measured.

mod command;

use std::thread;
use std::time::Instant;

use command::{Workplace, feed, titles};

/// 20 builds, each of a new feed, killed at moments drawn over the time that a whole build takes.
#[test]
fn a_build_killed_at_any_moment_leaves_the_old_index_and_the_next_build_works() {
    const KILLS: u32 = 20;
    let work = Workplace::new();
    let build = ["index", "build", "shop", "--feed", "feed.csv"];
    let write_feed = |round: u32| work.write("feed.csv", feed(&titles(150, &format!("round {round}"))));
    write_feed(0);
    let began = Instant::now();
    let generation = |built: serde_json::Value| built["manifest"]["generation"].as_str().unwrap().to_owned();
    let mut in_use = generation(work.json(&build));
    let whole = began.elapsed();
    let mut num_killed = 0;
    for round in 1..=KILLS {
        write_feed(round);
        let mut child = work.command(&build).spawn().unwrap();
        // Multiples of the golden ratio's fraction: in no order, and no stretch of the build is left out.
        thread::sleep(whole.mul_f64((f64::from(round) * 0.618_034).fract()));
        child.kill().unwrap();
        let was_killed = !child.wait().unwrap().success();
        num_killed += u32::from(was_killed);
        let verified = work.json(&["index", "verify", "shop"]);
        assert_eq!(verified[0]["ok"], true, "round {round}: {verified}");
        // A kill between the last rename and the exit finds the new index in use, and whole.
        let now = verified[0]["generation"].as_str().unwrap().to_owned();
        assert!(now == in_use || now == after(&in_use), "round {round}: {now} after {in_use}");
        in_use = generation(work.json(&build));
        assert_eq!(work.json(&["index", "verify", "shop"])[0]["generation"], in_use.as_str());
    }
    assert!(num_killed >= KILLS / 2, "only {num_killed} builds were still running when they were killed");
}

/// The name of the next generation.
fn after(generation: &str) -> String {
    let number: u32 = generation.strip_prefix("gen-").unwrap().parse().unwrap();
    format!("gen-{:06}", number + 1)
}
