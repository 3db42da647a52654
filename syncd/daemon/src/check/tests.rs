//! What `syncd explain` prints of the table of keys.

use super::*;

fn explained(wanted: Option<&str>, json: bool) -> String {
    let mut out = Vec::new();
    explain(wanted, json, &mut out).expect("it is there");
    String::from_utf8(out).expect("text")
}

#[test]
fn keys_are_explained() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("explain", explained(None, false)));
}

#[test]
fn one_key_is_found_by_any_part_of_its_path() {
    let port = explained(Some("interface.*.port"), false);
    assert_eq!(explained(Some("port"), false), port);
    assert_eq!(explained(Some("conntrack-sync.interface.*.port"), false), port);
    let link: Value = serde_json::from_str(&explained(Some("interface"), true)).expect("JSON");
    assert_eq!((&link["version"], link["keys"].as_array().map(Vec::len)), (&1.into(), Some(3)));
    let said = explain(Some("prt"), false, &mut Vec::new()).expect_err("no such key").to_string();
    assert!(said.starts_with("there is no key prt; keys are interface, "), "{said}");
}
