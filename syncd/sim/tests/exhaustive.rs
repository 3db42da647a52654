//! Every pattern of deliver, drop and delay for the first datagrams of a small world: see `syncd_sim::exhaustive`.

use syncd_sim::exhaustive::{Start, enumerate};

/// As many datagrams meet their fate; 6,561 patterns.
const DATAGRAMS: u32 = 8;

#[test]
fn an_open_session_converges_whatever_is_lost() {
    assert_eq!(enumerate(Start::Open, DATAGRAMS), Ok(3_u32.pow(DATAGRAMS)));
}

#[test]
fn a_session_that_begins_with_hello_converges_whatever_is_lost() {
    assert_eq!(enumerate(Start::Hello, DATAGRAMS), Ok(3_u32.pow(DATAGRAMS)));
}
