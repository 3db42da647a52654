//! Pages tried: every block of README.md and `docs/` is a file that is written, a command that is run, what that prints, or
//! shown with the reason why it cannot be tried.
//!
//! Pages that are about routers are followed from top to bottom in a lab of labctl, or on Debians that are booted for it;
//! the others in the clone. Never repairs anything. Driven by `suite`, `package` and `cargo ci docs`; what a page may say is
//! tested in `tests.rs`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lock::HostLock;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{gates, residue, suite};
use blocks::{Lab as Place, Page, Run, Step, What};
use booted::Booted;
use site::Said;

mod blocks;
mod booted;
mod compare;
mod groups;
pub(crate) mod links;
mod site;

#[cfg(test)]
mod tests;

pub(crate) use blocks::read as read_page;
pub(crate) use booted::Image;
pub(crate) use site::{Lab, Site};

/// How long what is only looked at may take to show what is expected.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to try.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these pages, as docs/migration.md; the page in whose lab one of them is tried is followed first
    pages: Vec<String>,
}

/// `cargo ci docs`.
///
/// # Errors
/// The first thing that is not as a page says.
pub(crate) fn docs(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::setup(workspace, Need::Everything)?;
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    try_pages(workspace, &options.pages)
}

/// Tries all pages: those that are about routers in labs, the others in the clone. The optimised programs must have been
/// built.
///
/// # Errors
/// The first thing that is not as a page says.
pub(crate) fn in_labs(workspace: &Workspace) -> Result<()> {
    try_pages(workspace, &[])
}

/// Tries these pages, or all.
fn try_pages(workspace: &Workspace, only: &[String]) -> Result<()> {
    let pages = read_pages(workspace, only)?;
    // First what needs no lab, since labctl means the only one that runs.
    for page in &pages {
        follow(workspace, None, page)?;
    }
    for (lab, group) in groups_of(workspace, &pages) {
        let lab = lab?;
        lab.stand_in(&routers(&group))?;
        for page in group {
            follow(workspace, Some(&lab), page)?;
        }
    }
    Ok(())
}

/// Tries all pages that are about routers on Debians that are booted of this image: with it also what needs systemd or dpkg.
/// The optimised programs must have been built.
///
/// # Errors
/// The first thing that is not as a page says.
pub(crate) fn on_booted(workspace: &Workspace, image: &Image<'_>) -> Result<()> {
    let pages = read_pages(workspace, &[])?;
    for (lab, group) in groups_of(workspace, &pages) {
        let site = Booted::up(workspace, lab?, &routers(&group), image)?;
        for page in group {
            follow(workspace, Some(&site), page)?;
        }
    }
    Ok(())
}

/// Each lab that pages want, built when it is its turn, and the pages that are tried in it.
fn groups_of<'p>(
    workspace: &'p Workspace,
    pages: &'p [Page],
) -> impl Iterator<Item = (Result<Lab<'p>>, Vec<&'p Page>)> {
    pages.iter().filter_map(|page| {
        let Place::Of(file) = &page.lab else { return None };
        let lab = Lab::up(workspace, file, &format!("docs-{}", stem(&page.path)));
        Some((lab, group(pages, page)))
    })
}

/// Whether a file is a page whose blocks are tried.
pub(crate) fn is_page(path: &str) -> bool {
    path == "README.md" || path.starts_with("docs/") && path.ends_with(".md")
}

/// These pages and those in whose labs they are tried, or all, in the order of their paths.
fn read_pages(workspace: &Workspace, only: &[String]) -> Result<Vec<Page>> {
    if let Some(path) = only.iter().find(|path| !is_page(path)) {
        bail!("{path} is no page; pages are README.md and docs/*.md, named from the clone");
    }
    let mut paths = only.to_vec();
    if paths.is_empty() {
        paths.push("README.md".to_owned());
        for entry in fs::read_dir(workspace.root.join("docs")).context("cannot read docs")? {
            paths.push(format!("docs/{}", entry?.file_name().to_string_lossy()));
        }
    }
    let mut pages: Vec<Page> = Vec::new();
    while let Some(path) = paths.pop() {
        if !is_page(&path) || pages.iter().any(|page| page.path == path) {
            continue;
        }
        let page = read_file(workspace, &path)?;
        if let Place::After(after) = &page.lab {
            paths.push(after.clone());
        }
        pages.push(page);
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    lend(workspace, &mut pages)?;
    Ok(pages)
}

fn read_file(workspace: &Workspace, path: &str) -> Result<Page> {
    let text =
        fs::read_to_string(workspace.root.join(path)).with_context(|| format!("cannot read {path}"))?;
    let (page, mistakes) = read_page(path, &text);
    if let Some((line, what)) = mistakes.first() {
        bail!("{path}:{line}: {what}");
    }
    Ok(page)
}

/// Puts the files of other pages where a page has them by name only.
fn lend(workspace: &Workspace, pages: &mut [Page]) -> Result<()> {
    for page in pages {
        for step in &mut page.steps {
            let What::Borrow { page: from, path } = &step.what else { continue };
            let text = fs::read_to_string(workspace.root.join(from))
                .with_context(|| format!("cannot read {from}"))?;
            let (lender, _) = read_page(from, &text);
            let found = lender.steps.into_iter().map(|step| step.what).find(|what| match what {
                What::File { path: has, append, .. } => has == path && !append,
                _ => false,
            });
            step.what =
                found.with_context(|| format!("{}:{}: {from} has no file {path}", page.path, step.line))?;
        }
    }
    Ok(())
}

/// A page and those that are tried in its lab, after it.
fn group<'p>(pages: &'p [Page], first: &'p Page) -> Vec<&'p Page> {
    let others = pages.iter().filter(|page| page.lab == Place::After(first.path.clone()));
    std::iter::once(first).chain(others).collect()
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().and_then(|name| name.strip_suffix(".md")).unwrap_or(path)
}

/// The routers that pages name.
fn routers(pages: &[&Page]) -> Vec<String> {
    let steps = pages.iter().flat_map(|page| &page.steps);
    let named = steps.flat_map(|step| match &step.what {
        What::File { on, .. } | What::Run(Run { on, .. }) => on.as_slice(),
        What::Labctl(_) | What::Borrow { .. } => &[],
    });
    let mut routers: Vec<String> = named.cloned().collect();
    routers.sort();
    routers.dedup();
    routers
}

/// Does what a page says in its lab, or without one what it says outside of labs.
fn follow(workspace: &Workspace, site: Option<&dyn Site>, page: &Page) -> Result<()> {
    let began = Instant::now();
    let mut done = 0;
    for step in &page.steps {
        let tried = match site {
            Some(site) => try_in_lab(site, step),
            None => try_in_clone(workspace, step),
        };
        done += usize::from(tried.with_context(|| format!("{}:{}", page.path, step.line))?);
    }
    let (path, seconds) = (&page.path, began.elapsed().as_secs_f64());
    if done > 0 {
        let place = if site.is_some() { "on routers" } else { "in the clone" };
        println!("{path}: {done} of {} steps {place}, {seconds:.1} s", page.steps.len());
    }
    Ok(())
}

/// Whether it is one that is tried outside of labs.
fn try_in_clone(workspace: &Workspace, step: &Step) -> Result<bool> {
    let What::Run(run) = &step.what else { return Ok(false) };
    if !run.on.is_empty() {
        return Ok(false);
    }
    attempt(run, || {
        let mut command = workspace.command("sh");
        command.args(["-ec", &format!("exec 2>&1\n{}", run.script)]);
        residue::mark(&mut command);
        site::finish(command, "")
    })?;
    Ok(true)
}

/// Whether it is one that can be tried on these routers.
fn try_in_lab(site: &dyn Site, step: &Step) -> Result<bool> {
    match &step.what {
        What::Labctl(words) => site.labctl(&words.iter().map(String::as_str).collect::<Vec<_>>())?,
        What::Borrow { page, path } => bail!("{path} of {page} is not here"),
        What::File { path, on, text, append } => {
            let redirect = if *append { ">>" } else { ">" };
            let script = format!("mkdir -p \"$(dirname {path})\" && cat {redirect}{path}");
            for node in on {
                let said = site.on(node, &script, text)?;
                if said.code != 0 {
                    bail!("on {node}: cannot write {path}: {}", said.text);
                }
            }
        }
        What::Run(run) if run.on.is_empty() || run.booted && !site.is_booted() => return Ok(false),
        What::Run(run) => {
            for node in &run.on {
                attempt(run, || site.on(node, &run.script, "")).with_context(|| format!("on {node}"))?;
            }
        }
    }
    Ok(true)
}

/// Runs it; what only looks is run until it shows what it should, or for too long.
fn attempt(run: &Run, mut ask: impl FnMut() -> Result<Said>) -> Result<()> {
    let began = Instant::now();
    loop {
        let problem = match judge(run, &ask()?) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        if !run.look || began.elapsed() > PATIENCE {
            return Err(problem);
        }
        look_again_soon();
    }
}

#[expect(clippy::disallowed_methods, reason = "a command only says how things are when it is asked")]
pub(crate) fn look_again_soon() {
    std::thread::sleep(Duration::from_millis(200));
}

fn judge(run: &Run, said: &Said) -> Result<()> {
    if said.code != run.exit {
        bail!("exit code {}, not {}:\n{}", said.code, run.exit, said.text);
    }
    let Some(output) = &run.output else { return Ok(()) };
    if let Err((line, text)) = compare::holds(output, &said.text) {
        bail!("the page shows, in line {line} of the output:\n{text}\nprinted was:\n{}", said.text);
    }
    Ok(())
}
