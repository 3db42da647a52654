//! How labctl ends: the exit codes, and what belongs to each.
//!
//! Never prints. Every verb returns one of these inside its error; `main` prints it and exits. Tested below.

use thiserror::Error;

use crate::programs::Missing;
use crate::scenario::Mistakes;

/// Why a verb did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Ending {
    /// An expectation was not met, or something failed: 1.
    #[error("{0}")]
    Failed(String),
    /// Wrong usage or an invalid file: 2.
    #[error("{0}")]
    Usage(String),
    /// The machine lacks something: 3.
    #[error("{0}")]
    Lacking(String),
}

impl Ending {
    /// The ending that belongs to an exit code which the lab has sent.
    #[must_use]
    pub(crate) const fn of(code: u8, message: String) -> Self {
        match code {
            2 => Self::Usage(message),
            3 => Self::Lacking(message),
            _ => Self::Failed(message),
        }
    }
}

/// The exit code of an expectation that was not met, and of everything that is nobody's usage.
pub(crate) const FAILED: u8 = 1;

/// The exit code of an error.
#[must_use]
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let cause = |cause: &(dyn std::error::Error + 'static)| {
        let ending = cause.downcast_ref::<Ending>().map(|ending| match ending {
            Ending::Failed(_) => FAILED,
            Ending::Usage(_) => 2,
            Ending::Lacking(_) => 3,
        });
        let usage = cause.is::<Mistakes>().then_some(2);
        let lacking = cause.is::<Missing>().then_some(3);
        ending.or(usage).or(lacking)
    };
    error.chain().find_map(cause).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::{Ending, exit_code};
    use crate::programs;
    use anyhow::Context;

    #[test]
    fn each_kind_of_ending_has_its_code_even_under_a_context() {
        assert_eq!(exit_code(&Ending::Usage("so not".into()).into()), 2);
        let missing =
            Err::<(), _>(programs::find("no-such-program").unwrap_err()).context("started").unwrap_err();
        assert_eq!(exit_code(&missing), 3);
        assert_eq!(exit_code(&anyhow::anyhow!("broken")), 1);
    }
}
