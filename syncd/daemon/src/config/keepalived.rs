//! What of keepalived's own configuration concerns ours: its sync groups, their members, and where it tells roles.
//!
//! Understands no more of the file than that, and changes nothing. Read at a start, a reload and `syncd check --here`.
//! Tested in `keepalived/tests.rs`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Failover;

#[cfg(test)]
mod tests;

/// Where keepalived's configuration is if nobody says so: VyOS's place first.
const USUAL: [&str; 2] = ["/run/keepalived/keepalived.conf", "/etc/keepalived/keepalived.conf"];

/// A longer file is not read, in bytes.
const LONGEST: u64 = 4 << 20;

/// keepalived's configuration, as far as it concerns us.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Keepalived {
    pub(super) file: PathBuf,
    /// Whether our configuration names the file: then it must fit, else it should.
    pub(super) named: bool,
    groups: Vec<Group>,
    instances: Vec<Instance>,
    fifos: Vec<PathBuf>,
    /// The files that it looks at.
    tracked: Vec<PathBuf>,
    /// It includes other files, which are not read.
    includes: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Group {
    name: String,
    members: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Instance {
    name: String,
    preempt_delay: f64,
    nopreempt: bool,
}

/// What does not fit, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) reason: String,
    pub(super) remedy: String,
    /// It may be meant, or be right all the same: never more than a remark.
    pub(super) mild: bool,
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

impl Keepalived {
    /// Reads the file that our configuration names, or the usual one; none where neither is there.
    ///
    /// # Errors
    ///
    /// When the file that is named cannot be read.
    pub(crate) fn read(failover: &Failover) -> io::Result<Option<Self>> {
        if let Some(file) = &failover.keepalived_config {
            return Ok(Some(Self::understand(file, true, &text(file)?)));
        }
        let usual = USUAL.map(Path::new);
        Ok(usual.into_iter().find_map(|file| Some(Self::understand(file, false, &text(file).ok()?))))
    }

    /// Understands its text.
    pub(super) fn understand(file: &Path, named: bool, text: &str) -> Self {
        let mut all = Self { file: file.to_owned(), named, ..Self::default() };
        let words = words(text);
        let mut above: Vec<&[&str]> = Vec::new();
        // A statement is a line; what stands before `{` heads the lines up to `}`.
        for line in words.iter().map(Vec::as_slice) {
            match line {
                ["}"] => drop(above.pop()),
                [head @ .., "{"] => {
                    match head {
                        ["vrrp_sync_group", name, ..] => {
                            all.groups.push(Group { name: (*name).to_owned(), members: Vec::new() });
                        }
                        ["vrrp_instance", name, ..] => {
                            all.instances.push(Instance { name: (*name).to_owned(), ..Instance::default() });
                        }
                        _ => {}
                    }
                    above.push(head);
                }
                line => all.take(&above, line),
            }
        }
        all
    }

    /// A line in its blocks.
    fn take(&mut self, above: &[&[&str]], line: &[&str]) {
        match (above, line) {
            (_, ["include" | "includer" | "includew" | "includem" | "includeb" | "includea", ..]) => {
                self.includes = true;
            }
            ([["global_defs"]], ["vrrp_notify_fifo" | "notify_fifo", path]) => {
                self.fifos.push(PathBuf::from(path));
            }
            ([["track_file" | "vrrp_track_file", ..]], ["file", path]) => {
                self.tracked.push(PathBuf::from(path));
            }
            ([["vrrp_sync_group", ..], ["group"]], members) => {
                if let Some(group) = self.groups.last_mut() {
                    group.members.extend(members.iter().map(|member| (*member).to_owned()));
                }
            }
            ([["vrrp_instance", ..]], ["preempt_delay", seconds]) => {
                if let (Some(instance), Ok(seconds)) = (self.instances.last_mut(), seconds.parse()) {
                    instance.preempt_delay = seconds;
                }
            }
            ([["vrrp_instance", ..]], ["nopreempt"]) => {
                if let Some(instance) = self.instances.last_mut() {
                    instance.nopreempt = true;
                }
            }
            _ => {}
        }
    }

    /// What does not fit our configuration.
    pub(super) fn misfits(&self, failover: &Failover, purge: Option<u32>) -> Vec<Misfit> {
        let (name, file) = (&failover.sync_group, self.file.display());
        let Some(group) = self.groups.iter().find(|group| group.name == *name) else {
            let there: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let reason = format!("VRRP sync-group {name} is not configured in {file}");
            let remedy = format!("write 'vrrp_sync_group {name}' there, or take one that is ({there})");
            return vec![Misfit { reason, remedy, mild: self.includes }];
        };
        let mut misfits = Vec::new();
        if group.members.is_empty() {
            let reason =
                format!("VRRP sync-group {name} has no member in {file}: keepalived tells no role of it");
            let remedy = "name its instances there: 'group { VI_1 }'".to_owned();
            misfits.push(Misfit { reason, remedy, mild: false });
        }
        for member in &group.members {
            if !self.includes && !self.instances.iter().any(|instance| instance.name == *member) {
                let reason = format!(
                    "member {member} of VRRP sync-group {name} is no vrrp_instance in {file}, or is disabled"
                );
                let remedy = format!("write 'vrrp_instance {member}' there, or take it out of the group");
                misfits.push(Misfit { reason, remedy, mild: false });
            }
        }
        if let Some(fifo) = &failover.notify_fifo
            && !self.fifos.contains(fifo)
        {
            let reason = format!("keepalived does not write to {}: no role will come", fifo.display());
            let remedy = format!("write 'vrrp_notify_fifo {}' into global_defs of {file}", fifo.display());
            misfits.push(Misfit { reason, remedy, mild: self.includes });
        }
        match &failover.track_file {
            Some(file) if !self.tracked.contains(file) => {
                let reason =
                    format!("keepalived does not look at {}: it takes this router for ready", file.display());
                let remedy =
                    format!("write a track_file for it into {} (docs/handover.md)", self.file.display());
                misfits.push(Misfit { reason, remedy, mild: true });
            }
            // Whoever is looked at takes nothing back before it is ready.
            Some(_) => {}
            None => misfits.extend(self.hurry(group, purge)),
        }
        misfits
    }

    /// A member of our group that takes nothing over from a router that lives.
    pub(crate) fn with_nopreempt(&self, failover: &Failover) -> Option<String> {
        let group = self.groups.iter().find(|group| group.name == failover.sync_group)?;
        let stays = |instance: &&Instance| instance.nopreempt && group.members.contains(&instance.name);
        self.instances.iter().find(stays).map(|instance| instance.name.clone())
    }

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

fn text(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file as statements: comments begin with `#` or `!`, quotes keep blanks, braces end a statement.
fn words(text: &str) -> Vec<Vec<&str>> {
    let mut statements = Vec::new();
    for line in text.lines() {
        let mut statement: Vec<&str> = Vec::new();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next().filter(|first| !['#', '!'].contains(first)) {
            let (word, after) = match first {
                '{' | '}' => rest.split_at(1),
                '"' | '\'' => {
                    let inside = &rest[1..];
                    inside.split_once(first).unwrap_or((inside, ""))
                }
                _ => {
                    let ends = |c: char| c.is_whitespace() || ['{', '}', '#', '!'].contains(&c);
                    rest.split_at(rest.find(ends).unwrap_or(rest.len()))
                }
            };
            if word == "}" && !statement.is_empty() {
                statements.push(std::mem::take(&mut statement));
            }
            statement.push(word);
            if word == "{" || word == "}" {
                statements.push(std::mem::take(&mut statement));
            }
            rest = after.trim_start();
        }
        if !statement.is_empty() {
            statements.push(statement);
        }
    }
    statements
}
