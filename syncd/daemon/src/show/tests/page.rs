//! A page is bounded in what it holds and in what it looks at, and nothing is shown twice or left out.

use syncd_core::flow::{Change, Origin};
use syncd_core::replica::{self, Replica};

use super::*;
use crate::control::protocol::{Cache, Form, PAGE, Page};
use crate::show::page::{self, Ask};
use crate::show::selection::{Chosen, Selection};

fn replica(flows: u16) -> Replica {
    let config = replica::Config {
        filter: syncd_core::filter::Filter::default(),
        internal_limit: 100_000,
        external_limit: 1000,
        channels: 1,
        wire: syncd_core::wire::Options::default(),
        ends: replica::Ends::Told,
        peer_keeps: replica::PEER_KEEPS,
    };
    let mut replica = Replica::new(config, [7; 32], at(0));
    for port in 0..flows {
        let tuple = Tuple { source_port: port, target_port: 80, ..Tuple::default() };
        replica.handle_flow(at(1), Origin::Kernel, Change::New, &Flow::new(Family::V4, Protocol::TCP, tuple));
    }
    replica
}

/// All pages.
fn pages(replica: &Replica, form: Form, chosen: Chosen, most: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = page::page(replica, 2, Ask { cache: Cache::Internal, from, form, chosen, most });
        next = page.next;
        assert!(next.is_none_or(|next| next > from), "it goes on");
        pages.push(page);
    }
    pages
}

#[test]
fn every_flow_is_on_one_page() {
    let replica = replica(1000);
    for form in [Form::Lines, Form::Objects, Form::Xml] {
        let pages = pages(&replica, form, Chosen::default(), usize::MAX);
        assert_eq!(
            (pages.len(), pages.iter().map(Page::len).sum::<usize>()),
            (1000_usize.div_ceil(PAGE), 1000)
        );
        assert!(pages.iter().all(|page| page.len() <= PAGE));
    }
    assert_eq!(pages(&replica, Form::Lines, Chosen::default(), 10).len(), 100);
}

#[test]
fn a_search_that_finds_nothing_looks_at_a_bounded_part_for_each_page() {
    let replica = replica(50_000);
    let selection = Selection { dport: Some(81), ..Selection::default() };
    let pages = pages(&replica, Form::Lines, selection.read().unwrap(), usize::MAX);
    assert!(pages.len() >= 50_000 / 2048 && pages.iter().all(|page| page.len() == 0), "{}", pages.len());
    let selection = Selection { sport: Some(49_999), ..Selection::default() };
    let chosen = selection.read().unwrap();
    let found: usize = self::pages(&replica, Form::Lines, chosen, usize::MAX).iter().map(Page::len).sum();
    assert_eq!(found, 1);
}

#[test]
fn a_page_beyond_the_end_is_the_last() {
    let replica = replica(3);
    let ask =
        Ask { cache: Cache::Internal, from: u32::MAX, form: Form::Lines, chosen: Chosen::default(), most: 1 };
    assert_eq!(page::page(&replica, 2, ask), Page::default());
}
