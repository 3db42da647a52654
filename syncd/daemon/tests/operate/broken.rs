//! A list whose daemon ends in the middle of it: it is told, and nobody takes the part for the whole.

use std::io::Read;

use super::*;

const MANY: u16 = 2_000;

/// Begins to read, lets `happen` in the middle, and reads on: the exit code, what was printed, and what was said of it.
fn read_while(
    router: &mut Router,
    style: &str,
    happen: impl FnOnce(&mut Router),
) -> (Option<i32>, String, String) {
    let socket = router.path("control").to_string_lossy().into_owned();
    let words = [env!("CARGO_BIN_EXE_syncd"), "show", "conntrack-sync", "internal-cache", style, "--socket"];
    let words = [&words[..], &[socket.as_str()]].concat();
    let mut command = router.program(&words);
    let mut reader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("syncd starts");
    let (mut out, mut err) = (reader.stdout.take().expect("a pipe"), reader.stderr.take().expect("a pipe"));
    let mut first = [0];
    out.read_exact(&mut first).expect("it prints");
    // The pipe takes 64 kB of some hundreds: the reader cannot have come to the end.
    happen(router);
    let (mut printed, mut said) = (String::from_utf8_lossy(&first).into_owned(), String::new());
    out.read_to_string(&mut printed).expect("text");
    err.read_to_string(&mut said).expect("text");
    (reader.wait().expect("it ends").code(), printed, said)
}

#[test]
fn a_list_that_breaks_off_says_so() {
    lab::run("operate::broken::a_list_that_breaks_off_says_so", || {
        let (mut r1, _r2) = two_routers();
        let many: Vec<Flow> = (1..=MANY).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        r1.start_plainly(MULTICAST);
        insert(&r1, &many);
        wait_for("the flows are there", || status(&r1)["internal_flows"] == MANY);

        for style in ["--json", "--xml"] {
            let (code, printed, said) = read_while(&mut r1, style, |router| {
                text(router, &["restart", "conntrack-sync"]);
            });
            assert_eq!(code, Some(1), "{style}: {said}");
            assert!(said.starts_with("syncd: the list breaks off after "), "{style}: {said}");
            assert!(said.contains("the daemon was restarted meanwhile; ask again"), "{style}: {said}");
            assert!(printed.lines().count() < usize::from(MANY), "{style}");
            assert!(
                style != "--json" || serde_json::from_str::<Value>(&printed).is_err(),
                "a part is no document"
            );
            wait_for("the flows are there again", || status(&r1)["internal_flows"] == MANY);
        }
        let (code, printed, said) = read_while(&mut r1, "--json", |router| {
            router.end(Signal::SIGKILL);
        });
        assert_eq!(code, Some(3), "{said}");
        assert!(said.starts_with("syncd: the list breaks off after "), "{said}");
        assert!(said.contains("cannot reach the daemon"), "{said}");
        assert!(serde_json::from_str::<Value>(&printed).is_err(), "a part is no document");
    });
}
