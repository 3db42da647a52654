//! The programs that a lab needs besides itself: where they are, and how to get those that are missing.
//!
//! Never installs anything. The verbs look before a lab is started, the lab looks again for paths. Tested below.

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use thiserror::Error;

/// A program that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{program} is missing: {remedy}")]
pub(crate) struct Missing {
    /// The program's name.
    pub(crate) program: String,
    /// The command that installs it.
    pub(crate) remedy: String,
}

/// Where system programs are, which the search path of an ordinary user often leaves out.
pub(crate) const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where a package puts labctl, apart from syncd.
const PACKAGED: &str = "/usr/bin";

/// Finds a program.
///
/// # Errors
/// [`Missing`], with the command that installs it.
pub(crate) fn find(program: &str) -> Result<PathBuf, Missing> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories = env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    let found = directories.find_map(|directory| executable(&directory.join(program)));
    found.ok_or_else(|| {
        let package = match program {
            "nft" => "nftables",
            other => other,
        };
        Missing { program: program.to_owned(), remedy: format!("apt-get install {package}") }
    })
}

/// Finds the daemon under test: where the caller says, or beside this program, or, of a package, where system programs are.
///
/// # Errors
/// [`Missing`].
pub(crate) fn find_syncd(said: Option<&Path>) -> Result<PathBuf, Missing> {
    let (path, remedy) = match said {
        Some(path) => (path.to_owned(), "give --syncd the path of an executable".to_owned()),
        None => {
            let beside = env::current_exe().unwrap_or_default().with_file_name("syncd");
            if beside.parent() == Some(Path::new(PACKAGED)) && !beside.exists() {
                return find("syncd");
            }
            (beside, "cargo build --release -p syncd, or say where it is with --syncd PATH".to_owned())
        }
    };
    let full = std::path::absolute(&path).unwrap_or(path);
    executable(&full).ok_or_else(|| Missing { program: full.display().to_string(), remedy })
}

fn executable(path: &Path) -> Option<PathBuf> {
    (path.is_file() && access(path, AccessFlags::X_OK).is_ok()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{find, find_syncd};
    use std::path::Path;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        assert!(find("sh").is_ok());
        let missing = find("no-such-program").unwrap_err();
        assert_eq!(missing.to_string(), "no-such-program is missing: apt-get install no-such-program");
    }

    #[test]
    fn a_wrong_syncd_is_told_with_its_path() {
        let missing = find_syncd(Some(Path::new("/nowhere/syncd"))).unwrap_err();
        assert_eq!(missing.program, "/nowhere/syncd");
        assert!(find_syncd(Some(Path::new("/bin/sh"))).is_ok());
    }
}
