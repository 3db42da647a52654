//! keepalived's configuration against ours.

use super::Seen;
use crate::config::Config;
use crate::config::keepalived::{Instance, Keepalived};
use crate::doctor::machine::Machine;

const TELL_ROLE: &str =
    "notify-fifo in syncd.yaml and vrrp_notify_fifo in keepalived.conf, with the same path";

fn both<'a>(machine: &'a Machine, seen: &mut Seen) -> Option<(&'a Config, &'a Keepalived)> {
    let config = machine.config.as_ref().ok();
    if config.is_none() {
        seen.unseen("there is no configuration of syncd to compare with");
    }
    config.zip(seen.take(&machine.keepalived))
}

pub(super) fn role_told(machine: &Machine, seen: &mut Seen) {
    let Some((config, keepalived)) = both(machine, seen) else {
        let tells = |keepalived: &Keepalived| {
            !keepalived.fifos.is_empty() || keepalived.groups.iter().any(|group| group.notifies)
        };
        if machine.keepalived.as_ref().is_ok_and(|keepalived| !tells(keepalived)) {
            let what = "keepalived writes into no FIFO, and none of its groups calls a script";
            seen.wrong(what, TELL_ROLE);
        }
        return;
    };
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
                seen.wrong(what, TELL_ROLE);
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
    let Some((config, keepalived)) = both(machine, seen) else {
        if let Ok(keepalived) = &machine.keepalived {
            let members = keepalived.groups.iter().flat_map(|group| &group.members);
            // Whichever group is meant: who is in none is not in that one.
            let outside = outside(keepalived, &members.collect::<Vec<_>>());
            if !outside.is_empty() {
                let what = format!("{} with shared addresses: in no sync group", outside.join(", "));
                seen.wrong(what, "one vrrp_sync_group that names every instance");
            }
        }
        return;
    };
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
    let outside = outside(keepalived, &there);
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

/// The instances that move addresses and are no members.
fn outside<'k>(keepalived: &'k Keepalived, members: &[&String]) -> Vec<&'k str> {
    let moving = keepalived.instances.iter().filter(|instance| !instance.addresses.is_empty());
    let names = moving.map(|instance| instance.name.as_str());
    names.filter(|name| members.iter().all(|member| member != name)).collect()
}

pub(super) fn takes_back(machine: &Machine, seen: &mut Seen) {
    let Some(keepalived) = seen.take(&machine.keepalived) else { return };
    // Whether keepalived looks at it as it should is told by `track-file`.
    if machine.config.as_ref().is_ok_and(|config| config.failover.track_file.is_some()) {
        return;
    }
    let hasty = |instance: &&Instance| !instance.nopreempt || instance.begins_as_master;
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
    let remedy = "track-file in syncd.yaml and a track_file in keepalived.conf (docs/handover.md); or vrrp_startup_delay \
                  5 in global_defs, and nopreempt and state BACKUP in every instance";
    seen.wrong(what, remedy);
}

pub(super) fn track_file(machine: &Machine, seen: &mut Seen) {
    let Some((config, keepalived)) = both(machine, seen) else { return };
    let Some(path) = &config.failover.track_file else { return };
    let path = path.to_string_lossy();
    let Some(file) = keepalived.track_files.iter().find(|file| file.file == path) else {
        let what = format!(
            "syncd writes into {path} how ready this router is, and keepalived has no track_file for it"
        );
        let remedy = format!(
            "track_file syncd {{ file {path}; weight 20; init_file -3 }} in keepalived.conf, each on its line"
        );
        return seen.wrong(what, remedy);
    };
    let name = &config.failover.sync_group;
    let Some(group) = keepalived.groups.iter().find(|group| group.name == *name) else { return };
    let of_group = group.tracks.iter().find(|tracking| tracking.name == file.name);
    let members: Vec<&Instance> =
        keepalived.instances.iter().filter(|instance| group.members.contains(&instance.name)).collect();
    let tracks = |instance: &Instance| {
        instance.tracks.iter().find(|tracking| tracking.name == file.name).or(of_group).cloned()
    };
    let blind: Vec<&str> = names(members.iter().filter(|instance| tracks(instance).is_none()));
    if !blind.is_empty() {
        let what = format!("{} of {name}: nobody looks at the track_file {}", blind.join(", "), file.name);
        return seen.wrong(what, format!("track_file {{ {} }} in vrrp_sync_group {name}", file.name));
    }
    for instance in &members {
        let weight = tracks(instance).and_then(|tracking| tracking.weight).or(file.weight).unwrap_or(1);
        look_at_weight(instance, weight, seen);
    }
    let stays: Vec<&str> = names(members.iter().filter(|instance| instance.nopreempt));
    if !stays.is_empty() {
        let what = format!("{} with nopreempt: it takes over from nobody who hands over", stays.join(", "));
        let remedy =
            "the same priority on both routers in its place: whoever is primary stays it, and can hand over";
        seen.wrong(what, remedy);
    }
    if file.init.as_deref() != Some("-3") {
        let what = format!("keepalived counts this router as ready until syncd has written {path}");
        seen.wrong(what, format!("init_file -3 in track_file {}", file.name));
    }
}

/// The levels must be told apart, and none may be a fault.
fn look_at_weight(instance: &Instance, weight: i32, seen: &mut Seen) {
    let (name, priority) = (&instance.name, instance.priority.unwrap_or(100));
    if weight <= 0 {
        let what = format!(
            "{name} looks at the track_file with weight {weight}: 0 makes a fault of it, and nobody is primary"
        );
        seen.wrong(
            what,
            "a weight larger than the difference of both priorities, such as 20 for 110 and 100",
        );
    } else if weight * 3 >= 254 {
        let what = format!(
            "{name}: weight {weight} times 3 is a fault to keepalived, and the only router would not be primary"
        );
        seen.wrong(what, "a weight of at most 84");
    } else if priority - weight < 2 {
        let what = format!(
            "{name}: priority {priority} lowered by {weight} is the lowest, as is that of a router that is not ready"
        );
        seen.wrong(what, format!("a priority of at least {}, or a smaller weight", weight + 2));
    }
}

fn names<'a>(instances: impl Iterator<Item = &'a &'a Instance>) -> Vec<&'a str> {
    instances.map(|instance| instance.name.as_str()).collect()
}
