//! The README says what the program does: commands, exit codes, routes and defaults are compared with the real ones.

mod command;

use command::{Workplace, project};
use kindred::behavior::{BEHAVIOR_FILE, COMPLEMENT_FILE, SESSION_VECTORS_FILE, SESSIONS_FILE};
use kindred::catalog;
use kindred::config::Config;
use kindred::embed::MAX_BYTES_PER_TOKEN;
use kindred::events::{MAX_AHEAD_MS, MAX_ID_BYTES, MAX_ITEMS, MAX_PRICE, MAX_QUANTITY, MAX_QUERY_BYTES};
use kindred::recommend::{MAX_TYPES, MIN_TYPES};

fn readme() -> String {
    std::fs::read_to_string(project("README.md")).unwrap()
}

/// The cells in backquotes of the first column of the README's table under `heading`.
fn first_column(heading: &str) -> Vec<String> {
    let readme = readme();
    let section = readme.split(heading).nth(1).unwrap_or_else(|| panic!("the README has no `{heading}`"));
    let rows =
        section.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split(" | ").next().unwrap().trim_start_matches("| ").to_owned()).collect()
}

#[test]
fn every_command_of_the_readme_exists_with_its_flags() {
    let work = Workplace::new();
    let cells = first_column("### Commands");
    assert!(cells.len() >= 9);
    for command in cells.iter().flat_map(|cell| cell.split('`')).filter(|text| text.starts_with("kindred ")) {
        let is_name = |word: &&str| !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let names: Vec<&str> = command.split(' ').skip(1).take_while(is_name).collect();
        let help = work.ok(&[&names[..], &["--help"]].concat());
        let flags = command.split(['[', ' ', ']']).filter(|word| word.starts_with("--"));
        flags.for_each(|flag| assert!(help.contains(flag), "`{command}`: no {flag}"));
    }
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_help() {
    let readme = readme();
    let help = Workplace::new().ok(&["--help"]);
    let codes = help.split("Exit codes: ").nth(1).unwrap().trim().trim_end_matches('.').split(", ");
    let codes: Vec<(&str, &str)> = codes.map(|code| code.split_once(' ').unwrap()).collect();
    assert_eq!(codes.len(), 9);
    for (code, meaning) in codes {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {code} |")));
        let row = row.unwrap_or_else(|| panic!("the README leaves out exit code {code}"));
        let word = meaning.split(' ').next_back().unwrap();
        assert!(row.contains(word), "exit code {code}: the help says `{meaning}`, the README `{row}`");
    }
}

#[test]
fn numbers_in_the_readme_are_the_defaults() {
    let (readme, config) = (readme(), Config::default());
    let share = format!("{} % are bad (`catalog.max_reject_share`)", config.catalog.max_reject_share * 100.0);
    assert!(readme.contains(&share), "{share}");
    assert!(readme.contains(&format!("serves on {}", config.server.bind)));
    let bytes = format!("{MAX_BYTES_PER_TOKEN} bytes are read for each token");
    assert!(readme.contains(&bytes), "{bytes}");
    let bounds = [
        format!("At most {MAX_ITEMS} products an event, 1 to {MAX_QUANTITY} pieces, a price from 0 to {MAX_PRICE}"),
        format!(
            "ids up to {MAX_ID_BYTES} bytes (products {}), texts searched for up to {MAX_QUERY_BYTES}",
            catalog::MAX_ID_BYTES
        ),
        format!("up to {} hours ahead of the clock", MAX_AHEAD_MS / 3_600_000),
        format!("{} minutes without an event (`events.session_idle_minutes`)", config.events.session_idle_minutes),
        format!("more than {} days (`events.max_clock_jump_days`)", config.events.max_clock_jump_days),
    ];
    bounds.iter().for_each(|bound| assert!(readme.contains(bound), "{bound}"));
    let pairs = config.behavior.complement.min_pairs;
    assert!(pairs == 1000 && readme.contains("With fewer than 1,000 such pairs there is none"));
    let upsell = config.recommend.upsell;
    let rules = [
        format!("its price is {} to {} times", upsell.price_min, upsell.price_max),
        format!("at most {} price tier up", upsell.max_tier_step),
        format!("the cosine similarity is {} or more; {} without", upsell.min_similarity, upsell.close_similarity),
        format!("as below, is {} or more", upsell.min_score),
        format!("`shown = {:?}`", upsell.shown),
    ];
    rules.iter().for_each(|rule| assert!(readme.contains(rule), "{rule}"));
    let cross_sell = config.recommend.cross_sell;
    assert_eq!((cross_sell.addon_share, cross_sell.addon_floor), (0.5, 0.5));
    let bounds = [
        format!("a cosine above {} to a product of the cart", cross_sell.look_alike),
        format!("counts {} times (`gap_factor`)", cross_sell.gap_factor),
        format!(
            "below {} times the best of all wait until the others have {} each",
            cross_sell.weak_share, cross_sell.max_per_need
        ),
    ];
    bounds.iter().for_each(|bound| assert!(readme.contains(bound), "{bound}"));
    let (window, bundle, due) = (config.recommend.post_purchase, config.recommend.bundle, config.recommend.replenish);
    let bounds = [
        format!("from {} to {} hours after it", window.from_hours, window.until_hours),
        format!("a set of {MIN_TYPES} to {MAX_TYPES} kinds of things"),
        format!("at most {} kinds; else", MAX_TYPES - 1),
        format!("a set of {} (`types`)", bundle.types),
        format!("at most {} % (`max_discount`)", bundle.max_discount * 100.0),
        format!("at least {} % of the discounted price", bundle.margin_floor * 100.0),
        format!("worth at least {} % more (`min_rise`)", bundle.min_rise * 100.0),
        format!("with `kappa = {}` intervals", due.kappa),
        format!("due within {} days", due.due_within_days),
        format!("less than {} intervals old (`lapsed_after`)", due.lapsed_after),
        format!("is at least {}\n(`min_repeat`)", due.min_repeat),
    ];
    bounds.iter().for_each(|bound| assert!(readme.contains(bound), "{bound}"));
}

#[test]
fn the_limits_of_rules_in_the_readme_are_those_of_the_program() {
    use kindred::rules::{MAX_CONDITIONS, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_FACTOR, MAX_RULES};
    let readme = readme();
    let limits = [
        format!("of at most {MAX_CONDITIONS} conditions, which may be filters themselves, {MAX_DEPTH} deep"),
        format!("A document has at most {} MiB and {MAX_RULES} rules", MAX_DOCUMENT_BYTES / (1024 * 1024)),
        format!("stay between {} and {MAX_FACTOR}", 1.0 / MAX_FACTOR),
        format!("the latest {0} impressions and the latest {0} things done of each", kindred::events::MAX_MARKS),
    ];
    limits.iter().for_each(|limit| assert!(readme.contains(limit), "{limit}"));
    let verbs = ["include", "exclude", "boost", "bury", "pin", "cap", "replace"];
    let cells = first_column("| `then` | does |");
    verbs.iter().for_each(|verb| assert!(cells.iter().any(|cell| cell.contains(&format!("`{verb}`"))), "{verb}"));
    let shop = serde_json::to_value(kindred::rules::Essentials {
        margin_floor: Some(0.1),
        never_with: vec![kindred::rules::NeverWith { page: Default::default(), hide: Default::default() }],
        max_per_brand: Some(1),
        repurchase_days: Some(1),
        clearance: Some(kindred::rules::Scale { filter: Default::default(), factor: 2.0 }),
        frequency_cap: Some(kindred::rules::FrequencyCap { impressions: 1, days: 1 }),
        fatigue: Some(kindred::rules::Fatigue { strength: 1.0, days: 1 }),
        ..Default::default()
    });
    let cells = first_column("| setting of `[shop]` |").join(" ");
    for name in shop.unwrap().as_object().unwrap().keys() {
        assert!(cells.contains(&format!("`{name}`")), "the README leaves out `shop.{name}`");
    }
}

#[test]
fn the_placements_and_steps_of_the_readme_are_those_of_the_program() {
    use kindred::recommend::{Fallback, MixPart, Placements, Stage};
    let (readme, config, placements) = (readme(), Config::default(), Placements::default());
    let in_words = |mix: &[MixPart]| match mix {
        [only] => format!("`{}`", only.intent.word()),
        mix => mix.iter().map(|part| format!("`{}` {}", part.intent.word(), part.share)).collect::<Vec<_>>().join(", "),
    };
    for (name, placement) in placements.iter() {
        let by_stage = if placement.stages.is_empty() { "" } else { "; by stage as below" };
        let score = placement.min_score.map_or_else(String::new, |score| format!("{score} "));
        let fallback = if placement.fallback == Fallback::Popular { "popular" } else { "none" };
        let (shows, limit, diversity) = (in_words(&placement.mix), placement.limit, placement.diversity);
        let row = format!("| `{name}` | {shows}{by_stage} | {limit} | {score}| {diversity} | {fallback} |");
        assert!(readme.contains(&row), "{row}");
    }
    assert_eq!(first_column("| placement | shows |").len(), placements.iter().count());
    let home = placements.get("home").unwrap();
    let stages = first_column("| stage | when |");
    let by_stage = readme.split("| stage | when |").nth(1).unwrap();
    assert_eq!(stages, Stage::ALL.map(|stage| format!("`{}`", stage.word())));
    for stage in home.stages.keys() {
        let shows = in_words(home.mix_at(*stage));
        let row = by_stage.lines().find(|line| line.starts_with(&format!("| `{}` |", stage.word()))).unwrap();
        assert!(row.contains(&shows), "{row}: {shows}");
    }
    let kept = [
        format!("{} seconds (`server.trace_keep_seconds`)", config.server.trace_keep_seconds),
        format!("{} MiB at most (`server.trace_keep_bytes`)", config.server.trace_keep_bytes >> 20),
    ];
    kept.iter().for_each(|kept| assert!(readme.contains(kept), "{kept}"));
    let steps = "unknown_product no_list kept_out not_a_candidate min_score rule variant diversity limit shown";
    assert_eq!(first_column("| `step` | the product |").join(" ").replace('`', ""), steps);
}

#[test]
fn the_sample_rules_can_be_read_and_are_ten() {
    let text = std::fs::read_to_string(project("data/phones/rules.toml")).unwrap();
    let set = kindred::rules::RuleSet::read(&text, kindred::rules::Notation::Toml).unwrap();
    assert_eq!(set.rules.len(), 10);
    let told = std::fs::read_to_string(project("data/phones/rules.md")).unwrap();
    set.rules.iter().for_each(|rule| assert!(told.contains(&format!("`{}`", rule.id)), "{}", rule.id));
}

#[test]
fn every_file_under_an_index_folder_that_the_readme_names_is_written() {
    let work = Workplace::new();
    work.write("feed.csv", command::feed(&command::titles(12, "docs")));
    work.ok(&["index", "build", "shop", "--feed", "feed.csv"]);
    let mut names: Vec<String> = std::fs::read_dir(work.path("index/shop/gen-000001"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["comparison.bin", "hnsw.bin", "lexical.bin", "manifest.json", "products.bin", "terms.bin"]);
    names.extend([BEHAVIOR_FILE, SESSIONS_FILE, SESSION_VECTORS_FILE, COMPLEMENT_FILE].map(str::to_owned));
    let readme = readme();
    names.iter().for_each(|name| assert!(readme.contains(&format!("`{name}`")), "{name}"));
}

#[test]
fn every_protocol_of_the_readme_is_one_of_the_program() {
    let protocols = first_column("| protocol | question");
    let help = Workplace::new().ok(&["eval", "--help"]);
    assert_eq!(protocols.len(), 9);
    protocols.iter().for_each(|name| assert!(help.contains(&format!("- {}:", name.trim_matches('`'))), "{name}"));
    let rungs = kindred::eval::RUNGS.map(|orders| orders.to_string()).join(", ");
    assert!(readme().contains(&format!("its first {rungs} orders")), "{rungs}");
    assert!(readme().contains(&format!("a cosine above {}", kindred::eval::SUBSTITUTE_COSINE)));
}
