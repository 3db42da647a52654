//! `sim replay` as a program: a seed, a recording, one that was cut off, changed, or never was one.

use std::path::PathBuf;
use std::process::{Command, Output as Finished};
use std::{env, fs};

use syncd_core::filter::Filter;
use syncd_core::flow::{Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, Tuple};
use syncd_core::recording::{self, Entry, Input, Recorder, Start};
use syncd_core::replica::{
    ChannelId, Command as Told, Config, Ends, KernelReply, KernelRequest, Notice, Outside, PEER_KEEPS,
    Replica, Reply, RequestId, Role, Token,
};
use syncd_core::time::Instant;
use syncd_core::wire::{Datagram, Options};

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(7_000_000_000 + millis * 1_000_000)
}

/// A daemon that has room for everything and a kernel that says yes.
struct Yes(Datagram, Vec<Token>);

impl Outside for Yes {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        Some(&mut self.0)
    }

    fn transmit(&mut self, _channel: ChannelId) {}

    fn can_request(&self) -> bool {
        true
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        if let KernelRequest::Dump { token } | KernelRequest::Create { token, .. } = request {
            self.1.push(token);
        }
    }

    fn reply(&mut self, _id: RequestId, _reply: Reply) {}

    fn notice(&mut self, _notice: Notice) {}
}

/// A second of a primary's life, in which some role is on record.
fn second(recorded: Role) -> Vec<u8> {
    let config = Config {
        filter: Filter::default(),
        internal_limit: 1000,
        external_limit: 1000,
        channels: 1,
        wire: Options::default(),
        ends: Ends::Told,
        peer_keeps: PEER_KEEPS,
    };
    let entropy = [3; 32];
    let start =
        Start { config: config.clone(), entropy, datagram_limit: 1471, unix_seconds: 5, program: "a test" };
    let mut recorder = Recorder::new(at(0), start);
    let mut replica = Replica::new(config, entropy, at(0));
    let mut yes = Yes(Datagram::with_limit(1471), Vec::new());
    let tuple = Tuple { source: Address::from_v4([10, 1, 0, 2]), ..Tuple::default() };
    let mut flow = Flow::new(Family::V4, Protocol::UDP, tuple);
    flow.status = Status(0x18e);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    let inputs = [
        Input::Channel(ChannelId(0), true),
        Input::Command(RequestId(1), Told::Role(Role::Primary)),
        Input::Flow(Origin::Kernel, Change::New, (&flow).into()),
        Input::Overrun,
    ];
    for (input, millis) in inputs.into_iter().zip((0..).step_by(250)) {
        let mut feed = |input: Input<'_>| {
            let on_record = match input {
                Input::Command(id, Told::Role(_)) => Input::Command(id, Told::Role(recorded)),
                other => other,
            };
            recorder.write(&Entry::Input(at(millis), on_record));
            input.apply(&mut replica, at(millis));
        };
        feed(input);
        for token in yes.1.drain(..) {
            feed(Input::Kernel(KernelReply::Begun(token)));
            feed(Input::Kernel(KernelReply::Done(token)));
        }
        recording::turn(&mut replica, at(millis), &mut yes, |entry| recorder.write(entry));
    }
    recorder.write(&Entry::End(at(1000)));
    recorder.take(Vec::new())
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).expect("cargo made the directory");
    path
}

fn sim(arguments: &[&str]) -> (Option<i32>, String) {
    let Finished { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("sim starts");
    (status.code(), String::from_utf8(stdout).expect("text") + &String::from_utf8_lossy(&stderr))
}

#[test]
fn a_number_is_a_seed() {
    let (code, said) = sim(&["replay", "5", "--seconds", "1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("seed 5: "), "{said}");
}

#[test]
fn a_recording_is_replayed_and_traced() {
    let path = file("whole", &second(Role::Primary));
    let (code, said) = sim(&["replay", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("the same: ") && said.ends_with("; ended on purpose\n"), "{said}");

    let (_, traced) = sim(&["replay", "--trace", path.to_str().unwrap()]);
    let line = |words: &str| traced.lines().filter(|line| line.contains(words)).count();
    assert_eq!((line("start     by a test at 5 s"), line("flow      New Kernel udp")), (1, 1), "{traced}");
    assert_eq!((line("     0.750000 overrun"), line("0 turn")), (1, 4), "{traced}");
    assert!(
        line("notice    RoleEntered { from: Unknown, to: Primary }") == 1 && line("sent      link 0, ") >= 1
    );
    assert!(traced.ends_with(&said), "{traced}");
}

#[test]
fn what_was_cut_off_is_good_up_to_there() {
    let bytes = second(Role::Primary);
    let path = file("cut", &bytes[..bytes.len() - 10]);
    let (code, said) = sim(&["replay", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it has no end: its daemon was killed, "), "{said}");
}

#[test]
fn a_difference_is_named_with_its_time_and_both_values() {
    let path = file("different", &second(Role::Backup));
    let (code, said) = sim(&["replay", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "DIFFERENT at 0.250000 s: turn 2 differs"), "{said}");
    let values = (lines[1].strip_prefix("  recorded: "), lines[2].strip_prefix("  replayed: "));
    let (Some(recorded), Some(replayed)) = values else { panic!("{said}") };
    assert!(!recorded.is_empty() && !replayed.is_empty() && recorded != replayed, "{said}");
}

#[test]
fn damage_is_told_apart_from_a_difference() {
    let mut bytes = second(Role::Primary);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = file("damaged", &bytes);
    let (code, said) = sim(&["replay", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("DAMAGED after "), "{said}");
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    for (name, bytes) in [("empty", &b""[..]), ("short", b"SYNC"), ("text", b"conntrack-sync:\n")] {
        let path = file(name, bytes);
        let (code, said) = sim(&["replay", path.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("it is no recording of syncd"), "{said}");
    }
    let other = file("other", b"SYNCDREC\xff\xff");
    assert!(sim(&["replay", other.to_str().unwrap()]).1.contains("use the sim of the syncd that wrote it"));
    let (code, said) = sim(&["replay", "nowhere-at-all"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot read the recording nowhere-at-all"), "{said}");
}
