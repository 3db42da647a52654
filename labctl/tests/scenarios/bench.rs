//! A small benchmark with both daemons: whatever is measured is of whole tables. How long anything took is not asked.

use serde_json::Value;

use super::holder::{Alone, run, text};

#[test]
fn a_small_benchmark_measures_whole_tables() {
    let _alone = Alone::take();
    // Of the others each waits for half a minute by itself.
    let figures = "commit,insert,memory";
    let measured = run(&["bench", "--only", figures, "--flows", "2000", "--repetitions", "1", "--json"]);
    assert_eq!(measured.status.code(), Some(0), "{}", text(&measured));
    let document: Value = serde_json::from_slice(&measured.stdout).expect("a document");
    let samples = document["samples"].as_array().expect("samples");
    let of = |kind: &str| -> Vec<&Value> { samples.iter().filter_map(|sample| sample.get(kind)).collect() };
    let ours = |kind: &str| -> Vec<&Value> {
        of(kind).into_iter().filter(|sample| sample["daemon"] == "syncd").collect()
    };
    // Plain and translated; the kernel alone for each of them.
    assert_eq!((ours("committed").len(), of("alone").len()), (2, 2), "{samples:?}");
    assert!(ours("committed").iter().all(|sample| sample["committed"] == 2000), "{samples:?}");
    let nothing = serde_json::json!({ "r1": 0, "r2": 0 });
    assert!(ours("inserted").iter().all(|sample| sample["missing"] == nothing), "{samples:?}");
    assert!(!ours("inserted").is_empty() && !ours("filled").is_empty(), "{samples:?}");
}
