//! What is recorded is in the file, or the recording says why not; replication never waits for a disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use syncd_core::filter::Filter;
use syncd_core::recording::{Decoder, Input, Scratch};
use syncd_core::replica::{ChannelId, Config, Ends};
use syncd_core::wire::Options;

use super::*;

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn start() -> Start<'static> {
    let config = Config {
        filter: Filter::default(),
        internal_limit: 1,
        external_limit: 1,
        channels: 1,
        wire: Options::default(),
        ends: Ends::Told,
        peer_keeps: 1,
    };
    Start { config, entropy: [0; 32], datagram_limit: 1471, unix_seconds: 0, program: "syncd" }
}

/// The entries of a recording, which must be undamaged.
fn entries(bytes: &[u8]) -> Vec<String> {
    let mut bytes = bytes;
    let (mut decoder, mut scratch, mut entries) = (Decoder::default(), Scratch::default(), Vec::new());
    while let Some((entry, consumed)) = decoder.next(bytes, &mut scratch).unwrap() {
        entries.push(format!("{entry:?}"));
        bytes = &bytes[consumed..];
    }
    assert!(bytes.is_empty());
    entries
}

#[test]
fn it_is_its_owners_file_and_never_overwritten() {
    let path = std::env::temp_dir().join(format!("syncd-recorder-{}", std::process::id()));
    let recording = Recording::begin(&path, at(1), start()).unwrap();
    recording.write(&Entry::Input(at(2), Input::Overrun));
    recording.end(at(3));
    let bytes = fs::read(&path).unwrap();
    assert_eq!(entries(&bytes)[1..], ["Input(Instant(2000000), Overrun)", "End(Instant(3000000))"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let refused = Recording::begin(&path, at(1), start()).unwrap_err().to_string();
    assert!(refused.contains("it exists; give another --record"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    fs::remove_file(&path).unwrap();
    let nowhere = Recording::begin(&path.join("deeper"), at(1), start()).unwrap_err().to_string();
    assert!(nowhere.contains("its directory must be there"), "{nowhere}");
}

/// A disk that says when it is written to, and then waits to be allowed.
struct Disk(Sender<Vec<u8>>, Receiver<()>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        self.1.recv().map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_older_than_a_second_is_handed_over() {
    let (tell, written) = channel();
    let (allow, allowed) = channel();
    let recording = Recording::onto(Disk(tell, allowed), at(0), start()).unwrap();
    let mut file = written.recv().unwrap();
    assert_eq!(entries(&file).len(), 1, "the start is there at once");
    allow.send(()).unwrap();
    recording.write(&Entry::Input(at(10), Input::Overrun));
    assert_eq!(recording.keep_up(at(999)), None);
    recording.write(&Entry::Input(at(999), Input::Overrun));
    assert_eq!(recording.keep_up(at(1000)), None);
    file.extend(written.recv().unwrap());
    assert_eq!(entries(&file).len(), 3, "the two entries came together");
    allow.send(()).unwrap();
}

#[test]
fn a_disk_that_cannot_follow_ends_the_recording_and_nothing_else() {
    let (tell, written) = channel();
    let (allow, allowed) = channel();
    let recording = Recording::onto(Disk(tell, allowed), at(0), start()).unwrap();
    let bytes = [0; 1471];
    let mut ended = None;
    let mut recorded = 0;
    while ended.is_none() {
        recording.write(&Entry::Input(at(recorded), Input::Datagram(ChannelId(0), &bytes)));
        recorded += 1;
        ended = recording.keep_up(at(0));
        assert!(recorded < 100_000, "the disk takes nothing");
    }
    assert_eq!(ended.as_deref(), Some("the disk cannot follow, 16 MiB wait for it"));
    recording.write(&Entry::Input(at(0), Input::Overrun));
    assert_eq!(recording.keep_up(at(5000)), None, "it is told once");
    drop(allow);
    assert!(written.recv().is_ok());
}

#[test]
fn a_full_disk_ends_it_with_its_own_words() {
    let (tell, written) = channel();
    let (allow, allowed) = channel::<()>();
    let recording = Recording::onto(Disk(tell, allowed), at(0), start()).unwrap();
    drop(allow);
    // The writer's thread has to meet the error first.
    let ended = loop {
        match recording.keep_up(at(1000)) {
            Some(ended) => break ended,
            None => thread::yield_now(),
        }
    };
    assert_eq!(ended, "no storage space");
    drop(written);
}

#[test]
fn a_panic_hands_over_what_waits() {
    let (tell, written) = channel();
    let (allow, allowed) = channel();
    let recording = Recording::onto(Disk(tell, allowed), at(0), start()).unwrap();
    let mut file = written.recv().unwrap();
    recording.write(&Entry::Input(at(10), Input::Overrun));
    allow.send(()).unwrap();
    allow.send(()).unwrap();
    // What the hook does; a hook of the process would be one of every test here.
    recording.0.try_lock().unwrap().close();
    file.extend(written.recv().unwrap());
    assert_eq!(entries(&file).len(), 2);
}
