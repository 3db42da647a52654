//! The packet filter as `nft -j list ruleset` tells it: base chains, the chains they call, named sets.
//!
//! Rules stay JSON; `walk` reads them. Never asks the kernel. Driven by `gather`; tested in `tests/rules.rs`.

use std::collections::HashMap;

use serde_json::Value;

use crate::gate;

/// All that `nft` told.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    chains: Vec<Chain>,
    sets: HashMap<(String, String, String), Value>,
}

/// A chain and its rules, in order.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// `ip`, `ip6`, `inet`, ...
    pub(super) family: String,
    /// Its table.
    pub(super) table: String,
    /// Its name.
    pub(super) name: String,
    /// Where it hangs in the kernel; none for a chain that others call.
    pub(super) base: Option<Base>,
    /// Its rules.
    pub(super) rules: Vec<Rule>,
}

/// Where a chain hangs.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// `filter`, `nat` or `route`.
    pub(super) kind: String,
    /// `input`, `prerouting`, ...
    pub(super) hook: String,
    /// Lower ones come first.
    pub(super) priority: i64,
    /// Whether what falls through is dropped.
    pub(super) drops: bool,
}

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its expressions, as nft tells them.
    pub(super) expressions: Vec<Value>,
    /// How an operator finds it.
    pub(super) place: String,
}

impl Ruleset {
    /// Reads what `nft -j list ruleset` printed.
    ///
    /// # Errors
    ///
    /// What is no such document, in words.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("nft's answer is no JSON: {error}"))?;
        let Some(objects) = document["nftables"].as_array() else {
            return Err("nft's answer is no ruleset: the key nftables is missing".to_owned());
        };
        let mut read = Self::default();
        for object in objects {
            let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next()) else {
                continue;
            };
            // syncd's own gate closes when it hears of the role. What the doctor looks for must hold before that.
            if word(body, "table").starts_with(gate::TABLES) {
                continue;
            }
            match kind.as_str() {
                "chain" => read.add_chain(body),
                "rule" => read.add_rule(body),
                "set" => {
                    let key = (word(body, "family"), word(body, "table"), word(body, "name"));
                    // What packets may add to is never known.
                    let fixed = body.get("elem").filter(|_| !is_dynamic(body)).cloned();
                    read.sets.extend(fixed.map(|elements| (key, elements)));
                }
                _ => {}
            }
        }
        Ok(read)
    }

    fn add_chain(&mut self, body: &Value) {
        let base = body.get("hook").map(|hook| Base {
            kind: word(body, "type"),
            hook: hook.as_str().unwrap_or_default().to_owned(),
            priority: body["prio"].as_i64().unwrap_or_default(),
            drops: body["policy"] == "drop",
        });
        let (family, table, name) = (word(body, "family"), word(body, "table"), word(body, "name"));
        self.chains.push(Chain { family, table, name, base, rules: Vec::new() });
    }

    fn add_rule(&mut self, body: &Value) {
        let (family, table, name) = (word(body, "family"), word(body, "table"), word(body, "chain"));
        let home = |chain: &&mut Chain| chain.family == family && chain.table == table && chain.name == name;
        let Some(chain) = self.chains.iter_mut().find(home) else { return };
        let handle = &body["handle"];
        let place = format!("rule {} of '{family} {table} {name}' (handle {handle})", chain.rules.len() + 1);
        let expressions = body["expr"].as_array().cloned().unwrap_or_default();
        chain.rules.push(Rule { expressions, place });
    }

    /// Whether nft could not tell a rule of this family: a part of it is iptables'.
    pub(super) fn is_partly_of_iptables(&self, v6: bool) -> bool {
        let family = if v6 { "ip6" } else { "ip" };
        self.chains
            .iter()
            .filter(|chain| chain.family == family)
            .any(|chain| chain.rules.iter().any(Rule::is_of_iptables))
    }

    /// Puts what iptables itself tells into the place of the rules that nft could not. Where the two count differently,
    /// they stay as they are.
    pub(super) fn complete(&mut self, told: Vec<Chain>) {
        for known in told {
            let same = |chain: &&mut Chain| {
                (&chain.family, &chain.table, &chain.name) == (&known.family, &known.table, &known.name)
            };
            let Some(chain) = self.chains.iter_mut().find(same) else { continue };
            if chain.rules.len() == known.rules.len() {
                let pairs = chain.rules.iter_mut().zip(known.rules);
                pairs.filter(|(rule, _)| rule.is_of_iptables()).for_each(|(rule, known)| *rule = known);
            }
        }
    }

    /// Adds chains that stand beside nft's.
    pub(super) fn add(&mut self, chains: Vec<Chain>) {
        self.chains.extend(chains);
    }

    /// The base chains at `hook` that see packets of this family, in the order in which they do.
    pub(super) fn at(&self, hook: &str, v6: bool) -> Vec<(&Chain, &Base)> {
        let sees = |chain: &Chain| chain.family == "inet" || chain.family == if v6 { "ip6" } else { "ip" };
        let based = self.chains.iter().filter(|chain| sees(chain));
        let mut found: Vec<(&Chain, &Base)> = based
            .filter_map(|chain| Some((chain, chain.base.as_ref().filter(|base| base.hook == hook)?)))
            .collect();
        found.sort_by_key(|(_, base)| base.priority);
        found
    }

    /// The chain of this name in the table of `beside`.
    pub(super) fn called(&self, beside: &Chain, name: &str) -> Option<&Chain> {
        let same = |chain: &&Chain| chain.family == beside.family && chain.table == beside.table;
        self.chains.iter().filter(same).find(|chain| chain.name == name)
    }

    /// The members of a named set in the table of `beside`, where they are known.
    pub(super) fn set(&self, beside: &Chain, name: &str) -> Option<&Value> {
        self.sets.get(&(beside.family.clone(), beside.table.clone(), name.to_owned()))
    }

    /// Every rule with the chain it is in.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&Chain, &Rule)> {
        self.chains.iter().flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)))
    }
}

impl Rule {
    fn is_of_iptables(&self) -> bool {
        self.expressions.iter().any(|expression| expression.get("xt").is_some())
    }
}

fn word(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap_or_default().to_owned()
}

fn is_dynamic(set: &Value) -> bool {
    let flags = set["flags"].as_array().into_iter().flatten();
    flags.into_iter().any(|flag| flag == "dynamic" || flag == "timeout")
}
