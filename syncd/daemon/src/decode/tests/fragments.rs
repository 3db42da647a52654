//! Datagrams in fragments, of IPv4 and IPv6: whole, out of order, twice, with a part missing, and too many at a time.

use super::*;
use crate::decode::fragments::{Fragment, Whose};

const REMEDY: &str = "use tcpdump 'udp port 3780 or ip[6:2] & 0x1fff != 0 or ip6[6] = 44'\n";

/// A payload of so many numbered messages.
fn alive_many(count: u32) -> Vec<u8> {
    (0..count).flat_map(|seq| [&ALIVE[..4], &seq.to_be_bytes()].concat()).collect()
}

/// The fragments of a UDP datagram with these messages, each with at most `size` bytes of it.
fn fragments(v6: bool, id: u8, count: u32, size: usize) -> Vec<Vec<u8>> {
    let datagram = udp(&alive_many(count));
    let last = (datagram.len() - 1) / size;
    let chunks = datagram.chunks(size).enumerate();
    let packet = |(number, chunk): (usize, &[u8])| {
        let (units, more) = (u16::try_from(number * size / 8).expect("small"), u16::from(number != last));
        let mut packet = if v6 { ipv6(44, &[], &[]) } else { ipv4(&[], 0) };
        let (head, length_at) = if v6 { (40, 4) } else { (20, 2) };
        packet.truncate(head);
        if v6 {
            packet.extend([17, 0]);
            packet.extend((units << 3 | more).to_be_bytes());
            packet.extend([0, 0, 0, id]);
        } else {
            packet[4..6].copy_from_slice(&[0, id]);
            packet[6..8].copy_from_slice(&(units | more << 13).to_be_bytes());
        }
        packet.extend(chunk);
        let length = packet.len() - if v6 { 40 } else { 0 };
        let length = u16::try_from(length).expect("short").to_be_bytes();
        packet[length_at..length_at + 2].copy_from_slice(&length);
        packet
    };
    chunks.map(packet).collect()
}

fn read(packets: &[Vec<u8>]) -> String {
    alive(&classic(false, 0xa1b2_c3d4, 101, packets))
}

#[test]
fn fragments_are_put_together_in_any_order() {
    for v6 in [false, true] {
        let parts = fragments(v6, 1, 225, 1448);
        assert_eq!(parts.len(), 2, "1,808 bytes");
        let reversed = [parts[1].clone(), parts[0].clone()];
        // A capture of every interface has packets twice.
        let doubled = [parts[0].clone(), parts[0].clone(), parts[1].clone()];
        for packets in [&parts[..], &reversed, &doubled] {
            let text = read(packets);
            assert!(text.ends_with("-- 1 datagram, 225 messages, 0 of them malformed\n"), "{text}");
            assert!(text.contains(" 224 ALIVE\n"), "{text}");
        }
    }
}

#[test]
fn fragments_of_several_datagrams_may_be_mixed() {
    let (one, two) = (fragments(false, 1, 300, 800), fragments(false, 2, 250, 800));
    let three = fragments(true, 1, 200, 800);
    let mixed: Vec<Vec<u8>> =
        (0..4).flat_map(|at| [one.get(at), three.get(at), two.get(at)]).flatten().cloned().collect();
    let text = read(&mixed);
    assert!(text.ends_with("-- 3 datagrams, 750 messages, 0 of them malformed\n"), "{text}");
}

#[test]
fn what_stays_incomplete_is_named_as_such() {
    for v6 in [false, true] {
        let parts = fragments(v6, 1, 225, 1448);
        let text = read(&parts[..1]);
        // 8 bytes of UDP, then 180 messages.
        assert!(text.contains(" 179 ALIVE\n") && !text.contains(" 180 ALIVE\n"), "{text}");
        assert!(!text.contains("MALFORMED"), "{text}");
        let end =
            "-- 1 datagram, 180 messages, 0 of them malformed; of 1 datagram a fragment was not captured: ";
        assert!(text.ends_with(&format!("{end}{REMEDY}")), "{text}");
        let text = read(&parts[1..]);
        let end = "-- 0 datagrams, 0 messages, 0 of them malformed; of 1 other datagram the first fragment was not captured: ";
        assert_eq!(text, format!("{end}{REMEDY}"));
    }
}

#[test]
fn a_message_that_is_torn_is_cut_and_not_malformed() {
    // A message of 16 bytes over the end of the first fragment: 8 of UDP, 8 of ALIVE, 8 of the ACK.
    let payload = [&ALIVE[..], &[0x1a, 8, 0, 16, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    let mut first = ipv4(&payload, 0x2000);
    first.truncate(20 + 24);
    first[2..4].copy_from_slice(&44_u16.to_be_bytes());
    let text = read(&[first]);
    assert!(text.contains(" - CUT: the rest was not captured\n"), "{text}");
    assert!(
        text.contains("2 messages, 0 of them malformed; of 1 datagram a fragment was not captured"),
        "{text}"
    );
}

#[test]
fn overlapping_fragments_are_not_believed() {
    let parts = fragments(false, 1, 225, 1448);
    let mut forged = parts[1].clone();
    // One unit further to the front than it should.
    forged[6..8].copy_from_slice(&(1448_u16 / 8 - 1).to_be_bytes());
    let text = read(&[parts[0].clone(), forged.clone()]);
    assert!(text.contains("of 1 datagram a fragment was not captured"), "{text}");
    let text = read(&[parts[0].clone(), forged, parts[1].clone()]);
    assert!(text.ends_with("-- 1 datagram, 225 messages, 0 of them malformed\n"), "{text}");
}

#[test]
fn memory_for_fragments_is_bounded() {
    let part = [7; 1448];
    let fragment = |id: u32| {
        let [source, target] = [1, 2].map(|last| std::net::Ipv4Addr::new(10, 9, 0, last).into());
        Fragment { whose: Whose { source, target, id }, next: 17, offset: 0, more: true, bytes: &part }
    };
    let mut fragments = Fragments::default();
    let mut given_up = 0;
    for id in 0..1000 {
        assert_eq!(fragments.take(&fragment(id), 0), None);
        while let Some(joined) = fragments.give_up(0) {
            assert_eq!((joined.whose.id, joined.whole, joined.bytes.len()), (given_up, false, 1448));
            given_up += 1;
        }
    }
    assert_eq!(given_up, 1000 - 64);
    // A kernel waits for half a minute.
    assert_eq!(fragments.give_up(30_000_000_000), None);
    assert_eq!(std::iter::from_fn(|| fragments.give_up(30_000_000_001)).count(), 64);
    // What reaches beyond any datagram is no part of one.
    let beyond = Fragment { offset: 65_528, more: false, ..fragment(0) };
    fragments.take(&beyond, 0);
    assert_eq!(fragments.finish().map(|joined| joined.bytes.len()).sum::<usize>(), 0);
}
