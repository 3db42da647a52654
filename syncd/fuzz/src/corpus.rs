//! The committed inputs of each target, one file each; `corpus/README.md` says where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Where they are.
#[must_use]
pub fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// All inputs of a target with their names, in the order of these.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn read(target: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let directory = directory(target);
    let listing = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut inputs = Vec::new();
    for entry in listing {
        let path = entry?.path();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        inputs.push((name, bytes));
    }
    inputs.sort();
    anyhow::ensure!(!inputs.is_empty(), "no inputs in {}", directory.display());
    Ok(inputs)
}
