//! Care of the database itself.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
};

use portkeeper_core::{Error, PruneRequest, Result};

use super::Plan;
use crate::{
    args::{Args, invalid},
    lanes::Lane,
    outcome::Answer,
    record::{self, Rows},
};

pub fn plan(operation: &str, args: &mut Args) -> Option<Result<Plan>> {
    Some(match operation {
        "backup" => backup(args),
        "restore" => restore(args),
        "dump" => dump(args),
        "prune" => prune(args),
        "compact" => Plan::new(Lane::Long, |keeper, context| {
            let report = keeper.compact(context.watch())?;
            Ok(Answer::of(record::CompactReport::from(report)))
        }),
        "verify" => Plan::new(Lane::Long, |keeper, context| {
            let findings = keeper.verify(context.watch())?;
            Ok(Answer::of(Rows::<record::Finding>::of(findings)))
        }),
        "stats" => Plan::new(Lane::Read, |keeper, _| {
            Ok(Answer::of(record::Stats::from(keeper.stats()?)))
        }),
        _ => return None,
    })
}

fn backup(args: &mut Args) -> Result<Plan> {
    let path = args.required_text("path")?;
    Plan::new(Lane::Long, move |keeper, context| {
        let report = keeper.backup(path, context.watch())?;
        Ok(Answer::of(record::BackupReport::from(report)))
    })
}

fn restore(args: &mut Args) -> Result<Plan> {
    let path = args.required_text("path")?;
    Plan::new(Lane::Long, move |keeper, context| {
        let report = keeper.restore(path, context.watch())?;
        Ok(Answer::of(record::RestoreReport::from(report)))
    })
}

fn dump(args: &mut Args) -> Result<Plan> {
    let path = args.required_text("path")?;
    Plan::new(Lane::Long, move |keeper, context| {
        let file = create(&path).map_err(|error| refused(&path, &error))?;
        let mut writer = BufWriter::new(file);
        let written = keeper.dump(&mut writer, context.watch()).and_then(|()| {
            writer.flush().map_err(|error| refused(&path, &error))?;
            writer
                .get_ref()
                .sync_all()
                .map_err(|error| refused(&path, &error))
        });
        if let Err(error) = written {
            // It was created a moment ago, and has no `COMMIT`.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Answer::of(()))
    })
}

/// Only a new file: an open and close of the registry's own would drop its locks.
fn create(path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn refused(path: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return invalid("path", path, "exists already");
    }
    invalid("path", path, &format!("cannot be written: {error}"))
}

fn prune(args: &mut Args) -> Result<Plan> {
    let mut request = PruneRequest::new();
    if let Some(age) = args.age("historyOlderThan")? {
        request = request.history_older_than(age);
    }
    if let Some(age) = args.age("scansOlderThan")? {
        request = request.scans_older_than(age);
    }
    Plan::new(Lane::Long, move |keeper, context| {
        let report = keeper.prune(request, context.watch())?;
        Ok(Answer::of(record::PruneReport::from(report)))
    })
}
