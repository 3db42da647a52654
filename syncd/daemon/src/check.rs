//! `syncd check`, `syncd explain` and `syncd schema`: the configuration as an operator asks about it.
//!
//! Prints only; what is right and wrong is [`crate::config`]'s. Tested in `config/tests.rs` and `check/tests.rs`.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::config::keys::{KEYS, Key};
use crate::config::{self, Beside, Config, Interface, Invalid, LoadError, Problem, schema};

#[cfg(test)]
mod tests;

/// The version of what is printed with `--json`.
const VERSION: u32 = 1;

/// Checks a file, with `here` against this machine too. Says whether it is valid; in JSON also why not.
pub(crate) fn check(file: &Path, here: bool, json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let checked = config::load(file).map(|config| (on_this_machine(&config, here), config));
    let (valid, problems, remarks) = match &checked {
        Ok((Ok(Ok(more)), config)) => (true, &[][..], [config.remarks(), more].concat()),
        Ok((Ok(Err(invalid)), config)) => (false, invalid.problems(), config.remarks().to_vec()),
        Err(LoadError::Invalid(invalid)) => (false, invalid.problems(), Vec::new()),
        Ok((Err(_), _)) | Err(LoadError::Unreadable { .. }) => (false, &[][..], Vec::new()),
    };
    if json && !matches!(checked, Ok((Err(_), _))) {
        let list = |problems: &[Problem]| problems.iter().map(object).collect::<Vec<_>>();
        let mut problems = list(problems);
        if let Err(LoadError::Unreadable { error, .. }) = &checked {
            let (reason, remedy) = (format!("cannot read it: {error}"), config::unreadable_remedy(error));
            let no_place = Value::Null;
            problems.push(json!({
                "line": no_place, "column": no_place, "key": "", "reason": reason, "remedy": remedy,
            }));
        }
        let document = json!({
            "version": VERSION, "file": file.display().to_string(), "valid": valid, "problems": problems,
            "remarks": list(&remarks),
        });
        writeln!(out, "{document}")?;
        return Ok(valid);
    }
    let (more, config) = checked?;
    more??;
    writeln!(out, "{}: valid{}", file.display(), config.show(&remarks))?;
    Ok(true)
}

/// The remarks, or what is wrong, on this machine.
fn on_this_machine(config: &Config, here: bool) -> anyhow::Result<Result<Vec<Problem>, Invalid>> {
    if !here {
        return Ok(Ok(Vec::new()));
    }
    let interfaces = Interface::all().context("cannot list the interfaces")?;
    Ok(config.check_system(&interfaces, Beside::read(&config.failover).as_ref()).map(|here| here.remarks))
}

fn object(problem: &Problem) -> Value {
    json!({
        "line": problem.line(), "column": problem.column(),
        "key": problem.key, "reason": problem.reason, "remedy": problem.remedy,
    })
}

/// Says what the key and those below it mean; all of them, if none is named.
pub(crate) fn explain(wanted: Option<&str>, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let keys: Vec<&Key> =
        KEYS.iter().filter(|key| wanted.is_none_or(|wanted| is_meant(key.path, wanted))).collect();
    if let (Some(wanted), true) = (wanted, keys.is_empty()) {
        let there: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        bail!("there is no key {wanted}; keys are {}", there.join(", "));
    }
    if json {
        let object = |key: &&Key| {
            json!({
                "key": key.path, "value": key.value.describe(), "default": key.default, "says": key.says,
                "vyos": key.vyos, "reload": key.reload,
            })
        };
        let document = json!({ "version": VERSION, "keys": keys.iter().map(object).collect::<Vec<_>>() });
        writeln!(out, "{document}")?;
        return Ok(());
    }
    for (index, key) in keys.iter().enumerate() {
        let space = if index == 0 { "" } else { "\n" };
        writeln!(out, "{space}{}", key.path)?;
        writeln!(out, "    {}", key.says)?;
        writeln!(out, "    value:    {}", key.value.describe())?;
        writeln!(out, "    default:  {}", key.default)?;
        writeln!(out, "    VyOS:     {}", key.vyos.unwrap_or("no"))?;
        let reload = match key.reload {
            config::keys::Reload::InPlace => "applied in place",
            config::keys::Reload::Restart => "takes a restart",
        };
        writeln!(out, "    reload:   {reload}")?;
    }
    Ok(())
}

/// Whether an operator means the key: by its path, the end of it, or that of a key above it.
fn is_meant(path: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_prefix("conntrack-sync.").unwrap_or(wanted);
    path == wanted || path.ends_with(&format!(".{wanted}")) || path.starts_with(&format!("{wanted}."))
}

/// Prints the schema.
pub(crate) fn schema(out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", schema::text())?;
    Ok(())
}
