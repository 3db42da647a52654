//! Samples that each rule must refuse, and what stands close to them and must pass; and the tree itself.

use super::source::Source;
use super::{Finding, SOURCE_RULES, check, clocks, layout, manifests, marks, rooms, snapshots, unsafety};
use crate::workspace::{Dependency, Package, Workspace};

/// The lines at which `rule` refuses `text`.
fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).into_iter().map(|finding| finding.line).collect()
}

#[test]
fn this_tree_is_tidy() {
    let findings = check(&Workspace::load().unwrap()).unwrap();
    let listed: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    assert!(findings.is_empty(), "\n{listed}");
}

#[test]
fn a_rule_sees_code_and_nothing_else() {
    let text = concat!(
        "a /* b /* c */ d */ e // f\n",
        "\"g \\\" h\" 'i' '\\'' '\\u{6a}' 'ä' &'k str r\"l\" r#\"m \" n\"# br\"o\" bar\"p\" for"
    );
    let source = Source::new("x.rs", text);
    assert_eq!(source.code.len(), text.len());
    let words: Vec<&str> = source.code.split_whitespace().collect();
    assert_eq!(words, ["a", "e", "&'k", "str", "bar", "for"]);
}

#[test]
fn a_long_file_is_refused_and_a_long_test_is_not() {
    let long = "//! Long.\n".repeat(601);
    assert_eq!(lines(layout::file_length, "labctl/src/a.rs", &long), [0]);
    assert!(lines(layout::file_length, "labctl/src/a.rs", &long[10..]).is_empty());
    assert!(lines(layout::file_length, "labctl/src/a/tests.rs", &long).is_empty());
}

#[test]
fn a_long_function_is_refused_where_it_begins() {
    let of =
        |lines: usize| format!("\nfn f(g: fn(u8)) -> [u8; 2] {{\n{}}}\n", "    // {\n".repeat(lines - 2));
    assert_eq!(lines(layout::function_length, "a.rs", &of(71)), [2]);
    assert!(lines(layout::function_length, "a.rs", &of(70)).is_empty());
    let method = format!(
        "impl A {{\n    const fn f(&self)\n    where\n        Self: Copy,\n    {{{}    }}\n}}\n",
        "\n".repeat(70)
    );
    assert_eq!(lines(layout::function_length, "a.rs", &method), [2]);
    let declared = format!("trait A {{\n    fn f(&self);\n{}}}\n", "\n".repeat(90));
    assert!(lines(layout::function_length, "a.rs", &declared).is_empty());
}

#[test]
fn a_file_says_what_it_is() {
    assert_eq!(lines(layout::module_doc, "a.rs", "use std::fs;\n//! Late.\n"), [1]);
    assert!(lines(layout::module_doc, "a.rs", "//! A file.\n").is_empty());
}

#[test]
fn names_that_say_nothing_are_refused() {
    for path in ["a/util.rs", "a/common/mod.rs", "a/tests/helpers.rs", "data.rs"] {
        assert_eq!(lines(layout::file_name, path, ""), [0], "{path}");
    }
    assert!(lines(layout::file_name, "a/datagram.rs", "").is_empty());
}

#[test]
fn unfinished_work_is_refused() {
    let text = "fn f() {\n    todo!()\n}\nfn g() { unimplemented!(\"x\") }\nfn h() { dbg!(1); }\n#[ignore]\n#[ignore = \"x\"]";
    let mut found = lines(marks::unfinished, "a.rs", text);
    found.sort_unstable();
    assert_eq!(found, [2, 4, 5, 6, 7]);
    let harmless = "// todo!()\nfn ignore() { let todo = \"dbg!\"; }\n";
    assert!(lines(marks::unfinished, "a.rs", harmless).is_empty());
}

#[test]
fn a_lint_is_switched_off_with_a_reason_only() {
    let text = "#[allow(dead_code)]\n#![allow(\n    dead_code,\n)]\n#[expect(dead_code)]\n#[expect(dead_code, reason = \"x\")]";
    assert_eq!(lines(marks::reasons, "a.rs", text), [1, 2, 5]);
    assert!(lines(marks::reasons, "a.rs", "fn f() { x.expect(\"y\"); }").is_empty());
}

#[test]
fn paths_of_one_machine_are_refused() {
    let text = format!("a\nsee /wo{}here\n../sha{}/x\n", "rk/", "red");
    let found: Vec<usize> =
        marks::machine_paths("README.md", &text).iter().map(|finding| finding.line).collect();
    assert_eq!(found, [2, 3]);
    assert!(marks::machine_paths("README.md", "the network/root of it, shared/x").is_empty());
}

#[test]
fn a_block_that_nobody_tries_is_refused_on_a_page_and_nowhere_else() {
    let text = "\n```sh\nls\n```\n";
    let lines =
        |path| marks::untried_blocks(path, text).iter().map(|finding| finding.line).collect::<Vec<_>>();
    assert_eq!((lines("README.md"), lines("docs/vyos.md")), (vec![2], vec![2]));
    assert!(lines("CONTRIBUTING.md").is_empty());
    assert_eq!(marks::dead_links("CHANGELOG.md", "[x](y.md)", &[]).len(), 1);
}

#[test]
fn one_file_reads_a_clock() {
    let text = "//! Instant::now\nlet a = std::time::Instant::now();\nlet b = clock_gettime(id);\nlet c = time::Instant;";
    assert_eq!(lines(clocks::one_reading, "syncd/daemon/src/kernel.rs", text), [2, 3]);
    for path in ["syncd/daemon/src/clock.rs", "syncd/daemon/tests/run.rs", "labctl/src/main.rs"] {
        assert!(lines(clocks::one_reading, path, text).is_empty(), "{path}");
    }
}

#[test]
fn a_room_enters_only_what_the_table_says() {
    let refused = [
        ("wire/message.rs", "use crate::ftfw::Sender;"),
        ("flow/record.rs", "fn f() -> crate::cache::Slot {}"),
        ("cache/table.rs", "use crate::{flow::Flow, time::Instant, wire::{header, seq}};"),
        ("cache/table.rs", "use super::super::wire::attr;"),
        ("filter.rs", "use super::wire::Message;"),
        ("ftfw/send.rs", "use crate::flow::Flow;"),
        ("ftfw/send.rs", "use crate::wire::message::Flow;"),
        ("ftfw/send.rs", "use crate::wire::{Seq, encode_flow};"),
        ("time.rs", "use crate::flow;"),
    ];
    for (path, text) in refused {
        assert_eq!(lines(rooms::core_rooms, &format!("syncd/core/src/{path}"), text), [1], "{path}: {text}");
    }
    let allowed = [
        ("wire/message.rs", "use crate::flow::{Flow, Key};\nuse super::attr::Attr;"),
        ("cache/table.rs", "use crate::cache::Slot;\nuse super::Slot; use super::super::flow::Flow;"),
        ("ftfw/send.rs", "use crate::wire::seq::Seq;\nuse crate::wire::{Control, header::Flags, seq};"),
        ("replica/mod.rs", "use crate::{wire, ftfw, cache::{external, internal}};"),
        ("flow/record.rs", "// use crate::wire::Message;\npub(crate) fn f() {}"),
        ("lib.rs", "pub mod wire;"),
    ];
    for (path, text) in allowed {
        assert!(
            lines(rooms::core_rooms, &format!("syncd/core/src/{path}"), text).is_empty(),
            "{path}: {text}"
        );
    }
}

#[test]
fn a_new_room_needs_a_line_in_the_table() {
    assert_eq!(lines(rooms::core_rooms, "syncd/core/src/magic/mod.rs", "//! Magic."), [0]);
}

#[test]
fn the_kernels_crate_knows_only_flows() {
    let rule = rooms::conntrack_knows_only_flow;
    assert_eq!(
        lines(rule, "syncd/conntrack/src/a.rs", "use syncd_core::flow::Flow;\nuse syncd_core::{flow, wire};"),
        [2]
    );
    assert!(lines(rule, "syncd/daemon/src/a.rs", "use syncd_core::wire;").is_empty());
}

#[test]
fn a_manifest_stays_within_its_wall() {
    let package = |name: &str, dependencies: &[(&str, Option<&str>)]| Package {
        name: name.to_owned(),
        version: String::new(),
        dependencies: dependencies
            .iter()
            .map(|&(name, kind)| Dependency { name: name.to_owned(), kind: kind.map(str::to_owned) })
            .collect(),
    };
    let refused = [
        package("syncd-core", &[("nix", None)]),
        package("syncd-core", &[("serde", None)]),
        package("syncd-conntrack", &[("tokio", Some("dev"))]),
        package("syncd-sim", &[("syncd-conntrack", None)]),
        package("labctl", &[("syncd-core", Some("dev"))]),
        package("ci", &[("libc", None)]),
        package("newcomer", &[]),
    ];
    let ours = || ["syncd-core", "syncd-conntrack"].map(|name| package(name, &[]));
    for one in refused {
        let name = one.name.clone();
        let packages: Vec<Package> = ours().into_iter().chain([one]).collect();
        assert_eq!(manifests::walls(&packages).len(), 1, "{name}");
    }
    let packages: Vec<Package> = ours()
        .into_iter()
        .chain([
            package("syncd-core", &[("hashbrown", None), ("serde", Some("dev"))]),
            package("labctl", &[("nix", None)]),
        ])
        .collect();
    assert_eq!(manifests::walls(&packages), []);
}

#[test]
fn a_scenario_and_its_snapshots_go_together() {
    let whole =
        ["scenarios/a.yaml", "scenarios/topologies/t.yaml", "snapshots/plan/a.snap", "snapshots/lab/a.snap"];
    assert_eq!(snapshots::paired(&whole), []);
    let count = |paths: &[&str]| snapshots::paired(paths).len();
    assert_eq!(count(&whole[..3]), 1, "no result");
    assert_eq!(count(&whole[1..]), 2, "two orphans");
}

#[test]
fn unsafe_stays_where_it_is_named() {
    let text = "fn f() {\n    // SAFETY: sound.\n    unsafe { g() }\n}";
    assert_eq!(lines(unsafety::named_and_explained, "syncd/daemon/src/elsewhere.rs", text), [3]);
    let spoken = "//! unsafe\n#![expect(unsafe_code, reason = \"unsafe\")]";
    assert!(lines(unsafety::named_and_explained, "a.rs", spoken).is_empty());
}

#[test]
fn unsafe_is_explained() {
    let explained = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains("unsafe")).unwrap();
        unsafety::is_explained(&lines, at + 1)
    };
    assert!(explained("let a = 1;\n// SAFETY: sound,\n// and why.\n#[inline]\nlet b =\n    unsafe { g() };"));
    assert!(!explained("// SAFETY: of something else.\nlet a = 1;\nunsafe { g() };"));
    assert!(!explained("// Quite safe.\nunsafe { g() };"));
    assert!(!explained("unsafe { g() };"));
}

#[test]
fn every_finding_says_how_to_repair() {
    let bad = "fn f() { unsafe { todo!() } }\n#[allow(x)]\n";
    let source = Source::new("syncd/core/src/util.rs", bad);
    let findings: Vec<Finding> = SOURCE_RULES.iter().flat_map(|rule| rule(&source)).collect();
    assert!(findings.len() >= 6, "{findings:?}");
    for finding in findings {
        assert!(finding.text.contains(':') && finding.text.len() > 40, "{finding}");
    }
}
