//! What becomes of a packet in the rules: it is followed through the chains of a hook.
//!
//! Where a rule cannot be judged, both ways are followed; only when they end differently nobody can say. Never asks the
//! kernel. Driven by the checks; tested in `tests/rules.rs`.

use std::mem;

use serde_json::Value;

use super::packet::{Packet, Truth};
use super::ruleset::{Base, Chain, Rule, Ruleset};

/// Conntrack looks at a packet at this priority (`NF_IP_PRI_CONNTRACK`): whoever exempts it must come before.
const CONNTRACK: i64 = -200;

/// Deeper than the kernel lets chains call each other, and as many rules in a row that cannot be judged.
const DEEPEST: usize = 64;

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It went on.
    Passed,
    /// It was dropped without a word.
    Dropped,
    /// It was answered, by the rule at this place.
    Rejected(String),
    /// The rule at this place does what was asked for.
    Hit(String),
    /// The rule at this place cannot be judged.
    Unsure(String),
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Filter,
    Untracked,
    SourceNat,
}

/// Where a chain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    Fell,
    Accepted,
    Fate(Fate),
}

/// Whether the packet passes the filter at `hook`.
pub(super) fn filtered(rules: &Ruleset, hook: &str, packet: &Packet<'_>) -> Fate {
    let mut unsure = None;
    for (chain, base) in rules.at(hook, packet.v6).into_iter().filter(|(_, base)| base.kind != "nat") {
        match (Walk { rules, packet, question: Question::Filter }).chain(chain, 0) {
            Stop::Fell if base.drops => return Fate::Dropped,
            Stop::Fell | Stop::Accepted => {}
            // A later chain may drop for certain.
            Stop::Fate(Fate::Unsure(place)) => unsure = unsure.or(Some(place)),
            Stop::Fate(fate) => return fate,
        }
    }
    unsure.map_or(Fate::Passed, Fate::Unsure)
}

/// Whether conntrack never sees the packet: [`Fate::Hit`], or dropped before.
pub(super) fn untracked(rules: &Ruleset, hook: &str, packet: &Packet<'_>) -> Fate {
    let before = |(_, base): &(&Chain, &Base)| base.kind == "filter" && base.priority < CONNTRACK;
    first(rules, packet, Question::Untracked, rules.at(hook, packet.v6).into_iter().filter(before))
}

/// Whether the packet's source would be translated: [`Fate::Hit`].
pub(super) fn translated(rules: &Ruleset, packet: &Packet<'_>) -> Fate {
    let nat = rules.at("postrouting", packet.v6).into_iter().filter(|(_, base)| base.kind == "nat");
    first(rules, packet, Question::SourceNat, nat)
}

/// Whether the conditions of one rule may hold for the packet.
pub(super) fn meets(rules: &Ruleset, chain: &Chain, rule: &Rule, packet: &Packet<'_>) -> Truth {
    let conditions = rule.expressions.iter().filter_map(|expression| expression.get("match"));
    conditions.fold(Truth::Yes, |met, condition| met.and(packet.meets(rules, chain, condition)))
}

fn first<'a>(
    rules: &'a Ruleset,
    packet: &Packet<'_>,
    question: Question,
    chains: impl Iterator<Item = (&'a Chain, &'a Base)>,
) -> Fate {
    let mut unsure = None;
    for (chain, _) in chains {
        match (Walk { rules, packet, question }).chain(chain, 0) {
            Stop::Fell | Stop::Accepted => {}
            Stop::Fate(Fate::Unsure(place)) => unsure = unsure.or(Some(place)),
            Stop::Fate(fate) => return fate,
        }
    }
    unsure.map_or(Fate::Passed, Fate::Unsure)
}

fn unsure(rule: &Rule) -> Stop {
    Stop::Fate(Fate::Unsure(rule.place.clone()))
}

impl Stop {
    /// Whether it is the same end, whichever rule made it.
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fate(one), Self::Fate(other)) => mem::discriminant(one) == mem::discriminant(other),
            _ => self == other,
        }
    }
}

struct Walk<'a> {
    rules: &'a Ruleset,
    packet: &'a Packet<'a>,
    question: Question,
}

impl Walk<'_> {
    fn chain(&self, chain: &Chain, depth: usize) -> Stop {
        self.from(chain, &chain.rules, depth)
    }

    fn from(&self, chain: &Chain, mut rules: &[Rule], depth: usize) -> Stop {
        while let Some((rule, rest)) = rules.split_first() {
            rules = rest;
            match self.rule(chain, rule, depth) {
                (Truth::No, _) | (_, None) => {}
                (Truth::Yes, Some(stop)) => return stop,
                (Truth::Maybe, Some(_)) if depth >= DEEPEST => return unsure(rule),
                (Truth::Maybe, Some(taken)) => {
                    let passed = self.from(chain, rest, depth + 1);
                    return if taken.is_as(&passed) { passed } else { unsure(rule) };
                }
            }
        }
        Stop::Fell
    }

    /// Whether the rule is about the packet, and where the way ends if it does there.
    fn rule(&self, chain: &Chain, rule: &Rule, depth: usize) -> (Truth, Option<Stop>) {
        let mut met = Truth::Yes;
        for expression in &rule.expressions {
            let Some((kind, body)) = expression.as_object().and_then(|object| object.iter().next()) else {
                continue;
            };
            match kind.as_str() {
                "match" => met = met.and(self.packet.meets(self.rules, chain, body)),
                "limit" | "quota" | "connlimit" | "ct count" => met = met.and(Truth::Maybe),
                // A rule of iptables whose parts nft does not tell.
                "xt" => return (met.and(Truth::Maybe), Some(Stop::Fate(Fate::Unsure(rule.place.clone())))),
                "vmap" => return self.mapped(chain, rule, body, met, depth),
                _ => {
                    if let Some(stop) = self.verdict(chain, rule, kind, body, depth) {
                        // A called chain that was left is no end.
                        return (met, stop);
                    }
                }
            }
            if met == Truth::No {
                break;
            }
        }
        (met, None)
    }

    /// Where the verdict leads; none when the expression is no verdict to this question.
    fn verdict(
        &self,
        chain: &Chain,
        rule: &Rule,
        kind: &str,
        body: &Value,
        depth: usize,
    ) -> Option<Option<Stop>> {
        let place = || rule.place.clone();
        let stop = match (kind, self.question) {
            ("accept", _) => Stop::Accepted,
            ("drop", _) => Stop::Fate(Fate::Dropped),
            ("reject", _) => Stop::Fate(Fate::Rejected(place())),
            ("notrack", Question::Untracked) | ("snat" | "masquerade", Question::SourceNat) => {
                Stop::Fate(Fate::Hit(place()))
            }
            ("return", _) => Stop::Fell,
            ("queue", _) => Stop::Fate(Fate::Unsure(place())),
            ("jump" | "goto", _) => {
                let target = body["target"].as_str().and_then(|name| self.rules.called(chain, name));
                let Some(target) = target.filter(|_| depth < DEEPEST) else {
                    return Some(Some(Stop::Fate(Fate::Unsure(place()))));
                };
                match self.chain(target, depth + 1) {
                    Stop::Fell if kind == "jump" => return Some(None),
                    stop => stop,
                }
            }
            _ => return None,
        };
        Some(Some(stop))
    }

    fn mapped(
        &self,
        chain: &Chain,
        rule: &Rule,
        body: &Value,
        met: Truth,
        depth: usize,
    ) -> (Truth, Option<Stop>) {
        let unsure = (met.and(Truth::Maybe), Some(Stop::Fate(Fate::Unsure(rule.place.clone()))));
        let Some(members) = body["data"]["set"].as_array() else { return unsure };
        for member in members {
            let Some([key, verdict]) = member.as_array().map(Vec::as_slice) else { return unsure };
            match self.packet.is(self.rules, chain, &body["key"], key) {
                Truth::No => {}
                Truth::Maybe => return unsure,
                Truth::Yes => {
                    let Some((kind, body)) = verdict.as_object().and_then(|object| object.iter().next())
                    else {
                        return unsure;
                    };
                    let stop = self.verdict(chain, rule, kind, body, depth);
                    return stop.map_or(unsure, |stop| (met, stop));
                }
            }
        }
        (Truth::No, None)
    }
}
