//! A network namespace of its own for one test, with or without root.
//!
//! A test cannot move itself: the test harness has threads, and `CLONE_NEWUSER` wants a process with one. So the test
//! starts this very program again through `unshare(1)`, told to run only that test, and passes when it does. The
//! namespace dies with that process. Where namespaces are not available the test fails and says what is missing.
#![expect(
    clippy::disallowed_macros,
    reason = "the test inside speaks to the test outside on its standard output"
)]

use std::process::{Command, Stdio};
use std::{env, fs};

/// Names the test that the process was started for.
const INSIDE: &str = "SYNCD_TEST_NAMESPACE";
/// Printed as soon as the namespace is there.
const ENTERED: &str = "inside a namespace of its own";

/// Runs `body` in a new network namespace. `test` is the name of the calling test.
pub(crate) fn run(test: &str, body: fn()) {
    if env::var(INSIDE).is_ok_and(|name| name == test) {
        println!("{ENTERED}");
        // Else an entry that is born while nobody on the host listens would be silent for ever.
        let sysctl = "/proc/sys/net/netfilter/nf_conntrack_events";
        fs::write(sysctl, "1").unwrap_or_else(|error| panic!("cannot write {sysctl}: {error}"));
        return body();
    }
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let output = command
        .args(["--net", "--"])
        .arg(env::current_exe().expect("the path of this test"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start unshare(1) of the package util-linux: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        out.contains(ENTERED),
        "this test needs a network namespace of its own: run it as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)\n{out}{err}"
    );
    print!("{out}");
    assert!(output.status.success(), "inside the namespace the test failed:\n{out}{err}");
}
