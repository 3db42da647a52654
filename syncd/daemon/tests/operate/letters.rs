//! conntrackd's letters, from the scripts that use them: the one that Debian ships, unchanged, and what VyOS calls.

use std::path::Path;
use std::process::{Command, Output};

use super::*;

/// Of the package conntrackd; read where it is installed.
const SCRIPT: &str = "/usr/share/doc/conntrackd/examples/sync/primary-backup.sh";
/// Where scripts look for conntrackd.
const CONNTRACKD: &str = "/usr/sbin/conntrackd";
/// What `logger` was told: scripts log what fails.
const LOGGED: &str = "/run/logged";

/// Puts syncd in the place of conntrackd, and something that remembers in the place of logger.
fn take_its_place() {
    assert!(
        Path::new(SCRIPT).exists() && Path::new(CONNTRACKD).exists(),
        "{SCRIPT} and {CONNTRACKD} are needed: apt-get install conntrackd"
    );
    lab::succeed(Command::new("mount").args(["--bind", env!("CARGO_BIN_EXE_syncd"), CONNTRACKD]));
    fs::create_dir_all("/run/bin").expect("/run is ours");
    fs::write("/run/bin/logger", format!("#!/bin/sh\necho \"$@\" >>{LOGGED}\n")).expect("/run is ours");
    fs::set_permissions("/run/bin/logger", fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn logged() -> String {
    fs::read_to_string(LOGGED).unwrap_or_default()
}

/// A program with what a router's administrator would export.
fn run(router: &Router, words: &[&str]) -> Output {
    let path = format!("/run/bin:{}", std::env::var("PATH").unwrap_or_default());
    let mut command = router.program(words);
    command.env("PATH", path).env("SYNCD_SOCKET", router.path("control"));
    command.env("SYNCD_CONFIG", router.path("syncd.yaml")).output().expect("it starts")
}

/// The letters as VyOS gives them.
fn letters(router: &Router, words: &str) -> String {
    let line = format!("{CONNTRACKD} -C /run/conntrackd/conntrackd.conf {words}");
    let output = run(router, &line.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn script(router: &Router, word: &str) -> String {
    let output = run(router, &["sh", SCRIPT, word]);
    assert!(output.status.success(), "{word}: {output:?}");
    assert_eq!(
        (logged(), String::from_utf8_lossy(&output.stderr).into_owned()),
        Default::default(),
        "{word}"
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_script_that_debian_ships_makes_a_failover() {
    lab::run("operate::letters::the_script_that_debian_ships_makes_a_failover", || {
        take_its_place();
        let (mut r1, mut r2) = two_routers();
        r1.without_fifo();
        r2.without_fifo();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        script(&r1, "primary");
        assert!(script(&r2, "backup").starts_with("cache internal:\n"), "it asks whether the daemon lives");
        assert_eq!((&status(&r1)["role"], &status(&r2)["role"]), (&"primary".into(), &"backup".into()));
        insert(&r1, &one_of_each());
        let there = kernel(&r1);
        wait_for("the flows are there", || cache(&r2, "external-cache") == there);

        assert_eq!(r1.end(Signal::SIGKILL), None);
        script(&r2, "primary");
        assert_eq!(kernel(&r2), there, "the script returns when the flows are in the kernel");
        assert_eq!(status(&r2)["role"], "primary");
        wait_for("the jobs of the role are done", || cache(&r2, "internal-cache") == there);

        // The script itself starts a daemon that is dead.
        let output = run(&r1, &["sh", SCRIPT, "backup"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(logged(), "");
        wait_for("backup", || status(&r1)["role"] == "backup");
        wait_for("the flows are back", || cache(&r1, "external-cache") == there);
        script(&r1, "fault");
        wait_for("fault", || status(&r1)["role"] == "fault");
        letters(&r1, "-k");
        wait_for("it ends", || r1.syncd(&["show", "conntrack-sync", "status"]).status.code() == Some(3));
        let dead = run(&r1, &[CONNTRACKD, "-s"]);
        assert!(dead.status.code() == Some(1) && !dead.stderr.is_empty(), "{dead:?}");
    });
}

#[test]
fn what_vyos_calls_does_what_vyos_wants() {
    lab::run("operate::letters::what_vyos_calls_does_what_vyos_wants", || {
        take_its_place();
        let (mut r1, mut r2) = two_routers();
        for router in [&mut r1, &mut r2] {
            router.without_fifo();
            router.add_to_configuration("  expect-sync: [all]\n");
            router.start(MULTICAST);
        }
        r1.wait_until_in_sync();
        let many =
            |router: &Router, lines: &[&str]| lines.iter().for_each(|line| drop(letters(router, line)));
        // Its transition script, for master and for backup.
        many(&r1, &["-c", "-c exp", "-f", "-R", "-B"]);
        many(&r2, &["-s", "-t", "-n"]);
        assert_eq!((&status(&r1)["role"], &status(&r2)["role"]), (&"primary".into(), &"backup".into()));
        insert(&r1, &one_of_each());
        let there = kernel(&r1);
        wait_for("the flows are there", || cache(&r2, "external-cache") == there);

        // Its op-mode commands.
        for (router, words) in [(&r1, "-i ct -x"), (&r2, "-e ct -x")] {
            let xml = letters(router, words);
            assert!(
                xml.lines().count() == 6 && xml.lines().all(|line| line.starts_with("<flow><meta ")),
                "{xml}"
            );
            assert!(xml.contains("<sport>1002</sport><dport>80</dport>"), "{xml}");
        }
        assert_eq!(letters(&r1, "-i expect -x") + &letters(&r2, "-e expect -x"), "");
        assert!(
            letters(&r1, "-s").starts_with("cache internal:\ncurrent active connections:\t           6\n")
        );
        assert!(letters(&r2, "-s exp").starts_with("cache internal:\n"));
        for word in ["network", "cache", "runtime", "link", "rsqueue", "queue", "ct", "expect"] {
            assert!(!letters(&r1, &format!("-s {word}")).is_empty(), "{word}");
        }
        let link = letters(&r1, "-s link");
        assert!(link.starts_with("multicast traffic device=sync status=RUNNING role=ACTIVE:\n"), "{link}");
        many(&r2, &["-f external", "-n"]);
        many(&r1, &["-f internal", "-R", "-B"]);
        r2.wait_until_in_sync();
        assert_eq!(cache(&r2, "external-cache"), there);
        assert_eq!((cache(&r1, "internal-cache"), kernel(&r1)), (there.clone(), there.clone()));

        // What the peer has not acknowledged waits to be sent again.
        r2.signal(Signal::SIGSTOP);
        insert(&r1, &[flow(Family::V4, Protocol::TCP, 3001)]);
        wait_for("it waits", || letters(&r1, "-s rsqueue").contains("\nobject -> seq:"));
        let queue = letters(&r1, "-s rsqueue");
        assert!(queue.starts_with(&format!("resent queue (len={})\n", queue.lines().count() - 1)), "{queue}");
        r2.signal(Signal::SIGCONT);
        wait_for("it has arrived", || !letters(&r1, "-s rsqueue").contains("object"));

        // What is not replicated stays when the kernel's table is emptied.
        let mut own = flow(Family::V4, Protocol::TCP, 22);
        own.original.source = Address::from_v4([10, 9, 0, 7]);
        own.reply = own.original.inverse(Protocol::TCP);
        insert(&r1, &[own]);
        letters(&r1, "-F");
        assert_eq!(kernel(&r1).len(), 1);
        wait_for("the peer has heard of it", || cache(&r2, "external-cache").is_empty());
        letters(&r1, "-t");
        assert_eq!(status(&r1)["role"], "fault");
    });
}

#[test]
fn where_keepalived_says_the_role_the_letters_do_not() {
    lab::run("operate::letters::where_keepalived_says_the_role_the_letters_do_not", || {
        take_its_place();
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || status(&r2)["external_flows"] == 6);
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || status(&r2)["role"] == "backup");
        script(&r2, "fault");
        script(&r2, "backup");
        assert_eq!(status(&r2)["role"], "backup");
        letters(&r2, "-c");
        assert_eq!((status(&r2)["role"].clone(), kernel(&r2)), ("backup".into(), kernel(&r1)));
        // Whoever insists is heard, and told what it means.
        let log =
            || String::from_utf8_lossy(&r2.syncd(&["show", "log", "conntrack-sync"]).stdout).into_owned();
        assert!(!log().contains("by a command"), "{}", log());
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!(status(&r2)["role"], "primary");
        assert!(log().contains("although keepalived tells the roles here (backup, until now)"), "{}", log());
    });
}
