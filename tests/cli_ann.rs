//! `kindred model embed` and `kindred bench ann`: what they leave and print holds what it says, and their errors name the file.

mod command;

use std::fs;

use command::{Workplace, titles};
use serde_json::Value;

const DIM: usize = 384;

/// The rows of a file of little-endian f32 numbers.
fn rows(bytes: &[u8]) -> Vec<Vec<f32>> {
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    numbers.chunks(DIM).map(<[f32]>::to_vec).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// `n` texts embedded into `base.f32`.
fn embedded(work: &Workplace, n: usize) -> Vec<Vec<f32>> {
    work.write("texts.txt", titles(n, "x").join("\n"));
    let report = work.json(&["model", "embed", "texts.txt", "base.f32"]);
    assert_eq!((&report["rows"], &report["dim"]), (&n.into(), &DIM.into()));
    rows(&fs::read(work.path("base.f32")).unwrap())
}

const MEASURE: [&str; 5] = ["bench", "ann", "--rounds", "1", "--ef"];

fn recalls(report: &Value) -> Vec<f64> {
    report["unfiltered"].as_array().unwrap().iter().map(|point| point["recall"].as_f64().unwrap()).collect()
}

#[test]
fn every_line_becomes_one_row_of_length_1_in_the_order_of_the_lines() {
    let work = Workplace::new();
    let together = embedded(&work, 12);
    assert_eq!(together.len(), 12);
    assert!(together.iter().all(|row| (dot(row, row) - 1.0).abs() < 1e-3));
    for (line, row) in titles(12, "x").iter().zip(&together) {
        work.write("one.txt", line);
        work.ok(&["model", "embed", "one.txt", "one.f32"]);
        let alone = rows(&fs::read(work.path("one.f32")).unwrap());
        assert!(alone.len() == 1 && dot(&alone[0], row) > 0.9999, "{line}");
    }
}

#[test]
fn a_search_as_wide_as_the_index_finds_every_neighbor_and_a_saved_index_measures_alike() {
    let work = Workplace::new();
    let base = embedded(&work, 300);
    let queries: Vec<u8> = base.iter().step_by(7).flatten().flat_map(|x| x.to_le_bytes()).collect();
    work.write("queries.f32", &queries);
    let of_base = ["--base", "base.f32", "--dim", "384", "--queries", "queries.f32", "--save", "saved.bin"];
    let built = work.json(&[&MEASURE[..], &["10,300", "--shares", "1,0.5,0.02"], &of_base].concat());
    assert_eq!((&built["rows"], &built["queries"], &built["k"]), (&300.into(), &43.into(), &10.into()));
    let found = recalls(&built);
    assert!(found[0] > 0.8 && found[0] <= found[1] && found[1] > 0.999, "{found:?}");
    let filtered = built["filtered"].as_array().unwrap();
    let allowed: Vec<u64> = filtered.iter().map(|one| one["allowed"].as_u64().unwrap()).collect();
    assert_eq!(allowed, [300, 150, 6, 300, 150, 6]);
    for one in filtered {
        assert!(one["best"]["recall"].as_f64().unwrap() >= 0.95, "{one}");
    }
    let saved = ["--saved", "saved.bin", "--queries", "queries.f32", "--no-filters"];
    let again = work.json(&[&MEASURE[..], &["10,300"], &saved].concat());
    // The file's own half-precision vectors are the truth now: a pair that ties in them may change places.
    assert!(recalls(&again).iter().zip(&found).all(|(again, built)| (again - built).abs() < 0.01), "{again}");
}

#[test]
fn errors_of_both_name_the_file() {
    let work = Workplace::new();
    embedded(&work, 20);
    work.write("empty.txt", "\n \n");
    let embed = |texts, out, code| work.fails(&["model", "embed", texts, out], code);
    assert!(embed("none.txt", "out.f32", 3).contains("none.txt"));
    assert!(embed("empty.txt", "out.f32", 3).contains("empty.txt"));
    assert!(embed("texts.txt", "no/folder/out.f32", 7).contains("no/folder/out.f32"));

    work.write("short.f32", [0; 4 * DIM + 1]);
    let measure = |args: &[&str]| work.fails(&[&MEASURE[..], &["16"], args].concat(), 5);
    let base = |base, queries| measure(&["--base", base, "--queries", queries, "--dim", "384"]);
    assert!(base("none.f32", "base.f32").contains("none.f32"));
    assert!(base("base.f32", "none.f32").contains("none.f32"));
    assert!(base("short.f32", "base.f32").contains("short.f32"));
    work.ok(&[
        &MEASURE[..],
        &["16", "--base", "base.f32", "--queries", "base.f32", "--dim", "384", "--no-filters", "--save", "saved.bin"],
    ]
    .concat());
    let whole = fs::read(work.path("saved.bin")).unwrap();
    work.write("saved.bin", &whole[..whole.len() - 1]);
    assert!(measure(&["--saved", "saved.bin", "--queries", "base.f32"]).contains("saved.bin"));
}
