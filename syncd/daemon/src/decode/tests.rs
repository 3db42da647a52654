//! Captures of a real conntrackd (`tests/captures`, described in `syncd/core/tests/golden`), every kind of file and
//! link, and files that are none.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::*;

mod fragments;
mod listing;

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("decode-{name}"), text));
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// What is printed of a capture.
fn printed(file: &Path, ports: Ports, json: bool) -> String {
    let mut out = Vec::new();
    print(file, ports, json, &mut out).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(out).expect("text")
}

/// What is printed of a file with these bytes.
fn printed_of(bytes: &[u8], ports: Ports) -> String {
    let (mut out, mut tally) = (Vec::new(), Tally::default());
    let mut capture = Capture::open(bytes).unwrap_or_else(|error| panic!("{error}"));
    assert!(all(&mut capture, ports, false, &mut out, &mut tally).is_ok());
    out.extend(format!("-- {}\n", summary(&tally)).bytes());
    String::from_utf8(out).expect("text")
}

fn listing(name: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden").join(format!("{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("a listing")).expect("JSON")
}

#[test]
fn every_capture_reads_as_its_listing_says() {
    let (mut compared, mut messages, mut attributes) = (0, 0, 0);
    for entry in fs::read_dir(captures()).expect("captures") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|kind| kind != "pcap") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let listed = listing(&name);
        let document: Value = serde_json::from_str(&printed(&path, Ports::One(3780), true)).expect("JSON");
        let listed = listed["datagrams"].as_array().expect("a list").iter();
        let listed: Vec<&Value> =
            listed.flat_map(|datagram| datagram["messages"].as_array().expect("a list")).collect();
        let said = document["messages"].as_array().expect("a list");
        assert_eq!(said.len(), listed.len(), "{name}");
        for (said, listed) in said.iter().zip(listed) {
            assert_eq!(said["seq"], listed["seq"], "{name}");
            assert_eq!((&said["error"], &said["attributes_skipped"]), (&Value::Null, &0.into()), "{name}");
            let flags = listed["flags"].as_array().expect("a list");
            assert_eq!(said["hello"], flags.contains(&"HELLO".into()), "{name}");
            let kind = match listed["type"].as_str().expect("a type") {
                "CT_NEW" => "new".to_owned(),
                "CT_UPD" => "update".to_owned(),
                "CT_DEL" => "destroy".to_owned(),
                "EXP_NEW" => "expect-new".to_owned(),
                "EXP_DEL" => "expect-destroy".to_owned(),
                _ => flags
                    .iter()
                    .map(|flag| flag.as_str().expect("a word").to_lowercase())
                    .find(|flag| !flag.starts_with("hello"))
                    .expect("a control message says what"),
            };
            assert_eq!(said["kind"], kind, "{name}");
            attributes += listing::compare(&name, said, listed);
            messages += 1;
        }
        compared += 1;
    }
    // Of flows as many as the core's own test of the same captures compares, and of expectations.
    let all = 1491 + 2 * 13 + 2 * 18 + 16;
    assert_eq!((compared, messages, attributes), (31, 379, all), "a capture is missing");
}

#[test]
fn captures_as_text_and_json() {
    let of = |name: &str| captures().join(name);
    snapshot("ftp", &printed(&of("20_ftp_pasv_expect.pcap"), Ports::One(3780), false));
    snapshot("loss", &printed(&of("24_loss_nack_retransmit.pcap"), Ports::Any, false));
    snapshot("sctp", &printed(&of("18_sctp_v4.pcap"), Ports::One(3780), false));
    snapshot(
        "window-scales",
        &printed(&of("27_udp_unicast_tcpwindowtracking.pcap"), Ports::One(3780), false),
    );
    snapshot("rare", &printed(&of("33_rare_attributes.pcap"), Ports::One(3780), false));
    snapshot("icmp6-json", &printed(&of("17_icmp_v6.pcap"), Ports::One(3780), true));
    let other = printed(&of("00_hello_handshake_idle_acks.pcap"), Ports::One(4000), false);
    assert_eq!(other, "-- 0 datagrams, 0 messages, 0 of them malformed; 11 other packets\n");
}

/// An IPv4 packet with a UDP datagram.
fn ipv4(payload: &[u8], offset: u16) -> Vec<u8> {
    let length = u16::try_from(28 + payload.len()).expect("short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(offset.to_be_bytes());
    packet.extend([64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2]);
    packet.extend(udp(payload));
    packet
}

/// An IPv6 packet with a UDP datagram behind these extension headers, of which the first is of that kind.
fn ipv6(first: u8, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(extensions.len() + 8 + payload.len()).expect("short");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([first, 1]);
    for last in [1, 2] {
        packet.extend([0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(extensions);
    packet.extend(udp(payload));
    packet
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("short").to_be_bytes();
    let mut datagram = [40_000_u16.to_be_bytes(), 3780_u16.to_be_bytes(), length, [0, 0]].concat();
    datagram.extend(payload);
    datagram
}

const ALIVE: [u8; 8] = [0x1a, 0x10, 0, 8, 0, 0, 0, 7];

/// A file of the classic format.
fn classic(big: bool, magic: u32, link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = [magic, 0x0004_0002, 0, 0, 0, link].map(number).concat();
    for packet in packets {
        let length = u32::try_from(packet.len()).expect("short");
        file.extend([1_700_000_000, 5000, length, length].map(number).concat());
        file.extend(packet);
    }
    file
}

/// A pcapng file with one interface, whose times are in units of `unit`.
fn blocks(big: bool, link: u16, unit: Option<u8>, packets: &[Vec<u8>]) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let block = |kind: u32, body: Vec<u8>| {
        let length = u32::try_from(12 + body.len()).expect("short");
        [number(kind).to_vec(), number(length).to_vec(), body, number(length).to_vec()].concat()
    };
    let mut file =
        block(0x0a0d_0d0a, [number(0x1a2b_3c4d), number(1), number(u32::MAX), number(u32::MAX)].concat());
    let mut interface = [short(link).to_vec(), vec![0; 6]].concat();
    if let Some(unit) = unit {
        // A name first: options are looked through.
        interface.extend([short(2).to_vec(), short(4).to_vec(), b"sync".to_vec()].concat());
        interface.extend([short(9).to_vec(), short(1).to_vec(), vec![unit, 0, 0, 0]].concat());
        interface.extend([0; 4]);
    }
    file.extend(block(1, interface));
    // Nobody knows this block.
    file.extend(block(0x0bad, vec![1, 2, 3, 4]));
    let ticks = match unit {
        Some(9) => 1_700_000_000_000_005_000_u64,
        Some(0x8a) => 1_700_000_000 << 10,
        _ => 1_700_000_000_000_005,
    };
    for packet in packets {
        let length = u32::try_from(packet.len()).expect("short");
        let (high, low) = (u32::try_from(ticks >> 32).expect("32 bits"), ticks as u32);
        let mut body = [0, high, low, length, length].map(number).concat();
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, body));
    }
    file
}

fn alive(file: &[u8]) -> String {
    printed_of(file, Ports::One(3780))
}

#[test]
fn every_kind_of_file_is_read() {
    let packets = [ipv4(&ALIVE, 0)];
    let micro = "2023-11-14 22:13:20.005000 10.9.0.1:40000 > 10.9.0.2:3780 7 ALIVE\n\
                 -- 1 datagram, 1 message, 0 of them malformed\n";
    let nano = micro.replace(".005000", ".000005");
    for big in [false, true] {
        assert_eq!(alive(&classic(big, 0xa1b2_c3d4, 101, &packets)), micro);
        assert_eq!(alive(&classic(big, 0xa1b2_3c4d, 101, &packets)), nano);
        assert_eq!(alive(&blocks(big, 101, None, &packets)), nano);
        assert_eq!(alive(&blocks(big, 101, Some(9), &packets)), nano);
        assert_eq!(alive(&blocks(big, 101, Some(0x8a), &packets)), micro.replace(".005000", ".000000"));
    }
    // Two sections of different machines.
    let both = [blocks(false, 101, None, &packets), blocks(true, 101, None, &packets)].concat();
    assert_eq!(alive(&both).matches("7 ALIVE").count(), 2);
}

#[test]
fn every_kind_of_link_is_read() {
    let ethernet = |tags: &[u8], kind: u16, packet: Vec<u8>| {
        [vec![2; 12], tags.to_vec(), kind.to_be_bytes().to_vec(), packet].concat()
    };
    let ip = ipv4(&ALIVE, 0);
    let sll = [vec![0; 14], vec![8, 0], ip.clone()].concat();
    let sll2 = [vec![8, 0], vec![0; 18], ip.clone()].concat();
    let padded = [ethernet(&[], 0x0800, ip.clone()), vec![0; 12]].concat();
    for (link, packet) in [
        (1, ethernet(&[], 0x0800, ip.clone())),
        (1, ethernet(&[0x81, 0, 0, 5, 0x88, 0xa8, 0, 6], 0x0800, ip.clone())),
        (1, padded),
        (113, sll),
        (276, sll2),
        (101, ip.clone()),
        (228, ip),
    ] {
        let text = alive(&classic(false, 0xa1b2_c3d4, link, &[packet]));
        assert!(text.contains("10.9.0.1:40000 > 10.9.0.2:3780 7 ALIVE\n"), "{link}: {text}");
        assert!(text.contains("-- 1 datagram, 1 message, 0 of them malformed\n"), "{link}: {text}");
    }
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let fragment = [17, 0, 0, 1, 0, 0, 0, 9];
    for (first, extensions) in [(17, &[][..]), (0, &options), (60, &options), (44, &fragment)] {
        let text = alive(&classic(false, 0xa1b2_c3d4, 229, &[ipv6(first, extensions, &ALIVE)]));
        assert!(text.contains("[fd09::1]:40000 > [fd09::2]:3780 7 ALIVE\n"), "{first}: {text}");
        assert_eq!(text.contains("a fragment was not captured"), first == 44, "{text}");
    }
    let unknown = alive(&classic(false, 0xa1b2_c3d4, 0, &[vec![2, 0, 0, 0]]));
    assert_eq!(
        unknown,
        "-- 0 datagrams, 0 messages, 0 of them malformed; 1 packet of a kind of link that syncd does not know\n"
    );
}

#[test]
fn what_is_no_datagram_of_ours_is_counted() {
    let other_port = {
        let mut packet = ipv4(&ALIVE, 0);
        packet[22..24].copy_from_slice(&53_u16.to_be_bytes());
        packet
    };
    let noise = {
        let mut packet = ipv4(&[7; 30], 0);
        packet[22..24].copy_from_slice(&53_u16.to_be_bytes());
        packet
    };
    let later_fragment = ipv4(&ALIVE, 0x0002);
    let tcp = {
        let mut packet = ipv4(&ALIVE, 0);
        packet[9] = 6;
        packet
    };
    let file =
        classic(false, 0xa1b2_c3d4, 101, &[other_port, noise, later_fragment, tcp, vec![0x45], vec![]]);
    assert_eq!(printed_of(&file, Ports::One(3780)).lines().count(), 1);
    let any = printed_of(&file, Ports::Any);
    let all = "-- 1 datagram, 1 message, 0 of them malformed; of 1 other datagram the first fragment was not captured: \
               use tcpdump 'udp port 3780 or ip[6:2] & 0x1fff != 0 or ip6[6] = 44'; 4 other packets\n";
    assert!(any.ends_with(all), "{any}");
}

#[test]
fn what_is_malformed_is_shown_with_its_reason() {
    let payloads: Vec<Vec<u8>> = {
        let malformed = listing("malformed");
        let cases = malformed["cases"].as_array().expect("a list").clone();
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
                .collect()
        };
        cases.iter().map(|case| hex(case["hex"].as_str().expect("hex"))).collect()
    };
    let packets: Vec<Vec<u8>> = payloads.iter().map(|payload| ipv4(payload, 0)).collect();
    snapshot("malformed", &alive(&classic(false, 0xa1b2_c3d4, 101, &packets)));
}

/// A message about a flow with these attributes: number and payload.
fn about_a_flow(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut frame = vec![0x10, 0, 0, 0, 0, 0, 0, 9];
    for (number, payload) in attributes {
        frame.extend(u16::try_from(4 + payload.len()).expect("short").to_be_bytes());
        frame.extend(number.to_be_bytes());
        frame.extend(*payload);
        frame.resize(frame.len().next_multiple_of(4), 0);
    }
    let length = u16::try_from(frame.len()).expect("short").to_be_bytes();
    frame[2..4].copy_from_slice(&length);
    frame
}

#[test]
fn what_a_line_has_no_column_for_is_said_behind_it() {
    let base: [(u16, &[u8]); 3] = [(0, &[10, 0, 0, 1, 10, 0, 0, 2]), (2, &[6]), (3, &[0, 1, 0, 2])];
    let line = |more: &[(u16, &[u8])]| {
        let text =
            alive(&classic(false, 0xa1b2_c3d4, 101, &[ipv4(&about_a_flow(&[&base[..], more].concat()), 0)]));
        let (_, rest) = text.split_once("dport=1").expect("the reply");
        rest.split_once('\n').expect("a line").0.to_owned()
    };
    assert_eq!(line(&[]), "");
    let offloaded: &[u8] = &[0, 0, 0x44, 0x0e];
    assert_eq!(
        line(&[(5, offloaded)]),
        " [ASSURED] status=0x440e(SEEN_REPLY|ASSURED|CONFIRMED|FIXED_TIMEOUT|OFFLOAD)"
    );
    assert_eq!(line(&[(5, &[0, 1, 0, 2])]), " status=0x10002(SEEN_REPLY|0x10000)");
    assert_eq!(line(&[(25, &[7]), (26, &[9])]), " wscale=7/9");
    assert_eq!(line(&[(31, &[0; 12])]), " synproxy=isn:0 its:0 offset:0");
    assert_eq!(line(&[(31, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])]), " synproxy=isn:2 its:1 offset:3");
    // Of another protocol, half of a pair, and nobody's.
    assert_eq!(
        line(&[(17, &[4]), (25, &[7]), (60, &[1]), (7, &[0; 4])]),
        " mark=0 [attributes passed over: SCTP_STATE, TCP_WSCALE_ORIG, number 60]"
    );
}

#[test]
fn offsets_are_those_of_the_payload() {
    let mut payload = ALIVE.to_vec();
    payload.extend([0x17, 0, 0, 12, 0, 0, 0, 8, 1, 2, 3, 4]);
    payload.extend(ALIVE);
    payload.extend([1, 2, 3]);
    let found: Vec<_> =
        message::messages(&payload).map(|message| (message.offset, message.is_wrong())).collect();
    assert_eq!(found, [(0, false), (8, true), (20, false), (28, true)]);
}

#[test]
fn a_part_that_was_not_captured_is_told() {
    let mut file = classic(false, 0xa1b2_c3d4, 101, &[ipv4(&ALIVE, 0)[..32].to_vec()]);
    let real = 24 + 12;
    file[real..real + 4].copy_from_slice(&36_u32.to_le_bytes());
    let text = alive(&file);
    assert!(text.contains(" - CUT: the rest was not captured\n"), "{text}");
    assert!(text.contains("-- 1 datagram, 1 message, 0 of them malformed;"), "{text}");
    assert!(text.ends_with("; of 1 datagram a part was not captured: use 'tcpdump -s 0'\n"), "{text}");
}

#[test]
fn a_file_that_is_none_says_so() {
    let error = |bytes: &[u8]| Capture::open(bytes).map(|_| ()).expect_err("no capture").to_string();
    let foreign = "this is no capture; write one with 'tcpdump -i INTERFACE -w FILE udp port 3780'";
    for bytes in
        [&b""[..], b"a", b"conntrack-sync:\n", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], &[0x0a, 0x0d, 0x0d, 0x0a]]
    {
        assert_eq!(error(bytes), foreign);
    }
    let mut out = Vec::new();
    let missing = print(Path::new("no/such.pcap"), Ports::Any, false, &mut out).expect_err("it is not there");
    assert_eq!(missing.to_string(), "cannot read no/such.pcap: No such file or directory (os error 2)");
}

#[test]
fn a_file_that_breaks_off_is_read_to_there() {
    for file in [
        classic(false, 0xa1b2_c3d4, 101, &[ipv4(&ALIVE, 0), ipv4(&ALIVE, 0)]),
        blocks(false, 101, None, &[ipv4(&ALIVE, 0), ipv4(&ALIVE, 0)]),
    ] {
        let whole = {
            let mut capture = Capture::open(&file[..]).expect("a capture");
            assert!(capture.next().expect("whole").is_some() && capture.next().expect("whole").is_some());
            capture.next().expect("whole").is_none()
        };
        assert!(whole);
        for end in 24..file.len() {
            let Ok(mut capture) = Capture::open(&file[..end]) else { continue };
            let mut packets = 0;
            loop {
                match capture.next() {
                    Ok(Some(_)) => packets += 1,
                    Ok(None) => break,
                    Err(CaptureError::Broken { packets: whole }) => {
                        assert_eq!(whole, packets, "cut at {end}");
                        break;
                    }
                    Err(error) => panic!("{error}, cut at {end}"),
                }
            }
            assert!(packets < 2, "cut at {end}");
        }
    }
}

#[test]
fn a_length_that_cannot_be_is_not_believed() {
    let mut file = classic(false, 0xa1b2_c3d4, 101, &[ipv4(&ALIVE, 0)]);
    file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut capture = Capture::open(&file[..]).expect("a capture");
    let said = capture.next().expect_err("4 GiB").to_string();
    assert_eq!(said, "the capture breaks off after 0 packets; the rest cannot be read");
}

#[test]
fn nothing_in_a_packet_makes_us_panic() {
    let address: SocketAddr = "10.9.0.1:3780".parse().expect("an address");
    let envelope = Envelope { time: u64::MAX, source: address, target: address };
    for packet in [ipv4(&ALIVE, 0), ipv6(0, &[17, 0, 1, 4, 0, 0, 0, 0], &ALIVE)] {
        for at in 0..packet.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bent = packet.clone();
                bent[at] = value;
                for end in [at, bent.len()] {
                    for link in [1, 12, 113, 276] {
                        let mut fragments = Fragments::default();
                        match packet::contents(link, &bent[..end]) {
                            Contents::Udp(udp) => {
                                message::messages(udp.payload)
                                    .for_each(|message| drop(message.line(&envelope)));
                            }
                            Contents::Fragment(fragment) => {
                                fragments.take(&fragment, 0);
                                for joined in fragments.finish() {
                                    _ = packet::joined(&joined);
                                }
                            }
                            Contents::Other | Contents::UnknownLink => {}
                        }
                    }
                }
            }
        }
    }
}
