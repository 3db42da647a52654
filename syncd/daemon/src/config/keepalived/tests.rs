//! keepalived's configuration as people write it, and what of it does not fit ours.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::Failover;
use super::*;

/// Files in a directory of their own, which goes with this value.
struct Files(PathBuf);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("syncd-keepalived-{}-{number}", std::process::id()));
        for (file, text) in files {
            let path = directory.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn read(&self) -> Result<Keepalived, String> {
        read(&self.0.join("keepalived.conf")).map_err(|unread| unread.to_string())
    }

    /// As our configuration has it, which names the file.
    fn beside(&self) -> Beside {
        Beside { file: PathBuf::from("k.conf"), named: true, said: read(&self.0.join("keepalived.conf")) }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn blocks_words_comments_and_includes() {
    let files = Files::new(&[
        (
            "keepalived.conf",
            "! the pair
global_defs
{
    vrrp_notify_fifo \"/run/a fifo\"   # quoted
    notify_fifo /run/b
    vrrp_startup_delay 2.5
    fifo_write_vrrp_states_on_reload
}
include conf.d/*.conf
vrrp_sync_group G { group { a
 b } notify_master /x }
virtual_server 10.0.0.9 80 {
    real_server 10.0.0.8 80 { weight 1 }
}
",
        ),
        (
            "conf.d/1.conf",
            "vrrp_instance a {\n interface eth0\n virtual_router_id 51\n use_vmac\n preempt_delay 2.5\n virtual_ipaddress { 10.0.0.1/24 dev eth0\n 10.0.0.3 }\n}\n",
        ),
        (
            "conf.d/2.conf",
            "vrrp_instance b {\n state MASTER\n nopreempt\n interface eth1\n use_vmac v1\n vmac_xmit_base\n unicast_peer {\n 1.2.3.4\n }\n virtual_ipaddress_excluded {\n 2001:db8::1/64\n }\n}\n",
        ),
        ("conf.d/3.conf.old", "vrrp_instance c {\n}\n"),
    ]);
    let text = |word: &str| word.to_owned();
    let a = Instance {
        name: text("a"),
        interface: text("eth0"),
        vmac: Some(text("vrrp.51")),
        speaks_by_vmac: true,
        preempt_delay: 2.5,
        addresses: vec!["10.0.0.1".parse().unwrap(), "10.0.0.3".parse().unwrap()],
        ..Instance::default()
    };
    let b = Instance {
        name: text("b"),
        interface: text("eth1"),
        vmac: Some(text("v1")),
        unicast: true,
        addresses: vec!["2001:db8::1".parse().unwrap()],
        nopreempt: true,
        begins_as_master: true,
        ..Instance::default()
    };
    assert_eq!((a.exit(), b.exit()), ("vrrp.51", "eth1"));
    let expected = Keepalived {
        fifos: vec![text("/run/a fifo"), text("/run/b")],
        tells_on_reload: true,
        startup_delay: 2.5,
        track_files: Vec::new(),
        groups: vec![Group {
            name: text("G"),
            members: vec![text("a"), text("b")],
            notifies: true,
            ..Group::default()
        }],
        instances: vec![a, b],
    };
    assert_eq!(files.read(), Ok(expected));
}

#[test]
fn files_that_are_looked_at_and_who_looks() {
    let text = "track_file ready {
    file /run/ready
    weight 20
    init_file -3
}
vrrp_track_file other { file /run/other }
vrrp_sync_group G {
    track_file { ready
 other weight -5 }
}
vrrp_instance a {
    priority 110
    track_file {
        other
    }
}
";
    let read = Files::new(&[("keepalived.conf", text)]).read().unwrap();
    let file = |name: &str, file: &str, weight, init: Option<&str>| TrackFile {
        name: name.to_owned(),
        file: file.to_owned(),
        weight,
        init: init.map(str::to_owned),
    };
    let tracking = |name: &str, weight| Tracking { name: name.to_owned(), weight };
    assert_eq!(
        read.track_files,
        [file("ready", "/run/ready", Some(20), Some("-3")), file("other", "/run/other", None, None)]
    );
    assert_eq!(read.groups[0].tracks, [tracking("ready", None), tracking("other", Some(-5))]);
    assert_eq!(
        (read.instances[0].priority, &read.instances[0].tracks[..]),
        (Some(110), &[tracking("other", None)][..])
    );
}

#[test]
fn what_cannot_be_followed_is_said() {
    for (text, said) in [
        ("$A=1\n", "keepalived.conf:1: conditions and definitions ($A=1)"),
        ("\n@main global_defs {\n}\n", "keepalived.conf:2: conditions"),
        ("include /*/x.conf\n", "only * and ? in the last part"),
        ("include keepalived.conf\n", "do they include each other?"),
        ("include gone.conf\n", "gone.conf: No such file"),
        (&"a {\n".repeat(40), "keepalived.conf:33: more than 32 blocks stand in each other"),
        ("}\n", "a brace closes what none has opened"),
    ] {
        let files = Files::new(&[("keepalived.conf", text)]);
        let why = files.read().unwrap_err();
        assert!(why.contains(said), "{text}: {why}");
    }
}

const FILE: &str = "! VyOS writes such a file
global_defs {
    dynamic_interfaces
    vrrp_notify_fifo /run/keepalived/syncd.fifo   # ours
}
vrrp_instance \"VI 1\" {
    interface eth0
    preempt_delay 90
    virtual_ipaddress { 192.0.2.1/24 dev eth0 }
}
vrrp_instance VI_2 { nopreempt }
vrrp_sync_group MAIN {
    group {
        \"VI 1\"
        VI_2
    }
    notify_master \"/bin/true\"
}
vrrp_sync_group EMPTY { group { } }
vrrp_sync_group OFF { group { VI_9 } }
";

fn failover(group: &str, fifo: &str) -> Failover {
    Failover { sync_group: group.to_owned(), notify_fifo: Some(PathBuf::from(fifo)), ..Failover::default() }
}

fn misfits(text: &str, group: &str, fifo: &str, purge: Option<u32>) -> Vec<String> {
    let files = Files::new(&[("keepalived.conf", text)]);
    let misfits = files.beside().misfits(&failover(group, fifo), purge);
    misfits.into_iter().map(|misfit| misfit.reason).collect()
}

#[test]
fn what_fits() {
    assert_eq!(misfits(FILE, "MAIN", "/run/keepalived/syncd.fifo", Some(90)), [""; 0]);
    assert_eq!(misfits(FILE, "MAIN", "/run/keepalived/syncd.fifo", None), [""; 0]);
}

#[test]
fn what_does_not() {
    let fifo = "/run/keepalived/syncd.fifo";
    assert_eq!(misfits(FILE, "main", fifo, None), ["VRRP sync-group main is not configured in k.conf"]);
    assert_eq!(
        misfits(FILE, "EMPTY", fifo, None),
        ["VRRP sync-group EMPTY has no member in k.conf: keepalived tells no role of it"]
    );
    assert_eq!(
        misfits(FILE, "OFF", fifo, None),
        ["member VI_9 of VRRP sync-group OFF is no vrrp_instance in k.conf, or is disabled"]
    );
    assert_eq!(
        misfits(FILE, "MAIN", "/run/other", Some(91)),
        [
            "keepalived does not write to /run/other: no role will come",
            "preempt_delay of VI 1 is 90 s, less than purge-timeout (91 s): a router that returns may take over \
             before it knows the flows"
        ]
    );
}

#[test]
fn what_is_included_counts_and_what_is_not_followed_is_a_remark() {
    let fifo = "/run/keepalived/syncd.fifo";
    let with = |text: &str| {
        let files = Files::new(&[("keepalived.conf", text), ("conf.d/1.conf", FILE)]);
        files.beside().misfits(&failover("MAIN", fifo), None)
    };
    assert_eq!(with("include conf.d/*.conf\n"), []);
    for text in ["$A=1\n", "include conf.d/2.conf\n"] {
        let misfits = with(text);
        assert_eq!(misfits.len(), 1, "{text}");
        assert!(misfits[0].mild && misfits[0].reason.contains("not compared"), "{misfits:?}");
    }
}
