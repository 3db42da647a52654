//! Links, addresses and routes of one network namespace, through rtnetlink.
//!
//! A netlink socket belongs to the namespace in which it was made: each call makes one on a thread inside, uses it and
//! lets it go, so that no socket keeps a dead node's namespace alive. Never waits for anything but the kernel's answer.
//! Driven by `mod.rs`, `faults` and `probes`; tested through the scenarios.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::link::namespace;
use crate::scenario::Prefix;

/// Runs `body` with a netlink connection of the namespace.
fn connected(
    ns: BorrowedFd<'_>,
    body: impl AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error> + Send,
) -> io::Result<()> {
    namespace::run_in(ns, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            let driver = tokio::spawn(connection);
            let result = body(handle).await;
            driver.abort();
            result.map_err(said)
        })
    })
}

/// The kernel's own words; the library prints its whole request.
fn said(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

fn index(name: &str) -> Result<u32, rtnetlink::Error> {
    if_nametoindex(name).map_err(|_| rtnetlink::Error::InvalidNla(format!("no interface is called {name}")))
}

/// Makes a bridge that floods multicast: VRRP's receivers join no group that it would learn of in time.
pub(super) fn add_bridge(ns: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let bridge = LinkBridge::new(name).mcast_snooping(false).build();
    connected(ns, async |handle| handle.link().add(bridge).execute().await)
}

/// Makes a pair of interfaces with its ends where they belong, in one message: neither is ever anywhere else.
pub(super) fn add_veth(a: (BorrowedFd<'_>, &str), b: (BorrowedFd<'_>, &str)) -> io::Result<()> {
    let peer = LinkMessageBuilder::<LinkUnspec>::new().name(b.1).setns_by_fd(b.0.as_raw_fd()).build();
    let pair = LinkMessageBuilder::<LinkVeth>::new(a.1, b.1)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .setns_by_fd(a.0.as_raw_fd())
        .build();
    connected(b.0, async |handle| handle.link().add(pair).execute().await)
}

/// Makes an interface a port of a bridge.
pub(super) fn enslave(ns: BorrowedFd<'_>, port: &str, bridge: &str) -> io::Result<()> {
    connected(ns, async |handle| {
        let message = LinkUnspec::new_with_index(index(port)?).controller(index(bridge)?).build();
        handle.link().set(message).execute().await
    })
}

/// Takes an interface out of its bridge.
///
/// # Errors
/// What the kernel said, or that there is no such interface.
pub(crate) fn release(ns: BorrowedFd<'_>, port: &str) -> io::Result<()> {
    connected(ns, async |handle| {
        let message = LinkUnspec::new_with_index(index(port)?).nocontroller().build();
        handle.link().set(message).execute().await
    })
}

/// Switches an interface on or off.
///
/// # Errors
/// What the kernel said, or that there is no such interface.
pub(crate) fn set_link(ns: BorrowedFd<'_>, name: &str, up: bool) -> io::Result<()> {
    connected(ns, async |handle| {
        let message = LinkUnspec::new_with_index(index(name)?);
        let message = if up { message.up() } else { message.down() };
        handle.link().set(message.build()).execute().await
    })
}

/// Removes an interface, and its far end with it.
///
/// # Errors
/// What the kernel said, or that there is no such interface.
pub(crate) fn delete_link(ns: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    connected(ns, async |handle| handle.link().del(index(name)?).execute().await)
}

/// Gives an interface an address that is usable at once.
pub(super) fn add_address(ns: BorrowedFd<'_>, name: &str, address: Prefix) -> io::Result<()> {
    connected(ns, async |handle| {
        let mut request = handle.address().add(index(name)?, address.address, address.length);
        if address.address.is_ipv6() {
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        request.execute().await
    })
}

/// Sends everything else to a router.
pub(super) fn add_gateway(ns: BorrowedFd<'_>, via: IpAddr) -> io::Result<()> {
    connected(ns, async |handle| {
        let message = match via {
            IpAddr::V4(via) => RouteMessageBuilder::<std::net::Ipv4Addr>::new().gateway(via).build(),
            IpAddr::V6(via) => RouteMessageBuilder::<std::net::Ipv6Addr>::new().gateway(via).build(),
        };
        handle.route().add(message).execute().await
    })
}

/// Makes an interface forget who answers for which address: the kernel does so when its use of ARP is switched.
///
/// # Errors
/// What the kernel said, or that there is no such interface.
pub(crate) fn forget_neighbours(ns: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    connected(ns, async |handle| {
        for arp in [false, true] {
            let message = LinkUnspec::new_with_index(index(name)?).arp(arp).build();
            handle.link().set(message).execute().await?;
        }
        Ok(())
    })
}

/// All addresses of a namespace.
///
/// # Errors
/// What the kernel said.
pub(crate) fn addresses(ns: BorrowedFd<'_>) -> io::Result<Vec<IpAddr>> {
    namespace::run_in(ns, || {
        let found = getifaddrs()?.filter_map(|interface| interface.address).filter_map(|address| {
            let ipv4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            ipv4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        });
        Ok(found.collect())
    })
}
