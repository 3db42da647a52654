//! The small sweep: fifty seeds, each run twice with the same trace, all promises kept.

use syncd_sim::options::Overrides;
use syncd_sim::sweep::sweep;

#[test]
fn fifty_seeds_hold_and_leave_the_same_trace_twice() {
    // Less traffic than a sweep in release draws: this runs without optimisation.
    let overrides = Overrides { traffic: Some(20), seconds: Some(8), ..Overrides::default() };
    let swept = sweep(0, 50, &overrides, true, 2);
    assert_eq!(swept.failed, []);
    assert!(swept.kept > 0, "no seed had a failover after which something was left to keep");
}

#[test]
fn both_sides_of_a_mixed_pair_hold() {
    for conntrackd in [1, 2] {
        let overrides = Overrides {
            traffic: Some(20),
            seconds: Some(6),
            conntrackd: Some(conntrackd),
            ..Overrides::default()
        };
        assert_eq!(sweep(100, 10, &overrides, false, 2).failed, []);
    }
}
