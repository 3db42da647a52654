//! The addresses that this router has by itself. A shared address is not among them while the router stands by.
//!
//! Driven by the gate; tested end to end.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

/// Those of every interface of this network namespace, as they are now.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let entries = getifaddrs()?;
    let address = |entry: nix::ifaddrs::InterfaceAddress| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    Ok(entries.filter_map(address).collect())
}
