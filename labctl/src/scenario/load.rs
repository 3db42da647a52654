//! Reading a scenario and its topology.
//!
//! [`load`] reads the files, [`check()`] is pure and finds all mistakes at once. Never repairs anything. Driven by the verbs and,
//! inside the lab, by the holder, which is given the texts. Tested in `tests.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::check::{self, Checker, Known};
use super::mistake::{Mistake, Mistakes, line_of};
use super::model::{Channel, ConntrackdText, Scenario, ScenarioText};
use super::refusal;
use super::topology::Topology;
use super::variation::Variation;

/// The texts that make a scenario, with the names under which mistakes are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sources {
    /// The scenario's name, also the lab's.
    pub(crate) name: String,
    /// Name and text of the scenario; absent when a topology is brought up by itself.
    pub(crate) scenario: Option<(String, String)>,
    /// Name and text of the topology.
    pub(crate) topology: (String, String),
    /// What is otherwise than they say.
    pub(crate) variation: Variation,
}

/// Only to tell the two kinds of file apart, and to find the other one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    topology: Option<String>,
    timeline: Option<IgnoredAny>,
    expect: Option<IgnoredAny>,
    client: Option<IgnoredAny>,
    server: Option<IgnoredAny>,
    routers: Option<IgnoredAny>,
    virtual_addresses: Option<IgnoredAny>,
}

impl Head {
    /// Something happens, or there is nothing on which it could.
    fn is_scenario(&self) -> bool {
        let stage = [&self.client, &self.server, &self.routers, &self.virtual_addresses];
        self.timeline.is_some() || self.expect.is_some() || stage.iter().all(|part| part.is_none())
    }
}

/// Reads a scenario and the topology that it names, from `topologies/` beside it or beside its directory; or a topology
/// alone. It is checked as `variation` makes it.
///
/// # Errors
/// [`Mistakes`], also when a file cannot be read or is no YAML.
pub(crate) fn load(path: &FilePath, variation: Variation) -> Result<(Sources, Scenario), Mistakes> {
    let file = path.display().to_string();
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = read(path)?;
    let head: Head = parse(&file, &text)?;
    if head.topology.is_none() && head.is_scenario() {
        // Names the missing key, or what was written in its place.
        parse::<ScenarioText>(&file, &text)?;
    }
    let sources = match head.topology {
        None => Sources { name, scenario: None, topology: (file, text), variation },
        Some(topology) => {
            let beside = beside(path, &format!("topologies/{topology}.yaml"));
            let topology_text = fs::read_to_string(&beside).map_err(|error| {
                one(Mistake {
                    file: file.clone(),
                    line: line_of(&text, &["topology"], None),
                    what: format!("cannot read the topology {}: {error}", beside.display()),
                    remedy: "name a file of the directory topologies/ beside the scenario".to_owned(),
                })
            })?;
            let topology = (beside.display().to_string(), topology_text);
            Sources { name, scenario: Some((file, text)), topology, variation }
        }
    };
    let scenario = check(&sources)?;
    Ok((sources, scenario))
}

/// A file beside another one or, where there is none, beside its directory.
pub(super) fn beside(path: &FilePath, name: &str) -> PathBuf {
    let near = path.with_file_name(name);
    let far = path.parent().and_then(FilePath::parent).map(|above| above.join(name));
    far.filter(|far| !near.exists() && far.exists()).unwrap_or(near)
}

pub(super) fn read(path: &FilePath) -> Result<String, Mistakes> {
    fs::read_to_string(path).map_err(|error| {
        one(Mistake {
            file: path.display().to_string(),
            line: 1,
            what: format!("cannot be read: {error}"),
            remedy: "give the path of a scenario or a topology".to_owned(),
        })
    })
}

fn one(mistake: Mistake) -> Mistakes {
    Mistakes(vec![mistake])
}

pub(super) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Mistakes> {
    serde_yaml::from_str(text).map_err(|error| one(refusal::mistake(file, text, &error)))
}

/// Turns texts into a scenario.
///
/// # Errors
/// All [`Mistakes`].
pub(crate) fn check(sources: &Sources) -> Result<Scenario, Mistakes> {
    let (topology_file, topology_text) = &sources.topology;
    let topology: Topology = parse(topology_file, topology_text)?;
    let mut stage = Checker::new(topology_file, topology_text);
    check::topology(&topology, &mut stage);

    let (file, text) = sources.scenario.as_ref().unwrap_or(&sources.topology);
    let said: ScenarioText = match &sources.scenario {
        Some((file, text)) => parse(file, text)?,
        None => nothing_happens(&topology, &sources.name),
    };
    let mut checker = Checker::new(file, text);
    check::by_hand(&topology, sources.scenario.is_some(), &mut checker);
    let variation = &sources.variation;
    let sync = variation.sync(said.sync.unwrap_or_else(|| topology.sync.clone()));
    let traffic = said.traffic.unwrap_or_else(|| topology.traffic.clone());
    checker.known = Known {
        scale: variation.scale,
        second: topology.second.is_some(),
        tracked: said.track_file,
        routers: topology.routers.keys().cloned().collect(),
        traffic: traffic.keys().cloned().collect(),
        transfers: traffic
            .iter()
            .filter(|(_, groups)| check::are_transfers(groups))
            .map(|(name, _)| name.clone())
            .collect(),
        sync: sync.clone(),
        varied: variation.is_any(),
    };
    check::sync(&sync, &mut checker);
    check::syncd(&said.syncd, &mut checker);
    check::track_file(said.track_file, &topology, &mut checker);
    check::traffic(&traffic, &topology, &mut checker);
    let helpers = check::helpers(said.helpers, &traffic, &mut checker);
    let timeline = check::timeline(said.timeline, &mut checker);
    let expect = check::expectations(&said.expect, &mut checker);
    let snapshot = check::snapshot(said.snapshot, &mut checker);

    let mut mistakes = stage.mistakes;
    mistakes.append(&mut checker.mistakes);
    mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    Ok(Scenario {
        name: sources.name.clone(),
        title: said.title,
        topology,
        topology_name: said.topology,
        sync,
        channel: variation.channel.unwrap_or(said.channel),
        helpers,
        settings: said.settings.into_iter().map(|(key, value)| (key, value.to_string())).collect(),
        track_file: said.track_file,
        syncd: said.syncd,
        conntrackd: said.conntrackd,
        traffic,
        timeline,
        expect,
        snapshot,
    })
}

/// The scenario of a topology alone.
fn nothing_happens(topology: &Topology, name: &str) -> ScenarioText {
    ScenarioText {
        title: topology.title.clone(),
        topology: name.to_owned(),
        sync: None,
        channel: Channel::default(),
        helpers: Vec::new(),
        settings: BTreeMap::new(),
        track_file: false,
        syncd: BTreeMap::new(),
        conntrackd: ConntrackdText::default(),
        traffic: None,
        timeline: Vec::new(),
        expect: Vec::new(),
        snapshot: Vec::new(),
    }
}
