//! Built in the next commits.
fn main() {}
