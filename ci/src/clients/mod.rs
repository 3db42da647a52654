//! Clients and servers that are not ours, through both routers: Debian's curl, lftp, vsftpd and sipp, whose control flows the
//! kernel's FTP and SIP helpers read along behind NAT.
//!
//! Each announces a flow, which is held back at the door of the machine that opens it; the primary is killed; what was announced
//! goes through the other router, which lets in nothing else. The scenarios say the same of labctl's own clients, in all
//! directions and in numbers. Never touches the routers but to look. Driven by `main.rs`, and by `suite` as part of
//! `cargo ci full`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::docs::{self, Lab, Site as _};
use crate::lock::HostLock;
use crate::residue::{self, Host};
use crate::setup::{self, Lacking, Need};
use crate::workspace::{Workspace, find_program};
use crate::{gates, suite};

const LAB: &str = "scenarios/clients/lab.yaml";

// As the topology has them.
const CLIENT: &str = "10.1.0.10";
const GATEWAY: &str = "10.1.0.1";
const SERVER: &str = "198.51.100.10";

/// What is expected: one connection for each of the two transfers, and for the call voice and its control in both directions.
const ANNOUNCED: &str = "6";

/// Packets of 20 ms: a second of voice that has gone there and back.
const VOICE: u64 = 50;

/// A client gives up later.
const PATIENCE: Duration = Duration::from_secs(20);

/// So that the caller hangs up: he waits for this from whomever.
const HANG_UP: &str = "INFO sip:caller SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-end\r\n\
                       From: <sip:end>;tag=end\r\nTo: <sip:caller>\r\nCall-ID: the-call\r\nCSeq: 1 INFO\r\n\
                       Content-Length: 0\r\n\r\n";

/// `cargo ci clients`.
///
/// # Errors
/// When something is missing, or as [`through_both`].
pub(crate) fn alone(workspace: &Workspace) -> Result<()> {
    let before = Host::look()?;
    setup::setup(workspace, Need::Everything)?;
    if let Some(why) = lacking() {
        return Err(Lacking::new(why).into());
    }
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    through_both(workspace)?;
    residue::require_none_since(&before)
}

/// Why this cannot be tried here.
pub(crate) fn lacking() -> Option<String> {
    if !setup::is_root() {
        return Some("vsftpd wants to be root".to_owned());
    }
    let missing = setup::CLIENTS.iter().filter(|program| find_program(program).is_none());
    let missing: Vec<&str> = missing.copied().collect();
    (!missing.is_empty()).then(|| format!("missing: {}", missing.join(", ")))
}

/// One failover between what is announced and what is opened. The optimised programs must have been built.
///
/// # Errors
/// What does not come to pass, with what the programs said.
pub(crate) fn through_both(workspace: &Workspace) -> Result<()> {
    let lab = Lab::up(workspace, LAB, "clients")?;
    let outcome = announced_and_opened(&lab);
    if outcome.is_err() {
        let looks = "'tail -v -n 20 *.log' 'nft list ruleset' 'conntrack -L' 'conntrack -L expect'";
        for node in ["server", "client", "r2"] {
            if let Ok(said) = lab.on(node, &format!("for look in {looks}; do $look || true; done"), "") {
                println!("-- {node}\n{}", said.text);
            }
        }
    }
    outcome
}

fn announced_and_opened(lab: &Lab<'_>) -> Result<()> {
    say(lab, "client", "cat >call.xml", include_str!("call.xml"))?;
    say(lab, "server", &format!("set -- {SERVER}\n{}", include_str!("server.sh")), "")?;
    until(lab, "server", "ss -Hltn sport 21", |said| !said.is_empty())?;
    until(lab, "server", "ss -Hlun sport 5060", |said| !said.is_empty())?;
    say(lab, "client", &format!("set -- {CLIENT} {GATEWAY} {SERVER}\n{}", include_str!("client.sh")), "")?;

    // Whoever opens a flow has tried to.
    for (node, held) in [("client", 2), ("server", 1)] {
        let has_tried = |said: &str| counters(said).filter(|packets| *packets > 0).count() == held;
        until(lab, node, "nft list table netdev hold", has_tried)?;
    }
    until(lab, "r1", "conntrack -L expect 2>/dev/null | wc -l", |said| said == ANNOUNCED)?;
    let cached = "syncd show conntrack-sync external-cache expect | wc -l";
    until(lab, "r2", cached, |said| said == ANNOUNCED)?;
    let synchronised = "syncd show conntrack-sync status --json";
    until(lab, "r2", synchronised, |said| said.contains("\"state\":\"in sync\""))?;

    print!("{}", lab.ask(&["failover", "--kind", "kill-router"])?);
    until(lab, "r2", "conntrack -L expect 2>/dev/null | wc -l", |said| said == ANNOUNCED)?;

    for node in ["client", "server"] {
        say(lab, node, "nft delete table netdev hold", "")?;
    }
    let sent = say(lab, "server", "sha256sum <files/data", "")?;
    for mode in ["passive", "active"] {
        until(lab, "client", &format!("cat {mode}.ended"), |said| said == "0")?;
        let came = say(lab, "client", &format!("sha256sum <{mode}"), "")?;
        if came != sent {
            bail!("the file that came in {mode} mode is another one: {came}, not {sent}");
        }
        println!("FTP, {mode}: the file came through r2");
    }
    until(lab, "client", "nft list table netdev heard", |said| counters(said).any(|heard| heard >= VOICE))?;
    println!("SIP: {VOICE} packets of voice went through r2 and came back");
    say(lab, "client", &format!("cat >hang-up; bash -c 'cat hang-up >/dev/udp/{CLIENT}/5060'"), HANG_UP)?;
    for (node, side) in [("client", "caller"), ("server", "callee")] {
        until(lab, node, &format!("cat {side}.ended"), |said| said == "0")?;
    }
    println!("SIP: the call has ended on both sides as it should");
    Ok(())
}

/// How many packets each rule has counted.
fn counters(rules: &str) -> impl Iterator<Item = u64> {
    rules.split("counter packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse().ok())
}

/// Runs a script, which must end with 0.
fn say(lab: &Lab<'_>, node: &str, script: &str, input: &str) -> Result<String> {
    let said = lab.on(node, script, input)?;
    if said.code != 0 {
        bail!("{node}: {script}: {}", said.text);
    }
    Ok(said.text.trim().to_owned())
}

/// Runs a script that only looks, until what it says is as expected.
fn until(lab: &Lab<'_>, node: &str, script: &str, as_expected: impl Fn(&str) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let said = lab.on(node, script, "")?.text;
        if as_expected(said.trim()) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("{node}: after {} s `{script}` says: {}", PATIENCE.as_secs(), said.trim());
        }
        docs::look_again_soon();
    }
}

#[cfg(test)]
mod tests {
    use super::counters;

    #[test]
    fn the_counters_of_rules() {
        let rules = "tcp dport != 21 counter packets 3 bytes 180 drop\nudp counter packets 0 bytes 0 drop\n";
        assert_eq!(counters(rules).collect::<Vec<_>>(), [3, 0]);
    }
}
