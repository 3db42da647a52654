//! keepalived's configuration, as far as it concerns a failover: what it tells, its sync groups, its instances.
//!
//! Never starts keepalived and never judges: `fit` holds it against ours, the doctor's checks against the machine. Read at a
//! start, a reload, a handover, by `syncd check --here` and `syncd doctor`. Tested in `keepalived/tests.rs`.

mod blocks;
mod fit;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;

use blocks::Entry;
pub(crate) use blocks::Unread;
pub(crate) use fit::{Beside, usual};

/// What it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keepalived {
    /// Where it writes every change of a role.
    pub(crate) fifos: Vec<String>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub(crate) tells_on_reload: bool,
    /// `vrrp_startup_delay`, in seconds; 0 without.
    pub(crate) startup_delay: f64,
    /// The files that it can look at.
    pub(crate) track_files: Vec<TrackFile>,
    /// The sync groups.
    pub(crate) groups: Vec<Group>,
    /// The VRRP instances.
    pub(crate) instances: Vec<Instance>,
}

/// A `track_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrackFile {
    /// Its name.
    pub(crate) name: String,
    /// Which file.
    pub(crate) file: String,
    /// By what the number in it is multiplied; keepalived takes 1 where nothing is said.
    pub(crate) weight: Option<i32>,
    /// What it says before anybody has written it.
    pub(crate) init: Option<String>,
}

/// That a group or an instance looks at a `track_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracking {
    /// The name of the file.
    pub(crate) name: String,
    /// By what the number in it is multiplied here.
    pub(crate) weight: Option<i32>,
}

/// A `vrrp_sync_group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: String,
    /// The instances that move together.
    pub(crate) members: Vec<String>,
    /// Whether a script is told of its role.
    pub(crate) notifies: bool,
    /// What all its members look at.
    pub(crate) tracks: Vec<Tracking>,
}

/// A `vrrp_instance`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Instance {
    /// Its name.
    pub(crate) name: String,
    /// Where it speaks.
    pub(crate) interface: String,
    /// The interface of its own MAC address, by which packets come in.
    pub(crate) vmac: Option<String>,
    /// Whether its advertisements leave by [`Instance::vmac`].
    pub(crate) speaks_by_vmac: bool,
    /// Whether it speaks to named peers and not to the group.
    pub(crate) unicast: bool,
    /// The shared addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it takes nothing back from a peer of lower priority.
    pub(crate) nopreempt: bool,
    /// For so many seconds it leaves the place to a peer of lower priority.
    pub(crate) preempt_delay: f64,
    /// Whether it begins as master.
    pub(crate) begins_as_master: bool,
    /// Its priority; keepalived takes 100 where nothing is said.
    pub(crate) priority: Option<i32>,
    /// What it looks at.
    pub(crate) tracks: Vec<Tracking>,
}

/// Reads the file, and those that it includes.
///
/// # Errors
///
/// Why it cannot be read as keepalived would.
pub(crate) fn read(file: &Path) -> Result<Keepalived, Unread> {
    let mut read = Keepalived::default();
    blocks::read(file)?.iter().for_each(|entry| read.take(entry));
    Ok(read)
}

impl Keepalived {
    fn take(&mut self, entry: &Entry) {
        match entry.key() {
            "global_defs" => entry.block.iter().for_each(|entry| self.take_global(entry)),
            "vrrp_sync_group" => self.groups.push(Group::of(entry)),
            "vrrp_instance" => self.instances.push(Instance::of(entry)),
            // The second is its name before keepalived 2.1.
            "track_file" | "vrrp_track_file" => self.track_files.push(TrackFile::of(entry)),
            _ => {}
        }
    }

    fn take_global(&mut self, entry: &Entry) {
        match entry.key() {
            "notify_fifo" | "vrrp_notify_fifo" => self.fifos.push(entry.value()),
            "fifo_write_vrrp_states_on_reload" => self.tells_on_reload = true,
            "vrrp_startup_delay" => self.startup_delay = entry.value().parse().unwrap_or(0.0),
            _ => {}
        }
    }
}

impl TrackFile {
    fn of(entry: &Entry) -> Self {
        let mut file = Self { name: entry.value(), ..Self::default() };
        for line in &entry.block {
            match line.key() {
                "file" => file.file = line.value(),
                "weight" => file.weight = line.value().parse().ok(),
                "init_file" => file.init = Some(line.value()),
                _ => {}
            }
        }
        file
    }
}

impl Tracking {
    /// `NAME`, or `NAME weight NUMBER`.
    fn of(entry: &Entry) -> Self {
        let weight = entry.words.iter().skip_while(|word| *word != "weight").nth(1);
        Self { name: entry.key().to_owned(), weight: weight.and_then(|word| word.parse().ok()) }
    }
}

impl Group {
    fn of(entry: &Entry) -> Self {
        let mut group = Self { name: entry.value(), ..Self::default() };
        for line in &entry.block {
            match line.key() {
                "group" => group.members.extend(line.all().cloned()),
                "track_file" => group.tracks.extend(line.block.iter().map(Tracking::of)),
                key if key.starts_with("notify") => group.notifies = true,
                _ => {}
            }
        }
        group
    }
}

impl Instance {
    fn of(entry: &Entry) -> Self {
        let mut instance = Self { name: entry.value(), speaks_by_vmac: true, ..Self::default() };
        let mut router = String::new();
        for line in &entry.block {
            match line.key() {
                "interface" => instance.interface = line.value(),
                "virtual_router_id" => router = line.value(),
                "use_vmac" => instance.vmac = Some(line.value()),
                "vmac_xmit_base" => instance.speaks_by_vmac = false,
                "unicast_peer" => instance.unicast = true,
                "nopreempt" => instance.nopreempt = true,
                "preempt_delay" => instance.preempt_delay = line.value().parse().unwrap_or(0.0),
                "priority" => instance.priority = line.value().parse().ok(),
                "track_file" => instance.tracks.extend(line.block.iter().map(Tracking::of)),
                "state" => instance.begins_as_master = line.value() == "MASTER",
                "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                    let addresses = line.block.iter().map(Entry::key);
                    let alone = addresses.map(|word| word.split('/').next().unwrap_or(word));
                    instance.addresses.extend(alone.filter_map(|word| word.parse::<IpAddr>().ok()));
                }
                _ => {}
            }
        }
        if let Some(name) = instance.vmac.as_mut().filter(|name| name.is_empty()) {
            *name = format!("vrrp.{router}");
        }
        instance
    }

    /// The names under which packets come in.
    pub(crate) fn entrances(&self) -> impl Iterator<Item = &str> {
        [Some(self.interface.as_str()), self.vmac.as_deref()].into_iter().flatten()
    }

    /// The name under which its advertisements leave.
    pub(crate) fn exit(&self) -> &str {
        self.vmac.as_deref().filter(|_| self.speaks_by_vmac).unwrap_or(&self.interface)
    }
}
