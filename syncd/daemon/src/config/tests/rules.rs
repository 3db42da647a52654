//! One sample for each rule, in `tests/rules`, and what an operator reads of it, in `snapshots/cli/rules`: VyOS's rules
//! (v), checks that VyOS lacks (m), and syncd's own (s). A sample is looked at as `syncd check --here` does it.

use std::collections::BTreeSet;
use std::fs;

use super::keepalived::Unread;
use super::*;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules");

/// The rule, and whether breaking it is worth a remark only.
const RULES: &[(&str, bool)] = &[
    ("v01-accept-protocol", false),
    ("v02-expect-sync", false),
    ("v03-port", false),
    ("v04-no-interface", false),
    ("v05-interface-exists", false),
    ("v06-interface-without-address", false),
    ("v06-interface-without-ipv6", false),
    ("v07-unicast-and-multicast", false),
    ("v08-all-and-others", false),
    ("v09-listen-address-nowhere", false),
    ("v10-no-sync-group", false),
    ("v11-sync-group-unknown", false),
    ("v12-keepalived-tells-nobody", false),
    ("m1-queue-size-no-number", false),
    ("m1-queue-size-out-of-range", false),
    ("m2-listen-address-elsewhere", false),
    ("m3-sync-group-disabled", false),
    ("m3-sync-group-empty", false),
    ("m4-same-group-and-port", false),
    ("m5-peer-is-this-machine", false),
    ("m6-preempt-delay", true),
    ("m7-listen-address-in-multicast", false),
    ("s1-peer-scope", false),
    ("s2-group-scope", false),
    ("s3-listen-address-family", false),
    ("s4-group-is-none", false),
    ("s5-group-without-use", true),
    ("s6-log", false),
    ("s6-log-level", false),
    ("s7-timeouts", false),
    ("s8-no-effect", true),
    ("s9-keepalived-config-missing", false),
    ("s10-everything-at-once", false),
    ("s11-track-file", true),
    ("s11-track-file-is-fifo", false),
    ("s11-ready-timeout-alone", true),
    ("s12-purge-cuts-logins", true),
    ("s14-filter-of-all", true),
    ("m8-interface-in-a-vrf", true),
    ("s13-interface-of-a-bridge", true),
];

/// What `syncd check --here` says of a sample, and whether it is valid all the same.
fn said_of(rule: &str) -> (String, bool) {
    let name = format!("{rule}.yaml");
    let text = fs::read_to_string(Path::new(SAMPLES).join(&name)).expect("a sample");
    let config = match read::config(Path::new(&name), &text) {
        Ok(config) => config,
        Err(invalid) => return (invalid.to_string(), false),
    };
    let keepalived = config.failover.keepalived_config.clone().map(|file| {
        let sample = Path::new(SAMPLES).join(format!("{rule}.keepalived.conf"));
        let said = keepalived::read(&sample).map_err(|unread| match unread {
            Unread::Unreadable { source, .. } => Unread::Unreadable { file: file.clone(), source },
            other @ Unread::NotFollowed(_) => other,
        });
        Beside { file, named: true, said }
    });
    match config.check_system(&machine(), keepalived.as_ref()) {
        Ok(here) => (config.show(&[config.remarks(), &here.remarks].concat()).to_string(), true),
        Err(invalid) => (invalid.to_string(), false),
    }
}

#[test]
fn every_rule_says_what_is_wrong_and_what_to_do() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../../snapshots/cli/rules");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (rule, mild) in RULES {
        let (said, valid) = said_of(rule);
        assert_eq!(valid, *mild, "{rule}: {said}");
        assert!(said.contains("remedy: "), "{rule}: {said}");
        settings.bind(|| insta::assert_snapshot!(*rule, said));
    }
}

#[test]
fn no_sample_and_no_snapshot_is_left_over() {
    let rules: BTreeSet<String> = RULES.iter().map(|(rule, _)| (*rule).to_owned()).collect();
    let names = |directory: &Path, ending: &str| -> BTreeSet<String> {
        let files =
            fs::read_dir(directory).expect("a directory").map(|file| file.expect("a file").file_name());
        files.filter_map(|name| Some(name.to_str()?.strip_suffix(ending)?.to_owned())).collect()
    };
    assert_eq!(names(Path::new(SAMPLES), ".yaml"), rules);
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../snapshots/cli/rules");
    assert_eq!(names(&snapshots, ".snap"), rules);
}
