//! Wrong input to the commands: one line that names the thing and what to do, the documented exit code, the old state intact.

mod command;

use std::fs;

use command::{Workplace, feed, project, titles};

/// Writes a model folder that differs from the real one in one file.
fn broken_model(work: &Workplace, name: &str, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let model = work.path("models").join(name);
    fs::create_dir_all(model.join("1_Pooling")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        let bytes = fs::read(project("models/all-MiniLM-L6-v2").join(name)).unwrap();
        fs::write(model.join(name), if name == file { change(bytes) } else { bytes }).unwrap();
    }
    model.to_string_lossy().into_owned()
}

#[test]
fn feeds_that_are_none_are_named() {
    let work = Workplace::new();
    work.write("empty.csv", "");
    work.write("header.csv", "id,title,price\n");
    work.write("binary.csv", [0x89, b'P', b'N', b'G', 0, 1, 2, 3, 0, 0]);
    work.write("other.csv", "alpha,beta\n1,2\n");
    work.write("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    fs::create_dir(work.path("folder.csv")).unwrap();
    for name in ["empty.csv", "header.csv", "binary.csv", "other.csv", "cut.csv.gz", "folder.csv", "missing.csv"] {
        for args in [vec!["validate", name], vec!["index", "build", "shop", "--feed", name]] {
            let error = work.fails(&args, 3);
            assert!(error.contains(name), "{error}");
        }
    }
    assert_eq!(work.ok(&["index", "list"]).lines().count(), 1, "nothing was built");
}

#[test]
fn texts_to_measure_with_that_are_none_are_named() {
    let work = Workplace::new();
    work.write("empty.txt", "");
    work.write("blank.txt", " \n\n");
    work.write("binary.txt", [0x89, b'P', b'N', b'G', 0xff]);
    fs::create_dir(work.path("folder.txt")).unwrap();
    for name in ["empty.txt", "blank.txt", "binary.txt", "folder.txt", "missing.txt"] {
        for flags in [&[][..], &["--plain"], &["--compare-precisions"]] {
            let error = work.fails(&[&["bench", "embed", name][..], flags].concat(), 3);
            assert!(error.contains(name), "{error}");
        }
    }
    assert!(work.fails(&["bench", "embed", "binary.txt"], 3).contains("line 1 is not UTF-8"));
    work.write("one.txt", "red bag\nred bag\n");
    work.write("reference.jsonl", "{\"text\": \"red\", \"embedding\": [1.0]}\n");
    for reference in ["reference.jsonl", "missing.jsonl", "folder.txt"] {
        for command in [&["bench", "embed", "one.txt"][..], &["model", "check"]] {
            let error = work.fails(&[command, &["--reference", reference]].concat(), 3);
            assert!(error.contains(reference), "{error}");
        }
    }
    let error = work.fails(&["bench", "embed", "one.txt", "--compare-precisions"], 3);
    assert!(error.contains("one.txt") && error.contains("two different texts"), "{error}");
    let error = work.fails(&["bench", "embed", "one.txt", "--plain", "--set", "embed.precision=fast"], 2);
    assert!(error.contains("embed.precision=f32"), "{error}");
}

#[test]
fn too_many_bad_records_stop_the_build_and_change_nothing_but_the_list_of_them() {
    let work = Workplace::new();
    let good = feed(&titles(30, "good"));
    work.write("feed.csv", &good);
    let build = ["index", "build", "shop", "--feed", "feed.csv"];
    work.ok(&build);
    work.write("feed.csv", format!("{good}x1,,1 EUR\nx2,bad price,abc\np3,double,1 EUR\nx4,ok,2 EUR\n"));
    let error = work.fails(&build, 3);
    assert!(error.contains("rejects.jsonl"), "{error}");
    let rejects = fs::read_to_string(work.path("index/shop/rejects.jsonl")).unwrap();
    let codes: Vec<String> = rejects
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["missing_title", "bad_price", "duplicate_id"]);
    assert_eq!(work.json(&["index", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(work.run(&["validate", "feed.csv"]).status.code(), Some(3));
    let settings = [&build[..], &["--set", "catalog.max_reject_share=0.2"]].concat();
    assert_eq!(work.json(&settings)["manifest"]["counts"]["products"], 31);
}

#[test]
fn a_missing_or_damaged_model_is_named_and_nothing_is_built() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(5, "x")));
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let flip = |mut bytes: Vec<u8>| {
        bytes[40] ^= 0x80;
        bytes
    };
    let other_vocabulary = |bytes: Vec<u8>| {
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        tokenizer["model"]["vocab"]["brandnewword"] = 30522.into();
        serde_json::to_vec(&tokenizer).unwrap()
    };
    type Change<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;
    let middle = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let swapped = |bytes: Vec<u8>| {
        let text =
            String::from_utf8(bytes).unwrap().replace("\"phone\":", "\"p\":").replace("\"camera\":", "\"phone\":");
        text.replace("\"p\":", "\"camera\":").into_bytes()
    };
    let other_function =
        |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("\"gelu\"", "\"relu\"").into_bytes();
    let published: [(&str, Change<'_>); 3] =
        [("model.safetensors", &middle), ("tokenizer.json", &swapped), ("config.json", &other_function)];
    let cases: [(&str, Change<'_>); 5] = [
        ("model.safetensors", &half),
        ("model.safetensors", &flip),
        ("tokenizer.json", &half),
        ("tokenizer.json", &other_vocabulary),
        ("config.json", &half),
    ];
    let named = |name| move |(file, change)| (name, file, change);
    for (name, file, change) in cases.map(named("mine")).into_iter().chain(published.map(named("all-MiniLM-L6-v2"))) {
        let model = broken_model(&work, name, file, change);
        let set = format!("embed.model={model}");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kindred"));
        let command =
            command.current_dir(work.root.path()).args(["index", "build", "shop", "--feed", "feed.csv", "--set", &set]);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{file}: {error}");
        assert!(error.contains(file) && error.lines().count() == 1, "{file}: {error}");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kindred"));
    let output = command.current_dir(work.root.path()).args(["model", "check", "--model", "nowhere"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && error.contains("nowhere") && error.contains("fetch_model"), "{error}");
    assert!(!work.path("index/shop/CURRENT").exists());
}

#[test]
fn unknown_catalogs_products_fields_and_settings_are_named() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(30, "x")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let cases: [(&[&str], i32, &str); 12] = [
        (&["similar", "shop", "p99"], 6, "p99"),
        (&["similar", "toys", "p1"], 6, "toys"),
        (&["search", "../shop", "mug"], 2, "../shop"),
        (&["similar", "shop", "p1", "--limit", "0"], 6, "limit"),
        (&["similar", "shop", "p1", "--min-score", "7"], 6, "min_score"),
        (&["search", "shop", " "], 6, "query"),
        (&["similar", "shop", "p1", "--filter", "{"], 6, "--filter"),
        (&["similar", "shop", "p1", "--filter", r#"{"must":[{"key":"colour","match":"red"}]}"#], 6, "colour"),
        (&["index", "rollback", "shop"], 5, "older"),
        (&["index", "rollback", "shop", "--to", "gen-000077"], 5, "gen-000077"),
        (&["similar", "shop", "p1", "--set", "index.speed=9"], 2, "speed"),
        (&["similar", "shop", "p1", "--config", "no.toml"], 2, "no.toml"),
    ];
    for (args, code, named) in cases {
        let error = work.fails(args, code);
        assert!(error.contains(named), "{args:?}: {error}");
    }
    assert_eq!(work.run(&["similar"]).status.code(), Some(2), "wrong usage");
}

#[test]
fn an_index_of_another_precision_or_model_names_the_setting_to_change() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(30, "x")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let ask = ["similar", "shop", "p1", "--set"];
    let error = work.fails(&[&ask[..], &["embed.precision=fast"]].concat(), 5);
    assert!(error.ends_with("or set embed.precision=f32"), "{error}");
    let error = work.fails(&[&ask[..], &["embed.max_tokens=100"]].concat(), 5);
    assert!(error.ends_with("or set embed.model"), "{error}");
}

#[test]
fn threads_that_cannot_be_started_are_refused_at_once() {
    let work = Workplace::new();
    let error = work.fails(&["model", "check", "--set", "embed.threads=100000"], 2);
    assert!(error.contains("embed.threads") && error.contains("1024"), "{error}");
}

#[test]
fn a_damaged_index_is_named_by_every_command_that_reads_it() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(30, "x")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let file = work.path("index/shop/gen-000002/hnsw.bin");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).unwrap();
    for args in [&["similar", "shop", "p1"][..], &["search", "shop", "mug"]] {
        let error = work.fails(args, 5);
        assert!(error.contains("hnsw.bin"), "{error}");
    }
    let verify = work.run(&["index", "verify", "shop", "--all"]);
    let text = String::from_utf8_lossy(&verify.stdout);
    assert!(
        verify.status.code() == Some(5) && text.contains("hnsw.bin") && text.contains("gen-000001: whole"),
        "{text}"
    );
    work.ok(&["index", "rollback", "shop"]);
    work.ok(&["similar", "shop", "p1"]);
}

#[test]
fn a_full_disk_or_a_closed_folder_stops_the_build_and_the_old_index_serves() {
    let work = Workplace::new();
    work.write("feed.csv", feed(&titles(30, "x")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    fs::write(work.path("file"), "").unwrap();
    let error = work.fails(&["index", "build", "shop", "--feed", "feed.csv", "--index-root", "file/below"], 7);
    assert!(error.contains("file/below"), "{error}");
    // A limit on file sizes stands in for a full disk: writes past it fail midway.
    work.write("feed.csv", feed(&titles(400, "more")));
    let program = env!("CARGO_BIN_EXE_kindred");
    let model = project("models/all-MiniLM-L6-v2");
    let script = format!(
        "trap '' XFSZ; ulimit -f 300; exec '{program}' index build shop --feed feed.csv --model '{}'",
        model.display()
    );
    let output =
        std::process::Command::new("bash").current_dir(work.root.path()).args(["-c", &script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{error}");
    assert!(error.contains("index/shop/"), "{error}");
    assert_eq!(work.json(&["index", "verify", "shop"])[0]["generation"], "gen-000001");
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let work = Workplace::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = work.command(&["init", "--print"]).stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(7) && error.starts_with("error: cannot write to standard output"), "{error}");
    let mut child = work.command(&["init", "--print"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn init_writes_settings_that_load_and_never_overwrites_by_itself() {
    let work = Workplace::new();
    work.ok(&["init"]);
    let error = work.fails(&["init"], 1);
    assert!(error.contains("kindred.toml") && error.contains("--force"), "{error}");
    work.ok(&["init", "--force"]);
    work.ok(&["index", "list"]);
    work.write("kindred.toml", "[index]\nm = 16\nspeed = 3\n");
    let error = work.fails(&["index", "list"], 2);
    assert!(error.contains("kindred.toml") && error.contains("speed"), "{error}");
}
