//! Networks contain what they should, and a flow is ignored for whom it comes from.

extern crate std;

use core::net::IpAddr;
use std::vec;

use super::*;
use crate::flow::{AttrSet, Tuple};

fn ip(text: &str) -> (Family, Address) {
    let ip: IpAddr = text.parse().expect("an address");
    (if ip.is_ipv4() { Family::V4 } else { Family::V6 }, ip.into())
}

fn network(text: &str, prefix: u8) -> Network {
    let (family, address) = ip(text);
    Network::new(family, address, prefix).expect("a prefix that the family has")
}

fn contains(network: &Network, text: &str) -> bool {
    let (family, address) = ip(text);
    network.contains(family, address)
}

fn flow(protocol: Protocol, source: &str, target: &str) -> Flow {
    let ((family, source), (_, target)) = (ip(source), ip(target));
    let mut flow = Flow::new(family, protocol, Tuple { source, target, source_port: 1, target_port: 2 });
    flow.present = AttrSet::REPLY;
    flow
}

#[test]
fn a_network_ends_where_its_prefix_says() {
    let office = network("192.0.2.0", 24);
    assert!(contains(&office, "192.0.2.0") && contains(&office, "192.0.2.255"));
    assert!(!contains(&office, "192.0.1.255") && !contains(&office, "192.0.3.0"));
    let odd = network("10.0.0.0", 9);
    assert!(contains(&odd, "10.127.255.255") && !contains(&odd, "10.128.0.0"));
    let six = network("2001:db8::", 33);
    assert!(contains(&six, "2001:db8:7fff::1") && !contains(&six, "2001:db8:8000::"));
}

#[test]
fn the_longest_prefix_is_one_address() {
    let one = network("192.0.2.1", 32);
    assert!(contains(&one, "192.0.2.1") && !contains(&one, "192.0.2.0"));
    let six = network("2001:db8::1", 128);
    assert!(contains(&six, "2001:db8::1") && !contains(&six, "2001:db8::"));
}

#[test]
fn prefix_zero_is_all_of_one_family() {
    assert!(contains(&network("10.0.0.1", 0), "255.255.255.255"));
    assert!(!contains(&network("10.0.0.1", 0), "::"));
    assert!(contains(&network("::1", 0), "ffff::"));
    // The same leading bits in the other family are another place.
    assert!(!contains(&network("32.1.13.184", 32), "2001:db8::"));
}

#[test]
fn bits_beyond_the_prefix_do_not_matter() {
    assert_eq!(network("192.0.2.77", 24), network("192.0.2.0", 24));
    assert_eq!(network("192.0.2.77", 24).address(), ip("192.0.2.0").1);
}

#[test]
fn a_prefix_longer_than_the_family_is_none() {
    assert_eq!(Network::new(Family::V4, ip("10.0.0.0").1, 33), None);
    assert_eq!(Network::new(Family::V6, ip("::").1, 129), None);
    assert_eq!(Network::new(Family::V6, ip("::").1, u8::MAX), None);
}

#[test]
fn an_empty_filter_accepts_everything() {
    let filter = Filter::default();
    assert!(filter.accepts(&flow(Protocol::TCP, "10.1.0.2", "10.2.0.2")));
    assert!(filter.accepts(&flow(Protocol(255), "::1", "::2")));
}

#[test]
fn only_the_named_protocols_are_accepted() {
    let filter = Filter::new(vec![Protocol::TCP, Protocol::ICMP6], vec![]);
    assert!(filter.accepts(&flow(Protocol::TCP, "10.1.0.2", "10.2.0.2")));
    assert!(filter.accepts(&flow(Protocol::ICMP6, "::1", "::2")));
    assert!(!filter.accepts(&flow(Protocol::UDP, "10.1.0.2", "10.2.0.2")));
}

#[test]
fn a_flow_is_ignored_for_its_initiator_and_its_responder() {
    let filter = Filter::new(vec![], vec![network("192.0.2.0", 24), network("2001:db8::", 64)]);
    assert!(!filter.accepts(&flow(Protocol::TCP, "192.0.2.1", "10.2.0.2")));
    assert!(!filter.accepts(&flow(Protocol::TCP, "10.1.0.2", "192.0.2.1")));
    assert!(!filter.accepts(&flow(Protocol::UDP, "2001:db8::1", "::2")));
    assert!(filter.accepts(&flow(Protocol::TCP, "10.1.0.2", "10.2.0.2")));
}

#[test]
fn behind_a_translation_the_real_server_counts() {
    let filter = Filter::new(vec![], vec![network("192.0.2.0", 24)]);
    // From outside to a virtual address in the ignored network, but served from elsewhere.
    let mut translated = flow(Protocol::TCP, "10.1.0.2", "192.0.2.1");
    translated.reply.source = ip("10.2.0.2").1;
    assert!(filter.accepts(&translated));
    // To an address elsewhere, but served from the ignored network.
    let mut hidden = flow(Protocol::TCP, "10.1.0.2", "10.2.0.2");
    hidden.reply.source = ip("192.0.2.1").1;
    assert!(!filter.accepts(&hidden));
    // Source translation to an ignored address changes nothing: that is the reply's target.
    let mut masked = flow(Protocol::TCP, "10.1.0.2", "10.2.0.2");
    masked.reply.target = ip("192.0.2.1").1;
    assert!(filter.accepts(&masked));
}

#[test]
fn expectations_go_by_the_begin_of_their_helpers_name() {
    let name = |text: &str| HelperName::new(text.as_bytes()).expect("a name");
    assert!(!Filter::default().wants_expectations());
    assert!(!Filter::default().accepts_helper(name("ftp")));
    let all = Filter::default().with_helpers(Helpers::All);
    assert!(all.wants_expectations() && all.accepts_helper(name("anything")));
    assert!(all.accepts_helper(HelperName::EMPTY));
    let some = Filter::default().with_helpers(Helpers::Named([name("ftp"), name("q.931")].to_vec()));
    assert!(some.accepts_helper(name("ftp-2121")) && some.accepts_helper(name("Q.931")));
    assert!(!some.accepts_helper(name("sip")) && !some.accepts_helper(HelperName::EMPTY));
}
