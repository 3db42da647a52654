//! Every sample in `tests/import` is imported, and what comes out is valid and what an operator reads, in
//! `snapshots/cli/import`.

use std::collections::BTreeSet;
use std::fs;

use super::*;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import");
const SNAPSHOTS: &str = "../../../../snapshots/cli/import";

/// What is printed, and what is told besides; whether the result is valid.
fn imported(file: &Path) -> (String, String, bool) {
    let language = if file.extension().is_some_and(|ending| ending == "vyos") {
        Language::Vyos
    } else {
        Language::Conntrackd
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let valid = import(language, file, &Wiring::default(), false, &mut out, &mut err)
        .unwrap_or_else(|error| panic!("{error:#}"));
    let text = |bytes| String::from_utf8(bytes).expect("text").replace(&format!("{SAMPLES}/"), "");
    (text(out), text(err), valid)
}

fn samples() -> Vec<std::path::PathBuf> {
    let mut samples: Vec<_> =
        fs::read_dir(SAMPLES).expect("samples").map(|entry| entry.expect("a sample").path()).collect();
    samples.sort();
    samples
}

#[test]
fn every_sample_is_imported_and_valid() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut names = BTreeSet::new();
    for sample in samples() {
        let (yaml, told, valid) = imported(&sample);
        assert!(valid, "{}: {yaml}{told}", sample.display());
        let name = sample.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        settings.bind(|| insta::assert_snapshot!(name.clone(), format!("{yaml}\n{told}")));
        names.insert(format!("{name}.snap"));
    }
    assert!(names.len() > 12, "{names:?}");
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../snapshots/cli/import");
    let kept = fs::read_dir(snapshots).expect("snapshots").map(|entry| entry.expect("a file").file_name());
    assert_eq!(kept.filter_map(|name| Some(name.to_str()?.to_owned())).collect::<BTreeSet<_>>(), names);
}

#[test]
fn each_key_of_a_source_has_its_fate_in_json() {
    let file = Path::new(SAMPLES).join("current.vyos");
    let mut out = Vec::new();
    let wiring = Wiring { sync_group: Some("MINE".to_owned()), notify_fifo: Some("/run/x.fifo".to_owned()) };
    import(Language::Vyos, &file, &wiring, true, &mut out, &mut Vec::new()).expect("it is there");
    let document: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    let lines = fs::read_to_string(&file).expect("it is there");
    let about = lines.lines().filter(|line| line.contains("conntrack-sync")).count();
    assert_eq!(document["keys"].as_array().map(Vec::len), Some(about));
    assert!(document["keys"][0]["verdict"].is_string() && document["problem"].is_null(), "{document}");
    assert!(
        document["configuration"]
            .as_str()
            .is_some_and(|yaml| yaml.contains("{ sync-group: MINE, notify-fifo: \"/run/x.fifo\" }")),
        "{document}"
    );
    assert_eq!(document["sync_group_made_up"], false);
}

#[test]
fn what_is_no_such_file_is_refused_with_a_reason() {
    let refused = |text: &str| conntrackd::import(text, &Wiring::default()).expect_err(text).to_string();
    assert_eq!(refused("Sync { Mode FTFW {\n}\n"), "line 1: the block 'Sync' has no end");
    assert_eq!(refused("General {\n}\n}\n"), "line 3: a '}' without a '{'");
    assert_eq!(refused("{ }\n"), "line 1: a '{' without a key before it");
    assert!(refused("set service x\n").contains("no block 'Sync'"));
    assert!(refused(&"a {".repeat(50)).contains("blocks in more than 8 blocks"));
    let refused = |text: &str| vyos::import(text, &Wiring::default()).expect_err(text).to_string();
    let no_listing = "there is no line 'set service conntrack-sync";
    assert!(refused("set system host-name r1\n").starts_with(no_listing));
    assert!(refused("delete service conntrack-sync interface eth2\n").starts_with(no_listing));
}

/// A session's commands are no listing: what they undo is not taken for what is configured without a word.
#[test]
fn what_a_session_deletes_is_told() {
    let session = "set service conntrack-sync interface eth2\ndelete service conntrack-sync interface eth2\n";
    let imported = vyos::import(session, &Wiring::default()).expect("one line");
    let told: Vec<_> = imported.fates.iter().map(|fate| (fate.line, fate.verdict)).collect();
    assert_eq!(told, [(1, Verdict::Same), (2, Verdict::NotCarried)]);
    assert_eq!(imported.fates[1].key, "delete service conntrack-sync interface eth2");
}

#[test]
fn what_cannot_be_made_valid_is_printed_all_the_same() {
    let imported = vyos::import("set service conntrack-sync mcast-group 225.0.0.51\n", &Wiring::default())
        .expect("one line");
    assert!(imported.yaml.contains("mcast-group: 225.0.0.51"));
    let checked = config::understand(Path::new("x"), imported.yaml.as_bytes()).expect_err("no interface");
    assert!(checked.to_string().contains("no interface"), "{checked}");
}
