//! Which interfaces belong to another one: ports of a bridge, links of a bond, members of a VRF.
//!
//! Asked of the kernel over rtnetlink, in the present network namespace. Only what `IFLA_MASTER` and `IFLA_INFO_SLAVE_KIND`
//! say is read (`linux/if_link.h`). Tested below and by `check --here`, end to end.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const DUMP: u16 = 0x1 | 0x300;
/// `nlmsghdr` and `ifinfomsg`, in bytes.
const HEADERS: usize = 16 + 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
/// The kernel fills no larger buffer in one go.
const LONGEST: usize = 64 * 1024;

/// What an interface belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    /// `vrf`, `bridge`, `bond` ...
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
}

/// Of all interfaces that belong to one, by name.
///
/// # Errors
///
/// When the kernel refuses the list.
pub(super) fn all() -> io::Result<HashMap<String, Master>> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let mut request = Vec::with_capacity(HEADERS);
    request.extend_from_slice(&(HEADERS as u32).to_ne_bytes());
    request.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    request.extend_from_slice(&DUMP.to_ne_bytes());
    request.resize(HEADERS, 0);
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut listing = Listing::default();
    let mut buffer = vec![0; LONGEST];
    loop {
        let len = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if listing.take(&buffer[..len])? {
            return Ok(listing.masters());
        }
    }
}

/// A dump, as it comes.
#[derive(Debug, Default)]
struct Listing {
    names: HashMap<u32, String>,
    /// Name, index of the master, kind.
    slaves: Vec<(String, u32, String)>,
}

impl Listing {
    /// Takes in a datagram. Whether it was the last.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while let Some((len, kind)) = number32(bytes, 0).zip(number16(bytes, 4)) {
            let Some(message) = bytes.get(..len as usize).filter(|message| message.len() >= 16) else {
                break;
            };
            match kind {
                NLMSG_DONE => return Ok(true),
                NLMSG_ERROR => {
                    let error = number32(message, 16).map_or(0, |number| number.cast_signed().wrapping_neg());
                    return Err(io::Error::from_raw_os_error(error));
                }
                RTM_NEWLINK => self.link(message),
                _ => {}
            }
            bytes = bytes.get(message.len().next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }

    fn link(&mut self, message: &[u8]) {
        let Some(index) = number32(message, 16 + 4) else { return };
        let (mut name, mut master, mut kind) = (None, None, None);
        for (attribute, value) in attributes(message.get(HEADERS..).unwrap_or_default()) {
            match attribute {
                IFLA_IFNAME => name = Some(text(value)),
                IFLA_MASTER => master = number32(value, 0),
                IFLA_LINKINFO => {
                    let mut inner = attributes(value);
                    kind =
                        inner.find(|(kind, _)| *kind == IFLA_INFO_SLAVE_KIND).map(|(_, value)| text(value));
                }
                _ => {}
            }
        }
        let Some(name) = name else { return };
        if let Some((master, kind)) = master.zip(kind) {
            self.slaves.push((name.clone(), master, kind));
        }
        self.names.insert(index, name);
    }

    fn masters(self) -> HashMap<String, Master> {
        let Self { names, slaves } = self;
        let named = |(slave, master, kind)| {
            let name = names.get(&master)?.clone();
            Some((slave, Master { kind, name }))
        };
        slaves.into_iter().filter_map(named).collect()
    }
}

/// Attributes, until one makes no sense.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (len, kind) = number16(bytes, 0).zip(number16(bytes, 2))?;
        let value = bytes.get(4..usize::from(len))?;
        bytes = bytes.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        // The upper two bits say that it is nested, and how its numbers stand.
        Some((kind & 0x3fff, value))
    })
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel said of `e0`, which belongs to the bridge `br0`, and of three more. For a VRF its kind is in the same place.
    const DUMP: &[u8] = include_bytes!("../../tests/fixtures/links.bin");

    #[test]
    fn a_kernels_list_is_understood_and_half_of_it_is_no_panic() {
        let mut listing = Listing::default();
        assert!(listing.take(DUMP).unwrap());
        assert_eq!(listing.names.len(), 4, "{listing:?}");
        let masters = listing.masters();
        let bridge = Master { kind: "bridge".to_owned(), name: "br0".to_owned() };
        assert_eq!(masters, HashMap::from([("e0".to_owned(), bridge)]));
        for end in 0..DUMP.len() {
            drop(Listing::default().take(&DUMP[..end]));
        }
        let mut lies = DUMP.to_vec();
        for at in 0..lies.len() {
            let byte = std::mem::replace(&mut lies[at], 0xff);
            drop(Listing::default().take(&lies));
            lies[at] = byte;
        }
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut refusal = vec![20, 0, 0, 0, 2, 0];
        refusal.resize(16, 0);
        refusal.extend_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(Listing::default().take(&refusal).unwrap_err().raw_os_error(), Some(1));
    }

    #[test]
    fn this_machine_can_be_asked() {
        all().unwrap();
    }
}
