//! Test ground: private namespaces made by the test itself, real veths between them, nothing left behind.
//!
//! Never touches the host's interfaces: the test binary runs itself again through unshare(1), the kernel removes
//! everything when that process ends. Drives the tests of `link`, `traffic` and `probes`; compiled for tests only.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::namespace::run_in;

/// Says to the test binary that it is on stage already.
const ON_STAGE: &str = "LABCTL_TEST_ON_STAGE";

/// Runs `play` in private namespaces: by root once as root and once in a user namespace of its own, by anyone else in
/// a user namespace. `module` is the test's `module_path!()`, `test` the function's name.
pub(crate) fn act(module: &str, test: &str, play: impl FnOnce()) {
    if env::var_os(ON_STAGE).is_some() {
        play();
        return;
    }
    let path = module.split_once("::").map_or(module, |(_, rest)| rest);
    let ways: &[&str] = if nix::unistd::geteuid().is_root() { &["-nm", "-Urnm"] } else { &["-Urnm"] };
    for way in ways {
        let again = Command::new("unshare")
            .arg(way)
            .arg(env::current_exe().expect("own path"))
            .args(["--exact", &format!("{path}::{test}"), "--nocapture", "--test-threads=1"])
            .env(ON_STAGE, "1")
            .output()
            .expect("unshare(1) of util-linux");
        let said = [again.stdout, again.stderr].concat();
        println!("{}", String::from_utf8_lossy(&said));
        assert!(again.status.success(), "{test} failed in `unshare {way}`");
    }
}

/// A fresh network namespace with its loopback up.
pub(crate) fn namespace() -> OwnedFd {
    let made = std::thread::spawn(|| -> io::Result<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(fs::File::open("/proc/thread-self/ns/net")?.into())
    });
    let ns = made.join().expect("thread").expect("a network namespace");
    up(ns.as_fd(), "lo");
    ns
}

/// A veth pair, one end in each namespace, both up.
pub(crate) fn veth(a: BorrowedFd<'_>, name_a: &str, b: BorrowedFd<'_>, name_b: &str) {
    let peer = LinkUnspec::new_with_name(name_b).setns_by_fd(b.as_raw_fd()).build();
    let message = LinkVeth::new(name_a, name_b).set_info_data(InfoData::Veth(InfoVeth::Peer(peer))).build();
    netlink(a, async |handle| handle.link().add(message).execute().await);
    up(a, name_a);
    up(b, name_b);
}

/// Adds an address; IPv6 without duplicate address detection, so that it can be used at once.
pub(crate) fn address(ns: BorrowedFd<'_>, interface: &str, address: IpAddr, prefix: u8) {
    let interface = interface.to_owned();
    netlink(ns, async move |handle| {
        let index = index(&interface);
        let mut add = handle.address().add(index, address, prefix);
        if address.is_ipv6() {
            add.message_mut().header.flags = AddressHeaderFlags::Nodad;
        }
        add.execute().await
    });
}

/// Sends everything else through a gateway.
pub(crate) fn gateway(ns: BorrowedFd<'_>, gateway: IpAddr) {
    netlink(ns, async move |handle| {
        let route = match gateway {
            IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new().gateway(gateway).build(),
        };
        handle.route().add(route).execute().await
    });
}

/// Writes one of the namespace's settings below `/proc/sys/net`.
pub(crate) fn setting(ns: BorrowedFd<'_>, name: &str, value: &str) {
    let path = format!("/proc/sys/net/{name}");
    run_in(ns, || fs::write(&path, value)).expect(&path);
}

/// Loads nftables rules.
pub(crate) fn rules(ns: BorrowedFd<'_>, rules: &str) {
    let load = || {
        let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().expect("a pipe").write_all(rules.as_bytes())?;
        nft.wait()
    };
    assert!(run_in(ns, load).expect("nft(8)").success(), "nft refused {rules}");
}

/// Removes an interface and with it its veth peer.
pub(crate) fn remove(ns: BorrowedFd<'_>, interface: &str) {
    let interface = interface.to_owned();
    netlink(ns, async move |handle| handle.link().del(index(&interface)).execute().await);
}

fn up(ns: BorrowedFd<'_>, interface: &str) {
    let interface = interface.to_owned();
    netlink(ns, async move |handle| {
        let message = LinkUnspec::new_with_index(index(&interface)).up().build();
        handle.link().set(message).execute().await
    });
}

fn index(interface: &str) -> u32 {
    nix::net::if_::if_nametoindex(interface).expect("the interface exists")
}

/// One request on a netlink socket of the namespace, on a thread that stays there until the answer.
fn netlink<F>(ns: BorrowedFd<'_>, request: F)
where
    F: AsyncFnOnce(rtnetlink::Handle) -> Result<(), rtnetlink::Error> + Send,
{
    run_in(ns, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            let carry = tokio::task::spawn(connection);
            let result = request(handle).await.map_err(io::Error::other);
            carry.abort();
            result
        })
    })
    .expect("rtnetlink");
}
