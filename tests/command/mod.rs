//! Runs the real `kindred` program in a folder of its own, with the real model.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An empty folder to run commands in.
pub struct Workplace {
    pub root: tempfile::TempDir,
}

pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Workplace {
    pub fn new() -> Self {
        let weights = project("models/all-MiniLM-L6-v2/model.safetensors");
        assert!(weights.exists(), "the tests embed real texts: run scripts/fetch_model first");
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kindred"));
        command.current_dir(self.root.path()).args(args).arg("--model").arg(project("models/all-MiniLM-L6-v2"));
        command.env_remove("KINDRED_CONFIG").stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json` that must succeed, and returns what it printed.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that must fail with `code`, and returns its one line of error.
    pub fn fails(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{args:?}: {error}");
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{args:?} must print one line of error, printed: {error}");
        lines[0].to_owned()
    }
}

/// Titles for `n` products of a made-up shop, each another text.
pub fn titles(n: usize, salt: &str) -> Vec<String> {
    const KINDS: [&str; 8] = ["mug", "bag", "lamp", "phone case", "notebook", "teapot", "garden chair", "wool scarf"];
    const COLORS: [&str; 6] = ["red", "blue", "green", "white", "striped", "spotted"];
    (0..n).map(|i| format!("{} {} {salt} no. {i}", COLORS[i % COLORS.len()], KINDS[i / 3 % KINDS.len()])).collect()
}

/// A Merchant Center feed of these titles.
pub fn feed(titles: &[String]) -> String {
    let rows = titles.iter().enumerate().map(|(i, title)| format!("p{i},{title},{}.50 EUR\n", 1 + i % 40));
    format!("id,title,price\n{}", rows.collect::<String>())
}
