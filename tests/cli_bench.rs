//! `kindred bench embed`: the two encoders' tables compare, and so do the two precisions' neighbours.

mod command;

use command::{Workplace, titles};
use serde_json::Value;

/// The stages of a report by name, with their shares of the time.
fn stages(report: &Value) -> Vec<(&str, f64)> {
    let stages = report["stages"].as_array().unwrap();
    stages.iter().map(|stage| (stage["stage"].as_str().unwrap(), stage["share"].as_f64().unwrap())).collect()
}

#[test]
fn candles_operators_are_measured_in_the_same_stages_as_kindreds() {
    let work = Workplace::new();
    // A language without spaces, and one word of many tokens, are short texts too.
    work.write(
        "texts.txt",
        format!("{}\n東京の赤い傘と青い傘と白い傘\nno1no2no3no4no5no6no7no8\n", titles(20, "x").join("\n")),
    );
    let [ours, plain] =
        [&["bench", "embed", "texts.txt"][..], &["bench", "embed", "texts.txt", "--plain"]].map(|args| work.json(args));
    assert_eq!((&ours["encoder"], &plain["encoder"]), (&"kindred".into(), &"candle".into()));
    assert_eq!(plain["instructions"], "Candle's operators");
    let names = |report| stages(report).iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    // Kindred's kernels have a step that is empty in f32: activations to bytes.
    let without_bytes: Vec<String> = names(&ours).into_iter().filter(|name| name != "quantise").collect();
    assert_eq!(names(&plain), without_bytes);
    for report in [&ours, &plain] {
        assert_eq!(report["num_tokens"], ours["num_tokens"]);
        assert!((stages(report).iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
        let mean_tokens = report["single"]["mean_tokens"].as_f64().unwrap();
        assert!(mean_tokens > 2.0 && mean_tokens <= 12.0, "{mean_tokens}");
    }
}

/// Before the cut, measuring single texts read all of such a line at every try.
#[test]
fn a_long_line_without_spaces_is_measured_like_any_other() {
    let work = Workplace::new();
    let letters = "x".repeat(200_000);
    let spread = format!("a{}b", " ".repeat(200_000));
    for text in [letters, "東".repeat(60_000), spread] {
        work.write("texts.txt", &text);
        let started = std::time::Instant::now();
        let report = work.json(&["bench", "embed", "texts.txt"]);
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
        let mean_tokens = report["single"]["mean_tokens"].as_f64().unwrap();
        assert!(mean_tokens > 2.0 && mean_tokens <= 12.0, "{mean_tokens}");
        assert!(report["num_tokens"].as_u64().unwrap() <= 256, "{report}");
    }
}

#[test]
fn precisions_are_compared_on_every_different_text() {
    let work = Workplace::new();
    let texts = titles(30, "x").join("\n");
    work.write("texts.txt", format!("{texts}\n{texts}\n"));
    let overlap = work.json(&["bench", "embed", "texts.txt", "--compare-precisions"]);
    assert_eq!(overlap["num_texts"], 30);
    let [mean, least] = ["mean_share", "least_share"].map(|name| overlap[name].as_f64().unwrap());
    assert!((0.8..=1.0).contains(&mean) && least <= mean, "{overlap}");
    let usage = work.run(&["bench", "embed", "texts.txt", "--compare-precisions", "--plain"]);
    assert_eq!(usage.status.code(), Some(2));
}
