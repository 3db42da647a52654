//! The one thing about sockets that can be seen without one: how `/proc/net/netlink` is read.

use super::*;

#[test]
fn drops_are_found_by_protocol_and_port() {
    let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
                 0000000081d6105c 0   77         00000000 0        0        0     2        1        4       \n\
                 000000006040f9ef 12  77         00000007 0        0        0     2        2898     404     \n\
                 000000006040f9e0 12  4294962990 00000007 0        0        0     2        5        405     \n";
    assert_eq!(drops_of(table, 77), Some(2898));
    assert_eq!(drops_of(table, 4_294_962_990), Some(5));
    assert_eq!(drops_of(table, 78), None);
}
