//! Every scenario parses, is valid, and has the plan that its snapshot holds; wrong files and missing programs are told.
//!
//! Needs no lab and no privilege. A changed plan is accepted as `CONTRIBUTING.md` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn labctl(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labctl"));
    // As a person would type it: paths from the root of the clone.
    command.args(arguments).current_dir(root()).output().unwrap()
}

fn names(directory: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> =
        entries.filter_map(|name| Some(name.to_str()?.strip_suffix(ending)?.to_owned())).collect();
    names.sort();
    names
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn each_scenario_has_its_plan() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/plan");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in names("scenarios", ".yaml") {
        let plan = stdout(&labctl(&["run", "--dry-run", &format!("scenarios/{name}.yaml")]));
        settings.bind(|| insta::assert_snapshot!(name.as_str(), plan));
    }
}

#[test]
fn each_scenario_has_its_test() {
    let tests = include_str!("scenarios/main.rs");
    for name in names("scenarios", ".yaml") {
        assert!(
            tests.contains(&format!("scenario(\"{name}\")")),
            "tests/scenarios/main.rs does not run {name}"
        );
    }
}

/// Else a plain `cargo test` would build labs, or say of tests that did not run that they passed.
#[test]
fn labs_are_tested_only_by_name() {
    let (_, target) = include_str!("../Cargo.toml").split_once("name = \"scenarios\"").unwrap();
    assert!(target.split("\n\n").next().unwrap().contains("test = false"));
    let labs = include_str!("scenarios/main.rs").to_owned() + include_str!("scenarios/holder.rs");
    assert!(!labs.contains("return;"), "a test of labs ends before its end");
}

#[test]
fn each_plan_belongs_to_a_scenario() {
    assert_eq!(names("snapshots/plan", ".snap"), names("scenarios", ".yaml"));
}

#[test]
fn each_topology_can_be_planned_alone() {
    for name in names("scenarios/topologies", ".yaml") {
        let plan = stdout(&labctl(&["up", "--dry-run", &format!("scenarios/topologies/{name}.yaml")]));
        assert!(plan.contains("ip netns add r1"), "{plan}");
    }
}

#[test]
fn each_cell_of_the_matrix_can_be_planned() {
    let commands = stdout(&labctl(&["matrix", "--dry-run", "scenarios/interop/matrix.yaml"]));
    assert!(commands.contains("--sync r1=syncd,r2=conntrackd\n"), "{commands}");
    for command in commands.lines() {
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--dry-run"]).collect();
        let plan = stdout(&labctl(&words));
        assert!(plan.contains("exec r1 conntrackd -C") || plan.contains("exec r2 conntrackd -C"), "{plan}");
    }
}

#[test]
fn a_wrong_matrix_and_an_unknown_row_end_with_2() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong-matrix.yaml");
    let text = "title: t\ncolumns: [{ r1: syncd, r2: syncd }]\nrows:\n  - { row: a, scenario: none }\n\
                \u{20} - { row: a, scenario: none, columns: [syncd/none] }\n";
    fs::write(&file, text).unwrap();
    let output = labctl(&["matrix", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for mistake in [
        "none.yaml:1: cannot be read",
        "matrix.yaml:5: no column is called `syncd/none`",
        "yaml:5: `a` twice",
    ] {
        assert!(told.contains(mistake), "{told}");
    }
    let output = labctl(&["matrix", "scenarios/interop/matrix.yaml", "--row", "prayer"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_invalid_file_ends_with_2_and_its_line() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("invalid");
    fs::create_dir_all(directory.join("topologies")).unwrap();
    fs::copy(
        root().join("scenarios/topologies/two-routers.yaml"),
        directory.join("topologies/two-routers.yaml"),
    )
    .unwrap();
    let file = directory.join("wrong.yaml");
    fs::write(&file, "title: t\ntopology: two-routers\ntimeline:\n  - { start: rivers }\n").unwrap();
    let output = labctl(&["run", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("wrong.yaml:4: no traffic is called `rivers`: write one of: datagrams, streams"),
        "{told}"
    );
}

#[test]
fn a_scenario_without_its_topology_is_told_so() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-topology");
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("wrong.yaml");
    for (text, said) in [
        (
            "title: t\ntimeline:\n  - { start: streams }\n",
            ":1: missing field `topology`: add it, like `topology: two-routers`",
        ),
        ("title: t\nexpect: []\n", ":1: missing field `topology`: add it"),
        ("title: t\n", ":1: missing field `topology`: add it"),
        ("title: t\ntoplogy: two-routers\n", ":2: unknown field `toplogy`: did you mean `topology`?"),
        // This one is a topology, which has no such key.
        ("title: t\nclients: {}\nserver: {}\n", ":2: unknown field `clients`: did you mean `client`?"),
    ] {
        fs::write(&file, text).unwrap();
        let output = labctl(&["run", file.to_str().unwrap()]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["fly"][..], &["run"], &["failover", "--kind", "prayer"], &["exec", "r1"]] {
        assert_eq!(labctl(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_missing_program_ends_with_3_and_the_command_that_installs_it() {
    let output = labctl(&["run", "scenarios/failover-kill-primary.yaml", "--syncd", "/nowhere/syncd"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains(" is missing: "), "{told}");
}

#[test]
fn the_help_is_what_it_was() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let help: String = ["--help", "run", "matrix", "up", "failover", "exec"]
        .iter()
        .map(|verb| {
            stdout(&if *verb == "--help" { labctl(&[verb]) } else { labctl(&[verb, "--help"]) }) + "\n"
        })
        .collect();
    settings.bind(|| insta::assert_snapshot!("labctl-help", help));
}
