//! The gate's manners, with programs in nft's place that behave badly. What it does to packets is tested with a kernel, end
//! to end.

use std::future::poll_fn;

use super::*;
use crate::clock;

/// One that does what it is told: it answers each question, and has a remark that is no error.
const OBEDIENT: &str = "echo '# Warning: managed by iptables-nft' >&2; while read line; do case $line in list*) echo '  packets 7 bytes 420';; esac; done";

fn at(millis: u64) -> Instant {
    Instant::from_nanos(1) + Duration::from_millis(millis)
}

fn gate(script: &'static str) -> Gate {
    Gate::held_by("/bin/sh".into(), vec!["-c", script])
}

/// Tends the gate as of `now` until it has news.
async fn next_news(gate: &mut Gate, now: Instant, need: Need) -> News {
    let begun = clock::now();
    loop {
        gate.tend(now, need);
        if let Some(news) = gate.news() {
            return news;
        }
        assert!(clock::now().since(begun) < Duration::from_secs(20), "nothing happens: {gate:?}");
        let heard = poll_fn(|context| gate.poll_read(context));
        // What ends a program is no word of it.
        drop(tokio::time::timeout(Duration::from_millis(20), heard).await);
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn closes_and_opens_when_that_is_done_and_leaves_nothing() {
    run(async {
        let mut gate = gate(OBEDIENT);
        gate.tend(at(0), Need::Prepared);
        assert!(gate.keeper.is_some(), "it is there before it is needed");
        assert_eq!(next_news(&mut gate, at(10), Need::Closed).await, News::Closed { after: Duration::ZERO });
        assert_eq!(gate.due(), Some(at(1010)), "it is closed again before it expires");
        gate.tend(at(1010), Need::Closed);
        assert_eq!(gate.due(), Some(at(2010)));
        let closed = Duration::from_millis(1490);
        let opened = next_news(&mut gate, at(1500), Need::None).await;
        assert_eq!(opened, News::Opened { closed, held: Some(7) });
        assert!(gate.keeper.is_none() && gate.leaving.is_none());
        assert_eq!(gate.counts(), Counts { closed: 1, held: 7, failed: 0 });

        // A commit that is over before nft has answered closes it all the same.
        gate.tend(at(2000), Need::Closed);
        let opened = News::Opened { closed: Duration::from_millis(1), held: Some(7) };
        assert_eq!(
            next_news(&mut gate, at(2001), Need::None).await,
            News::Closed { after: Duration::from_millis(1) }
        );
        assert_eq!(next_news(&mut gate, at(2001), Need::None).await, opened);
        assert_eq!(gate.counts().closed, 2);
        gate.end();
        assert!(gate.corpses.is_empty());
    });
}

/// The answer to a question from before is none to this one.
#[test]
fn is_closed_only_when_the_kernel_was_told() {
    run(async {
        let mut gate =
            gate("read table; read ask; read close; echo 'packets 0 bytes 0'; read ask; read more");
        gate.tend(at(0), Need::Closed);
        let heard = poll_fn(|context| gate.poll_read(context));
        heard.await;
        gate.tend(at(1), Need::Closed);
        assert_eq!((gate.news(), gate.keeper.as_ref().unwrap().answered), (None, 1));
        gate.end();
    });
}

#[test]
fn without_nft_it_says_so_once_and_tries_again_when_something_else_is_needed() {
    run(async {
        let mut gate = Gate::held_by("/nowhere/nft".into(), vec!["-i"]);
        let reason = "/nowhere/nft is missing (package nftables)".to_owned();
        for (need, failed) in [(Need::Prepared, 1), (Need::Closed, 2)] {
            for _ in 0..3 {
                gate.tend(at(0), need);
            }
            assert_eq!(gate.news(), Some(News::Failed { reason: reason.clone() }));
            assert_eq!((gate.news(), gate.counts().failed, gate.due()), (None, failed, None));
        }
    });
}

#[test]
fn what_nft_complains_of_is_told() {
    run(async {
        let complains =
            "read table; echo '/dev/stdin:1:1-9: Error: Could not process rule: Operation not permitted
table inet x
^^^^^' >&2; read more";
        let mut gate = gate(complains);
        let reason = "Could not process rule: Operation not permitted".to_owned();
        assert_eq!(next_news(&mut gate, at(0), Need::Closed).await, News::Failed { reason });
        assert!(gate.keeper.is_none(), "a gate that may be half made is none");
        gate.tend(at(1), Need::Closed);
        assert!(gate.keeper.is_none() && gate.news().is_none());
    });
}

#[test]
fn one_that_ends_or_does_not_answer_is_given_up() {
    run(async {
        let mut gate = gate("exit 1");
        let reason = match next_news(&mut gate, at(0), Need::Prepared).await {
            News::Failed { reason } => reason,
            other => panic!("{other:?}"),
        };
        let mut last_words = self::gate("read table; echo '# Warning: nothing works' >&2; exit 1");
        let told = next_news(&mut last_words, at(0), Need::Prepared).await;
        let wanted = "nft has ended by itself: # Warning: nothing works".to_owned();
        assert_eq!(told, News::Failed { reason: wanted });

        // It may end before it can be told anything.
        assert!(reason == "nft has ended by itself" || reason.contains("Broken pipe"), "{reason}");

        let mut gate = self::gate("exec sleep 100");
        gate.tend(at(0), Need::Closed);
        gate.tend(at(2000), Need::Closed);
        assert_eq!((gate.news(), gate.due()), (None, Some(at(2000))));
        gate.tend(at(2001), Need::Closed);
        let reason = "nft has not answered for 2 s".to_owned();
        assert_eq!(gate.news(), Some(News::Failed { reason }));
        gate.end();
    });
}

#[test]
fn one_that_does_not_leave_is_made_to() {
    run(async {
        let mut gate = gate(
            "read table; read ask; echo 'packets 0 bytes 0'; read close; read ask; echo 'packets 3 bytes 0'; exec sleep 100",
        );
        assert!(matches!(next_news(&mut gate, at(0), Need::Closed).await, News::Closed { .. }));
        gate.tend(at(500), Need::None);
        gate.tend(at(2500), Need::None);
        assert!(gate.leaving.is_some());
        gate.tend(at(2501), Need::None);
        assert_eq!(gate.news(), Some(News::Opened { closed: Duration::from_millis(2501), held: Some(3) }));
        assert!(gate.leaving.is_none());
        gate.end();
    });
}

#[test]
fn a_commit_without_an_end_does_not_keep_it_closed() {
    run(async {
        let mut gate = gate(OBEDIENT);
        assert!(matches!(next_news(&mut gate, at(0), Need::Closed).await, News::Closed { .. }));
        let mut now = at(0);
        while now < at(0) + LONGEST {
            now = now + AGAIN;
            gate.tend(now, Need::Closed);
            // Its answers are read before the next second, which here comes at once.
            while gate.keeper.as_ref().is_some_and(|keeper| keeper.waits.is_some()) {
                poll_fn(|context| gate.poll_read(context)).await;
                gate.tend(now, Need::Closed);
            }
        }
        assert_eq!(gate.news(), None);
        let over = at(0) + LONGEST + Duration::from_millis(1);
        assert_eq!(next_news(&mut gate, over, Need::Closed).await, News::Overdue);
        assert!(matches!(next_news(&mut gate, over, Need::Closed).await, News::Opened { .. }));
        assert!(gate.keeper.is_none());
    });
}

#[test]
fn the_words() {
    let own: BTreeSet<IpAddr> =
        ["10.0.0.2", "fe80::2", "2001:db8::2"].map(|text| text.parse().unwrap()).into();
    let made = words::make("T", &own);
    assert!(made.contains("set own4 { type ipv4_addr; elements = { 10.0.0.2 }; }"), "{made}");
    assert!(made.contains("set own6 { type ipv6_addr; elements = { 2001:db8::2, fe80::2 }; }"), "{made}");
    // nft takes no list of nothing.
    assert!(words::make("T", &BTreeSet::new()).contains("set own4 { type ipv4_addr; }"));
    let gone: Vec<IpAddr> = own.into_iter().take(2).collect();
    let disowned = words::disown("T", &gone);
    assert_eq!(
        disowned,
        "delete element inet T own4 { 10.0.0.2 }; delete element inet T own6 { 2001:db8::2 }\n"
    );
    for line in [made, disowned, words::close("T"), words::ask("T"), words::open("T")] {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "a transaction is a line: {line}");
    }
    assert_eq!(words::answer("\t\tpackets 12 bytes 720"), Some(12));
    assert_eq!(words::answer("\tcounter held {"), None);
    let long = "x".repeat(1000);
    assert_eq!((words::complaint("\n one \n two"), words::complaint(&long).len()), ("one".to_owned(), 200));
}
