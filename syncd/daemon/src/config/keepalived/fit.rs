//! keepalived's configuration beside ours: what must fit and does not.
//!
//! Changes nothing. Driven by [`super::super::Config::check_system`] and by a handover; tested in `tests.rs` beside this file.

use std::io;
use std::path::{Path, PathBuf};

use super::super::Failover;
use super::{Group, Instance, Keepalived, Unread, read};

/// Where keepalived's configuration is if nobody says so: VyOS's place first.
const USUAL: [&str; 2] = ["/run/keepalived/keepalived.conf", "/etc/keepalived/keepalived.conf"];

/// The file that keepalived reads, and what it says.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(in super::super) file: PathBuf,
    /// Whether our configuration names the file: then it must fit, else it should.
    pub(in super::super) named: bool,
    pub(in super::super) said: Result<Keepalived, Unread>,
}

/// What does not fit, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Misfit {
    pub(in super::super) reason: String,
    pub(in super::super) remedy: String,
    /// It may be meant, or be right all the same: never more than a remark.
    pub(in super::super) mild: bool,
}

impl Failover {
    /// The file that keepalived reads: the one that is named, or the usual one.
    pub(crate) fn keepalived_file(&self) -> PathBuf {
        self.keepalived_config.clone().unwrap_or_else(usual)
    }
}

/// The usual file that is there.
pub(crate) fn usual() -> PathBuf {
    let there = USUAL.into_iter().find(|file| Path::new(file).exists());
    there.unwrap_or(USUAL[1]).into()
}

impl Beside {
    /// Reads the file that our configuration names, or the usual one; none where none is named or there.
    pub(crate) fn read(failover: &Failover) -> Option<Self> {
        let (file, named) = (failover.keepalived_file(), failover.keepalived_config.is_some());
        (named || file.exists()).then(|| Self { said: read(&file), file, named })
    }

    /// What does not fit our configuration.
    pub(in super::super) fn misfits(&self, failover: &Failover, purge: Option<u32>) -> Vec<Misfit> {
        let mild = |reason: String, remedy: &str| Misfit { reason, remedy: remedy.to_owned(), mild: true };
        match &self.said {
            Ok(keepalived) => self.misfits_of(keepalived, failover, purge),
            Err(Unread::Unreadable { file, source }) if *file == self.file && self.named => {
                let reason = format!("keepalived-config cannot be read: {source}");
                let remedy = "give the path of the file that keepalived reads, or leave it out".to_owned();
                vec![Misfit { reason, remedy, mild: false }]
            }
            Err(unread) => {
                let reason = format!("keepalived's configuration is not compared with this one: {unread}");
                let remedy = match unread {
                    Unread::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                        "run as root, or make it readable"
                    }
                    _ => {
                        "compare by hand its vrrp_sync_group, its vrrp_notify_fifo and, if there is one, its track_file"
                    }
                };
                vec![mild(reason, remedy)]
            }
        }
    }

    fn misfits_of(&self, keepalived: &Keepalived, failover: &Failover, purge: Option<u32>) -> Vec<Misfit> {
        let (name, file) = (&failover.sync_group, self.file.display());
        let Some(group) = keepalived.groups.iter().find(|group| group.name == *name) else {
            let there: Vec<&str> = keepalived.groups.iter().map(|group| group.name.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let reason = format!("VRRP sync-group {name} is not configured in {file}");
            let remedy = format!("write 'vrrp_sync_group {name}' there, or take one that is ({there})");
            return vec![Misfit { reason, remedy, mild: false }];
        };
        let mut misfits = Vec::new();
        if group.members.is_empty() {
            let reason =
                format!("VRRP sync-group {name} has no member in {file}: keepalived tells no role of it");
            let remedy = "name its instances there: 'group { VI_1 }'".to_owned();
            misfits.push(Misfit { reason, remedy, mild: false });
        }
        for member in &group.members {
            if !keepalived.instances.iter().any(|instance| instance.name == *member) {
                let reason = format!(
                    "member {member} of VRRP sync-group {name} is no vrrp_instance in {file}, or is disabled"
                );
                let remedy = format!("write 'vrrp_instance {member}' there, or take it out of the group");
                misfits.push(Misfit { reason, remedy, mild: false });
            }
        }
        if let Some(fifo) = &failover.notify_fifo
            && keepalived.fifos.iter().all(|said| Path::new(said) != fifo)
        {
            let reason = format!("keepalived does not write to {}: no role will come", fifo.display());
            let remedy = format!("write 'vrrp_notify_fifo {}' into global_defs of {file}", fifo.display());
            misfits.push(Misfit { reason, remedy, mild: false });
        }
        match &failover.track_file {
            Some(ours) if keepalived.track_files.iter().all(|other| Path::new(&other.file) != ours) => {
                let reason =
                    format!("keepalived does not look at {}: it takes this router for ready", ours.display());
                let remedy = format!("write a track_file for it into {file} (docs/handover.md)");
                misfits.push(Misfit { reason, remedy, mild: true });
            }
            // Whoever is looked at takes nothing back before it is ready.
            Some(_) => {}
            None => misfits.extend(keepalived.hurry(group, purge)),
        }
        misfits
    }

    /// A member of our group that takes nothing over from a router that lives.
    pub(crate) fn with_nopreempt(&self, failover: &Failover) -> Option<String> {
        let keepalived = self.said.as_ref().ok()?;
        let group = keepalived.groups.iter().find(|group| group.name == failover.sync_group)?;
        let stays = |instance: &&Instance| instance.nopreempt && group.members.contains(&instance.name);
        keepalived.instances.iter().find(stays).map(|instance| instance.name.clone())
    }
}

impl Keepalived {
    /// A router that takes its place back before it knows the flows that began meanwhile.
    fn hurry(&self, group: &Group, purge: Option<u32>) -> Option<Misfit> {
        let purge = purge?;
        let hasty = |instance: &&Instance| {
            group.members.contains(&instance.name)
                && !instance.nopreempt
                && instance.preempt_delay < f64::from(purge)
        };
        let Instance { name, preempt_delay, .. } = self.instances.iter().find(hasty)?;
        let reason = format!(
            "preempt_delay of {name} is {preempt_delay} s, less than purge-timeout ({purge} s): a router that \
             returns may take over before it knows the flows"
        );
        let remedy = format!("set 'preempt_delay {purge}' there, or 'nopreempt'");
        Some(Misfit { reason, remedy, mild: true })
    }
}
