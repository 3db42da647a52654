//! What a router that stands by keeps in its kernel, how it gives that back, and what a takeover has left to do.

use super::settings::preloading;
use super::*;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::{format, vec};

const LENT: u32 = 1_728_000;
const CLAIMED: u32 = 2_073_600;

/// What a request is answered with, and the event that it makes.
type Answer = (Result<Token, (Token, Errno)>, Option<(Change, Flow)>);

/// A kernel: what lives in it and for how long, by port; what was asked of it since it was asked last.
#[derive(Default)]
struct Kernel {
    table: BTreeMap<u16, (Flow, u32)>,
    asked: Vec<String>,
    ids: u32,
    full: bool,
    /// What it says of requests is lost.
    unheard: bool,
}

impl Kernel {
    /// Answers all requests and tells of what they did; says what was asked.
    fn serves(&mut self, replica: &mut Replica, now: Instant) -> Vec<String> {
        for _ in 0..10_000 {
            replica.handle_timeout(now);
            let Some(request) = replica.poll_kernel(now) else {
                if replica.poll_timeout().is_none_or(|due| due > now) {
                    return core::mem::take(&mut self.asked);
                }
                continue;
            };
            let (token, event) = match request {
                KernelRequest::Create { token, flow, timeout } => self.creates(token, flow.flow, timeout),
                KernelRequest::Update { token, flow, timeout, .. } => {
                    let port = flow.original.source_port;
                    self.asked.push(format!("update {port} {timeout}"));
                    self.changes(token, port, timeout, Some(flow.flow))
                }
                KernelRequest::Shorten { token, flow, timeout } => {
                    let port = flow.original.source_port;
                    self.asked.push(format!("shorten {port} {timeout}"));
                    self.changes(token, port, timeout, None)
                }
                KernelRequest::Delete { token, flow } => {
                    let port = flow.original.source_port;
                    self.asked.push(format!("delete {port}"));
                    match self.table.remove(&port) {
                        Some((gone, _)) => (Ok(token), Some((Change::Destroy, gone))),
                        None => (Err((token, Errno::ENOENT)), None),
                    }
                }
                KernelRequest::Find { token, flow, by } => {
                    let wanted = *flow;
                    self.finds(replica, now, token, &wanted, by);
                    continue;
                }
                KernelRequest::Dump { token } => {
                    self.asked.push("dump".to_string());
                    replica.handle_kernel(now, KernelReply::Begun(token));
                    for (flow, timeout) in self.table.values() {
                        let flow = Flow { timeout: *timeout, ..*flow };
                        replica.handle_kernel(now, KernelReply::Dumped(token, (&flow).into()));
                    }
                    (Ok(token), None)
                }
                KernelRequest::Count { token } => {
                    let count = u32::try_from(self.table.len()).expect("few");
                    replica.handle_kernel(now, KernelReply::Counted(token, count));
                    continue;
                }
                KernelRequest::Expect(ExpectRequest::Dump { token }) => (Ok(token), None),
                KernelRequest::ListenNew(_) => continue,
                other => panic!("{other:?}"),
            };
            match token {
                Ok(token) => replica.handle_kernel(now, KernelReply::Done(token)),
                Err((token, errno)) => replica.handle_kernel(now, KernelReply::Failed(token, errno)),
            }
            if let Some((change, flow)) = event
                && !self.unheard
            {
                replica.handle_flow(now, Origin::Ourselves, change, &flow);
            }
        }
        panic!("it never comes to rest")
    }

    fn finds(&mut self, replica: &mut Replica, now: Instant, token: Token, wanted: &Flow, by: By) {
        self.asked.push(format!("find {}", wanted.original.source_port));
        let found = self.table.values().find(|(other, _)| match by {
            By::Original => other.original == wanted.original,
            By::Reply => other.reply == wanted.reply,
        });
        let found = found.map(|(found, timeout)| Flow { timeout: *timeout, ..*found });
        let reply = match &found {
            Some(found) => KernelReply::Found(token, found.into()),
            None => KernelReply::Failed(token, Errno::ENOENT),
        };
        replica.handle_kernel(now, reply);
    }

    fn creates(&mut self, token: Token, flow: &Flow, timeout: u32) -> Answer {
        let port = flow.original.source_port;
        self.asked.push(format!("create {port} {timeout}"));
        if self.table.contains_key(&port) || self.table.values().any(|(other, _)| other.reply == flow.reply) {
            return (Err((token, Errno::EEXIST)), None);
        }
        if self.full {
            return (Err((token, Errno::ENOMEM)), None);
        }
        self.ids += 1;
        let mut made = *flow;
        (made.id, made.timeout) = (self.ids, timeout);
        made.present = made.present.with(AttrSet::ID).with(AttrSet::TIMEOUT);
        self.table.insert(port, (made, timeout));
        (Ok(token), Some((Change::New, made)))
    }

    fn changes(&mut self, token: Token, port: u16, timeout: u32, to: Option<&Flow>) -> Answer {
        let Some((flow, lives)) = self.table.get_mut(&port) else {
            return (Err((token, Errno::ENOENT)), None);
        };
        *lives = timeout;
        flow.timeout = timeout;
        if let Some(to) = to {
            (flow.tcp_state, flow.mark) = (to.tcp_state, to.mark);
        }
        (Ok(token), Some((Change::Update, *flow)))
    }

    /// A flow of this router's own.
    fn has(&mut self, replica: &mut Replica, now: Instant, flow: &Flow) {
        self.ids += 1;
        let mut born = *flow;
        born.id = self.ids;
        born.present = born.present.with(AttrSet::ID).with(AttrSet::TIMEOUT);
        self.table.insert(flow.original.source_port, (born, flow.timeout));
        replica.handle_flow(now, Origin::Kernel, Change::New, &born);
    }
}

/// A settled backup that preloads.
fn stands_by() -> (Replica, Peer, Kernel) {
    let (mut replica, peer) = settled();
    replica.handle_settings(at(3), &preloading(true));
    let mut kernel = Kernel::default();
    role(&mut replica, at(3), Role::Backup);
    transmitted(&mut replica, at(3));
    kernel.serves(&mut replica, at(3));
    (replica, peer, kernel)
}

fn over(port: u16) -> Flow {
    let mut over = flow(port);
    over.tcp_state = TcpState::TIME_WAIT;
    over
}

#[test]
fn a_flow_is_written_once_whatever_was_said_of_it_and_ends_by_the_peers_word() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    for _ in 0..3 {
        peer.tells(&mut replica, at(4), Change::Update, &flow(1));
    }
    assert_eq!(kernel.serves(&mut replica, at(5)), [""; 0], "what is said within 20 ms is written at once");
    assert_eq!(kernel.serves(&mut replica, at(24)), ["create 1 1728000"]);
    peer.tells(&mut replica, at(30), Change::Update, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(60)), [""; 0], "it is in the kernel as it is");
    peer.tells(&mut replica, at(70), Change::Update, &over(1));
    assert_eq!(kernel.serves(&mut replica, at(90)), ["update 1 1728000"]);
    assert_eq!(replica.external().len(), 1, "it is shown beside it");
    let shown = replica.external().iter_from(0).next().expect("just counted").1;
    assert_eq!(shown.flow.timeout, 300, "with its true timeout");
    peer.tells(&mut replica, at(100), Change::Destroy, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(100)), ["delete 1"]);
    let stats = replica.stats().preload;
    assert_eq!((stats.created, stats.updated, stats.removed), (1, 1, 1));
    assert_eq!((stats.gathered, stats.unchanged), (2, 1));
}

#[test]
fn without_the_key_nothing_is_written() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    assert_eq!(Kernel::default().serves(&mut replica, at(100)), [""; 0]);
    assert_eq!(replica.status(at(100)).preload, None);
}

#[test]
fn a_flow_that_has_ended_before_its_turn_is_never_written() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    peer.tells(&mut replica, at(5), Change::Destroy, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(100)), [""; 0]);
    assert_eq!(replica.status(at(100)).preload, Some(0));
}

#[test]
fn what_ends_here_alone_is_written_again() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    let (gone, _) = kernel.table.remove(&1).expect("written");
    replica.handle_flow(at(40), Origin::Kernel, Change::Destroy, &gone);
    assert_eq!(kernel.serves(&mut replica, at(200)), ["create 1 1728000"]);
    assert_eq!(replica.stats().preload.ended_here, 1);
}

#[test]
fn a_copy_is_no_news_and_no_bulk_names_it() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    kernel.has(&mut replica, at(31), &flow(2));
    assert_eq!(flows(&mut replica, at(31)), []);
    peer.says(&mut replica, at(40), Control::Resync, Flags::NONE);
    assert_eq!(flows(&mut replica, at(40)), [(Change::Update, 2)]);
}

#[test]
fn a_takeover_writes_only_what_waits_and_reads_no_table_before_it_is_ready() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    peer.tells(&mut replica, at(3000), Change::New, &flow(2));
    while replica.poll_reply().is_some() {}
    replica.handle_command(at(3001), RequestId(9), Command::Role(Role::Primary));
    let mut before = vec![];
    loop {
        match replica.poll_kernel(at(3001)) {
            Some(KernelRequest::Create { token, flow, timeout }) => {
                before.push((flow.original.source_port, timeout));
                replica.handle_kernel(at(3001), KernelReply::Done(token));
            }
            // The helper thread reads the table; by then the answer is there.
            Some(KernelRequest::Dump { .. }) => break,
            Some(other) => panic!("before it is ready: {other:?}"),
            None => replica.handle_timeout(at(3001)),
        }
    }
    assert_eq!(replica.poll_reply(), Some((RequestId(9), Reply::Done)));
    assert_eq!(before, [(2, 300)]);
    assert_eq!(replica.internal().len(), 2);
}

#[test]
fn a_takeover_with_nothing_left_to_write_is_answered_at_once() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    while replica.poll_reply().is_some() {}
    for id in [9, 10] {
        replica.handle_command(at(3001), RequestId(id), Command::Role(Role::Primary));
        assert_eq!(replica.poll_reply(), Some((RequestId(id), Reply::Done)));
    }
    assert!(replica.jobs.has(JobKind::ReloadInternal), "the table is read afterwards");
}

#[test]
fn after_a_takeover_flows_get_their_own_time_where_no_packet_has_given_it_and_leave_the_external_cache() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    for port in 1..=3 {
        peer.tells(&mut replica, at(4), Change::New, &flow(port));
    }
    kernel.serves(&mut replica, at(30));
    role(&mut replica, at(3000), Role::Primary);
    // A packet came before the table is read.
    kernel.table.get_mut(&1).expect("written").1 = 299;
    // And one after it was.
    assert_eq!(kernel.serves(&mut replica, at(3500)), ["dump", "shorten 2 300", "shorten 3 300"]);
    let told = [(Change::New, 1), (Change::New, 2), (Change::New, 3)];
    assert_eq!(flows(&mut replica, at(3600)), told, "a bulk tells the peer");
    let shortened = kernel.table[&2].0;
    replica.handle_flow(at(3601), Origin::Ourselves, Change::Update, &shortened);
    assert_eq!(flows(&mut replica, at(3700)), [], "what we have done is no news");
    assert_eq!(replica.external().len(), 0);
    assert_eq!(replica.stats().preload.shortened, 2);
    let lives = replica.internal().iter_from(0).map(|(_, entry)| entry.flow.timeout).collect::<Vec<_>>();
    assert_eq!(lives, [299, 300, 300]);
}

#[test]
fn own_times_are_given_a_few_at_a_time() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    for port in 1..=300 {
        peer.tells(&mut replica, at(4), Change::New, &flow(port));
    }
    kernel.serves(&mut replica, at(30));
    role(&mut replica, at(3000), Role::Primary);
    // And nobody is woken up before it is time.
    let given = [3500, 3509, 3510, 3520, 3530].map(|millis| {
        let asked = kernel.serves(&mut replica, at(millis));
        asked.iter().filter(|asked| asked.starts_with("shorten")).count()
    });
    assert_eq!(given, [128, 0, 128, 44, 0]);
}

#[test]
fn an_event_between_the_dump_and_its_turn_spares_a_flow() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    role(&mut replica, at(3000), Role::Primary);
    replica.internal.exceeds(replica.internal.slot(&flow(1).key()).expect("written"));
    let ended = Flow { timeout: 10, ..over(1) };
    replica.handle_flow(at(3001), Origin::Kernel, Change::Update, &ended);
    kernel.table.get_mut(&1).expect("written").1 = 10;
    assert_eq!(kernel.serves(&mut replica, at(3500)), ["dump"]);
}

#[test]
fn what_was_here_before_is_claimed_and_goes_only_if_no_packet_has_come() {
    let (mut replica, mut peer) = settled();
    replica.handle_settings(at(3), &preloading(true));
    let mut kernel = Kernel::default();
    role(&mut replica, at(3), Role::Primary);
    kernel.serves(&mut replica, at(3));
    kernel.has(&mut replica, at(4), &flow(1));
    kernel.has(&mut replica, at(4), &flow(2));
    role(&mut replica, at(5), Role::Backup);
    peer.tells(&mut replica, at(6), Change::New, &flow(1));
    peer.tells(&mut replica, at(6), Change::New, &flow(2));
    assert_eq!(kernel.serves(&mut replica, at(200)), ["update 1 2073600", "update 2 2073600"]);
    // A login to this router goes on; the other flow went through the peer.
    kernel.table.get_mut(&1).expect("still there").1 = 432_000;
    peer.tells(&mut replica, at(300), Change::Destroy, &flow(1));
    peer.tells(&mut replica, at(300), Change::Destroy, &flow(2));
    assert_eq!(kernel.serves(&mut replica, at(400)), ["find 1", "find 2", "delete 2"]);
    assert_eq!(replica.stats().preload.spared, 1);
}

#[test]
fn on_a_backup_the_peers_flow_wins_its_place() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    let mut own = flow(7);
    own.reply.target_port = 4000;
    own.present = own.present.with(AttrSet::REPLY);
    kernel.has(&mut replica, at(4), &own);
    let mut wanted = flow(8);
    wanted.reply = own.reply;
    wanted.status = FlowStatus(wanted.status.0 | FlowStatus::SRC_NAT | FlowStatus::SRC_NAT_DONE);
    wanted.present = wanted.present.with(AttrSet::REPLY);
    peer.tells(&mut replica, at(5), Change::New, &wanted);
    let asked = kernel.serves(&mut replica, at(100));
    assert_eq!(asked, ["create 8 1728000", "find 8", "find 8", "delete 7", "create 8 1728000"]);
    assert_eq!((replica.stats().preload.conflicts, replica.stats().preload.replaced), (1, 1));
}

/// Its event is lost in silence, and what was heard before is older.
#[test]
fn what_was_written_is_known_without_its_event() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    kernel.has(&mut replica, at(4), &over(1));
    kernel.unheard = true;
    peer.tells(&mut replica, at(5), Change::New, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(100)), ["update 1 2073600"]);
    peer.tells(&mut replica, at(101), Change::Update, &over(1));
    assert_eq!(kernel.serves(&mut replica, at(200)), ["update 1 2073600"], "it is not as it was heard of");
}

#[test]
fn what_found_no_room_carries_its_reason_and_is_tried_again() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    kernel.full = true;
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(100)), ["create 1 1728000"]);
    let slot = replica.external().find(&flow(1).key()).expect("it stays");
    assert_eq!(replica.external().failure(slot).map(|failure| failure.errno), Some(12));
    kernel.full = false;
    assert_eq!(kernel.serves(&mut replica, at(9_000)), [""; 0]);
    assert_eq!(kernel.serves(&mut replica, at(10_200)), ["create 1 1728000"]);
    assert_eq!(replica.external().failure(slot), None);
}

#[test]
fn a_daemon_that_starts_again_knows_copies_by_their_time_and_removes_of_them_what_the_peer_does_not_name() {
    let (mut replica, _, mut kernel) = stands_by();
    kernel
        .table
        .insert(1, (Flow { id: 71, present: flow(1).present.with(AttrSet::ID), ..flow(1) }, LENT - 9));
    kernel.table.insert(2, (Flow { id: 72, present: flow(2).present.with(AttrSet::ID), ..flow(2) }, 300));
    // It was here before the peer told of it.
    kernel
        .table
        .insert(3, (Flow { id: 73, present: flow(3).present.with(AttrSet::ID), ..flow(3) }, CLAIMED - 9));
    replica.handle_command(at(5), RequestId(2), Command::Step(Step::ReloadInternal));
    // The peer has named none.
    assert_eq!(kernel.serves(&mut replica, at(5)), ["dump", "shorten 3 432000", "delete 1"]);
}

#[test]
fn where_it_is_switched_off_the_copies_go() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    kernel.has(&mut replica, at(31), &flow(2));
    replica.handle_settings(at(40), &preloading(false));
    assert_eq!(kernel.serves(&mut replica, at(50)), ["delete 1"]);
    assert_eq!(replica.external().len(), 1, "it waits for a commit as ever");
    replica.handle_settings(at(60), &preloading(true));
    assert_eq!(kernel.serves(&mut replica, at(100)), ["create 1 1728000"]);
}

#[test]
fn everything_is_written_anew_before_its_time_is_up() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    assert!(!kernel.serves(&mut replica, at(100_000_000)).contains(&"update 1 1728000".to_string()));
    assert!(kernel.serves(&mut replica, at(180_000_000)).contains(&"update 1 1728000".to_string()));
}

#[test]
fn a_takeover_tries_once_more_what_found_no_room() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    kernel.full = true;
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(100));
    // VRRP has begun anew, and says the same of this router in another word.
    role(&mut replica, at(200), Role::Fault);
    role(&mut replica, at(201), Role::Backup);
    kernel.serves(&mut replica, at(201));
    assert_eq!(replica.external().failed(), 1, "it is no flow like any other");
    kernel.full = false;
    role(&mut replica, at(300), Role::Primary);
    assert_eq!(kernel.serves(&mut replica, at(300))[0], "create 1 300");
}

#[test]
fn a_takeover_before_everything_was_looked_at_leaves_nothing_out() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    replica.handle_settings(at(5), &preloading(true));
    role(&mut replica, at(5), Role::Primary);
    assert_eq!(Kernel::default().serves(&mut replica, at(5))[0], "create 1 300");
}

#[test]
fn what_was_here_when_the_daemon_started_is_given_a_long_life() {
    let (mut replica, mut peer) = settled();
    replica.handle_settings(at(3), &preloading(true));
    let mut kernel = Kernel::default();
    kernel.has(&mut replica, at(4), &flow(1));
    peer.tells(&mut replica, at(5), Change::New, &flow(1));
    kernel.serves(&mut replica, at(6));
    role(&mut replica, at(7), Role::Backup);
    assert_eq!(kernel.serves(&mut replica, at(100)), ["update 1 2073600"]);
}

#[test]
fn what_a_dump_does_not_find_is_written_also_while_the_peer_owes_an_answer() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    kernel.table.clear();
    replica.handle_command(at(3000), RequestId(2), Command::Step(Step::AskPeer));
    replica.handle_command(at(3000), RequestId(3), Command::Step(Step::ReloadInternal));
    assert_eq!(kernel.serves(&mut replica, at(3100)), ["dump", "find 1", "create 1 1728000"]);
}

#[test]
fn what_was_lost_unheard_before_a_takeover_is_written_when_the_table_was_read() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    peer.tells(&mut replica, at(4), Change::New, &flow(2));
    kernel.serves(&mut replica, at(30));
    kernel.table.remove(&1);
    role(&mut replica, at(3000), Role::Primary);
    assert_eq!(kernel.serves(&mut replica, at(3001)), ["dump", "shorten 2 300", "find 1"]);
    assert_eq!(replica.external().failed(), 1);
    assert_eq!(kernel.serves(&mut replica, at(4100)), ["create 1 296"]);
    assert_eq!((replica.external().len(), replica.stats().preload.ended_here), (0, 1));
}

#[test]
fn reading_the_table_does_not_put_off_the_time_when_everything_is_written_anew() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    replica.handle_command(at(100_000_000), RequestId(2), Command::Step(Step::ReloadInternal));
    assert!(!kernel.serves(&mut replica, at(100_000_000)).contains(&"update 1 1728000".to_string()));
    assert!(kernel.serves(&mut replica, at(180_000_000)).contains(&"update 1 1728000".to_string()));
}

#[test]
fn a_takeover_writes_what_a_look_up_has_not_found_while_others_are_under_way() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    peer.tells(&mut replica, at(4), Change::New, &flow(2));
    kernel.serves(&mut replica, at(30));
    kernel.table.remove(&1);
    replica.handle_command(at(3000), RequestId(2), Command::Step(Step::ReloadInternal));
    let mut looks_for = vec![];
    play_kernel(&mut replica, at(3000), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => {
            looks_for.push((flow.original.source_port, token));
            None
        }
        other => panic!("{other:?}"),
    });
    let [(1, first), (2, _)] = looks_for[..] else { panic!("{looks_for:?}") };
    replica.handle_kernel(at(3001), KernelReply::Failed(first, Errno::ENOENT));
    role(&mut replica, at(3001), Role::Primary);
    assert_eq!(kernel.serves(&mut replica, at(3001))[0], "create 1 297");
}

#[test]
fn what_our_filter_keeps_out_is_not_written_by_a_router_that_stands_by_again() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    let filter = Filter::new(vec![Protocol::UDP], vec![]);
    replica.handle_settings(at(4), &Settings { preload: true, ..settings::settings(filter) });
    kernel.serves(&mut replica, at(4));
    peer.tells(&mut replica, at(5), Change::New, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(100)), [""; 0]);
    role(&mut replica, at(3000), Role::Primary);
    // It steps back before the flush is done.
    role(&mut replica, at(3000), Role::Fault);
    assert_eq!(kernel.serves(&mut replica, at(3100)), ["dump"], "it reads its table, and writes nothing");
    role(&mut replica, at(3200), Role::Primary);
    assert_eq!(kernel.serves(&mut replica, at(3200))[0], "create 1 297");
}

/// A backup with these flows of its peer in its kernel takes over, and its table was not read yet.
fn has_just_taken_over(ports: &[u16]) -> (Replica, Kernel) {
    let (mut replica, mut peer, mut kernel) = stands_by();
    for port in ports {
        peer.tells(&mut replica, at(4), Change::New, &flow(*port));
    }
    kernel.serves(&mut replica, at(30));
    role(&mut replica, at(3000), Role::Primary);
    (replica, kernel)
}

#[test]
fn what_has_ended_at_a_router_that_was_primary_for_a_moment_is_not_written_again() {
    let (mut replica, mut kernel) = has_just_taken_over(&[1, 2]);
    let (gone, _) = kernel.table.remove(&1).expect("written");
    replica.handle_flow(at(3001), Origin::Kernel, Change::Destroy, &gone);
    role(&mut replica, at(3002), Role::Fault);
    assert_eq!(kernel.serves(&mut replica, at(3100)), ["update 2 2073600", "dump"]);
    assert_eq!(replica.external().len(), 1);
}

#[test]
fn what_has_gone_on_at_a_router_that_was_primary_for_a_moment_is_not_set_back() {
    let (mut replica, mut kernel) = has_just_taken_over(&[1, 2]);
    let (entry, lives) = kernel.table.get_mut(&1).expect("written");
    (entry.tcp_state, entry.timeout, *lives) = (TcpState::TIME_WAIT, 120, 120);
    replica.handle_flow(at(3001), Origin::Kernel, Change::Update, &kernel.table[&1].0);
    role(&mut replica, at(3002), Role::Fault);
    assert_eq!(kernel.serves(&mut replica, at(3100)), ["update 2 2073600", "dump", "shorten 1 120"]);
    assert_eq!(kernel.table[&1].0.tcp_state, TcpState::TIME_WAIT);
}

#[test]
fn what_the_peer_says_after_that_counts() {
    let (mut replica, mut peer, mut kernel) = stands_by();
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    kernel.serves(&mut replica, at(30));
    role(&mut replica, at(3000), Role::Primary);
    let (gone, _) = kernel.table.remove(&1).expect("written");
    replica.handle_flow(at(3001), Origin::Kernel, Change::Destroy, &gone);
    role(&mut replica, at(3002), Role::Fault);
    peer.tells(&mut replica, at(3002), Change::Update, &flow(1));
    assert_eq!(kernel.serves(&mut replica, at(3100)), ["create 1 1728000", "dump"]);
}
