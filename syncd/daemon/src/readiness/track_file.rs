//! The file by which keepalived learns how ready this router is (`track_file`; keepalived hears of it by inotify).
//!
//! Replaced as a whole: what keepalived finds empty, or not at all, it takes for 0, which is ready. So somebody who removes
//! it makes this router ready in keepalived's eyes; it is looked at every second and put back. Decides nothing. Tested in
//! `readiness/tests.rs`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::priority::Level;

/// The file.
#[derive(Debug)]
pub(crate) struct TrackFile {
    path: PathBuf,
    /// What we have written.
    written: Option<Level>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It said so already.
    Already,
    /// It says so now.
    Now,
    /// Somebody else had removed or changed it; it says so again.
    Again,
}

impl TrackFile {
    /// The file at `path`, which is made when something is said.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sees to it that it says `level`.
    ///
    /// # Errors
    ///
    /// The directory's, or a full disk.
    pub(crate) fn say(&mut self, level: Level) -> io::Result<Written> {
        let text = format!("{}\n", level.number());
        let there = fs::read(&self.path).is_ok_and(|said| said == text.as_bytes());
        let known = self.written.replace(level) == Some(level);
        if there {
            return Ok(if known { Written::Already } else { Written::Now });
        }
        let written = self.write(&text);
        if written.is_err() {
            self.written = None;
        }
        written.map(|()| if known { Written::Again } else { Written::Now })
    }

    fn write(&self, text: &str) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        }
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)
    }
}
