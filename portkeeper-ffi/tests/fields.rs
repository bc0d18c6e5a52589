//! The fields of records: a field that the engine gains breaks this build until the header names it, and the header
//! names no other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by it"
)]

use std::path::Path;

use portkeeper_core as core;

/// The documented fields of a record, as the header lists them, without their types in brackets.
fn documented(record: &str) -> Vec<String> {
    let header =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/portkeeper.h"));
    let header = header.unwrap();
    let lines = header.lines().skip_while(|line| *line != " * Fields");
    let mut found = String::new();
    let mut is_it = false;
    for line in lines.take_while(|line| !line.contains("Times are")) {
        // A record begins in column 6, and goes on further right.
        let text = line.trim_start_matches(" *");
        if text.starts_with("   ") && !text.starts_with("    ") {
            is_it = text.split_whitespace().next() == Some(record);
        }
        if is_it {
            found += line.trim_start_matches(" *");
        }
    }
    assert!(!found.is_empty(), "{record} is not in the header");
    found
        .split_whitespace()
        .skip(1)
        .filter(|word| !word.starts_with('['))
        .map(str::to_owned)
        .collect()
}

fn camel(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &first.into_iter().chain(letters).collect::<String>()
    })
}

/// Takes a record apart with all its fields, which the compiler checks, and compares their names. After `+` is what
/// else the header says of it.
macro_rules! fields {
    ($record:ident { $($field:ident $(as $name:literal)?),* $(,)? } $(+ $more:literal)?) => {{
        #[allow(unused, reason = "it is there to be compiled")]
        fn apart(record: core::$record) {
            let core::$record { $($field),* } = record;
        }
        let names = [$([$($name.to_owned(),)? camel(stringify!($field))][0].clone()),*];
        let more: &[&str] = &[$($more)?];
        let more = more.iter().flat_map(|words| words.split_whitespace()).map(str::to_owned);
        let mut expected: Vec<String> = names.into_iter().chain(more).collect();
        let mut documented = documented(stringify!($record));
        expected.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, expected, "{}", stringify!($record));
    }};
}

#[test]
fn every_field_is_documented() {
    fields!(Reservation {
        number,
        project_name,
        description,
        status,
        pid,
        process_name,
        reserved_at,
        last_seen_at,
        updated_at,
        auto_release,
        tags,
        metadata,
        lease,
    });
    fields!(LeaseTerms {
        id,
        role,
        owner,
        held,
        borrowed,
        expires_at
    });
    fields!(ProcessIdentity {
        pid,
        start,
        boot,
        namespace,
        pidfd
    });
    fields!(StaleReservation { reservation as "Reservation,", days_old } + "as and");
    // What the border adds, and the fields of the verdicts.
    fields!(
        PortState {
            port,
            status,
            verdict,
            reservation
        } + "explanation and by verdict: project since pid listeners sockets connections"
    );
    fields!(Socket {
        port,
        protocol,
        address,
        state,
        remote,
        owner,
        processes,
        uid,
        inode
    });
    fields!(Process { pid, name });
    fields!(HistoryEntry {
        id,
        port,
        action,
        project_name,
        description,
        performed_by,
        performed_at,
        details,
    });
    fields!(Holder {
        port,
        project_name,
        status,
        entry
    });
    fields!(Summary {
        reserved as "reserved_count", in_use as "in_use_count", free as "free_count",
        total as "total_count",
    });
    fields!(ProjectPorts {
        project_name,
        ports,
        active_count
    });
    fields!(ScanReport {
        scanned_at,
        listeners,
        changes,
        source
    });
    fields!(StatusChange {
        port,
        project_name,
        from,
        to,
        process
    });
    fields!(KillReport {
        port,
        killed,
        reservation
    });
    fields!(KilledProcess { pid, name, forced });
    fields!(Document {
        version,
        export_date,
        ports
    });
    fields!(DocumentPort {
        number,
        project_name,
        description,
        status,
        pid,
        process_name,
        reserved_at,
        last_seen_at,
        updated_at,
        auto_release,
        tags,
        metadata,
        role,
    });
    fields!(Configuration {
        id,
        name,
        description,
        version,
        created_at,
        created_by,
        checksum,
        bytes,
    });
    fields!(SavedDocument { configuration as "Configuration,", verified, document } + "as and");
    fields!(ImportReport {
        ports,
        added,
        updated,
        unchanged,
        conflicts,
        freed,
        dry_run,
        configuration,
    });
    fields!(ImportedPort {
        port,
        project_name,
        outcome,
        changed,
        other_project,
        other_since
    });
    fields!(BackupReport {
        path,
        bytes,
        pages,
        rows
    });
    fields!(RestoreReport {
        safety_backup,
        restored,
        released,
        history,
        configurations
    });
    fields!(PruneReport { history, scans });
    fields!(CompactReport {
        bytes_before,
        bytes_after
    });
    fields!(Stats {
        path,
        bytes,
        wal_bytes,
        pages,
        page_size,
        free_pages,
        schema_version,
        rows,
    });
    fields!(Finding {
        severity,
        kind,
        port,
        message
    });
    fields!(
        Project {
            name,
            root,
            worktree
        } + "id"
    );
}
