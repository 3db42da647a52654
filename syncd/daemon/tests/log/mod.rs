//! The log: fields where journald reads our standard error, plain text elsewhere, and what repeats.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;

use super::operate::Watch;
use super::*;

/// Starts what follows with standard error in this file, and, if `named`, as if journald had made it.
pub(crate) fn with_stderr(file: &str, named: bool) -> Vec<String> {
    let stream = if named { "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) " } else { "" };
    let script = format!("exec 2>>{file}; {stream}exec \"$@\"");
    ["sh", "-c", &script, "sh"].map(str::to_owned).into()
}

/// Something in journald's place.
struct Journald(UnixDatagram);

impl Journald {
    fn begin() -> Self {
        fs::create_dir_all("/run/systemd/journal").expect("/run is ours");
        let socket = UnixDatagram::bind("/run/systemd/journal/socket").expect("/run is ours");
        socket.set_read_timeout(Some(lab::PATIENCE)).expect("a time");
        Self(socket)
    }

    /// The fields of the next line. None of ours has several lines.
    fn hear(&self) -> BTreeMap<String, String> {
        let mut bytes = vec![0; 64 * 1024];
        let len = self.0.recv(&mut bytes).expect("a line");
        let text = String::from_utf8(bytes[..len].to_vec()).expect("text");
        let fields = text.lines().map(|line| line.split_once('=').expect("a field"));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The next line about that.
    fn event(&self, event: &str) -> BTreeMap<String, String> {
        loop {
            let fields = self.hear();
            if fields["SYNCD_EVENT"] == event {
                return fields;
            }
        }
    }
}

pub(crate) fn read(router: &Router, file: &str) -> String {
    fs::read_to_string(router.path(file)).unwrap_or_default()
}

#[test]
fn journald_gets_fields() {
    lab::run("log::journald_gets_fields", || {
        let (mut r1, mut r2) = two_routers();
        let journald = Journald::begin();
        r1.start(MULTICAST);
        r2.under(with_stderr("/run/r2/stderr", true));
        r2.start(MULTICAST);
        let first = journald.hear();
        let fields = ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "SYNCD_EVENT"];
        assert_eq!(
            fields.map(|name| first[name].as_str()),
            ["initialization completed", "6", "syncd", "said"]
        );
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || cache(&r2, "external-cache") == kernel(&r1));
        r2.notify("GROUP \"G1\" MASTER 0\n");
        let entered = journald.event("role-entered");
        assert_eq!((entered["SYNCD_FROM"].as_str(), entered["SYNCD_TO"].as_str()), ("unknown", "primary"));
        let done = journald.event("commit-done");
        assert_eq!((done["SYNCD_COMMITTED"].as_str(), done["SYNCD_FAILED"].as_str()), ("6", "0"));
        assert!(done["MESSAGE"].starts_with("Committed 6 new entries; commit has taken 0."), "{done:?}");
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        while journald.hear()["MESSAGE"] != "---- shutdown received ----" {}
        assert_eq!(read(&r2, "stderr"), "", "nothing is said twice");
    });
}

/// `$JOURNAL_STREAM` is inherited by whatever a service starts, with whatever standard error that has.
#[test]
fn plain_text_goes_where_journald_does_not_read() {
    lab::run("log::plain_text_goes_where_journald_does_not_read", || {
        let (mut r1, _) = two_routers();
        let mut under = with_stderr("/run/r1/stderr", false);
        under.extend(["env", "JOURNAL_STREAM=1:1"].map(str::to_owned));
        r1.under(under);
        r1.start(MULTICAST);
        let status = r1.json(&["show", "conntrack-sync", "status"]);
        assert_eq!(status["journal_unit"], Value::Null);
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
        let said = read(&r1, "stderr");
        assert!(said.contains("syncd: info: initialization completed\n"), "{said}");
        assert!(said.ends_with("syncd: info: ---- shutdown received ----\n"), "{said}");
    });
}

/// As behind `conntrackd -d`, which listens only until the daemon answers.
#[test]
fn a_daemon_in_the_background_tells_journald() {
    lab::run("log::a_daemon_in_the_background_tells_journald", || {
        let (r1, _) = two_routers();
        let journald = Journald::begin();
        r1.configure(MULTICAST);
        let mut child = r1.run_command().stderr(Stdio::piped()).spawn().expect("syncd starts");
        let ready = || r1.syncd(&["show", "conntrack-sync", "status"]).status.success();
        wait_for("the control socket answers", ready);
        drop(child.stderr.take());
        r1.notify("GROUP \"G1\" MASTER 0\n");
        assert_eq!(journald.event("role-entered")["SYNCD_TO"], "primary");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    });
}

#[test]
fn what_repeats_is_counted_and_whoever_watches_hears_all() {
    lab::run("log::what_repeats_is_counted_and_whoever_watches_hears_all", || {
        let (mut r1, _) = two_routers();
        r1.under(with_stderr("/run/r1/stderr", false));
        r1.start(MULTICAST);
        r1.add_to_configuration("  log-level: nonsense\n");
        r1.configure(MULTICAST);
        let mut watch = Watch::begin(&r1, &["watch", "--all", "--json"]);
        for _ in 0..13 {
            assert!(!r1.syncd(&["reload"]).status.success());
        }
        let mut heard = (0, 0);
        while heard.0 < 13 {
            let line: Value = serde_json::from_str(&watch.line()).expect("JSON lines");
            if line["text"].as_str().is_some_and(|text| text.contains("nothing is changed")) {
                heard = (heard.0 + 1, heard.1 + u32::from(line["logged"] == true));
            }
        }
        assert_eq!(heard, (13, 10));
        let lines = |words: &[&str]| {
            let text = String::from_utf8(r1.syncd(words).stdout).expect("text");
            text.lines().filter(|line| line.contains("cannot reload, nothing is changed")).count()
        };
        assert_eq!(lines(&["show", "log", "conntrack-sync"]), 10);
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
        let said = read(&r1, "stderr");
        assert_eq!(said.lines().filter(|line| line.contains("nothing is changed")).count(), 11, "{said}");
        assert_eq!(said.matches(" ... repeated 3 times\n").count(), 1, "{said}");
    });
}
