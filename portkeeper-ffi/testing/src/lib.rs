//! `libportkeeper` with hooks for its tests. They are a library of their own, so that nothing of them can be
//! in the one that is shipped, and so that both can be built into one folder.

// The names are those of the C ABI.
#![allow(clippy::missing_safety_doc)]
#![deny(clippy::undocumented_unsafe_blocks)]

use std::{hint::black_box, ops::ControlFlow, time::Instant};

use portkeeper::{code::pk_code, error::pk_error, guard, keeper::pk_keeper};
use portkeeper_core::{Error, ErrorKind, ImportRequest, Progress, Watch};

/// Panics within the border.
#[unsafe(no_mangle)]
#[allow(clippy::panic, clippy::missing_panics_doc, reason = "none leaves it")]
pub unsafe extern "C" fn pk_test_panic(err: *mut *mut pk_error) -> pk_code {
    guard::guard(err, || panic!("injected"))
}

/// Panics in a function that returns no code.
#[unsafe(no_mangle)]
#[allow(clippy::panic, clippy::missing_panics_doc, reason = "none leaves it")]
pub extern "C" fn pk_test_panic_answer(otherwise: i32) -> i32 {
    guard::answer(otherwise, || panic!("injected"))
}

/// Panics in the middle of an operation of the engine: an import, which has written by then.
#[unsafe(no_mangle)]
#[allow(clippy::panic, clippy::missing_panics_doc, reason = "none leaves it")]
pub unsafe extern "C" fn pk_test_panic_in_import(
    keeper: Option<&pk_keeper>,
    err: *mut *mut pk_error,
) -> pk_code {
    guard::guard(err, || {
        let Some(keeper) = keeper else {
            return Err(Error::Internal("no keeper".to_owned()));
        };
        let document = r#"{"version": "1.0", "ports": [{"number": 23998, "projectName": "shop"}]}"#;
        let watch = Watch::new(|progress: Progress| {
            assert!(progress.total == 0 || progress.done == 0, "injected");
            ControlFlow::Continue(())
        });
        keeper
            .engine()
            .import(ImportRequest::json(document), watch)?;
        Ok(())
    })
}

/// Fails with the kind of this number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_test_fail(code: pk_code, err: *mut *mut pk_error) -> pk_code {
    guard::guard(err, || {
        let mut kinds = ErrorKind::ALL.into_iter();
        match kinds.find(|kind| kind.code() == code) {
            None => Ok(()),
            // This variant takes any kind.
            Some(kind) => Err(Error::Database {
                kind,
                path: "injected".into(),
                reason: "injected".to_owned(),
                source: None,
            }),
        }
    })
}

/// Checks a port `rounds` times without a border in between, and returns the nanoseconds.
#[unsafe(no_mangle)]
pub extern "C" fn pk_test_time_checks(keeper: Option<&pk_keeper>, port: i64, rounds: u32) -> u64 {
    guard::answer(u64::MAX, || {
        let Some(keeper) = keeper else {
            return u64::MAX;
        };
        let keeper = keeper.engine();
        let start = Instant::now();
        for _ in 0..rounds {
            if black_box(keeper.check(black_box(port))).is_err() {
                return u64::MAX;
            }
        }
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    })
}
