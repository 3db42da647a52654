//! Settings of the kernel, and how full its table is.

use super::Seen;
use crate::doctor::machine::Machine;

/// A fuller table, in percent, has no room for what a failover brings.
const FULL: u64 = 80;

fn setting(machine: &Machine, seen: &mut Seen, key: &'static str) -> Option<u64> {
    let unread = || Err(format!("{key} was not read"));
    seen.take(&machine.settings.get(key).cloned().unwrap_or_else(unread)).copied()
}

pub(super) fn events(machine: &Machine, seen: &mut Seen) {
    if let Some(value) = setting(machine, seen, "netfilter/nf_conntrack_events").filter(|value| *value != 1) {
        let what = format!("net.netfilter.nf_conntrack_events is {value}");
        seen.wrong(what, "sysctl -w net.netfilter.nf_conntrack_events=1, and the same line in /etc/sysctl.d, before traffic");
    }
}

pub(super) fn tcp_loose(machine: &Machine, seen: &mut Seen) {
    if let Some(value) =
        setting(machine, seen, "netfilter/nf_conntrack_tcp_loose").filter(|value| *value != 0)
    {
        let what = format!("net.netfilter.nf_conntrack_tcp_loose is {value}");
        seen.wrong(
            what,
            "sysctl -w net.netfilter.nf_conntrack_tcp_loose=0, and the same line in /etc/sysctl.d",
        );
    }
}

pub(super) fn table_fill(machine: &Machine, seen: &mut Seen) {
    let count = setting(machine, seen, "netfilter/nf_conntrack_count");
    let Some((count, max)) = count.zip(setting(machine, seen, "netfilter/nf_conntrack_max")) else { return };
    // 0 is no limit.
    if max > 0 && count.saturating_mul(100) >= max.saturating_mul(FULL) {
        let percent = count.saturating_mul(100) / max;
        let what = format!("the kernel's table holds {count} of {max} flows, {percent} %");
        let remedy = format!(
            "raise net.netfilter.nf_conntrack_max on both routers (for example to {}), with nf_conntrack_buckets",
            max.saturating_mul(2)
        );
        seen.wrong(what, remedy);
    }
}
