//! keepalived's configuration as people write it.

use std::fs;
use std::path::PathBuf;

use super::super::keepalived::{Group, Instance, Keepalived, TrackFile, Tracking, read};

/// Files in a directory of their own, which goes with this value.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!("syncd-doctor-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = directory.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn read(&self) -> Result<Keepalived, String> {
        read(&self.0.join("keepalived.conf"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn blocks_words_comments_and_includes() {
    let files = Files::new(
        "all",
        &[
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
                "vrrp_instance a {\n interface eth0\n virtual_router_id 51\n use_vmac\n virtual_ipaddress { 10.0.0.1/24 dev eth0\n 10.0.0.3 }\n}\n",
            ),
            (
                "conf.d/2.conf",
                "vrrp_instance b {\n state MASTER\n nopreempt\n interface eth1\n use_vmac v1\n vmac_xmit_base\n unicast_peer {\n 1.2.3.4\n }\n virtual_ipaddress_excluded {\n 2001:db8::1/64\n }\n}\n",
            ),
            ("conf.d/3.conf.old", "vrrp_instance c {\n}\n"),
        ],
    );
    let text = |word: &str| word.to_owned();
    let a = Instance {
        name: text("a"),
        interface: text("eth0"),
        vmac: Some(text("vrrp.51")),
        speaks_by_vmac: true,
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
    let read = Files::new("tracked", &[("keepalived.conf", text)]).read().unwrap();
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
        ("}\n", "a brace closes what none has opened"),
    ] {
        let files = Files::new("odd", &[("keepalived.conf", text)]);
        let why = files.read().unwrap_err();
        assert!(why.contains(said), "{text}: {why}");
    }
}
