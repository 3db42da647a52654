//! Names of kernel requests.

use super::kernel::Token;

/// Hands out names that do not repeat for four billion requests.
#[derive(Debug, Default)]
pub(super) struct Tokens(u32);

impl Tokens {
    /// A fresh name; never zero, which netlink uses for events.
    pub(super) const fn next(&mut self) -> Token {
        self.0 = self.0.wrapping_add(1);
        if self.0 == 0 {
            self.0 = 1;
        }
        Token(self.0)
    }
}
