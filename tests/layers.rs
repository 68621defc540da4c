//! The layers of `src/lib.rs`: a module uses only modules on lines above its own, and some crates are named in one place only.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the lowest line to the highest; modules of one line may not use each other.
const LINES: [&[&str]; 8] = [
    &["catalog", "rank"],
    &["embed", "index", "events", "rules"],
    &["live"],
    &["behavior"],
    &["pipeline", "recommend"],
    &["eval", "server"],
    &["config"],
    &["cli"],
];

/// A crate, and the only places under `src` that may name it.
const ONLY_IN: [(&str, &[&str]); 10] = [
    ("csv_core", &["catalog"]),
    ("html5gum", &["catalog"]),
    ("candle_", &["embed"]),
    ("tokenizers::", &["embed"]),
    ("hnsw_rs::", &["index/build/upper.rs"]),
    ("memmap2", &["index"]),
    // One file a concern: changes, events, versions of rules.
    ("rusqlite", &["live", "events", "rules"]),
    ("axum", &["server"]),
    ("clap::", &["cli"]),
    ("anyhow::", &["cli"]),
];

fn source_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each file under `src` by its path below it, with its lines of code: comments are left out.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let code =
        |text: String| text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
            (name, code(fs::read_to_string(path).unwrap()))
        })
        .collect()
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn line_of(module: &str) -> Option<usize> {
    LINES.iter().position(|line| line.contains(&module))
}

#[test]
fn a_module_uses_only_modules_on_lines_above_its_own() {
    for (file, code) in sources() {
        let module = module_of(&file);
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let line = line_of(module).unwrap_or_else(|| panic!("{file}: module `{module}` is on no line"));
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(used_line) = line_of(&used) else { continue };
            assert!(
                used == module || used_line < line,
                "{file} uses `{used}`, which is not on a line above `{module}`"
            );
        }
    }
}

#[test]
fn crates_are_named_only_where_they_belong() {
    for (file, code) in sources() {
        for (name, places) in ONLY_IN {
            let is_allowed = places.iter().any(|place| file.starts_with(place));
            assert!(is_allowed || !code.contains(name), "{file} names `{name}`, which belongs to {places:?}");
        }
    }
}

#[test]
fn unsafe_is_in_the_mapping_and_the_kernels_alone() {
    let places = ["index/section.rs", "index/kernels/", "embed/cpu/"];
    for (file, code) in sources() {
        let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        assert!(!is_unsafe || places.iter().any(|place| file.starts_with(place)), "{file} has unsafe code");
    }
}
