//! The measures agree with figures that were published beside the lists that they measure: session-rec's own lists for 387 positions of
//! the YooChoose sample, made by four algorithms. The data may be evaluated on and not passed on, so it is read from outside.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use kindred::eval::{Measures, read_lists, read_sessions};

/// Names the folder that holds `yoochoose_100k`.
const DATA_VARIABLE: &str = "EVAL_DATA";

/// Algorithm, HR@20, MRR@20.
const PUBLISHED: [(&str, f64, f64); 4] =
    [("ar", 0.5917, 0.3160), ("sr", 0.5607, 0.3275), ("vsknn", 0.6098, 0.3342), ("gru4rec", 0.5711, 0.3289)];

#[derive(Default)]
struct Numbers(HashMap<String, u32>);

impl Numbers {
    fn of(&mut self, id: &str) -> u32 {
        let new = self.0.len() as u32;
        *self.0.entry(id.to_owned()).or_insert(new)
    }
}

/// The sessions of the file by their number there, each product as a text.
fn sessions(path: &Path) -> HashMap<u64, Vec<String>> {
    let history = read_sessions(path).unwrap();
    let id = |product: u32| history.products()[product as usize].clone();
    let products = |session: kindred::events::Session<'_>| session.interactions.iter().map(|i| id(i.product)).collect();
    history.sessions().map(|session| (u64::from(session.visitor), products(session))).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that was skipped must not look like one that passed")]
fn published_lists_measure_what_was_published() {
    let Some(folder) = std::env::var_os(DATA_VARIABLE) else {
        println!("skipped: {DATA_VARIABLE} names no folder with yoochoose_100k");
        return;
    };
    let folder = PathBuf::from(folder).join("yoochoose_100k");
    let sessions = sessions(&folder.join("yoochoose-clicks-100k_test.txt.zst"));
    for (algorithm, hit_rate, mrr) in PUBLISHED {
        let lists = read_lists(&folder.join(format!("recoms_rsc15_100k_{algorithm}.csv.zst"))).unwrap();
        assert_eq!(lists.len(), 387);
        let (mut numbers, mut hits, mut reciprocals) = (Numbers::default(), 0.0, 0.0);
        for list in &lists {
            let target = numbers.of(&sessions[&list.session][list.position + 1]);
            let products: Vec<u32> = list.products.iter().map(|id| numbers.of(id)).collect();
            let measures = Measures::of(&products, &[target], 20);
            hits += measures.hit_rate;
            reciprocals += measures.mrr;
        }
        let (found_hits, found_mrr) = (hits / 387.0, reciprocals / 387.0);
        assert!((found_hits - hit_rate).abs() < 5e-4, "{algorithm}: HR@20 {found_hits:.4}, published {hit_rate}");
        assert!((found_mrr - mrr).abs() < 5e-4, "{algorithm}: MRR@20 {found_mrr:.4}, published {mrr}");
    }
}
