//! What a daemon has taken, and what the kernel has counted: memory, CPU time, events that it could not deliver, frames
//! on the dedicated link.
//!
//! Read from `/proc`, which treats both daemons alike; never asks one of them. Driven by `pair.rs`; the reading is tested
//! below.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::link::namespace;

/// The longest frame of Ethernet with its head: the MTU of a veth is 1500.
const LONGEST: u64 = 1514;

/// What a process has taken of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Bytes of memory it holds (`VmRSS`).
    pub(super) memory: u64,
    /// Of the processors, in user space and for it in the kernel.
    pub(super) time: Duration,
}

impl Cost {
    /// So far.
    ///
    /// # Errors
    /// When the process has ended.
    pub(super) fn of(process: i32) -> Result<Self> {
        let read = |path: String| fs::read_to_string(&path).with_context(|| format!("cannot read {path}"));
        let memory = resident(&read(format!("/proc/{process}/status"))?).context("/proc tells no VmRSS")?;
        let mut time = Duration::ZERO;
        let threads = format!("/proc/{process}/task");
        for thread in fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
            // A thread may end meanwhile.
            let schedstat = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            time += Duration::from_nanos(on_processor(&schedstat).unwrap_or(0));
        }
        Ok(Self { memory, time })
    }
}

/// What the thread that asks has taken of the processors, if the kernel tells.
pub(super) fn own_time() -> Option<Duration> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    on_processor(&schedstat).map(Duration::from_nanos)
}

/// The most memory that a process ever held, in bytes.
///
/// # Errors
/// When it has ended.
pub(super) fn peak(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    bytes_of(&status, "VmHWM:").context("/proc tells no VmHWM")
}

/// Events of the connection tracking that the kernel could not deliver to the sockets of a namespace so far.
///
/// # Errors
/// When `/proc` is not there.
pub(super) fn events_dropped(ns: BorrowedFd<'_>) -> io::Result<u64> {
    let table = namespace::run_in(ns, || fs::read_to_string("/proc/thread-self/net/netlink"))?;
    Ok(dropped(&table))
}

/// What came and went through an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// How many.
    pub(super) number: u64,
    /// Their bytes, Ethernet's head included.
    pub(super) bytes: u64,
}

impl Frames {
    /// What was more than `before`.
    pub(super) const fn since(self, before: Self) -> Self {
        Self { number: self.number - before.number, bytes: self.bytes - before.bytes }
    }

    /// How many frames would have carried the same bytes, had all been as long as Ethernet allows.
    pub(super) fn if_full(self) -> u64 {
        self.bytes.div_ceil(LONGEST)
    }
}

/// What came and went through an interface of a namespace so far.
///
/// # Errors
/// When the interface is not there.
pub(super) fn frames(ns: BorrowedFd<'_>, interface: &str) -> io::Result<Frames> {
    let table = namespace::run_in(ns, || fs::read_to_string("/proc/thread-self/net/dev"))?;
    through(&table, interface)
        .ok_or_else(|| io::Error::other(format!("/proc/net/dev tells nothing of {interface}")))
}

/// `VmRSS:     2964 kB` of proc(5), `status`.
pub(crate) fn resident(status: &str) -> Option<u64> {
    bytes_of(status, "VmRSS:")
}

fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The first field of `schedstat`, in nanoseconds (Documentation/scheduler/sched-stats.rst).
fn on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The column Drops of the netfilter sockets (`netlink_native_seq_show`: sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks,
/// Drops, Inode).
fn dropped(table: &str) -> u64 {
    let netfilter = |line: &&str| {
        line.split_whitespace().nth(1).and_then(|it| it.parse().ok()) == Some(NETLINK_NETFILTER)
    };
    let drops = |line: &str| line.split_whitespace().nth(8)?.parse::<u64>().ok();
    table.lines().skip(1).filter(netfilter).filter_map(drops).sum()
}

/// Of proc(5), `net/dev`: eight columns of what came, of which the first counts bytes and the second packets, then eight of
/// what went.
fn through(table: &str, interface: &str) -> Option<Frames> {
    let columns =
        table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = columns.split_whitespace().map_while(|column| column.parse().ok()).collect();
    Some(Frames { number: numbers.get(1)? + numbers.get(9)?, bytes: numbers.first()? + numbers.get(8)? })
}

#[cfg(test)]
mod tests {
    use super::{Frames, bytes_of, dropped, on_processor, resident, through};

    #[test]
    fn a_process_tells_its_memory_and_its_time() {
        assert_eq!(resident("VmHWM:\t 3000 kB\nVmRSS:\t    2964 kB\n"), Some(2964 * 1024));
        assert_eq!(bytes_of("VmHWM:\t 3000 kB\nVmRSS:\t    2964 kB\n", "VmHWM:"), Some(3000 * 1024));
        assert_eq!(on_processor("1234567 89 10\n"), Some(1_234_567));
    }

    #[test]
    fn only_netfilters_sockets_count() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            0000000000000000 0   4194306    00000011 0        0        0     2        7        1\n\
            0000000000000000 12  77         00000007 0        0        0     2        40       2\n\
            0000000000000000 12  78         00000007 0        0        0     2        2        3\n";
        assert_eq!(dropped(table), 42);
    }

    #[test]
    fn an_interface_tells_its_frames_in_both_directions() {
        let table = "Inter-|   Receive                     |  Transmit\n face |bytes packets errs\n\
              sync: 1 20 0 0 0 0 0 0 9 300 0 0 0 0 0 0\n  sync2: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n";
        let seen = through(table, "sync").unwrap();
        assert_eq!(seen, Frames { number: 320, bytes: 10 });
        assert_eq!(Frames { number: 7, bytes: 3029 }.since(Frames { number: 5, bytes: 0 }).if_full(), 3);
        assert_eq!(through(table, "lan"), None);
    }
}
