//! Imports of several processes at once, and of processes that are killed in the middle.

#[path = "support/size.rs"]
mod size;
mod support;
#[path = "support/transfer.rs"]
mod transfer;

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    ops::ControlFlow,
    path::Path,
    process::Stdio,
};

use portkeeper_core::{Action, ErrorKind, ExportRequest, ImportMode, ImportRequest, Keeper, Watch};
use size::size;
use support::{child, child_argument, succeeds};
use transfer::{claims, contents, document, entry, history, import, reserve};

const IMPORTERS: u16 = 6;
const ROUNDS: u16 = 8;
/// Every process has these ports for itself, and wants those of [`SHARED`] too.
const OWN: u16 = 20;
const SHARED: std::ops::Range<u16> = 30_000..30_050;

fn own(importer: u16) -> std::ops::Range<u16> {
    let first = 20_000 + importer * OWN;
    first..first + OWN
}

#[test]
fn several_processes_import_at_once() {
    const NAME: &str = "several_processes_import_at_once";
    if let Some(argument) = child_argument() {
        let (path, importer) = argument.split_once('\n').unwrap();
        let keeper = Keeper::open_at(path).unwrap();
        let project = format!("process {importer}");
        let ports = own(importer.parse().unwrap()).chain(SHARED);
        let entries: Vec<String> = ports.map(|port| entry(port, &project)).collect();
        let text = document(&entries.join(","));
        for _ in 0..ROUNDS {
            // The shared ports are one project's, which gets all or none of them.
            let request = ImportRequest::json(text.clone());
            match import(&keeper, request.clone()) {
                Ok(report) => assert_eq!(report.conflicts, 0),
                Err(error) => assert_eq!(error.kind(), ErrorKind::PortReserved, "{error}"),
            }
            let own_or_all = import(&keeper, request.skip_conflicts(true)).unwrap();
            assert!(matches!(own_or_all.conflicts, 0 | 50), "{own_or_all}");
            keeper
                .export(ExportRequest::project(project.as_str()))
                .unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let importers: Vec<_> = (0..IMPORTERS)
        .map(|importer| {
            let argument = format!("{}\n{importer}", path.display());
            child(NAME, &argument).spawn().unwrap()
        })
        .collect();
    for importer in importers {
        succeeds(importer);
    }
    let keeper = Keeper::open_at(&path).unwrap();
    let owners: HashMap<u16, String> = claims(&keeper)
        .into_iter()
        .map(|row| (row.number, row.project_name))
        .collect();
    assert_eq!(owners.len(), usize::from(IMPORTERS * OWN) + SHARED.len());
    let winner = &owners[&SHARED.start];
    assert!(SHARED.into_iter().all(|port| owners[&port] == *winner));
    // Each claim was made once, and the history credits who has it.
    let entries = history(&keeper);
    assert_eq!(entries.len(), owners.len());
    for entry in &entries {
        assert_eq!(entry.action, Action::Reserved);
        assert_eq!(entry.project_name.as_ref(), owners.get(&entry.port));
    }
    // Each round exports, and imports once or twice.
    let kept = keeper.configurations().unwrap();
    let rounds = usize::from(IMPORTERS * ROUNDS);
    let named = |name: &str| kept.iter().filter(|one| one.name == name).count();
    assert_eq!(named("export"), rounds);
    assert!(
        (rounds + 1..=2 * rounds).contains(&named("import")),
        "{}",
        named("import")
    );
    for one in &kept {
        assert!(keeper.configuration(one.id).unwrap().verified);
    }
}

const VICTIMS: std::ops::Range<u16> = 10_000..13_000;

fn victims(path: &Path) -> String {
    // Longer than the memory that SQLite keeps changes in, so that some are in the file's log.
    let text = "x".repeat(2_000);
    let entries: Vec<String> = VICTIMS
        .map(|port| {
            format!(r#"{{"number": {port}, "projectName": "new", "description": "{text}"}}"#)
        })
        .collect();
    fs::write(path, document(&entries.join(","))).unwrap();
    path.display().to_string()
}

#[test]
fn a_process_that_is_killed_during_an_import_has_imported_all_or_nothing() {
    const NAME: &str = "a_process_that_is_killed_during_an_import_has_imported_all_or_nothing";
    if let Some(argument) = child_argument() {
        let [path, text, stop_at]: [&str; 3] =
            argument.split('\n').collect::<Vec<_>>().try_into().unwrap();
        let stop_at: u64 = stop_at.parse().unwrap();
        let keeper = Keeper::open_at(path).unwrap();
        let watch = Watch::new(|progress| {
            if progress.total > 0 && progress.done >= stop_at {
                // The parent kills this process while it waits here, within the transaction.
                println!("\nat {} of {}", progress.done, progress.total);
                std::io::stdout().flush().unwrap();
                let _ = std::io::stdin().read(&mut [0]);
            }
            ControlFlow::Continue(())
        });
        let text = fs::read_to_string(text).unwrap();
        let request = ImportRequest::json(text).mode(ImportMode::Replace);
        keeper.import(request, watch).unwrap();
        println!("\nimported");
        std::io::stdout().flush().unwrap();
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = victims(&folder.path().join("document.json"));
    // 30,000 is never reached: the process is killed right after the import.
    let stops = [
        (3_000, false),
        (30_000, true),
        (0, false),
        (1, false),
        (2_000, false),
    ];
    for (stop_at, all) in stops.into_iter().take(size(2, stops.len())) {
        let path = folder.path().join(format!("{stop_at}.db"));
        let keeper = Keeper::open_at(&path).unwrap();
        for port in 3000..3010 {
            reserve(&keeper, port, "old");
        }
        let before = contents(&keeper);
        let argument = format!("{}\n{text}\n{stop_at}", path.display());
        let mut importer = child(NAME, &argument)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = importer.stdout.take().unwrap();
        let mut said = String::new();
        let awaited = if all { "imported\n" } else { "of 3010\n" };
        while !said.contains(awaited) {
            let mut bytes = [0; 256];
            let length = output.read(&mut bytes).unwrap();
            assert!(length > 0, "it ended: {said}");
            said.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        importer.kill().unwrap();
        importer.wait().unwrap();

        let after = contents(&keeper);
        if all {
            assert_eq!(after.0.len(), VICTIMS.len());
            assert_eq!(after.1.len(), before.1.len() + 10 + VICTIMS.len());
            assert_eq!(after.2, 1);
        } else {
            assert_eq!(after, before, "killed {said}");
        }
        // Whoever comes next is neither in its way nor kept waiting.
        let text = fs::read_to_string(&text).unwrap();
        let request = ImportRequest::json(text).mode(ImportMode::Replace);
        assert_eq!(import(&keeper, request).unwrap().conflicts, 0);
        assert_eq!(claims(&keeper).len(), VICTIMS.len());
    }
}
