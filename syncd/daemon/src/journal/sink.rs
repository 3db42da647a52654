//! Where lines go: fields to journald where it reads our standard error, else plain text there.
//!
//! journald is told by its own protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>), a datagram for each line, so that
//! each has its fields. Never waits for it: what it does not take at once is counted and told. A standard error that
//! nobody reads any more, as behind `conntrackd -d`, leaves journald too, where there is one. Tested below and end to end.

use std::env;
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::sys::stat::fstat;
use serde_json::{Map, Value};

use super::Level;

/// journald's.
const SOCKET: &str = "/run/systemd/journal/socket";

/// What is written.
pub(super) struct Entry<'a> {
    /// How grave it is.
    pub(super) level: Level,
    /// What happened, as a word.
    pub(super) event: &'a str,
    /// What belongs to it.
    pub(super) details: &'a Map<String, Value>,
    /// The line.
    pub(super) text: &'a str,
}

/// The way out.
#[derive(Debug)]
pub(super) struct Sink {
    journald: Option<Journald>,
    /// Whether lines go to journald.
    natively: AtomicBool,
    /// Lines that journald had no room for, and that it was not told of.
    missed: AtomicU64,
}

#[derive(Debug)]
struct Journald {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Sink {
    /// Standard error, as it is connected now.
    pub(super) fn new() -> Self {
        Self::to(Path::new(SOCKET), is_journalds())
    }

    fn to(path: &Path, natively: bool) -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        Self {
            journald: socket.ok().map(|socket| Journald { socket, path: path.to_owned() }),
            natively: AtomicBool::new(natively),
            missed: AtomicU64::new(0),
        }
    }

    /// One line.
    pub(super) fn write(&self, entry: &Entry<'_>) {
        if self.natively.load(Ordering::Relaxed) {
            return self.tell_journald(entry);
        }
        let text = format!("syncd: {}: {}\n", entry.level.word(), entry.text);
        if is_broken_pipe(&io::stderr().write_all(text.as_bytes())) {
            self.natively.store(true, Ordering::Relaxed);
            self.tell_journald(entry);
        }
    }

    fn tell_journald(&self, entry: &Entry<'_>) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let text = format!("{missed} lines are missing here: journald did not take them");
            let details = Map::from_iter([("lines".to_owned(), missed.into())]);
            let gap = Entry { level: Level::Warn, event: "lines-missed", details: &details, text: &text };
            if self.send(&gap).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                self.missed.fetch_add(missed + 1, Ordering::Relaxed);
                return;
            }
        }
        match self.send(entry) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            // A standard error that is closed, too, is nobody's loss but the reader's.
            Err(_) => drop(
                io::stderr().write_all(format!("<{}>{}\n", entry.level.priority(), entry.text).as_bytes()),
            ),
        }
    }

    fn send(&self, entry: &Entry<'_>) -> io::Result<()> {
        let Some(journald) = &self.journald else { return Err(ErrorKind::NotConnected.into()) };
        // By its name each time: journald may have begun again.
        journald.socket.send_to(&datagram(entry), &journald.path).map(drop)
    }
}

fn is_broken_pipe(written: &io::Result<()>) -> bool {
    written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Whether journald reads our standard error: the environment names the socket it gave to whoever was started, which need
/// not be what we have now (systemd.exec(5), `$JOURNAL_STREAM`).
pub(crate) fn is_journalds() -> bool {
    let Some(named) = env::var_os("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|here| named.to_str() == Some(&format!("{}:{}", here.st_dev, here.st_ino)))
}

/// An entry as journald's protocol has it.
fn datagram(entry: &Entry<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    put(&mut bytes, "MESSAGE", entry.text);
    put(&mut bytes, "PRIORITY", &entry.level.priority().to_string());
    put(&mut bytes, "SYSLOG_IDENTIFIER", "syncd");
    put(&mut bytes, "SYNCD_EVENT", entry.event);
    for (name, value) in entry.details {
        let name = format!("SYNCD_{}", name.to_uppercase().replace('-', "_"));
        match value {
            Value::Null => {}
            Value::String(text) => put(&mut bytes, &name, text),
            other => put(&mut bytes, &name, &other.to_string()),
        }
    }
    bytes
}

/// A field. One with a newline has its length before it, or it would be two.
fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry<'a>(text: &'a str, details: &'a Map<String, Value>) -> Entry<'a> {
        Entry { level: Level::Warn, event: "commit-failed", details, text }
    }

    #[test]
    fn each_field_is_a_line_and_one_with_lines_has_its_length() {
        let details = json!({ "flow": "udp", "took_s": 1.5, "existing": null, "lines": 2 });
        let bytes = datagram(&entry("one\ntwo", details.as_object().unwrap()));
        let message = b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n";
        let rest = "PRIORITY=4\nSYSLOG_IDENTIFIER=syncd\nSYNCD_EVENT=commit-failed\nSYNCD_FLOW=udp\nSYNCD_LINES=2\n\
                    SYNCD_TOOK_S=1.5\n";
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(message).into_owned() + rest);
    }

    /// A full journald makes nobody wait, and hears how much it missed.
    #[test]
    fn what_journald_does_not_take_is_counted_and_told() {
        let path = env::temp_dir().join(format!("syncd-journald-{}", std::process::id()));
        let journald = UnixDatagram::bind(&path).unwrap();
        let sink = Sink::to(&path, true);
        let none = Map::new();
        while sink.missed.load(Ordering::Relaxed) < 3 {
            sink.write(&entry("a line", &none));
        }
        journald.set_nonblocking(true).unwrap();
        let hear = || {
            let mut bytes = [0; 4096];
            journald.recv(&mut bytes).ok().map(|len| String::from_utf8_lossy(&bytes[..len]).into_owned())
        };
        while hear().is_some() {}
        sink.write(&entry("another line", &none));
        let gap = hear().unwrap();
        assert!(gap.starts_with("MESSAGE=3 lines are missing here"), "{gap}");
        assert!(gap.contains("\nSYNCD_EVENT=lines-missed\nSYNCD_LINES=3\n"), "{gap}");
        assert!(hear().unwrap().starts_with("MESSAGE=another line\n"));
        assert_eq!(hear(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
