//! The registry's file and what is in it.

use std::{fs, path::Path};

use portkeeper_core::{Keeper, Severity, Watch};

use super::{Check, Level};
use crate::{context::Context, output::text};

pub fn checks(context: &Context) -> Vec<Check> {
    let keeper = match context.keeper() {
        Ok(keeper) => keeper,
        Err(failure) => {
            return vec![
                Check::new("registry", Level::Problem, failure.to_string())
                    .hint("restore a backup, or name another file with --db"),
            ];
        }
    };
    let mut checks = vec![opened(&keeper)];
    checks.extend(permissions(keeper.path()));
    checks.push(health(&keeper));
    checks
}

fn opened(keeper: &Keeper) -> Check {
    const NAME: &str = "registry";
    match keeper.stats() {
        Ok(stats) => Check::new(
            NAME,
            Level::Ok,
            format!(
                "the registry is {}, {}, {} of history",
                stats.path.display(),
                text::bytes(stats.bytes + stats.wal_bytes),
                text::count(
                    stats.rows.get("port_history").copied().unwrap_or_default(),
                    "row"
                )
            ),
        ),
        Err(error) => Check::new(NAME, Level::Problem, error.to_string()),
    }
}

#[cfg(unix)]
fn permissions(path: &Path) -> Option<Check> {
    use std::os::unix::fs::MetadataExt;

    const NAME: &str = "permissions";
    let file = fs::metadata(path).ok()?;
    let mode = file.mode() & 0o777;
    let me = rustix::process::geteuid().as_raw();
    Some(if file.uid() != me {
        let message = format!("the registry belongs to user {}, not to you", file.uid());
        Check::new(NAME, Level::Warning, message)
    } else if mode & 0o077 != 0 {
        let message = format!("others may read or write the registry (mode {mode:03o})");
        Check::new(NAME, Level::Warning, message).hint(format!("chmod 600 {}", path.display()))
    } else {
        let message = format!("only you can read the registry (mode {mode:03o})");
        Check::new(NAME, Level::Ok, message)
    })
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Check> {
    None
}

fn health(keeper: &Keeper) -> Check {
    const NAME: &str = "health";
    let findings = match keeper.verify(Watch::none()) {
        Ok(findings) => findings,
        Err(error) => return Check::new(NAME, Level::Problem, error.to_string()),
    };
    let Some(worst) = findings.iter().max_by_key(|finding| finding.severity) else {
        return Check::new(NAME, Level::Ok, "the registry is sound");
    };
    let level = match worst.severity {
        Severity::Error => Level::Problem,
        Severity::Warning => Level::Warning,
    };
    let count = text::count(findings.len() as u64, "finding");
    Check::new(NAME, level, format!("{count}, such as: {}", worst.message))
        .hint("portman verify lists them all")
}
