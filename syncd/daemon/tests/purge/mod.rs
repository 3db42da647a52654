//! What is left over in the kernel of a router that was primary, where an operator wants it removed.

use super::lab::{self, two_routers, wait_for};
use super::{MULTICAST, cache, flow, insert, kernel, one_of_each};
use syncd_core::flow::{Family, Protocol};

#[test]
fn a_router_that_was_primary_is_emptied_of_what_the_other_one_has() {
    lab::run("purge::a_router_that_was_primary_is_emptied_of_what_the_other_one_has", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration("  purge-timeout: 2\n");
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.notify("GROUP \"G1\" MASTER 0\n");
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        r1.wait_until_in_sync();
        let carried = one_of_each();
        insert(&r1, &carried);
        wait_for("the flows are there", || cache(&r2, "external-cache").len() == carried.len());
        r1.notify("GROUP \"G1\" BACKUP 0\n");
        r2.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("r2 has them", || kernel(&r2).len() == carried.len());
        // This router's own, begun since.
        let own = flow(Family::V4, Protocol::TCP, 2001);
        insert(&r1, &[own]);
        wait_for("r1 has its own only", || kernel(&r1).len() == 1);
        assert_eq!(kernel(&r2).len(), carried.len(), "nobody is told of an end");
        let said = |line: &str| {
            let log = r1.syncd(&["show", "log", "conntrack-sync"]).stdout;
            String::from_utf8(log).expect("text").contains(line)
        };
        assert!(said("info: flushing conntrack table in 2 secs: this router was primary\n"));
        assert!(said("info: flushing kernel conntrack table (scheduled): 6 flows\n"));

        // And back again: nothing was lost by it.
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        r1.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("r1 has them again", || kernel(&r1).len() == carried.len() + 1);
    });
}
