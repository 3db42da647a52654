//! What systemd is told: that we are ready, that the loop goes round, that we end (`sd_notify(3)`).
//!
//! A datagram for each word, to the socket that the environment names; without one nothing happens. Never waits for
//! systemd: what its socket does not take is said again in a moment. The beats come out of the event loop's own
//! rounds, so that a loop that hangs is silent, and killed. Tested below, end to end, and under a real systemd by
//! `cargo ci package --try`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use syncd_core::time::Instant;

/// After so long a word that was not taken is said again.
const AGAIN: Duration = Duration::from_millis(100);

/// Who supervises us, if anybody does.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// How long the loop may be silent at most, if that is watched.
    patience: Option<Duration>,
    ready: bool,
    due: Option<Instant>,
}

impl Supervisor {
    /// The supervisor that the environment names.
    ///
    /// # Errors
    ///
    /// A socket that cannot be reached: systemd would wait for us in vain, and kill us then.
    pub(crate) fn from_environment(now: Instant) -> anyhow::Result<Self> {
        let socket = match env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => Some(connect(&name).map_err(|error| {
                let name = name.to_string_lossy();
                anyhow::anyhow!(
                    "cannot reach the supervisor on {name} (NOTIFY_SOCKET): {error}; unset it to run without"
                )
            })?),
        };
        let patience =
            patience(env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"), std::process::id());
        Ok(Self { due: socket.is_some().then_some(now), socket, patience, ready: false })
    }

    /// When the loop must come round at the latest.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The loop has come round.
    pub(crate) fn beat(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let words = match (self.ready, self.patience) {
            (false, _) => "READY=1\nWATCHDOG=1",
            (true, Some(_)) => "WATCHDOG=1",
            (true, None) => return self.due = None,
        };
        let taken = self.say(words);
        self.ready |= taken;
        // Twice in the time that would be too long, so that a late round is no death.
        let rest = self.patience.map_or(AGAIN, |patience| patience / 2);
        self.due = Some(now + if taken { rest } else { rest.min(AGAIN) });
    }

    /// We end, on purpose.
    pub(crate) fn ending(&self) {
        // A supervisor that does not hear it sees the end itself.
        self.say("STOPPING=1");
    }

    fn say(&self, words: &str) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.send(words.as_bytes()).is_ok())
    }
}

fn connect(name: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => socket.connect_addr(&SocketAddr::from_abstract_name(abstract_name)?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// How long `pid` may be silent: what `usec` says, unless `meant` is another process.
fn patience(usec: Option<OsString>, meant: Option<OsString>, pid: u32) -> Option<Duration> {
    let number = |word: OsString| word.to_str()?.parse::<u64>().ok();
    if meant.is_some_and(|meant| number(meant) != Some(u64::from(pid))) {
        return None;
    }
    usec.and_then(number).filter(|usec| *usec != 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beating(patience: Option<Duration>) -> (Supervisor, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        ours.set_nonblocking(true).unwrap();
        let due = Some(Instant::from_nanos(0));
        (Supervisor { socket: Some(ours), patience, ready: false, due }, theirs)
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 64];
        socket.recv(&mut bytes).ok().map(|len| String::from_utf8_lossy(&bytes[..len]).into_owned())
    }

    #[test]
    fn ready_once_and_a_beat_in_half_the_time() {
        let (mut supervisor, theirs) = beating(Some(Duration::from_secs(10)));
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        supervisor.beat(at(1));
        assert_eq!(heard(&theirs).as_deref(), Some("READY=1\nWATCHDOG=1"));
        assert_eq!(supervisor.due(), Some(at(6)));
        supervisor.beat(at(5));
        assert_eq!(heard(&theirs), None);
        supervisor.beat(at(6));
        assert_eq!(heard(&theirs).as_deref(), Some("WATCHDOG=1"));
    }

    #[test]
    fn without_a_watchdog_there_is_nothing_after_ready() {
        let (mut supervisor, theirs) = beating(None);
        supervisor.beat(Instant::from_nanos(1));
        assert!(heard(&theirs).is_some());
        supervisor.beat(Instant::from_nanos(3_000_000_000));
        assert_eq!((heard(&theirs), supervisor.due()), (None, None));
    }

    #[test]
    fn what_is_not_taken_is_said_again() {
        let (mut supervisor, theirs) = beating(Some(Duration::from_secs(10)));
        while supervisor.say("full") {}
        supervisor.beat(Instant::from_nanos(1));
        assert_eq!(supervisor.due(), Some(Instant::from_nanos(1) + AGAIN));
        while heard(&theirs).is_some() {}
        supervisor.beat(Instant::from_nanos(200_000_000));
        assert_eq!(heard(&theirs).as_deref(), Some("READY=1\nWATCHDOG=1"));
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let word = |word: &str| Some(OsString::from(word));
        assert_eq!(patience(word("2000000"), word("7"), 7), Some(Duration::from_secs(2)));
        assert_eq!(patience(word("2000000"), None, 7), Some(Duration::from_secs(2)));
        assert_eq!(patience(word("2000000"), word("8"), 7), None);
        assert_eq!(patience(word("0"), None, 7), None);
        assert_eq!(patience(None, None, 7), None);
    }
}
