//! The link's tests: the weather as arithmetic, the carrier between real veths.

mod arithmetic;
mod carried;
