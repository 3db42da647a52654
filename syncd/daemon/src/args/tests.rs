//! The command line is sound, and its help is what `snapshots/cli` shows.

use clap::CommandFactory;

use super::*;

#[test]
fn it_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn masters_word_is_understood() {
    let arguments = Arguments::try_parse_from(["syncd", "role", "master", "syncgrp", "--no-wait"]).unwrap();
    let Verb::Role { role, group, no_wait, .. } = arguments.verb else { panic!("it is a role") };
    assert_eq!((role, group.as_deref(), no_wait), (RoleWord::Primary, Some("syncgrp"), true));
}

#[test]
fn a_number_that_is_none_is_answered_by_what_would_be_one() {
    for (words, wanted) in [
        ("show conntrack table ipv4 --sport http", "a number from 0 to 65535"),
        ("show conntrack table ipv4 --zone 65536", "a number from 0 to 65535"),
        ("show conntrack table ipv4 --limit 0", "a number from 1 on"),
        ("show conntrack-sync cache internal --limit few", "a number from 1 on"),
        ("show failover 0", "a number from 1 on"),
        ("show failover last", "a number from 1 on"),
    ] {
        let words = ["syncd"].into_iter().chain(words.split(' '));
        let said = Arguments::try_parse_from(words).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn help() {
    let mut help = String::new();
    describe(&mut Arguments::command().term_width(100), "syncd", &mut help);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("help", help));
}

/// The help of a command and of all below it.
fn describe(command: &mut clap::Command, name: &str, into: &mut String) {
    into.push_str(&format!("$ {name} --help\n{}\n", command.clone().bin_name(name).render_long_help()));
    for below in command.get_subcommands_mut() {
        let name = format!("{name} {}", below.get_name());
        describe(below, &name, into);
    }
}
