//! Labs for real: one test per scenario file, and what holds and ends a lab.
//!
//! Each needs namespaces, keepalived and nftables, and time: so `cargo test` leaves this whole program out, and
//! `cargo test -p labctl --test scenarios` runs it, as `cargo ci test` does. One lab at a time on this host. `LABCTL`
//! names the program to try (the optimised one, which has its syncd beside it); without it the one that was built for
//! this test. `LAB_SCALE=full` runs scenarios at full size, as root. A changed result is accepted as `CONTRIBUTING.md`
//! says.

mod bench;
mod doctor;
mod holder;
mod lock;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn labctl() -> Command {
    let program = env::var_os("LABCTL").unwrap_or_else(|| env!("CARGO_BIN_EXE_labctl").into());
    let mut command = Command::new(program);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

/// Runs a scenario and compares what it leaves with its snapshot.
fn scenario(name: &str) {
    let _alone = lock::HostLock::take();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = format!("scenarios/{name}.yaml");
    let scale = env::var_os("LAB_SCALE").unwrap_or_else(|| "usual".into());
    let mut command = labctl();
    command.args(["run", &file, "--snapshot"]).arg(&directory).arg("--scale").arg(scale);
    let output = command.output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");

    let seen = fs::read_to_string(directory.join(format!("{name}.txt"))).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../snapshots/lab");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, seen));
    println!("{told}");
}

#[test]
fn failover_kill_primary() {
    scenario("failover-kill-primary");
}

#[test]
fn failover_graceful() {
    scenario("failover-graceful");
}

#[test]
fn alike() {
    scenario("alike");
}

#[test]
fn preload_kill_primary() {
    scenario("preload-kill-primary");
}

#[test]
fn preload_return() {
    scenario("preload-return");
}

#[test]
fn failback() {
    scenario("failback");
}

#[test]
fn link_down() {
    scenario("link-down");
}

#[test]
fn unicast() {
    scenario("unicast");
}

#[test]
fn ipv6() {
    scenario("ipv6");
}

#[test]
fn lossy_link() {
    scenario("lossy-link");
}

#[test]
fn daemon_restart() {
    scenario("daemon-restart");
}

#[test]
fn reload() {
    scenario("reload");
}

#[test]
fn no_sync() {
    scenario("no-sync");
}

#[test]
fn conntrackd_pair() {
    scenario("conntrackd-pair");
}

#[test]
fn ftp_passive() {
    scenario("ftp-passive");
}

#[test]
fn ftp_active() {
    scenario("ftp-active");
}

#[test]
fn sip_call() {
    scenario("sip-call");
}

#[test]
fn no_sync_helpers() {
    scenario("no-sync-helpers");
}

#[test]
fn conntrackd_helpers() {
    scenario("conntrackd-helpers");
}

#[test]
fn interop_conntrackd_to_syncd() {
    scenario("interop-conntrackd-to-syncd");
}

#[test]
fn interop_syncd_to_conntrackd() {
    scenario("interop-syncd-to-conntrackd");
}

#[test]
fn migrate() {
    scenario("migrate");
}

#[test]
fn overload_hang() {
    scenario("overload-hang");
}

#[test]
fn overload_bulk() {
    scenario("overload-bulk");
}

#[test]
fn overload_commit() {
    scenario("overload-commit");
}

#[test]
fn overload_link_down() {
    scenario("overload-link-down");
}

#[test]
fn overload_restart() {
    scenario("overload-restart");
}

#[test]
fn overload_deaf_peer() {
    scenario("overload-deaf-peer");
}

#[test]
fn conntrackd_loses_hang() {
    scenario("conntrackd-loses-hang");
}

#[test]
fn conntrackd_loses_link_down() {
    scenario("conntrackd-loses-link-down");
}

#[test]
fn conntrackd_loses_restart() {
    scenario("conntrackd-loses-restart");
}

#[test]
fn overload_narrow_link() {
    scenario("overload-narrow-link");
}

#[test]
fn stale_return() {
    scenario("stale-return");
}

#[test]
fn stale_return_unheard() {
    scenario("stale-return-unheard");
}

#[test]
fn overload_mute() {
    scenario("overload-mute");
}

#[test]
fn overload_full_table() {
    scenario("overload-full-table");
}

#[test]
fn overload_full_cache() {
    scenario("overload-full-cache");
}

#[test]
fn ftp_ipv6() {
    scenario("ftp-ipv6");
}

#[test]
fn split() {
    scenario("split");
}

#[test]
fn split_unlinked() {
    scenario("split-unlinked");
}

#[test]
fn return_ready() {
    scenario("return-ready");
}

#[test]
fn return_alone() {
    scenario("return-alone");
}

#[test]
fn return_unready() {
    scenario("return-unready");
}

#[test]
fn handover() {
    scenario("handover");
}

#[test]
fn handover_unready() {
    scenario("handover-unready");
}
