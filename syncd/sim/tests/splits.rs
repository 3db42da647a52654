//! Splits of which VRRP tells the survivor nothing: only the dedicated link can say that there were two primaries.

use syncd_sim::options::Overrides;
use syncd_sim::sweep::sweep;

/// Two splits in a run, and nothing else goes wrong; often the dedicated link is cut with the networks.
fn splits_alone() -> Overrides {
    Overrides { splits: Some(2), seconds: Some(30), traffic: Some(10), pool: Some(20), ..Overrides::calm() }
}

#[test]
fn flows_of_the_router_that_stepped_back_live_on_though_nobody_told_the_other() {
    let swept = sweep(0, 80, &splits_alone(), false, 2);
    assert_eq!(swept.failed, []);
    let untold = swept.untold;
    assert!(untold.heals > 10 && untold.saved > 20, "hardly a split healed untold: {untold:?}");
    assert_eq!(untold.forsaken, 0, "{untold:?}");
}

#[test]
fn what_is_left_over_on_a_router_that_stands_by_is_removed_when_the_peer_has_seen_its_end() {
    let failovers = Overrides { failovers: Some(3), splits: Some(0), ..splits_alone() };
    let swept = sweep(0, 30, &failovers, false, 2);
    assert_eq!(swept.failed, []);
    assert!(swept.leftovers > 20, "hardly a flow was left over: {}", swept.leftovers);
}
