//! The evidence of a failed run: what each node, program and stream says, as named texts.
//!
//! Never lets a question that cannot be answered hide the others: the answer is then the reason. Never writes a file;
//! the verb does. Driven by `session`; tested through the scenarios.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Result;

use crate::actors::answer;
use crate::lab::Lab;
use crate::plan::Step;
use crate::programs;
use crate::sandbox::LAB_DIRECTORY;

/// What is left of a lab that could not be built: configurations and logs.
#[must_use]
pub(crate) fn remains() -> Vec<(String, String)> {
    let entries = fs::read_dir(LAB_DIRECTORY).into_iter().flatten().filter_map(Result::ok);
    let nodes = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    nodes
        .filter(|node| node.file_name() != "bin")
        .flat_map(|node| files_of(&node.path().to_string_lossy(), &node.file_name().to_string_lossy()))
        .collect()
}

/// What is asked of every node.
const QUESTIONS: [(&str, &[&str]); 4] = [
    ("addresses", &["ip", "-d", "address"]),
    ("routes", &["ip", "route"]),
    ("rules", &["nft", "list", "ruleset"]),
    ("sockets", &["ss", "-tuna"]),
];

/// Every text of a lab that may tell why something failed: file name and content.
#[must_use]
pub(crate) fn diagnose(lab: &Lab) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for node in lab.scenario().topology.nodes() {
        for (name, question) in QUESTIONS {
            texts.push((
                format!("{node}-{name}.txt"),
                ask(lab, node, question).unwrap_or_else(|e| format!("{e:#}\n")),
            ));
        }
        texts.extend(files_of(&Step::directory(node), node));
    }
    for router in lab.scenario().topology.routers.keys() {
        let flows = match lab.flows(router) {
            Ok(flows) => flows.iter().map(|flow| format!("{flow} timeout={}\n", flow.timeout)).collect(),
            Err(error) => format!("{error:#}\n"),
        };
        texts.push((format!("{router}-flows.txt"), flows));
        if !lab.scenario().helpers.is_empty() {
            let expectations = match lab.expectations(router) {
                Ok(expectations) => expectations.iter().map(|seen| format!("{seen}\n")).collect(),
                Err(error) => format!("{error:#}\n"),
            };
            texts.push((format!("{router}-expectations.txt"), expectations));
        }
        if let Ok(counters) = lab.daemon_statistics(router) {
            let lines = counters.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
            texts.push((format!("{router}-statistics.txt"), lines));
        }
    }
    texts.push(("streams.txt".to_owned(), streams(lab)));
    texts.push(("transfers.txt".to_owned(), transfers(lab)));
    texts.push((
        "link.txt".to_owned(),
        format!("{:#?}\n", lab.with_link(|link| (link.weather(), link.counters()))),
    ));
    if let Ok(log) = fs::read_to_string(format!("{LAB_DIRECTORY}/labctl.log")) {
        texts.push(("labctl.log".to_owned(), log));
    }
    texts
}

fn ask(lab: &Lab, node: &str, question: &[&str]) -> Result<String> {
    let mut command = Command::new(programs::find(question[0])?);
    command.args(&question[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = lab.with_node(node, |node| Ok(node.spawn(&mut command)?))?;
    let output = answer::output(child, answer::PATIENCE)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Configurations and logs.
fn files_of(directory: &str, node: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    // A FIFO would be waited for.
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files
        .map(|entry| {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let name = format!("{node}-{}", entry.file_name().to_string_lossy());
            (name, String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

fn streams(lab: &Lab) -> String {
    let mut text = String::new();
    lab.each_traffic(|name, traffic| {
        for stream in traffic.streams(Instant::now()) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name} {stream:?}");
        }
    });
    text
}

fn transfers(lab: &Lab) -> String {
    let mut text = String::new();
    lab.each_transfers(|name, transfers| {
        for transfer in transfers.details() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name} {transfer}");
        }
    });
    text
}
