//! What a page may say, and what is found wrong with it.

use super::blocks::{Lab, Run, Step, What, read};
use super::compare::holds;
use super::{booted, groups, links, read_pages};
use crate::workspace::Workspace;

fn mistakes(text: &str) -> Vec<(usize, String)> {
    read("docs/page.md", text).1
}

const LAB: &str = "<!-- lab: scenarios/topologies/by-hand.yaml -->\n";

#[test]
fn a_page_is_followed_from_top_to_bottom() {
    let text = LAB.to_owned()
        + "words\n```yaml file=/etc/x.yaml on=r1,r2\na: 1\n```\n<!-- try: labctl traffic start -->\n<!-- a remark -->\n\
           1. ```sh look on=r1 exit=3\n   x --y\n   ```\n```text output\nfound\n```\n```sh shown=\"it is theirs\"\nrm -r /\n```\n";
    // A block in a list begins at its own line.
    let text = text.replace("1. ```", "   ```");
    let (page, mistakes) = read("docs/page.md", &text);
    assert_eq!(mistakes, []);
    assert_eq!(page.lab, Lab::Of("scenarios/topologies/by-hand.yaml".to_owned()));
    let on = vec!["r1".to_owned()];
    let output = Some("found\n".to_owned());
    let run = Run { on, script: "x --y\n".to_owned(), booted: false, look: true, exit: 3, output };
    let file = What::File {
        path: "/etc/x.yaml".to_owned(),
        on: vec!["r1".to_owned(), "r2".to_owned()],
        text: "a: 1\n".to_owned(),
        append: false,
    };
    let expected = [
        Step { line: 3, what: file },
        Step { line: 6, what: What::Labctl(vec!["traffic".to_owned(), "start".to_owned()]) },
        Step { line: 8, what: What::Run(run) },
    ];
    assert_eq!(page.steps, expected);
}

/// Whether what is said to go on does so, and is interrupted then.
#[test]
fn what_has_no_end_is_interrupted() {
    let ends = |script: &str| {
        let (page, mistakes) = read("docs/page.md", &format!("```sh endless\n{script}\n```\n"));
        assert_eq!(mistakes, []);
        let [Step { what: What::Run(run), .. }] = &page.steps[..] else { panic!("{page:?}") };
        let status = std::process::Command::new("sh").args(["-ec", &run.script]).status().unwrap();
        status.code() == Some(run.exit)
    };
    assert!(ends("tail -f /dev/null   # 'until' Ctrl-C"));
    assert!(!ends("true"));
    assert!(!ends("false\ntail -f /dev/null"));
}

#[test]
fn what_nobody_would_try_is_a_mistake() {
    let lab = LAB;
    for (text, line, what) in [
        ("```sh\nls\n```\n".to_owned(), 1, "the block has no mark"),
        ("```\nls\n```\n".to_owned(), 1, "the block has no language"),
        ("```run\nls\n```\n".to_owned(), 1, "the block has no language"),
        ("\n```sh running\nls\n```\n".to_owned(), 2, "`running` is no mark"),
        ("```sh shown=\"\"\nls\n```\n".to_owned(), 1, "`shown=` is no mark"),
        ("```sh shown\nls\n```\n".to_owned(), 1, "`shown` is no mark"),
        ("```sh run shown=because\nls\n```\n".to_owned(), 1, "two marks that exclude each other"),
        ("```text output\nls\n```\n".to_owned(), 1, "output of what?"),
        (
            "```sh run\nls\n```\n```text output\n```\n```text output\n```\n".to_owned(),
            6,
            "the block before has its",
        ),
        ("```sh run on=r1\nls\n```\n".to_owned(), 1, "there is no router"),
        (format!("{lab}```yaml file=/etc/x\nls\n```\n"), 2, "say on which routers"),
        (format!("{lab}```yaml file=x on=r1\nls\n```\n"), 2, "`file=x` is no mark"),
        ("```yaml run\nls\n```\n".to_owned(), 1, "only sh can be run"),
        ("```sh run exit=x\nls\n```\n".to_owned(), 1, "`exit=x`: no exit code"),
        (format!("{lab}```yaml file=/x on=r1 booted\nls\n```\n"), 2, "a mark that belongs to another"),
        ("```sh endless exit=1\nls\n```\n".to_owned(), 1, "a mark that belongs to another"),
        ("```yaml endless\nls\n```\n".to_owned(), 1, "only sh can be run"),
        ("```sh run\nls\n".to_owned(), 1, "the block does not end"),
        (format!("{lab}<!-- try: rm -r / -->\n"), 2, "a comment can only ask labctl"),
        ("<!-- try: labctl verify -->\n".to_owned(), 1, "say before in which lab"),
    ] {
        let found = mistakes(&text);
        assert!(found.len() == 1 && found[0].0 == line && found[0].1.starts_with(what), "{text}: {found:?}");
    }
}

#[test]
fn an_output_is_what_was_printed_but_for_what_is_left_out() {
    let printed = "role      : primary for 12 s\nsync      : in sync\n\nlast\n";
    for shown in [
        printed,
        "…\n",
        "role      : primary for … s\n…\n",
        "…\nlast\n",
        "…\nsync      : in sync\n…\n",
        "role …\nsync      : …\n\n…\n",
        "… : … for 12 s\n…\n",
    ] {
        assert_eq!(holds(shown, printed), Ok(()), "{shown}");
    }
    for (shown, line) in [
        ("", 1),
        ("…\nlost\n", 2),
        ("role      : backup for … s\n…\n", 1),
        ("…\nlast\nsync      : in sync\n", 3),
        ("…\nrole …\nlast\n", 3),
        (" role …\n…\n", 1),
        ("…\nlast\nmore\n", 3),
    ] {
        assert_eq!(holds(shown, printed).unwrap_err().0, line, "{shown}");
    }
}

#[test]
fn the_stand_in_is_a_script() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/systemctl.sh");
    assert!(std::process::Command::new("sh").args(["-n", script]).status().unwrap().success());
}

#[test]
fn a_link_leads_to_a_file_and_a_heading() {
    let other = "# Other\n## The `first` one: here\n";
    let text = "# Title\n[a](other.md) [b](other.md#the-first-one-here), [c](#title)\n[d](../README.md) [e](schema) \
                [f](https://example.org/x)\n```text\n[g](nowhere.md)\n```\n[h](nowhere.md)\n[i](other.md#second) [j](#other)\n";
    let files =
        [("README.md", ""), ("docs/other.md", other), ("docs/page.md", text), ("docs/schema/x.json", "")];
    let dead: Vec<usize> =
        links::dead("docs/page.md", text, &files).into_iter().map(|(line, _)| line).collect();
    assert_eq!(dead, [7, 8, 8]);
}

#[test]
fn labctl_says_who_is_primary() {
    let status = "by-hand: routers\n\nr1  backup   0/2 virtual addresses, 0 flows, no program\n\
                  r2  primary  2/2 virtual addresses, 76 flows, no program\nstreams: 60 of 60 streams alive\n";
    assert_eq!(booted::primary(status), Some("r2"));
    assert_eq!(booted::primary("r1  backup   1/2 virtual addresses"), None);
}

#[test]
fn the_group_that_we_are_in_is_found_on_every_kind_of_host() {
    let hybrid = "9:name=systemd:/a\n4:memory:/process\n0::/b\n";
    let places = ["name=systemd", ""].map(|hierarchy| groups::place(hybrid, hierarchy));
    assert_eq!(places, [Some("/a"), Some("/b")]);
    let unified = "0::/user.slice/session:1.scope\n";
    let places = ["name=systemd", ""].map(|hierarchy| groups::place(unified, hierarchy));
    assert_eq!(places, [None, Some("/user.slice/session:1.scope")]);
}

#[test]
fn a_page_that_is_asked_for_brings_the_one_in_whose_lab_it_is_tried() {
    let workspace = Workspace::load().unwrap();
    let paths = |only: &[&str]| -> Vec<String> {
        let only: Vec<String> = only.iter().map(|path| (*path).to_owned()).collect();
        read_pages(&workspace, &only).unwrap().into_iter().map(|page| page.path).collect()
    };
    assert_eq!(paths(&["docs/handover.md"]), ["docs/getting-started.md", "docs/handover.md"]);
    assert_eq!(paths(&["docs/getting-started.md"]), ["docs/getting-started.md"]);
    assert_eq!(paths(&["docs/counters.md"]), ["docs/counters.md"]);
    assert!(paths(&[]).len() > 12);
    // A name that is none would otherwise look like a page on which all is well.
    for wrong in ["handover.md", "docs/handover"] {
        let refused = read_pages(&workspace, &[wrong.to_owned()]).unwrap_err().to_string();
        assert!(refused.contains("is no page"), "{refused}");
    }
}
