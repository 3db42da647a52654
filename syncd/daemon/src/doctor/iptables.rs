//! Rules as `iptables-save` and `ip6tables-save` print them, in nft's words: the walk knows one language.
//!
//! A condition that is not understood holds perhaps; a target that is not understood ends perhaps. Never asks the kernel.
//! Driven by `gather`; tested in `tests/iptables.rs`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::ruleset::{Base, Chain, Rule};

/// Where the tables hang: table, chain, kind, hook and priority (`enum nf_ip_hook_priorities`).
const HOOKS: [(&str, &str, &str, &str, i64); 17] = [
    ("raw", "PREROUTING", "filter", "prerouting", -300),
    ("raw", "OUTPUT", "filter", "output", -300),
    ("mangle", "PREROUTING", "filter", "prerouting", -150),
    ("mangle", "INPUT", "filter", "input", -150),
    ("mangle", "FORWARD", "filter", "forward", -150),
    ("mangle", "OUTPUT", "route", "output", -150),
    ("mangle", "POSTROUTING", "filter", "postrouting", -150),
    ("nat", "PREROUTING", "nat", "prerouting", -100),
    ("nat", "INPUT", "nat", "input", 100),
    ("nat", "OUTPUT", "nat", "output", -100),
    ("nat", "POSTROUTING", "nat", "postrouting", 100),
    ("filter", "INPUT", "filter", "input", 0),
    ("filter", "FORWARD", "filter", "forward", 0),
    ("filter", "OUTPUT", "filter", "output", 0),
    ("security", "INPUT", "filter", "input", 50),
    ("security", "FORWARD", "filter", "forward", 50),
    ("security", "OUTPUT", "filter", "output", 50),
];

/// Matches whose options are all understood: without options they say nothing.
const MATCHES: [&str; 9] =
    ["tcp", "udp", "sctp", "dccp", "conntrack", "state", "multiport", "iprange", "comment"];

/// Targets after which a packet goes on as before, as far as is asked here (iptables-extensions(8)).
const PASSING: [&str; 24] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
];

/// The chains of all tables in what `iptables-save` printed, or `ip6tables-save`.
pub(super) fn read(text: &str, v6: bool) -> Vec<Chain> {
    let (program, family) = if v6 { ("ip6tables", "ip6") } else { ("iptables", "ip") };
    let (mut chains, mut table): (Vec<Chain>, String) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            let drops = words.next() == Some("DROP");
            let base = base(&table, &name, drops);
            chains.push(Chain {
                family: family.to_owned(),
                table: table.clone(),
                name,
                base,
                rules: Vec::new(),
            });
        } else if line.starts_with("-A ") || line.starts_with('[') {
            let words = words(line);
            // With -c there are counters before the rule.
            let Some(at) = words.iter().position(|word| word == "-A") else { continue };
            let Some(name) = words.get(at + 1) else { continue };
            let here = |chain: &&Chain| chain.table == table;
            let others: Vec<String> = chains.iter().filter(here).map(|chain| chain.name.clone()).collect();
            let Some(chain) = chains.iter_mut().find(|chain| chain.table == table && chain.name == *name)
            else {
                continue;
            };
            let expressions = translated(&words[at + 2..], v6, chain, &others);
            let place = format!("rule {} of '{program} -t {table} -S {name}'", chain.rules.len() + 1);
            chain.rules.push(Rule { expressions, place });
        }
    }
    chains
}

fn base(table: &str, chain: &str, drops: bool) -> Option<Base> {
    let (_, _, kind, hook, priority) =
        HOOKS.into_iter().find(|(of, name, ..)| *of == table && *name == chain)?;
    Some(Base { kind: kind.to_owned(), hook: hook.to_owned(), priority, drops })
}

/// The words of a line; quotes hold one together, and in them a backslash takes what follows as it is.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => (quoted, any) = (!quoted, true),
            '\\' if quoted => word.extend(letters.next()),
            _ if letter.is_whitespace() && !quoted => {
                if std::mem::take(&mut any) {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                word.push(letter);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

/// The words of a rule in nft's; `others` are the chains that it can call.
fn translated(words: &[String], v6: bool, chain: &Chain, others: &[String]) -> Vec<Value> {
    let mut translation = Translation { expressions: Vec::new(), v6, protocol: None, negated: false };
    let mut rest = words;
    while let Some((word, more)) = rest.split_first() {
        if word == "!" {
            translation.negated = true;
            rest = more;
            continue;
        }
        if let ("-j" | "-g", Some((target, options))) = (word.as_str(), more.split_first()) {
            let calls = others.contains(target);
            let verdict = match target.as_str() {
                _ if word == "-g" => Some(json!({ "goto": { "target": target } })),
                _ if calls => Some(json!({ "jump": { "target": target } })),
                _ => verdict(target, options, &chain.name),
            };
            translation.expressions.extend(verdict);
            break;
        }
        let options = more.iter().take_while(|word| *word != "!" && !word.starts_with('-')).count();
        // The text of a comment may begin like an option.
        let (values, after) = more.split_at(if word == "--comment" { more.len().min(1) } else { options });
        translation.condition(word, values);
        translation.negated = false;
        rest = after;
    }
    translation.expressions
}

/// What a target of the kernel's does; nothing where the packet goes on.
fn verdict(target: &str, options: &[String], chain: &str) -> Option<Value> {
    let source = options.iter().position(|word| word == "--to-source").and_then(|at| options.get(at + 1));
    Some(match target {
        "ACCEPT" => json!({ "accept": null }),
        "DROP" => json!({ "drop": null }),
        "RETURN" => json!({ "return": null }),
        "REJECT" => json!({ "reject": null }),
        "QUEUE" | "NFQUEUE" => json!({ "queue": null }),
        "NOTRACK" => json!({ "notrack": null }),
        "CT" if options.iter().any(|word| word == "--notrack") => json!({ "notrack": null }),
        "MASQUERADE" => json!({ "masquerade": null }),
        "SNAT" => json!({ "snat": { "addr": source.and_then(|source| source_of(source)) } }),
        "NETMAP" if matches!(chain, "POSTROUTING" | "INPUT") => json!({ "snat": { "addr": null } }),
        "DNAT" | "NETMAP" => json!({ "dnat": null }),
        "REDIRECT" => json!({ "redirect": null }),
        _ if PASSING.contains(&target) => return None,
        _ => json!({ "xt": { "type": "target", "name": target } }),
    })
}

/// The conditions of one rule.
#[derive(Debug)]
struct Translation {
    expressions: Vec<Value>,
    v6: bool,
    protocol: Option<String>,
    negated: bool,
}

impl Translation {
    /// It may hold.
    fn perhaps(&mut self) {
        self.expressions.push(json!({ "match": { "op": "unknown", "left": null, "right": null } }));
    }

    fn holds(&mut self, left: &Value, right: Option<Value>) {
        let op = if self.negated { "!=" } else { "==" };
        match right {
            Some(right) => {
                self.expressions.push(json!({ "match": { "op": op, "left": left, "right": right } }));
            }
            None => self.perhaps(),
        }
    }

    fn condition(&mut self, option: &str, values: &[String]) {
        let value = values.first().map_or("", String::as_str);
        let meta = |key: &str| json!({ "meta": { "key": key } });
        let address = |field: &str| json!({ "payload": { "protocol": if self.v6 { "ip6" } else { "ip" }, "field": field } });
        match option {
            "-m" if MATCHES.contains(&value) => {}
            "--comment" => {}
            "-s" => self.holds(&address("saddr"), network(value)),
            "-d" => self.holds(&address("daddr"), network(value)),
            "--src-range" => self.holds(&address("saddr"), range(value)),
            "--dst-range" => self.holds(&address("daddr"), range(value)),
            "-i" => self.holds(&meta("iifname"), Some(interface(value))),
            "-o" => self.holds(&meta("oifname"), Some(interface(value))),
            "-p" => {
                self.holds(&meta("l4proto"), Some(json!(value)));
                self.protocol = Some(value.to_owned()).filter(|_| !self.negated);
            }
            "--ctstate" | "--state" => self.states(value),
            "--dport" | "--dports" => self.ports("dport", value),
            "--sport" | "--sports" => self.ports("sport", value),
            "--tcp-flags" if values.len() == 2 => {
                let names = |list: &str| -> Vec<String> {
                    list.split(',').filter(|name| *name != "NONE").map(str::to_lowercase).collect()
                };
                let flags = json!({ "payload": { "protocol": "tcp", "field": "flags" } });
                self.holds(&json!({ "&": [flags, names(value)] }), Some(json!(names(&values[1]))));
            }
            _ => self.perhaps(),
        }
    }

    fn states(&mut self, list: &str) {
        let states: Vec<String> = list.split(',').map(str::to_lowercase).collect();
        let of_nat = |state: &String| state == "snat" || state == "dnat";
        match states.iter().filter(|state| of_nat(state)).count() {
            0 => self.holds(&json!({ "ct": { "key": "state" } }), Some(json!(states))),
            count if count == states.len() => {
                self.holds(&json!({ "ct": { "key": "status" } }), Some(json!(states)));
            }
            _ => self.perhaps(),
        }
    }

    fn ports(&mut self, field: &str, list: &str) {
        let number = |text: &str| text.parse::<u16>().ok();
        let port = |text: &str| match text.split_once(':') {
            None => number(text).map(|port| json!(port)),
            Some((first, last)) => Some(json!({ "range": [number(first)?, number(last)?] })),
        };
        let ports: Option<Vec<Value>> = list.split(',').map(port).collect();
        let protocol = self.protocol.as_deref().unwrap_or("th");
        let left = json!({ "payload": { "protocol": protocol, "field": field } });
        self.holds(&left, ports.map(Value::Array));
    }
}

/// iptables' `+` at the end of a name is nft's `*`.
fn interface(name: &str) -> Value {
    json!(name.strip_suffix('+').map_or_else(|| name.to_owned(), |beginning| format!("{beginning}*")))
}

/// An address, with the length of its network or with a mask.
fn network(text: &str) -> Option<Value> {
    let (address, len) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let most: u32 = if address.is_ipv4() { 32 } else { 128 };
    let len = match len.parse::<IpAddr>() {
        Err(_) if len.is_empty() => most,
        Err(_) => len.parse().ok()?,
        Ok(IpAddr::V4(mask)) => {
            Some(mask.to_bits().leading_ones()).filter(|len| *len == mask.to_bits().count_ones())?
        }
        Ok(IpAddr::V6(mask)) => {
            Some(mask.to_bits().leading_ones()).filter(|len| *len == mask.to_bits().count_ones())?
        }
    };
    (len <= most).then(|| json!({ "prefix": { "addr": address, "len": len } }))
}

/// `FIRST-LAST`, or one address.
fn range(text: &str) -> Option<Value> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
    Some(json!({ "range": [first, last] }))
}

/// The addresses of `--to-source`: `ADDRESS[-ADDRESS][:PORT[-PORT]]`, where IPv6 with ports stands in brackets.
fn source_of(text: &str) -> Option<Value> {
    let addresses = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((addresses, _)) => addresses,
        None if text.matches(':').count() == 1 => text.split(':').next().unwrap_or(text),
        None => text,
    };
    range(addresses)
}
