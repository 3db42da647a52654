//! The letters: what is understood, what is refused. What they do is tested with a daemon, end to end.

use super::letters::{Letter, Statistics, Table, read};
use super::{filter, is_meant};
use crate::control::protocol::FilterView;

fn letter(line: &str) -> Letter {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    read(&words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refused(line: &str) -> String {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    read(&words).map_or_else(|error| error.to_string(), |letter| panic!("{line}: {letter:?}"))
}

#[test]
fn the_letters_of_scripts_are_understood() {
    let config = "-C /etc/conntrackd/conntrackd.conf";
    let show = |internal, table, xml| Letter::Show { internal, table, xml };
    let table = [
        ("-c", Letter::Commit),
        ("-c exp", Letter::Commit),
        ("-f", Letter::FlushCaches { external: true }),
        ("-f internal", Letter::FlushCaches { external: false }),
        ("-f ext", Letter::FlushCaches { external: true }),
        ("-F", Letter::FlushKernel { flows: true, expectations: true }),
        ("-F ct", Letter::FlushKernel { flows: true, expectations: false }),
        ("-F expect", Letter::FlushKernel { flows: false, expectations: true }),
        ("-R", Letter::Reload),
        ("-B", Letter::Bulk),
        ("-n", Letter::AskPeer),
        ("-t", Letter::Retire),
        ("-k", Letter::Stop),
        ("-s", Letter::Statistics(Statistics::Flows)),
        ("-s exp", Letter::Statistics(Statistics::Expectations)),
        ("-s multicast", Letter::Statistics(Statistics::Link)),
        ("-s rsqueue", Letter::Statistics(Statistics::ResendQueue)),
        ("-i", show(true, Table::Flows, false)),
        ("-e ct -x", show(false, Table::Flows, true)),
        ("-x -i expect", show(true, Table::Expectations, true)),
        ("-d", Letter::Start { config: Some("/etc/conntrackd/conntrackd.conf".into()) }),
    ];
    for (words, wanted) in table {
        assert_eq!(letter(&format!("{config} {words}")), wanted, "{words}");
        assert_eq!(letter(&format!("{words} {config}")), wanted, "{words}");
    }
    assert_eq!(letter("-d"), Letter::Start { config: None });
}

#[test]
fn nonsense_is_refused_with_what_there_is() {
    assert_eq!(refused(""), "an action is missing; see conntrackd -h");
    assert_eq!(
        refused("-s walrus"),
        "walrus is none of: ct, expect, network, cache, runtime, link, multicast, \
                                      queue, rsqueue, process; see conntrackd -h"
    );
    assert_eq!(refused("-f both"), "both is none of: internal, external; see conntrackd -h");
    assert_eq!(refused("-q"), "-q is none of conntrackd's options; see conntrackd -h");
    assert_eq!(refused("-c -n"), "one action at a time; see conntrackd -h");
    assert_eq!(refused("-s -C"), "-C wants a file; see conntrackd -h");
}

#[test]
fn it_is_meant_by_its_name() {
    for (name, meant) in [
        ("conntrackd", true),
        ("/usr/sbin/conntrackd", true),
        ("syncd", false),
        ("/opt/conntrackd/syncd", false),
    ] {
        assert_eq!(is_meant(name.as_ref()), meant, "{name}");
    }
}

#[test]
fn the_daemons_filter_comes_back_as_it_was() {
    let text = |text: &str| text.to_owned();
    let view = FilterView { accepted: vec![6, 17], ignored: vec![text("10.9.0.0/24"), text("fd09::/64")] };
    assert_eq!(FilterView::new(&filter(&view)), view);
}
