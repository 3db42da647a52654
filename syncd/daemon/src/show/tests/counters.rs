//! `docs/counters.md` explains every number of the statistics, and none that is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::statistics::counted;

const PAGE: &str = include_str!("../../../../../docs/counters.md");

/// The names between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the page explains: of each part of the document, the counters. A row without a meaning explains nothing.
fn explained() -> BTreeMap<String, BTreeSet<String>> {
    let mut parts = BTreeMap::new();
    for section in PAGE.split("\n## ").skip(1) {
        let (title, body) = section.split_once('\n').expect("a title has a line");
        let rows = body.lines().filter(|line| line.starts_with("| `"));
        let counters: BTreeSet<String> = rows
            .filter(|row| row.split('|').nth(3).is_some_and(|meaning| meaning.trim().len() > 3))
            .filter_map(|row| quoted(row).into_iter().next())
            .collect();
        parts.extend(quoted(title).into_iter().map(|part| (part, counters.clone())));
    }
    parts
}

#[test]
fn every_counter_is_explained_and_nothing_else() {
    let document = serde_json::to_value(counted()).expect("it is JSON");
    let parts = document.as_object().expect("an object").iter();
    let counted: BTreeMap<String, BTreeSet<String>> = parts
        .filter_map(|(part, value)| Some((part.clone(), value.as_object()?)))
        .map(|(part, counters)| {
            (
                part,
                counters
                    .iter()
                    .filter(|(_, value)| value.is_number())
                    .map(|(name, _)| name.clone())
                    .collect(),
            )
        })
        .collect();
    assert_eq!(explained(), counted);
}

#[test]
fn the_counters_of_a_link_are_named() {
    let document = serde_json::to_value(counted()).expect("it is JSON");
    let link = document["daemon"]["links"][0].as_object().expect("there is one");
    let named = quoted(PAGE.split("Each dedicated link has").nth(1).expect("the last paragraph"));
    for (name, _) in link.iter().filter(|(_, value)| matches!(value, Value::Number(_))) {
        assert!(named.contains(name), "{name}");
    }
}
