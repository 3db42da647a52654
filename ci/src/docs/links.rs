//! Links between pages: each leads to a file of the clone, and to a heading of it.
//!
//! Pure. Links to other hosts are not looked at. Driven by `tidy`; tested in `tests.rs` beside it.

/// A file of the clone: its path, and its text.
pub(crate) type File<'t> = (&'t str, &'t str);

/// Links of a page that lead nowhere: their lines, and what is wrong.
pub(crate) fn dead(path: &str, text: &str, files: &[File<'_>]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, target) in links(text) {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let there = if file.is_empty() { path.to_owned() } else { beside(path, file) };
        let exact = files.iter().find(|(known, _)| *known == there);
        let is_directory = || files.iter().any(|(known, _)| known.starts_with(&format!("{there}/")));
        match exact {
            None if heading.is_empty() && is_directory() => {}
            None => found.push((line, format!("the link to {target} leads nowhere: there is no {there}"))),
            Some((_, text))
                if !heading.is_empty() && !headings(text).iter().any(|known| known == heading) =>
            {
                found
                    .push((line, format!("the link to {target} leads nowhere: {there} has no such heading")));
            }
            Some(_) => {}
        }
    }
    found
}

/// Each line that is not in a block, with its number.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut within = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        within ^= fence;
        (!within && !fence).then_some((at + 1, line))
    })
}

/// What is between `](` and `)`, but for other hosts.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in lines(text) {
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')')
                && !target.contains("://")
            {
                found.push((number, target));
            }
        }
    }
    found
}

/// The path of a link from the root of the clone.
fn beside(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// The headings of a page, as links name them: small letters, digits and dashes.
fn headings(text: &str) -> Vec<String> {
    let headings = lines(text).filter(|(_, line)| line.starts_with('#'));
    let name = |(_, line): (usize, &str)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}
