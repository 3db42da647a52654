//! `conntrackd.conf`: its blocks and keys as a tree, and what each means here.
//!
//! Keys are known in whatever case, and a line may hold several. What is not known is told, not refused.
//! Tested through `tests.rs`.

mod blocks;
mod meaning;

use anyhow::bail;

use super::draft::Draft;
use super::{Fate, Imported, Wiring};

/// Makes ours of it.
///
/// # Errors
///
/// When it is no such file.
pub(super) fn import(text: &str, wiring: &Wiring) -> anyhow::Result<Imported> {
    let tree = blocks::parse(text)?;
    if !tree.iter().any(|node| node.is("sync") || node.is("general")) {
        bail!("there is no block 'Sync' and no block 'General'; give a conntrackd.conf");
    }
    let mut draft = Draft::default();
    let mut fates: Vec<Fate> = Vec::new();
    for node in &tree {
        meaning::take(&mut draft, node, &mut fates);
    }
    fates.sort_by_key(|fate| fate.line);
    draft.sync_group.clone_from(&wiring.sync_group);
    draft.notify_fifo.clone_from(&wiring.notify_fifo);
    Ok(Imported { yaml: draft.yaml("conntrackd"), fates, lacks_group: draft.sync_group.is_none() })
}
