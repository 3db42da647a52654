//! Scraping a running daemon: over a Unix socket and TCP, by clients that behave and clients that do not.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

const UNIX: &str = "  metrics: { listen: unix:/run/metrics/r1.sock }\n";
const TCP: &str = "  metrics: { listen: 127.0.0.1:9716 }\n";
const TCP_6: &str = "  metrics: { listen: \"[::1]:9716\" }\n";
const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: r1\r\nAccept: text/plain;version=0.0.4\r\n\r\n";

/// Sends a request and reads until the daemon hangs up: head and body.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> (String, String) {
    stream.write_all(request).expect("the daemon takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers and hangs up");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    (head.to_owned(), body.to_owned())
}

fn unix() -> UnixStream {
    UnixStream::connect("/run/metrics/r1.sock").expect("metrics are shown")
}

fn tcp(router: &Router, address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().expect("an address");
    router.within(|| TcpStream::connect(address)).expect("metrics are shown")
}

/// Samples of a page whose answer is what Prometheus wants to see.
fn samples((head, body): (String, String)) -> BTreeMap<String, f64> {
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"), "{head}");
    let headers: Vec<&str> = lines.collect();
    assert!(headers.contains(&"Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(headers.contains(&format!("Content-Length: {}", body.len()).as_str()), "{head}");
    of_text(&body)
}

fn of_text(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    lines.map(sample).collect()
}

fn status_code(answer: &(String, String)) -> u16 {
    let word = answer.0.split(' ').nth(1).expect("a status");
    word.parse().expect("a number")
}

#[test]
fn a_failover_is_seen_by_whoever_scrapes() {
    lab::run("metrics::a_failover_is_seen_by_whoever_scrapes", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration(UNIX);
        r2.add_to_configuration(TCP);
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        let first = || samples(exchange(unix(), SCRAPE.as_bytes()));
        let second = || samples(exchange(tcp(&r2, "127.0.0.1:9716"), SCRAPE.as_bytes()));
        let young = second();
        assert_eq!(young["syncd_role{group=\"G1\",role=\"unknown\"}"], 1.0);
        assert!(!young.contains_key("syncd_last_transition_timestamp_seconds"));

        r1.notify("GROUP \"G1\" MASTER 0\n");
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("roles", || {
            first()["syncd_role{group=\"G1\",role=\"primary\"}"] > 0.0
                && second()["syncd_role{group=\"G1\",role=\"backup\"}"] > 0.0
        });
        let many: Vec<Flow> = (1..=40).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        insert(&r1, &many);
        let external = "syncd_cache_entries{cache=\"external\",table=\"ct\"}";
        wait_for("the flows are there", || second()[external] == 40.0);
        let lag = "syncd_replication_lag_seconds_count{peer=\"225.0.0.50\"}";
        wait_for("they are acknowledged", || {
            let page = first();
            page["syncd_unacked_messages{peer=\"225.0.0.50\"}"] == 0.0 && page[lag] > 0.0
        });
        let active = first();
        assert_eq!(active["syncd_cache_entries{cache=\"internal\",table=\"ct\"}"], 40.0);
        assert_eq!(active["syncd_netlink_events_total{type=\"new\"}"], 40.0);
        let tx = "syncd_bytes_total{peer=\"225.0.0.50\",dir=\"tx\",link=\"sync\"}";
        assert!(active[tx] > 0.0 && active["syncd_link_up{link=\"sync\"}"] > 0.0);
        wait_for("a failover would lose nothing", || {
            first()["syncd_failover_ready"] > 0.0 && second()["syncd_failover_ready"] > 0.0
        });

        assert!(r2.syncd(&["role", "primary"]).status.success());
        wait_for("the commit is seen", || second().contains_key("syncd_commit_duration_seconds"));
        let page = second();
        assert_eq!(page["syncd_commit_entries_total{table=\"ct\",result=\"committed\"}"], 40.0);
        assert_eq!(page["syncd_transitions_total{from=\"backup\",to=\"primary\"}"], 1.0);
        assert!(page["syncd_last_transition_timestamp_seconds"] > 1_700_000_000.0);
        assert_eq!(page[external], 0.0);

        let resyncs = |page: &BTreeMap<String, f64>, kind: &str, reason: &str| {
            page[&format!("syncd_resync_total{{kind=\"{kind}\",reason=\"{reason}\"}}")]
        };
        assert!(resyncs(&page, "asked", "starting") >= 1.0, "{page:?}");
        assert_eq!(resyncs(&page, "asked", "operator"), 0.0, "{page:?}");
        assert!(resyncs(&page, "bulk_sent", "ourselves") >= 1.0, "{page:?}");
        assert!(r2.syncd(&["reset", "conntrack-sync", "external-cache"]).status.success());
        wait_for("the question is counted by its reason", || resyncs(&second(), "asked", "operator") == 1.0);

        assert_eq!(r1.end(Signal::SIGKILL), None);
        wait_for("the peer is lost", || {
            second()["syncd_peer_state{peer=\"225.0.0.50\",state=\"lost\"}"] > 0.0
        });
        assert_eq!(second()["syncd_failover_ready"], 0.0);
    });
}

#[test]
fn the_same_page_comes_from_the_control_socket_also_where_none_is_shown() {
    lab::run("metrics::the_same_page_comes_from_the_control_socket_also_where_none_is_shown", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration(TCP_6);
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        let shown = |router: &Router| {
            let output = router.syncd(&["show", "metrics"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            of_text(&String::from_utf8(output.stdout).expect("text"))
        };
        let scraped = samples(exchange(tcp(&r1, "[::1]:9716"), SCRAPE.as_bytes()));
        assert!(shown(&r1).keys().eq(scraped.keys()));
        assert_eq!(shown(&r2)["syncd_up"], 1.0);
        let listening = r2.program(&["ss", "-Hltn"]).output().expect("ss of the package iproute2 starts");
        assert_eq!(String::from_utf8_lossy(&listening.stdout), "", "nothing is shown unless it is named");
    });
}

#[test]
fn who_misbehaves_is_refused_or_cut_and_holds_up_nobody() {
    lab::run("metrics::who_misbehaves_is_refused_or_cut_and_holds_up_nobody", || {
        let (mut r1, _) = two_routers();
        r1.add_to_configuration(UNIX);
        r1.start(MULTICAST);
        let refused = |request: &[u8]| status_code(&exchange(unix(), request));
        assert_eq!(refused(b"POST /metrics HTTP/1.1\r\n\r\n"), 405);
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), 404);
        assert_eq!(refused(b"\x16\x03\x01\r\n\r\n"), 400);
        assert_eq!(refused(&[b'a'; 100_000]), 431);
        let head = exchange(unix(), b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert_eq!((status_code(&head), head.1.as_str()), (200, ""));
        // A request may come byte by byte.
        let mut slow = unix();
        for byte in SCRAPE.as_bytes() {
            slow.write_all(&[*byte]).expect("the daemon listens");
        }
        assert!(samples(exchange(slow, b"")).contains_key("syncd_up"));

        // More who say nothing than there are places: operators and the daemon do not notice.
        let begun = Instant::now();
        let mut silent: Vec<UnixStream> = (0..12).map(|_| unix()).collect();
        silent[0].write_all(b"GET /met").expect("the daemon listens");
        assert!(r1.syncd(&["show", "conntrack-sync", "status"]).status.success());
        assert!(begun.elapsed() < Duration::from_secs(4), "an operator waited {:?}", begun.elapsed());
        insert(&r1, &one_of_each());
        wait_for("flows are noticed", || cache(&r1, "internal-cache").len() == one_of_each().len());
        // Who asks properly gets its turn when the silent ones are cut, and not before.
        assert!(samples(exchange(unix(), SCRAPE.as_bytes())).contains_key("syncd_up"));
        assert!(begun.elapsed() >= Duration::from_secs(4), "all places were taken");
        for stream in &mut silent {
            stream.set_read_timeout(Some(lab::PATIENCE)).expect("a socket has timeouts");
            match stream.read(&mut [0]) {
                Ok(0) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                other => panic!("a silent client is cut, not {other:?}"),
            }
        }
    });
}

#[test]
fn who_does_not_read_its_answer_costs_nothing() {
    lab::run("metrics::who_does_not_read_its_answer_costs_nothing", || {
        let (mut r1, _) = two_routers();
        r1.add_to_configuration(TCP);
        r1.start(MULTICAST);
        let open = || fs::read_dir(format!("/proc/{}/fd", r1.pid())).expect("it runs").count();
        let before = open();
        let deaf: Vec<TcpStream> = (0..40)
            .map(|_| {
                let mut stream = tcp(&r1, "127.0.0.1:9716");
                stream.write_all(SCRAPE.as_bytes()).expect("the daemon takes a request");
                stream
            })
            .collect();
        wait_for("some are served", || open() > before);
        assert!(samples(exchange(tcp(&r1, "127.0.0.1:9716"), SCRAPE.as_bytes())).contains_key("syncd_up"));
        // They hold their ends, the daemon none of them.
        // Whoever asked before may have been counted, too.
        wait_for("no connection is left", || open() <= before);
        drop(deaf);
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

#[test]
fn a_socket_outlives_no_daemon_and_hides_no_other() {
    lab::run("metrics::a_socket_outlives_no_daemon_and_hides_no_other", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration(UNIX);
        r2.add_to_configuration(UNIX);
        let path = Path::new("/run/metrics/r1.sock");
        let refused = |router: &Router| {
            router.configure(MULTICAST);
            let output = router.run_command().stderr(Stdio::piped()).output().expect("syncd starts");
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        r1.start(MULTICAST);
        assert_eq!(fs::metadata(path).expect("it listens").permissions().mode() & 0o777, 0o666);
        let said = refused(&r2);
        assert!(said.contains("cannot show metrics on unix:/run/metrics/r1.sock: somebody"), "{said}");
        assert!(said.contains("listens there already; stop it, or take another path"), "{said}");
        assert!(samples(exchange(unix(), SCRAPE.as_bytes())).contains_key("syncd_up"));
        // What a killed daemon leaves is taken over; one that ends leaves nothing.
        assert_eq!(r1.end(Signal::SIGKILL), None);
        assert!(path.exists());
        r1.start(MULTICAST);
        assert!(samples(exchange(unix(), SCRAPE.as_bytes())).contains_key("syncd_up"));
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
        assert!(!path.exists());
        fs::write(path, "precious").expect("/run is ours");
        let said = refused(&r2);
        assert!(said.contains("what is there is no socket; remove it"), "{said}");
        assert_eq!(fs::read_to_string(path).expect("it is there"), "precious");
    });
}

#[test]
fn an_address_may_come_later_and_a_port_that_is_taken_is_told() {
    lab::run("metrics::an_address_may_come_later_and_a_port_that_is_taken_is_told", || {
        let (mut r1, _) = two_routers();
        r1.add_to_configuration("  metrics: { listen: 10.9.0.77:9716 }\n");
        // Not recorded: who records may not begin again.
        r1.start_plainly(MULTICAST);
        ip_within("r1", &["address", "add", "10.9.0.77/24", "dev", "sync"]);
        let scrape = |router: &Router| samples(exchange(tcp(router, "10.9.0.77:9716"), SCRAPE.as_bytes()));
        assert!(scrape(&r1).contains_key("syncd_up"));
        let log = r1.syncd(&["show", "log", "conntrack-sync"]);
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        assert!(log.contains("no interface has 10.9.0.77 yet"), "{log}");

        // It begins again on the same port although connections of before linger.
        assert!(r1.syncd(&["restart", "conntrack-sync"]).status.success());
        assert!(scrape(&r1)["syncd_uptime_seconds"] < 60.0);

        // Another address takes a restart, and that is said; meanwhile the old one stays.
        r1.add_to_configuration("  metrics: { listen: 10.9.0.77:9717 }\n");
        r1.configure(MULTICAST);
        let reload = r1.syncd(&["reload"]);
        let said = String::from_utf8_lossy(&reload.stderr).into_owned();
        assert_eq!(reload.status.code(), Some(1), "{said}");
        assert!(said.contains("metrics.listen changed, which takes a restart"), "{said}");
        assert!(scrape(&r1).contains_key("syncd_up"));
        r1.add_to_configuration("  metrics: { listen: 10.9.0.77:9716 }\n");
        r1.configure(MULTICAST);

        let output = Command::new("ip")
            .args(["netns", "exec", "r1", env!("CARGO_BIN_EXE_syncd"), "run", "--config"])
            .arg(r1.path("syncd.yaml"))
            .args(["--socket", "/run/r1/other"])
            .output()
            .expect("syncd starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot show metrics on 10.9.0.77:9716: Address already in use"), "{said}");
        assert!(said.contains("stop who listens there, or take another port"), "{said}");
    });
}

fn ip_within(router: &str, words: &[&str]) {
    let done = Command::new("ip").args(["-n", router]).args(words).status().expect("ip starts");
    assert!(done.success(), "ip {words:?}");
}

/// promtool of the package prometheus, fed with `input`.
fn promtool(words: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot start promtool: {error}; 'cargo ci setup' installs it (package prometheus)")
        });
    child.stdin.take().expect("it was piped").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("it is our child");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {words:?}: {said}");
}

/// The dashboard's comparison of syncd and keepalived as a test of promtool: on r1 both say the same, on r2 they do not,
/// and r3 has no exporter for keepalived.
fn comparison_as_test(dashboard: &Value) -> String {
    let panels = dashboard["panels"].as_array().expect("panels");
    let is_meant = |panel: &&Value| panel["title"] == "syncd follows keepalived";
    let panel = panels.iter().find(is_meant).expect("the panel");
    let question = panel["targets"][0]["expr"].as_str().expect("a question");
    let question = question.replace("$job", "syncd").replace("$instance", ".*");
    format!(
        "tests:
- interval: 15s
  input_series:
  - {{ series: 'syncd_role{{job=\"syncd\",instance=\"r1:9716\",group=\"G1\",role=\"primary\"}}', values: '1x4' }}
  - {{ series: 'syncd_role{{job=\"syncd\",instance=\"r2:9716\",group=\"G1\",role=\"primary\"}}', values: '0x4' }}
  - {{ series: 'syncd_role{{job=\"syncd\",instance=\"r3:9716\",group=\"G1\",role=\"primary\"}}', values: '0x4' }}
  - {{ series: 'keepalived_vrrp_state{{instance=\"r1:9165\",iname=\"LAN\",vrid=\"51\"}}', values: '2x4' }}
  - {{ series: 'keepalived_vrrp_state{{instance=\"r1:9165\",iname=\"WAN\",vrid=\"52\"}}', values: '2x4' }}
  - {{ series: 'keepalived_vrrp_state{{instance=\"r2:9165\",iname=\"LAN\",vrid=\"51\"}}', values: '2x4' }}
  promql_expr_test:
  - expr: {}
    eval_time: 30s
    exp_samples:
    - {{ labels: '{{host=\"r1\"}}', value: 1 }}
    - {{ labels: '{{host=\"r2\"}}', value: 0 }}
",
        serde_json::to_string(&question).expect("text")
    )
}

/// Every question of the dashboard as a rule, so that promtool reads it; Grafana's variables get values.
fn dashboard_as_rules(dashboard: &Value) -> String {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (index, target) in targets.enumerate() {
        let expr = target["expr"].as_str().expect("a question").replace("$__rate_interval", "1m");
        let expr = serde_json::to_string(&expr).expect("text");
        rules += &format!("  - record: dashboard:question:{index}\n    expr: {expr}\n");
    }
    rules
}

/// What the suite leaves out, and says so, where promtool could not be had.
#[test]
fn needs_promtool_page_rules_and_dashboard_are_prometheus_own_words() {
    lab::run("metrics::needs_promtool_page_rules_and_dashboard_are_prometheus_own_words", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration(UNIX);
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        assert!(r1.syncd(&["role", "primary"]).status.success());
        let (_, page) = exchange(unix(), SCRAPE.as_bytes());
        assert!(page.contains("syncd_commit_duration_seconds"), "{page}");
        promtool(&["check", "metrics"], &page);
        let contrib = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib");
        promtool(&["check", "rules", &format!("{contrib}/prometheus/syncd.rules.yml")], "");
        promtool(&["test", "rules", &format!("{contrib}/prometheus/syncd.rules.test.yml")], "");
        let dashboard = fs::read(format!("{contrib}/grafana/syncd.json")).expect("there is a dashboard");
        let dashboard = serde_json::from_slice(&dashboard).expect("a dashboard is JSON");
        fs::write("/run/comparison.yml", comparison_as_test(&dashboard)).expect("/run is ours");
        promtool(&["test", "rules", "/run/comparison.yml"], "");
        let rules = dashboard_as_rules(&dashboard);
        assert!(rules.matches("- record:").count() > 10, "{rules}");
        fs::write("/run/dashboard.yml", rules).expect("/run is ours");
        promtool(&["check", "rules", "/run/dashboard.yml"], "");
    });
}
