//! Every scenario has its two snapshots, its plan and its result, and no snapshot is left over.

use super::Finding;

const SCENARIOS: &str = "scenarios/";

/// Where the snapshots of scenarios are, and what they hold.
const KINDS: [(&str, &str); 2] = [("snapshots/plan/", "plan"), ("snapshots/lab/", "result")];

/// Pairs the scenarios among `paths` with the snapshots among them.
pub(crate) fn paired(paths: &[&str]) -> Vec<Finding> {
    let scenarios = || paths.iter().filter_map(|path| name_in(path, SCENARIOS, ".yaml"));
    let mut findings = Vec::new();
    for (directory, what) in KINDS {
        for name in scenarios() {
            let wanted = format!("{directory}{name}.snap");
            if !paths.contains(&wanted.as_str()) {
                let text = format!(
                    "no snapshot of its {what} ({wanted}): make it as CONTRIBUTING.md says, read it, commit it"
                );
                findings.push(Finding::new(&format!("{SCENARIOS}{name}.yaml"), 0, text));
            }
        }
        for path in paths {
            let orphan =
                name_in(path, directory, ".snap").filter(|name| !scenarios().any(|known| known == *name));
            if let Some(name) = orphan {
                let text = format!(
                    "no scenario is called {name}: delete this snapshot, or rename it with its scenario"
                );
                findings.push(Finding::new(path, 0, text));
            }
        }
    }
    findings
}

/// The name of a file that is directly in `directory` and ends in `ending`.
fn name_in<'a>(path: &'a str, directory: &str, ending: &str) -> Option<&'a str> {
    let name = path.strip_prefix(directory)?.strip_suffix(ending)?;
    (!name.contains('/')).then_some(name)
}
