//! The order of a commit: what was active last is written first, parents before what they have caused.

use super::*;

/// A flow of that number and kind, as the peer tells it.
fn of(number: u16, state: TcpState, status: u32) -> Flow {
    let mut flow = flow(number);
    flow.protocol = Protocol::TCP;
    flow.tcp_state = state;
    flow.status = FlowStatus(status);
    flow.present = flow.present.with(AttrSet::TCP_STATE).with(AttrSet::STATUS);
    flow
}

#[test]
fn what_was_active_last_is_written_first() {
    const LIVES: u32 = FlowStatus::SEEN_REPLY | FlowStatus::ASSURED | FlowStatus::CONFIRMED;
    let (mut replica, mut peer) = settled();
    let (established, closed) = (TcpState::ESTABLISHED, TcpState::TIME_WAIT);
    // Number, when it was said, state, status: told in another order than they are to be written in.
    let told = [
        (1, 3, established, LIVES),
        (2, 100, established, LIVES | FlowStatus::EXPECTED),
        (3, 150_000, established, LIVES),
        (4, 230_000, closed, LIVES),
        (5, 230_000, established, LIVES),
        (6, 230_000, TcpState::SYN_SENT, FlowStatus::CONFIRMED),
        (7, 230_001, established, LIVES),
        (8, 232_500, established, LIVES),
        (9, 222_000, established, LIVES),
    ];
    for (number, ms, state, status) in told {
        peer.tells(&mut replica, at(ms), Change::New, &of(number, state, status));
    }
    role(&mut replica, at(235_000), Role::Primary);
    let mut written = Vec::new();
    play_kernel(&mut replica, at(235_000), |_, request| match request {
        KernelRequest::Create { token, flow, .. } => {
            written.push(flow.flow.original.source_port);
            Some(Played::Done(token))
        }
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        _ => None,
    });
    let numbers: Vec<u16> = written.iter().map(|port| port - flow(0).original.source_port).collect();
    assert_eq!(numbers, [8, 5, 7, 9, 3, 1, 4, 6, 2]);
    assert!(replica.external().is_empty());
}
