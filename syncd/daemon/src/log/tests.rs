//! Whoever follows the lines of a daemon goes on with those of the next one, whenever the first one hangs up.

use std::io::{self, Read, Write};
use std::path::Path;
use std::{env, fs, thread};

use serde_json::Map;
use socket2::Socket;
use syncd_core::replica::Sync;

use super::{follow, unit};
use crate::control::LONGEST_RECORD;
use crate::control::claim::Claim;
use crate::control::client::Client;
use crate::control::protocol::{self, Response};
use crate::journal::told::LineView;
use crate::show::tests::status;

#[test]
fn a_daemon_that_is_not_there_has_the_journal_of_its_own_unit() {
    for (socket, expected) in [
        ("/run/syncd/control", "syncd.service"),
        ("/run/syncd/blue/control", "syncd@blue.service"),
        ("/run/elsewhere/control", "syncd.service"),
    ] {
        assert_eq!(unit(Path::new(socket)), expected);
    }
}

/// A daemon that started at that moment says how it is.
fn started(at: u64) -> Response {
    let mut view = status(Sync::InSync);
    view.started_ns = at;
    Response::Status(Box::new(view))
}

fn says(text: &str) -> Response {
    Response::Told(vec![LineView {
        version: 1,
        number: 1,
        unix_ms: 0,
        monotonic_ns: 0,
        level: "info".to_owned(),
        event: "said".to_owned(),
        details: Map::new(),
        text: text.to_owned(),
        logged: true,
    }])
}

/// Serves one client: a request for each answer. The next request finds nobody.
fn serve(listener: &Socket, answers: &[Response]) {
    let (mut client, _) = listener.accept().unwrap();
    let mut buffer = vec![0; LONGEST_RECORD];
    for answer in answers {
        assert!(client.read(&mut buffer).unwrap() > 0);
        client.write_all(&protocol::encode(answer)).unwrap();
    }
}

/// Whoever reads has seen enough when this was said.
struct Until(&'static str, Vec<u8>);

impl Write for Until {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let seen = String::from_utf8_lossy(&self.1).contains(self.0);
        if seen { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

#[test]
fn a_daemon_that_hangs_up_while_it_is_asked_again_is_waited_for() {
    let directory = env::temp_dir().join(format!("syncd-follow-{}", std::process::id()));
    let claim = Claim::take(&directory.join("control")).unwrap();
    claim.socket().set_nonblocking(false).unwrap();
    let mut client = Client::connect(&directory.join("control")).unwrap();
    let daemon = thread::spawn(move || {
        serve(claim.socket(), &[started(1), says("the old one")]);
        // It takes clients until its end.
        serve(claim.socket(), &[]);
        serve(claim.socket(), &[started(1)]);
        serve(claim.socket(), &[started(2), says("the new one")]);
    });
    let mut out = Until("the new one", Vec::new());
    let ended = follow(&mut client, 0, true, false, &mut out).unwrap_err();
    assert!(ended.downcast_ref::<io::Error>().is_some(), "{ended:#}");
    let printed = String::from_utf8(out.1).unwrap();
    assert_eq!((printed.lines().count(), printed.matches("the old one").count()), (2, 1), "{printed}");
    daemon.join().unwrap();
    fs::remove_dir(&directory).unwrap();
}
