//! Documents in and out.

use portkeeper_core::{ExportRequest, ImportMode, ImportRequest, Result};

use super::Plan;
use crate::{
    args::{Args, invalid},
    lanes::Lane,
    outcome::Answer,
    record::{self, Rows},
};

pub fn plan(operation: &str, args: &mut Args) -> Option<Result<Plan>> {
    Some(match operation {
        "export" => export(args),
        "import" => import(args),
        "configurations" => Plan::new(Lane::Read, |keeper, _| {
            let all = keeper.configurations()?;
            Ok(Answer::of(Rows::<record::Configuration>::of(all)))
        }),
        "configuration" => configuration(args),
        "removeConfiguration" => remove_configuration(args),
        _ => return None,
    })
}

fn export(args: &mut Args) -> Result<Plan> {
    let mut request = match args.text("project")? {
        Some(project) => ExportRequest::project(project),
        None => ExportRequest::all(),
    };
    if let Some(name) = args.text("name")? {
        request = request.name(name);
    }
    Plan::new(Lane::Write, move |keeper, _| {
        Ok(Answer::of(record::Document::from(keeper.export(request)?)))
    })
}

fn import(args: &mut Args) -> Result<Plan> {
    // An object in JavaScript, of which `lib/keeper.cjs` has made a text.
    let document = args.text("document")?;
    let json = args.text("json")?;
    let configuration = args.optional_number("configuration")?;
    let predecessor = args.text("predecessor")?;
    let mut request = match (document, json, configuration, predecessor) {
        (Some(json), None, None, None) | (None, Some(json), None, None) => {
            ImportRequest::json(json)
        }
        (None, None, Some(id), None) => ImportRequest::configuration(id),
        (None, None, None, Some(path)) => ImportRequest::predecessor(path),
        _ => {
            let reason = "takes one of document, json, configuration and predecessor";
            return Err(invalid("import", "", reason));
        }
    };
    if let Some(mode) = args.word::<ImportMode>("mode")? {
        request = request.mode(mode);
    }
    if let Some(project) = args.text("project")? {
        request = request.project(project);
    }
    if let Some(name) = args.text("name")? {
        request = request.name(name);
    }
    let dry_run = args.flag("dryRun")?;
    let skip_conflicts = args.flag("skipConflicts")?;
    let request = request.dry_run(dry_run).skip_conflicts(skip_conflicts);
    Plan::new(Lane::Long, move |keeper, context| {
        let report = keeper.import(request, context.watch())?;
        Ok(Answer::of(record::ImportReport::from(report)))
    })
}

fn configuration(args: &mut Args) -> Result<Plan> {
    let id = args.number("id")?;
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(record::SavedDocument::from(
            keeper.configuration(id)?,
        )))
    })
}

fn remove_configuration(args: &mut Args) -> Result<Plan> {
    let id = args.number("id")?;
    Plan::new(Lane::Write, move |keeper, _| {
        keeper.remove_configuration(id)?;
        Ok(Answer::of(()))
    })
}
