//! keepalived's configuration against ours.

use super::Seen;
use crate::config::Config;
use crate::doctor::keepalived::Keepalived;
use crate::doctor::machine::Machine;

fn both<'a>(machine: &'a Machine, seen: &mut Seen) -> Option<(&'a Config, &'a Keepalived)> {
    let config = machine.config.as_ref().ok();
    if config.is_none() {
        seen.unseen("there is no configuration of syncd to compare with");
    }
    config.zip(seen.take(&machine.keepalived))
}

pub(super) fn role_told(machine: &Machine, seen: &mut Seen) {
    let Some((config, keepalived)) = both(machine, seen) else { return };
    match &config.failover.notify_fifo {
        Some(fifo) => {
            let fifo = fifo.to_string_lossy();
            if keepalived.fifos.iter().all(|said| *said != fifo) {
                let what = match keepalived.fifos.as_slice() {
                    [] => format!("keepalived writes into no FIFO, and syncd reads {fifo}"),
                    said => format!("keepalived writes into {}, and syncd reads {fifo}", said.join(" and ")),
                };
                seen.wrong(what, format!("vrrp_notify_fifo {fifo} in global_defs of keepalived.conf"));
            }
        }
        None => {
            let group = keepalived.groups.iter().find(|group| group.name == config.failover.sync_group);
            if group.is_some_and(|group| !group.notifies) {
                let what = format!(
                    "syncd reads no FIFO, and the group {} of keepalived calls no script that could tell it the role",
                    config.failover.sync_group
                );
                let remedy =
                    "notify-fifo in syncd.yaml and vrrp_notify_fifo in keepalived.conf, with the same path";
                seen.wrong(what, remedy);
            }
        }
    }
}

pub(super) fn role_reload(machine: &Machine, seen: &mut Seen) {
    let Some((config, keepalived)) = both(machine, seen) else { return };
    // Without a FIFO in either of the two there is nothing to write into: `role-told`.
    if config.failover.notify_fifo.is_some() && !keepalived.fifos.is_empty() && !keepalived.tells_on_reload {
        let what = "keepalived does not repeat its states when it is reloaded";
        seen.wrong(what, "fifo_write_vrrp_states_on_reload in global_defs of keepalived.conf");
    }
}

pub(super) fn sync_group(machine: &Machine, seen: &mut Seen) {
    let Some((config, keepalived)) = both(machine, seen) else { return };
    let name = &config.failover.sync_group;
    let Some(group) = keepalived.groups.iter().find(|group| group.name == *name) else {
        let names: Vec<&str> = keepalived.groups.iter().map(|group| group.name.as_str()).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let what = format!(
            "syncd takes its role from the sync group {name}, which keepalived does not have (it has {has})"
        );
        return seen.wrong(
            what,
            format!("vrrp_sync_group {name} with all instances, or its true name in syncd.yaml"),
        );
    };
    let exists = |member: &&String| keepalived.instances.iter().any(|instance| instance.name == **member);
    let (there, gone): (Vec<&String>, Vec<&String>) = group.members.iter().partition(exists);
    let moves = |addresses: &[std::net::IpAddr]| !addresses.is_empty();
    let outside = keepalived.instances.iter().filter(|instance| moves(&instance.addresses));
    let outside: Vec<&str> = outside
        .map(|instance| instance.name.as_str())
        .filter(|name| there.iter().all(|member| member != name))
        .collect();
    if !outside.is_empty() {
        let what = format!("{} with shared addresses: not in the sync group {name}", outside.join(", "));
        seen.wrong(what, format!("name every instance in the group of vrrp_sync_group {name}"));
    }
    if !gone.is_empty() {
        let names: Vec<&str> = gone.into_iter().map(String::as_str).collect();
        let what =
            format!("the sync group {name} names {}, and there is no such vrrp_instance", names.join(", "));
        seen.wrong(what, "correct the names: keepalived leaves the group out otherwise");
    }
}

pub(super) fn takes_back(machine: &Machine, seen: &mut Seen) {
    let Some(keepalived) = seen.take(&machine.keepalived) else { return };
    let hasty =
        |instance: &&crate::doctor::keepalived::Instance| !instance.nopreempt || instance.begins_as_master;
    let hasty: Vec<_> = keepalived.instances.iter().filter(hasty).collect();
    if keepalived.startup_delay > 0.0 || hasty.is_empty() {
        return;
    }
    let names: Vec<&str> = hasty.iter().map(|instance| instance.name.as_str()).collect();
    let but = if hasty.iter().any(|instance| instance.nopreempt) {
        " (nopreempt counts with 'state BACKUP' only)"
    } else {
        ""
    };
    let what = format!("there is no vrrp_startup_delay, and {} may take over at once{but}", names.join(", "));
    seen.wrong(what, "vrrp_startup_delay 5 in global_defs; nopreempt and state BACKUP in every instance");
}
