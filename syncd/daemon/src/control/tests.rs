//! Who may listen, who is served, and what a broken client is answered.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::mpsc;

use super::claim::{Claim, ClaimError};
use super::client::{CallError, Client};
use super::protocol::{self, Request, Response};
use super::server::{self, Call, MAX_CLIENTS};
use crate::journal::told::Told;

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("syncd-control-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn only_the_owner_may_use_it_and_it_goes_with_its_owner() {
    let directory = Directory::new("mode");
    let claim = Claim::take(&directory.socket()).unwrap();
    assert_eq!(fs::metadata(directory.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    drop(claim);
    assert!(!directory.socket().exists());
}

#[test]
fn the_socket_of_a_dead_daemon_is_no_obstacle() {
    let directory = Directory::new("stale");
    let dead = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    dead.bind(&SockAddr::unix(directory.socket()).unwrap()).unwrap();
    dead.listen(1).unwrap();
    drop(dead);
    assert!(directory.socket().exists());
    Claim::take(&directory.socket()).unwrap();
}

#[test]
fn a_live_daemon_is_respected_and_named() {
    let directory = Directory::new("live");
    let _first = Claim::take(&directory.socket()).unwrap();
    let Err(ClaimError::Running { pid, .. }) = Claim::take(&directory.socket()) else {
        panic!("two daemons listen");
    };
    assert_eq!(pid, i32::try_from(std::process::id()).unwrap());
}

#[test]
fn of_two_that_start_together_one_listens() {
    let directory = Directory::new("race");
    for _ in 0..20 {
        let path = directory.socket();
        let claims = thread::scope(|scope| {
            let claims = [(); 4].map(|()| scope.spawn(|| Claim::take(&path)));
            claims.map(|claim| claim.join().unwrap())
        });
        assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1);
    }
}

#[test]
fn what_is_no_socket_is_not_removed() {
    let directory = Directory::new("file");
    fs::write(directory.socket(), "precious").unwrap();
    assert!(matches!(Claim::take(&directory.socket()), Err(ClaimError::Other { .. })));
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "precious");
}

/// Serves clients with a daemon that says "done" to everything, while `talk` runs.
fn served(name: &str, talk: impl FnOnce(PathBuf)) {
    let directory = Directory::new(name);
    let claim = Arc::new(Claim::take(&directory.socket()).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let daemon = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let (tell, mut calls) = mpsc::channel::<Call>(1);
            tokio::spawn(server::serve(claim, tell, Arc::new(Told::new())));
            let answer = async {
                while let Some(call) = calls.recv().await {
                    drop(call.answer.send(Response::Done));
                }
            };
            tokio::select! { () = answer => {}, _ = stopped => {} }
        });
    });
    talk(directory.socket());
    drop(stop);
    daemon.join().unwrap();
}

#[test]
fn a_client_asks_as_often_as_it_likes() {
    served("asks", |path| {
        let mut client = Client::connect(&path).unwrap();
        for _ in 0..3 {
            assert_eq!(client.call(&Request::Status).unwrap(), Response::Done);
        }
    });
}

#[test]
fn nonsense_and_other_versions_are_refused_in_words() {
    served("nonsense", |path| {
        let mut socket = super::connect(&path).unwrap();
        let records: [&[u8]; 4] = [
            b"hello",
            b"{\"version\":2,\"says\":\"status\"}",
            b"{\"version\":1,\"says\":\"dance\"}",
            &[0xff; 64],
        ];
        for record in records {
            socket.write_all(record).unwrap();
            let mut answer = [0; 4096];
            let len = socket.read(&mut answer).unwrap();
            let answer = protocol::decode::<Response>(&answer[..len]).unwrap();
            assert!(matches!(answer, Response::Refused { .. }), "{answer:?}");
        }
        // And the conversation goes on.
        socket.write_all(&protocol::encode(&Request::Status)).unwrap();
        let mut answer = [0; 4096];
        let len = socket.read(&mut answer).unwrap();
        assert_eq!(protocol::decode(&answer[..len]), Ok(Response::Done));
    });
}

#[test]
fn a_refusal_that_quotes_fits_a_record_whatever_it_quotes() {
    served("quotes", |path| {
        let mut socket = super::connect(&path).unwrap();
        let quotes = "\\\"".repeat(90_000);
        let role = r#"{"role":{"role":"king","group":null,"wait":true}}"#.replace("king", &quotes);
        for record in [format!("{{\"version\":\"{quotes}\"}}"), format!("{{\"version\":1,\"says\":{role}}}")]
        {
            socket.write_all(record.as_bytes()).unwrap();
            let mut answer = vec![0; super::LONGEST_RECORD];
            let len = socket.read(&mut answer).unwrap();
            assert!(0 < len && len < 10_000, "an answer of {len} bytes");
        }
    });
}

#[test]
fn the_number_of_clients_is_bounded_and_a_place_is_given_back() {
    served("bounded", |path| {
        let mut clients: Vec<Client> = (0..MAX_CLIENTS).map(|_| Client::connect(&path).unwrap()).collect();
        for client in &mut clients {
            client.call(&Request::Status).unwrap();
        }
        let one_more = Client::connect(&path).unwrap().call(&Request::Status);
        assert!(
            matches!(one_more, Err(CallError::Refused { .. } | CallError::HungUp { .. })),
            "{one_more:?}"
        );
        drop(clients);
        // The server hears of the ends a moment later.
        let again = (0..1000).any(|_| Client::connect(&path).unwrap().call(&Request::Status).is_ok());
        assert!(again);
    });
}

#[test]
fn without_a_daemon_the_client_says_so() {
    let directory = Directory::new("nobody");
    let error = Client::connect(&directory.socket()).unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }));
}
