//! What an operator types: shown, reset, restarted, followed; and a link that fails.

mod broken;
mod letters;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::*;

fn text(router: &Router, words: &[&str]) -> String {
    let output = router.syncd(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What a command that needs no daemon prints.
fn kernel_text(router: &Router, words: &[&str]) -> String {
    let syncd = [&[env!("CARGO_BIN_EXE_syncd")], words].concat();
    let output = router.program(&syncd).output().expect("syncd starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Why a command was refused.
fn refusal(router: &Router, words: &[&str]) -> String {
    let output = router.syncd(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn status(router: &Router) -> Value {
    router.json(&["show", "conntrack-sync", "status"])
}

/// The number in a line of the statistics, of the block that begins with `title`.
fn counter(text: &str, title: &str, name: &str) -> u64 {
    let block = text.split_once(title).expect("the block").1;
    let line = block.lines().find(|line| line.starts_with(name)).expect("the line");
    line[name.len()..]
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number: {line}"))
}

#[test]
fn what_is_internal_on_the_active_router_is_external_on_the_standby() {
    lab::run("operate::what_is_internal_on_the_active_router_is_external_on_the_standby", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        r1.notify("GROUP \"G1\" MASTER 0\n");
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("roles", || status(&r1)["role"] == "primary" && status(&r2)["role"] == "backup");
        let many: Vec<Flow> = (1..=40).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r2)["external_flows"] == 40);
        let statistics = [&r1, &r2].map(|router| text(router, &["show", "conntrack-sync", "statistics"]));
        let name = "current active connections:";
        let current = |of: usize, cache: &str| counter(&statistics[of], cache, name);
        assert_eq!([current(0, "cache internal:"), current(0, "cache external:")], [40, 0]);
        assert_eq!([current(1, "cache internal:"), current(1, "cache external:")], [0, 40]);
        for text in &statistics {
            assert!(text.starts_with("\nMain Table Statistics:\n\ncache internal:\n"), "{text}");
            assert!(text.contains("multicast traffic (active device=sync):\n"), "{text}");
        }
        assert_eq!(counter(&statistics[1], "cache external:", "connections created:"), 40);
    });
}

/// 505 flows of IPv4 are in its table.
fn the_kernels_table_is_paged_while_flows_are_born(router: &Router) {
    let there = flows(&router.table("ipv4"));
    let (mut seen, mut from, mut strangers) = (BTreeSet::new(), "0".to_owned(), 9000);
    loop {
        let words = ["show", "conntrack", "table", "ipv4", "--json", "--limit", "100", "--from", &from];
        let page: Value = serde_json::from_str(&kernel_text(router, &words)).expect("JSON");
        // Of two flows with one id, which is rare, none is left for the next page.
        assert!(page["flows"].as_array().expect("a list").len() <= 101);
        for flow in flows(&page) {
            assert!(seen.insert(flow), "twice");
        }
        let Some(next) = page["next"].as_u64() else { break };
        from = next.to_string();
        strangers += 1;
        insert(router, &[flow(Family::V4, Protocol::UDP, strangers)]);
    }
    assert!(there.len() == 505 && seen.is_superset(&there) && strangers >= 9005);
}

#[test]
fn tables_are_filtered_limited_and_paged() {
    lab::run("operate::tables_are_filtered_limited_and_paged", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        insert(&r1, &one_of_each());
        let many: Vec<Flow> = (2001..=2500).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r2)["external_flows"] == 506);

        let table =
            kernel_text(&r1, &["show", "conntrack", "table", "ipv4", "--proto", "tcp", "--mark", "42"]);
        assert_eq!(table.lines().count(), 6, "{table}");
        assert!(
            table.contains(" 10.1.0.1:1001          10.1.0.2:80            tcp [6] ES       "),
            "{table}"
        );
        let v6 = kernel_text(&r1, &["show", "conntrack", "table", "ipv6", "--format", "wide"]);
        assert!(v6.lines().count() == 3 && v6.contains("[fd09::1]:1006"), "{v6}");
        let none = kernel_text(&r1, &["show", "conntrack", "table", "ipv4", "--dport", "81"]);
        assert_eq!(none, "Entries not found\n");
        let limited =
            kernel_text(&r1, &["show", "conntrack", "table", "ipv4", "--format", "lines", "--limit", "7"]);
        assert_eq!(limited.lines().count(), 7);

        let external = ["show", "conntrack-sync", "external-cache"];
        let count = |more: &[&str]| text(&r2, &[&external, more].concat()).lines().count();
        assert_eq!(count(&["--proto", "udp"]), 501);
        assert_eq!(count(&["--proto", "udp", "--sport", "2400"]), 1);
        assert_eq!(count(&["--src", "fd09::/64"]), 1);
        assert_eq!(count(&["--state", "unreplied"]), 0);
        assert_eq!(count(&["--limit", "200"]), 200);
        assert_eq!(count(&["main", "--xml"]), 506);
        let cache = text(&r2, &["show", "conntrack-sync", "cache", "external", "--proto", "icmp"]);
        assert!(cache.lines().count() == 3 && cache.starts_with("Source "), "{cache}");

        // Page by page, and no flow is left out or shown twice.
        let (mut seen, mut from) = (BTreeSet::new(), "0".to_owned());
        loop {
            let page = r2.json(&[&external[..], &["--limit", "150", "--from", &from]].concat());
            for flow in flows(&page) {
                assert!(seen.insert(flow), "twice");
            }
            let Some(next) = page["next"].as_u64() else { break };
            from = next.to_string();
        }
        assert_eq!(seen.len(), 506);

        let counted: Value =
            serde_json::from_str(&kernel_text(&r1, &["show", "conntrack", "statistics", "--json"]))
                .expect("JSON");
        assert_eq!(counted["flows"], 506);
        let inserted = |of: &Value| of["insert"].as_u64().expect("a count");
        assert_eq!(counted["processors"].as_array().expect("a list").iter().map(inserted).sum::<u64>(), 506);
        assert_eq!(
            r1.syncd(&["show", "conntrack-sync", "external-cache", "--proto", "tpc"]).status.code(),
            Some(2)
        );

        the_kernels_table_is_paged_while_flows_are_born(&r1);
    });
}

#[test]
fn a_reset_makes_equal_again() {
    lab::run("operate::a_reset_makes_equal_again", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        let many: Vec<Flow> = (1..=300).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r2)["external_flows"] == 300);
        let dumps = |router: &Router| {
            router.json(&["show", "conntrack-sync", "statistics"])["kernel"]["dumps"]
                .as_u64()
                .expect("a count")
        };
        let before = dumps(&r1);
        let said = text(&r1, &["reset", "conntrack-sync", "internal-cache"]);
        assert_eq!(said, "internal cache: 300 flows (before: 300), 0 expectations\n");
        assert!(dumps(&r1) > before);
        let said = r2.json(&["reset", "conntrack-sync", "external-cache"]);
        assert_eq!((&said["flows"], &said["version"]), (&300.into(), &1.into()));
        assert_eq!(cache(&r2, "external-cache"), kernel(&r1));

        assert_eq!(r1.end(Signal::SIGKILL), None);
        wait_for("the peer is missed", || status(&r2)["sync"]["state"] == "peer lost");
        let said = refusal(&r2, &["reset", "conntrack-sync", "external-cache"]);
        assert!(
            said.contains("the peer is silent: nothing could take the place of what is held of it"),
            "{said}"
        );
        assert_eq!(status(&r2)["external_flows"], 300);
    });
}

#[test]
fn the_kernels_table_is_emptied_only_on_purpose_and_the_peer_hears_of_it() {
    lab::run("operate::the_kernels_table_is_emptied_only_on_purpose_and_the_peer_hears_of_it", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || status(&r2)["external_flows"] == 6);
        let syncd = env!("CARGO_BIN_EXE_syncd");
        let asked = r1.program(&[syncd, "reset", "conntrack"]).output().expect("syncd starts");
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(asked.status.code() == Some(1) && said.contains("would cut 6 flows"), "{said}");
        assert_eq!(kernel(&r1).len(), 6);
        assert_eq!(kernel_text(&r1, &["reset", "conntrack", "--yes"]), "6 flows removed\n");
        assert_eq!(kernel(&r1).len(), 0);
        wait_for("the peer has heard of it", || status(&r2)["external_flows"] == 0);
    });
}

#[test]
fn a_restart_keeps_role_and_flows_and_is_refused_when_it_would_hurt() {
    lab::run("operate::a_restart_keeps_role_and_flows_and_is_refused_when_it_would_hurt", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        // A recording is never written over, so this daemon must not record.
        r2.start_plainly(MULTICAST);
        r2.wait_until_in_sync();
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || status(&r2)["role"] == "backup");
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || status(&r2)["external_flows"] == 6);
        let said = refusal(&r1, &["restart", "conntrack-sync"]);
        assert!(said.contains("it records into /run/r1/recording-1"), "{said}");
        let (pid, before) = (r2.pid(), status(&r2)["started_ns"].clone());

        r2.configure("{ peer: 10.9.0.2 }");
        let said = refusal(&r2, &["restart", "conntrack-sync"]);
        assert!(
            said.contains("would not come up, so this one goes on") && said.contains("this machine itself"),
            "{said}"
        );
        assert_eq!(status(&r2)["started_ns"], before);
        fs::remove_file(r2.path("syncd.yaml")).expect("it was there");
        let said = refusal(&r2, &["restart", "conntrack-sync"]);
        assert_eq!(said.matches("No such file or directory").count(), 1, "{said}");

        r2.configure(MULTICAST);
        let mut watch = Watch::begin(&r2, &["watch", "--all", "--json"]);
        watch.event("role-entered");
        assert_eq!(text(&r2, &["restart", "conntrack-sync"]), "restarted\n");
        // Whoever watches goes on with the new one.
        assert_eq!(watch.event("role-entered")["details"]["to"], "backup");
        assert_ne!(status(&r2)["started_ns"], before);
        wait_for("the role is kept", || status(&r2)["role"] == "backup");
        wait_for("the flows are back", || cache(&r2, "external-cache") == kernel(&r1));
        r2.wait_until_in_sync();
        assert_eq!(r2.pid(), pid);

        // In the middle of a commit it would lose flows.
        let many: Vec<Flow> = (10_001..=40_000).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r2)["external_flows"] == 30_006);
        assert!(r2.syncd(&["role", "primary", "--no-wait"]).status.success());
        let said = refusal(&r2, &["restart", "conntrack-sync"]);
        assert!(said.contains("cannot restart while a commit is in progress"), "{said}");
        wait_for("the commit is done", || status(&r2)["commit"]["committed"] == 30_006);
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
    });
}

/// `syncd watch`, and its lines as they come.
pub(crate) struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    pub(crate) fn begin(router: &Router, words: &[&str]) -> Self {
        let socket = router.path("control");
        let socket = socket.to_string_lossy();
        let words = [&[env!("CARGO_BIN_EXE_syncd")], words, &["--socket", &socket]].concat();
        let mut child = router.program(&words).stdout(Stdio::piped()).spawn().expect("syncd starts");
        let printed = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            // Until the program ends, or nobody listens any more.
            for line in printed.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.recv_timeout(lab::PATIENCE).expect("a line in time")
    }

    /// The next line with that word.
    fn event(&mut self, event: &str) -> Value {
        loop {
            let line: Value = serde_json::from_str(&self.line()).expect("JSON lines");
            keeps_to("line", &line);
            if line["event"] == event {
                return line;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn every_notice_is_seen_as_it_happens_and_kept_for_a_while() {
    lab::run("operate::every_notice_is_seen_as_it_happens_and_kept_for_a_while", || {
        let (mut r1, _) = two_routers();
        r1.start(MULTICAST);
        let mut watch = Watch::begin(&r1, &["watch", "--all", "--json"]);
        let first: Value = serde_json::from_str(&watch.line()).expect("JSON lines");
        assert_eq!((&first["number"], &first["version"]), (&1.into(), &1.into()));
        let mut monitor = Watch::begin(&r1, &["monitor", "log", "conntrack-sync"]);
        let mut machine = Watch::begin(&r1, &["monitor", "log", "conntrack-sync", "--json"]);
        r1.notify("GROUP \"G1\" MASTER 0\n");
        assert_eq!(machine.event("role-entered")["details"]["to"], "primary");
        let entered = watch.event("role-entered");
        assert_eq!(
            (&entered["details"]["from"], &entered["details"]["to"]),
            (&"unknown".into(), &"primary".into())
        );
        assert_eq!(
            (&entered["text"], &entered["level"]),
            (&"role primary (was unknown)".into(), &"info".into())
        );
        assert!(watch.event("commit-done")["details"]["committed"] == 0);
        loop {
            if monitor.line().ends_with("info: role primary (was unknown)") {
                break;
            }
        }
        let log = text(&r1, &["show", "log", "conntrack-sync"]);
        assert!(log.contains("info: initialization completed\n"), "{log}");
        assert!(log.contains("info: role primary (was unknown)\n"), "{log}");
        let documents = text(&r1, &["show", "log", "conntrack-sync", "--json"]);
        let documents: Vec<Value> =
            documents.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
        // One may have come since.
        assert!(documents.len() >= log.lines().count(), "{log}");
        for (document, line) in documents.iter().zip(log.lines()) {
            keeps_to("line", document);
            assert!(document["logged"] == true && line.ends_with(document["text"].as_str().expect("a text")));
        }
        // What is not in the log is counted, too.
        let numbers = documents.iter().map(|document| document["number"].as_u64().expect("a number"));
        assert!(numbers.is_sorted_by(|one, next| one < next), "{documents:?}");
        // Whoever watches does not keep the daemon from ending.
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

/// The committed schema of that name.
fn schema(name: &str) -> jsonschema::Validator {
    let path = format!("{}/../../docs/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("a schema");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

#[test]
fn every_answer_keeps_to_its_schema() {
    lab::run("operate::every_answer_keeps_to_its_schema", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration("  expect-sync: [all]\n");
        r1.without_fifo();
        r1.start_plainly(MULTICAST);
        r2.start_plainly(MULTICAST);
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || cache(&r2, "external-cache") == kernel(&r1));
        let table = [
            ("role", "role primary"),
            ("status", "show conntrack-sync status"),
            ("statistics", "show conntrack-sync statistics"),
            ("flows", "show conntrack-sync internal-cache"),
            ("flows", "show conntrack-sync cache external"),
            ("expectations", "show conntrack-sync internal-cache expect"),
            ("ready", "ready"),
            ("failover", "show failover"),
            ("metrics", "show metrics"),
            ("reload", "reload"),
            ("reset-cache", "reset conntrack-sync internal-cache"),
            ("reset-cache", "reset conntrack-sync external-cache"),
            ("restart", "restart conntrack-sync"),
            ("line", "show log conntrack-sync"),
        ];
        for (name, words) in table {
            let words: Vec<&str> = words.split(' ').chain(["--json"]).collect();
            keeps(name, &words, &r1.syncd(&words));
        }
        let (config, missing) = (r1.path("syncd.yaml"), r1.path("missing.yaml"));
        let (config, missing) = (config.to_string_lossy(), missing.to_string_lossy());
        let table = [
            ("flows", vec!["show", "conntrack", "table", "ipv4"]),
            ("flows", vec!["show", "conntrack", "table", "ipv6"]),
            ("processors", vec!["show", "conntrack", "statistics"]),
            ("check", vec!["check", "--here", &config]),
            ("check", vec!["check", &missing]),
            ("explain", vec!["explain"]),
            ("doctor", vec!["doctor", "--config", &config]),
            ("reset-table", vec!["reset", "conntrack", "--yes"]),
        ];
        for (name, words) in table {
            let words = [words, vec!["--json"]].concat();
            let mut program = r1.program(&[&[env!("CARGO_BIN_EXE_syncd")], &words[..]].concat());
            keeps(name, &words, &program.output().expect("syncd starts"));
        }
    });
}

#[test]
fn what_cannot_be_done_is_answered_in_json_too() {
    lab::run("operate::what_cannot_be_done_is_answered_in_json_too", || {
        let (mut r1, _) = two_routers();
        r1.start_plainly(MULTICAST);
        let socket = r1.path("nobody");
        let socket = socket.to_string_lossy();
        let refuses = |words: &[&str], code: u8, why: &str| {
            let words = [words, &["--json"]].concat();
            let output = r1.syncd(&words);
            assert_eq!(output.status.code(), Some(code.into()), "{words:?}");
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let document =
                serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"));
            keeps_to("error", &document);
            let error = document["error"].as_str().expect("a text");
            assert_eq!(document["exit_code"], code, "{document}");
            assert!(error.contains(why) && err.contains(why), "{words:?}: {error}: {err}");
        };
        refuses(&["role", "primary", "G2"], 1, "this daemon follows G1");
        refuses(&["reset", "conntrack-sync", "external-cache"], 1, "nothing could take the place");
        refuses(&["handover"], 1, "keepalived does not go by a track-file");
        refuses(&["show", "conntrack-sync", "external-cache", "--sport", "0x1"], 2, "0x1");
        let nobody = |words: &str| {
            let words: Vec<&str> = words.split(' ').chain(["--socket", &socket, "--json"]).collect();
            let output = r1.program(&[&[env!("CARGO_BIN_EXE_syncd")], &words[..]].concat()).output();
            let output = output.expect("syncd starts");
            keeps("error", &words, &output);
            assert_eq!(output.status.code(), Some(3), "{words:?}");
        };
        for words in ["ready", "reload", "show conntrack-sync cache internal", "show failover", "watch"] {
            nobody(words);
        }
        // The kernel says no after the question was put.
        let words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_syncd")];
        let words = [&words[..], &["show", "conntrack", "table", "ipv4", "--json"]].concat();
        let output = r1.program(&words).output().expect("setpriv starts");
        assert_eq!(output.status.code(), Some(1));
        keeps("error", &words, &output);
    });
}

/// Whether all that was printed are documents of that schema, and there is one.
fn keeps(name: &str, words: &[&str], output: &std::process::Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut any = false;
    for document in documents {
        keeps_to(name, &document.unwrap_or_else(|error| panic!("{words:?}: {error}")));
        any = true;
    }
    assert!(any, "{words:?}: {said}");
}

/// Whether it is a document of that schema.
pub(crate) fn keeps_to(name: &str, document: &Value) {
    let schema = schema(name);
    let wrong = schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path()));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new(), "{name}: {document}");
    assert_eq!(document["version"], 1, "{name}");
}

/// A port of a bridge hears nothing of its own; that it is one, only the kernel knows.
#[test]
fn a_link_that_belongs_to_a_bridge_is_remarked() {
    lab::run("operate::a_link_that_belongs_to_a_bridge_is_remarked", || {
        let (r1, _) = two_routers();
        r1.configure(MULTICAST);
        let check = || {
            let config = r1.path("syncd.yaml");
            let words = [env!("CARGO_BIN_EXE_syncd"), "check", "--here", &config.to_string_lossy()];
            String::from_utf8(r1.program(&words).output().expect("syncd starts").stdout).expect("text")
        };
        assert!(!check().contains("belongs to"), "{}", check());
        lab::ip(&["-n", "r1", "link", "add", "br0", "type", "bridge"]);
        lab::ip(&["-n", "r1", "link", "set", "sync", "master", "br0"]);
        assert!(check().contains("sync belongs to br0 (bridge)"), "{}", check());
    });
}

#[test]
fn a_link_that_fails_is_noticed_told_and_replaced() {
    lab::run("operate::a_link_that_fails_is_noticed_told_and_replaced", || {
        let (mut r1, mut r2) = two_routers();
        lab::ip(&[
            "-n", "r1", "link", "add", "spare", "type", "veth", "peer", "name", "spare", "netns", "r2",
        ]);
        for (router, address) in [("r1", "10.8.0.1/24"), ("r2", "10.8.0.2/24")] {
            lab::ip(&["-n", router, "address", "add", address, "dev", "spare"]);
            lab::ip(&["-n", router, "link", "set", "spare", "up"]);
        }
        let links = "{}, spare: { port: 3781 }";
        r1.start(links);
        r2.start(links);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        let link = |router: &Router, at: usize| {
            let link = status(router)["links"][at].clone();
            (link["state"].as_str().expect("a word").to_owned(), link["active"] == true)
        };
        let is = |state: &str, active| (state.to_owned(), active);
        assert_eq!([link(&r1, 0), link(&r1, 1)], [is("RUNNING", true), is("RUNNING", false)]);
        let mut watch = Watch::begin(&r1, &["watch", "--all", "--json"]);
        // r1 loses its carrier, r2's end is switched off.
        lab::ip(&["-n", "r2", "link", "set", "sync", "down"]);
        // Which of the two is told first, depends: the peer is heard on the other link, and the carrier's loss comes late.
        let mut told = [None, None];
        while told.contains(&None) {
            let line: Value = serde_json::from_str(&watch.line()).expect("JSON lines");
            match line["event"].as_str() {
                Some("link-down") => told[0] = Some(line["details"].clone()),
                Some("link-active") if line["details"]["interface"] == "spare" => {
                    told[1] = Some(line["text"].clone());
                }
                _ => {}
            }
        }
        let down = serde_json::json!({ "interface": "sync", "state": "NO-CARRIER" });
        assert_eq!(told, [Some(down), Some("device spare becomes dedicated link".into())]);
        wait_for("both have seen it", || {
            link(&r1, 0) == is("NO-CARRIER", false) && link(&r2, 0) == is("DOWN", false)
        });
        assert_eq!([link(&r1, 1), link(&r2, 1)], [is("RUNNING", true), is("RUNNING", true)]);
        insert(&r1, &one_of_each());
        wait_for("flows cross on the other link", || cache(&r2, "external-cache") == kernel(&r1));
        let text = text(&r1, &["show", "conntrack-sync", "status"]);
        assert!(text.contains("links                 : sync NO-CARRIER, spare RUNNING (active)\n"), "{text}");
        lab::ip(&["-n", "r2", "link", "set", "sync", "up"]);
        assert_eq!(watch.event("link-up")["details"]["interface"], "sync");
        // One that goes away altogether, with its address.
        lab::ip(&["-n", "r1", "link", "delete", "spare"]);
        wait_for("the first link is used again", || {
            link(&r1, 0) == is("RUNNING", true) && link(&r1, 1).0 == "ABSENT"
        });
    });
}

/// The most memory a program ever held, in kB, while it still runs.
fn peak(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel says it");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_large_cache_is_read_slowly_and_nothing_waits_for_the_reader() {
    lab::run("operate::a_large_cache_is_read_slowly_and_nothing_waits_for_the_reader", || {
        const MANY: u16 = 40_000;
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        let many: Vec<Flow> = (1..=MANY).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r2)["external_flows"] == MANY);
        let socket = r2.path("control");
        let socket = socket.to_string_lossy();
        let words = [
            env!("CARGO_BIN_EXE_syncd"),
            "show",
            "conntrack-sync",
            "external-cache",
            "--json",
            "--socket",
            &socket,
        ];
        let mut reader = r2.program(&words).stdout(Stdio::piped()).spawn().expect("syncd starts");
        let mut printed = BufReader::new(reader.stdout.take().expect("a pipe"));
        let mut line = String::new();
        printed.read_line(&mut line).expect("it prints");
        // The pipe is full now and the reader stands still, in the middle of the cache. Life goes on.
        insert(&r1, &[flow(Family::V6, Protocol::TCP, 1)]);
        wait_for("one more is there", || status(&r2)["external_flows"] == u32::from(MANY) + 1);
        let mut read = 0;
        while printed.read_line(&mut line).expect("it prints") > 0 {
            read += usize::from(line.starts_with("{\"family\""));
            line.clear();
            if read == usize::from(MANY) / 2 {
                // The whole document has 16 MB.
                let peak = peak(reader.id());
                assert!(peak < 14_000, "{peak} kB");
            }
        }
        assert!(reader.wait().expect("it ends").success());
        assert!(read >= usize::from(MANY), "{read}");
    });
}
