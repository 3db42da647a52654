//! The schema of every document, in `docs/schema`: made from documents in which everything that there can be is there,
//! and from such in which all is missing that may be. A key that is added appears here; one that goes is noticed.
//!
//! `INSTA_UPDATE=always` writes them, like snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs, path::PathBuf};

use serde_json::{Map, Value, json};

use super::statistics::counted;
use super::table::of_kernel;
use super::*;
use crate::control::protocol::FilterView;
use crate::journal::told::LineView;
use crate::show::done;
use crate::show::failover::FailoversView;
use crate::show::metrics::MetricsView;

/// What was seen at one place.
#[derive(Default)]
struct Seen {
    kinds: Vec<&'static str>,
    members: BTreeMap<String, (Seen, usize)>,
    items: Option<Box<Seen>>,
    objects: usize,
}

impl Seen {
    fn look(&mut self, value: &Value) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.kinds.sort_unstable();
        }
        if let Value::Array(items) = value {
            let seen = self.items.get_or_insert_default();
            items.iter().for_each(|item| seen.look(item));
        }
        if let Value::Object(members) = value {
            self.objects += 1;
            for (name, value) in members {
                let (seen, times) = self.members.entry(name.clone()).or_default();
                seen.look(value);
                *times += 1;
            }
        }
    }

    fn schema(&self) -> Map<String, Value> {
        let mut schema = Map::new();
        let kinds = match self.kinds.as_slice() {
            [one] => json!(one),
            many => json!(many),
        };
        schema.insert("type".to_owned(), kinds);
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), Value::Object(items.schema()));
        }
        if self.objects > 0 && !self.members.is_empty() {
            let properties: Map<String, Value> =
                self.members.iter().map(|(name, (seen, _))| (name.clone(), seen.schema().into())).collect();
            let always = self.members.iter().filter(|(_, (_, times))| *times == self.objects);
            let required: Vec<&String> = always.map(|(name, _)| name).collect();
            schema.insert("properties".to_owned(), properties.into());
            schema.insert("required".to_owned(), json!(required));
        }
        schema
    }
}

/// Holds the committed schema against these documents.
fn hold(name: &str, title: &str, documents: &[Value]) {
    let mut seen = Seen::default();
    documents.iter().for_each(|document| seen.look(document));
    let mut schema = seen.schema();
    schema["properties"]["version"] = json!({ "const": 1 });
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.schema.json"));
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::create_dir_all(path.parent().expect("a directory")).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(text.lines()).find(|(committed, now)| committed != now);
    assert!(
        committed == text,
        "{}: the document says {differs:?} now; write it with INSTA_UPDATE=always and read the difference",
        path.display()
    );
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

#[test]
fn status() {
    let full = value(&super::status(Sync::CatchingUp(Reason::GapOpen)));
    let mut bare = super::status(Sync::InSync);
    (bare.commit, bare.last_transition, bare.journal_unit) = (None, None, None);
    bare.keepalived = ready::untold().keepalived;
    let mut running = super::status(Sync::InSync);
    running.commit.as_mut().expect("there is one").end_ns = None;
    running.keepalived = ready::waiting().keepalived;
    let mut unknown = super::status(Sync::CatchingUp(Reason::GapOpen));
    unknown.sync.progress.as_mut().expect("there is one").of = None;
    let documents = [full, value(&bare), value(&running), value(&unknown)];
    hold("status", "syncd show conntrack-sync status --json", &documents);
}

#[test]
fn ready() {
    let documents = [value(&ready::waiting()), value(&ready::untold())];
    hold("ready", "syncd ready --json", &documents);
}

#[test]
fn handovers() {
    hold("handover", "syncd handover --json", &[value(&handover::done()), value(&handover::rolled_back())]);
}

#[test]
fn failovers() {
    let [stepped_back, without] = failover::others();
    let all = [failover::took_over(), stepped_back, without];
    let documents = [value(&FailoversView::new(at(1), all.to_vec()))];
    hold("failover", "syncd show failover --json", &documents);
}

#[test]
fn statistics() {
    let mut without = counted();
    without.daemon.active_interface = None;
    let documents = [value(&counted()), value(&without)];
    hold("statistics", "syncd show conntrack-sync statistics --json", &documents);
}

#[test]
fn flows() {
    let v4 = |last| Address::from_v4([10, 1, 0, last]);
    let echo = Flow::new(Family::V4, Protocol::ICMP, Tuple::icmp(v4(1), v4(2), 77, 8, 0));
    let failure = Failure { errno: 17, existing: None };
    let mut unanswered = echo;
    unanswered.present = AttrSet::TIMEOUT;
    let mut answered = echo;
    (answered.reply, answered.present) = (echo.original.inverse(Protocol::ICMP), AttrSet::REPLY);
    let mut dccp = rare(echo);
    dccp.extras.said(ExtraSet::DCCP);
    dccp.extras.said(ExtraSet::HELPER);
    let mut scaled = Flow::new(Family::V4, Protocol::TCP, Tuple::default());
    scaled.present = AttrSet::STATUS.with(AttrSet::TCP_SCALE);
    let flows = [
        value(&FlowView::new(&scaled, None, None)),
        value(&FlowView::new(&echo, Some(3), Some(&failure))),
        value(&FlowView::new(&unanswered, None, None)),
        value(&FlowView::new(&answered, None, None)),
        value(&FlowView::new(&dccp, Some(3), None)),
        value(&of_kernel()),
    ];
    let documents =
        [json!({ "version": 1, "flows": flows }), json!({ "version": 1, "flows": flows, "next": 128 })];
    hold("flows", "syncd show conntrack table and conntrack-sync caches --json", &documents);
}

#[test]
fn expectations() {
    let original = Tuple { source_port: 33_601, target_port: 21, ..Tuple::default() };
    let parent = Parent { original, family: Family::V4, protocol: Protocol::TCP };
    let plain = Expectation::new(parent, Protocol::TCP, original, original);
    let full = Expectation {
        helper: HelperName::new(b"ftp").unwrap(),
        class: Some(0),
        timeout: Some(300),
        nat: Some(ExpectNat { tuple: original, protocol: Protocol::TCP, direction: 1 }),
        function: FnName::new(b"nat-follow-master").unwrap(),
        flags: ExpectFlags(ExpectFlags::PERMANENT),
        ..plain
    };
    let expectations = [
        value(&ExpectationView::new(&plain, None, None)),
        value(&ExpectationView::new(&full, Some(4), Some(2))),
    ];
    let documents = [
        json!({ "version": 1, "expectations": expectations }),
        json!({ "version": 1, "expectations": expectations, "next": 128 }),
    ];
    hold("expectations", "syncd show conntrack-sync caches expect --json", &documents);
}

#[test]
fn processors() {
    hold("processors", "syncd show conntrack statistics --json", &[value(&table::processors())]);
}

#[test]
fn lines() {
    let line = LineView {
        version: 1,
        number: 7,
        unix_ms: 1_709_210_096_123,
        monotonic_ns: 5,
        level: "info".to_owned(),
        event: "role-entered".to_owned(),
        details: Map::new(),
        text: "role primary (was backup)".to_owned(),
        logged: true,
    };
    hold("line", "a line of syncd watch, show log and monitor log --json", &[value(&line)]);
}

/// Documents that a command prints, one for each line of `printed`.
fn documents(printed: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(printed).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A directory of the tests.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let all = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let mut wanted: Vec<PathBuf> = all.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    wanted.sort();
    assert!(!wanted.is_empty());
    wanted
}

#[test]
fn checks() {
    let mut out = Vec::new();
    for file in files("rules", ".yaml").iter().chain([&PathBuf::from("/nonexistent/syncd.yaml")]) {
        crate::check::check(file, false, true, &mut out).unwrap();
    }
    // A remark need not have a place either.
    let mut documents = documents(&out);
    let placeless = documents.last().expect("the file that is not there")["problems"].clone();
    documents.push(
        json!({ "version": 1, "file": "syncd.yaml", "valid": true, "problems": [], "remarks": placeless }),
    );
    hold("check", "syncd check --json", &documents);
}

#[test]
fn explanations() {
    let mut out = Vec::new();
    crate::check::explain(None, true, &mut out).unwrap();
    hold("explain", "syncd explain --json", &documents(&out));
}

#[test]
fn imports() {
    let mut out = Vec::new();
    let wiring = crate::import::Wiring::default();
    let languages =
        [(".conf", crate::import::Language::Conntrackd), (".vyos", crate::import::Language::Vyos)];
    for (ending, language) in languages {
        for file in files("import", ending) {
            crate::import::import(language, &file, &wiring, true, &mut out, &mut Vec::new()).unwrap();
        }
    }
    // One that cannot be made valid.
    let file = env::temp_dir().join(format!("syncd-import-{}.vyos", std::process::id()));
    fs::write(&file, "set service conntrack-sync mcast-group 225.0.0.51\n").unwrap();
    let language = crate::import::Language::Vyos;
    let valid = crate::import::import(language, &file, &wiring, true, &mut out, &mut Vec::new());
    fs::remove_file(&file).unwrap();
    assert!(!valid.unwrap());
    hold("import", "syncd import --json", &documents(&out));
}

#[test]
fn captures() {
    let decoded = files("captures", ".pcap").into_iter().map(|file| {
        let mut out = Vec::new();
        crate::decode::print(&file, crate::decode::Ports::Any, true, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    });
    hold("decode", "syncd decode --json", &decoded.chain([of_a_stranger()]).collect::<Vec<Value>>());
}

/// A message that no conntrackd sends: without a status, and with an attribute that nobody knows.
fn of_a_stranger() -> Value {
    let message = [
        &[0x10, 0, 0, 44, 0, 0, 0, 9, 0, 12, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..],
        &[0, 5, 0, 2, 6, 0, 0, 0, 0, 8, 0, 3, 0, 1, 0, 2, 0, 8, 0, 33, 0, 0, 0, 0],
    ]
    .concat();
    let udp = [&[0x0e, 0xc4, 0x0e, 0xc4, 0, 52, 0, 0][..], &message].concat();
    let packet = [&[0x45, 0, 0, 72, 0, 1, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2][..], &udp].concat();
    let numbers = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0, 101, 1, 2, 72, 72].map(u32::to_le_bytes);
    let file = [numbers.as_flattened(), &packet].concat();
    let mut out = Vec::new();
    crate::decode::print_from(
        &file[..],
        std::path::Path::new("-"),
        crate::decode::Ports::Any,
        true,
        &mut out,
    )
    .unwrap();
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["messages"][0]["attributes_passed_over"], json!(["number 33"]));
    document
}

#[test]
fn what_was_done() {
    let (version, some) = (done::VERSION, vec!["port".to_owned()]);
    let role = done::RoleGiven { version, role: "primary", waited: true };
    hold("role", "syncd role --json", &[value(&role)]);
    let reload = done::ReloadApplied { version, changed: &some, remarks: &some };
    hold("reload", "syncd reload --json", &[value(&reload)]);
    let cache = done::CacheReset { version, cache: "internal", flows_before: 1, flows: 2, expectations: 3 };
    hold("reset-cache", "syncd reset conntrack-sync --json", &[value(&cache)]);
    let table = done::TableEmptied { version, removed: 1, expectations_removed: true };
    hold("reset-table", "syncd reset conntrack --json", &[value(&table)]);
    let restart = done::Restarted { version, restarted: true };
    hold("restart", "syncd restart conntrack-sync --json", &[value(&restart)]);
    let not_done = done::NotDone { version, error: "cannot reach the daemon", exit_code: 3 };
    hold("error", "any command with --json that could not be done", &[value(&not_done)]);
}

#[test]
fn a_filter_is_told_as_it_is() {
    let filter = syncd_core::filter::Filter::new(vec![Protocol::TCP], Vec::new());
    assert_eq!(value(&FilterView::new(&filter)), json!({ "accepted": [6], "ignored": [] }));
}

#[test]
fn metrics() {
    let pages = crate::metrics::tests::pages();
    let views = pages.iter().map(|page| value(&MetricsView::read(page).unwrap()));
    hold("metrics", "syncd show metrics --json", &views.collect::<Vec<Value>>());
}

#[test]
fn doctor() {
    let full = value(&crate::doctor::tests::document());
    hold("doctor", "syncd doctor --json", &[full]);
}

/// The commands that have `--json`, and which schema their answers keep to.
const ANSWERS: [(&str, &str); 26] = [
    ("check", "check"),
    ("import", "import"),
    ("explain", "explain"),
    ("reload", "reload"),
    ("role", "role"),
    ("ready", "ready"),
    ("handover", "handover"),
    ("decode", "decode"),
    ("doctor", "doctor"),
    ("show conntrack-sync status", "status"),
    ("show conntrack-sync statistics", "statistics"),
    ("show conntrack-sync internal-cache", "flows expectations"),
    ("show conntrack-sync external-cache", "flows expectations"),
    ("show conntrack-sync cache internal", "flows expectations"),
    ("show conntrack-sync cache external", "flows expectations"),
    ("show conntrack table", "flows"),
    ("show conntrack statistics", "processors"),
    ("show failover", "failover"),
    ("show log conntrack-sync", "line"),
    ("show metrics", "metrics"),
    ("reset conntrack-sync internal-cache", "reset-cache"),
    ("reset conntrack-sync external-cache", "reset-cache"),
    ("reset conntrack", "reset-table"),
    ("restart conntrack-sync", "restart"),
    ("monitor log conntrack-sync", "line"),
    ("watch", "line"),
];

/// The commands below this one that have `--json`.
fn with_json(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    if command.get_arguments().any(|argument| argument.get_id() == "json") {
        found.push(path.trim_start().to_owned());
    }
    for below in command.get_subcommands() {
        with_json(below, &format!("{path} {}", below.get_name()), found);
    }
}

#[test]
fn every_command_with_json_has_a_schema_and_every_schema_a_command() {
    let mut commands = Vec::new();
    with_json(&<crate::args::Arguments as clap::CommandFactory>::command(), "", &mut commands);
    let known: Vec<&str> = ANSWERS.iter().map(|(command, _)| *command).collect();
    assert_eq!(commands, known);
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema");
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".schema.json").expect("a schema").to_owned()
    };
    let committed: BTreeSet<String> = fs::read_dir(directory).unwrap().map(file).collect();
    // The answer to every command, where there is no other.
    let schemas = ANSWERS.iter().flat_map(|(_, schemas)| schemas.split(' ')).chain(["error"]);
    let named: BTreeSet<String> = schemas.map(str::to_owned).collect();
    assert_eq!(committed, named);
}
