//! Every border refuses bad input with a typed error that names the value, and changes nothing.

use std::{ops::RangeInclusive, str::FromStr};

use portkeeper_core::{
    Action, Durability, Error, ErrorKind, Filter, HistoryQuery, ImportMode, Keeper, Options,
    Release, ReserveRequest, Result, Status, Strategy,
};

type Attempt = fn(&Keeper) -> Result<()>;

fn reserve(keeper: &Keeper, request: ReserveRequest) -> Result<()> {
    keeper.reserve(3000, request).map(drop)
}

const ATTEMPTS: &[(Attempt, ErrorKind, &str)] = {
    use ErrorKind::{InvalidInput, PortInvalid, PortNotFound, PortReserved, ProjectRequired};
    &[
        (
            |k| k.check(0).map(drop),
            PortInvalid,
            "port 0 is not in 1..=65535",
        ),
        (|k| k.check(65_536).map(drop), PortInvalid, "port 65536 "),
        (|k| k.get(-1).map(drop), PortInvalid, "port -1 "),
        (
            |k| k.get(i64::MAX).map(drop),
            PortInvalid,
            "port 9223372036854775807 ",
        ),
        (
            |k| k.reserve(0, ReserveRequest::new("shop")).map(drop),
            PortInvalid,
            "port 0 ",
        ),
        (|k| k.release(70_000).map(drop), PortInvalid, "port 70000 "),
        (|k| k.release([4000, 0]).map(drop), PortInvalid, "port 0 "),
        (
            |k| k.history(HistoryQuery::port(0)).map(drop),
            PortInvalid,
            "port 0 ",
        ),
        (
            |k| k.holder_at(99_999, chrono::Utc::now()).map(drop),
            PortInvalid,
            "port 99999 ",
        ),
        (
            |k| k.list(Filter::claims().range(0..=10)).map(drop),
            PortInvalid,
            "port 0 ",
        ),
        (
            |k| {
                k.list(Filter::claims().range(RangeInclusive::new(20, 10)))
                    .map(drop)
            },
            InvalidInput,
            "20..=10",
        ),
        (
            |k| reserve(k, ReserveRequest::new("")),
            ProjectRequired,
            "a project name is required",
        ),
        (
            |k| reserve(k, ReserveRequest::new(" \t ")),
            ProjectRequired,
            "project name",
        ),
        (
            |k| k.release(Release::project("")).map(drop),
            ProjectRequired,
            "project name",
        ),
        (
            |k| k.list(Filter::claims().project("")).map(drop),
            ProjectRequired,
            "project name",
        ),
        (
            |k| reserve(k, ReserveRequest::new("x".repeat(100_000))),
            InvalidInput,
            "\"xxx",
        ),
        (
            |k| reserve(k, ReserveRequest::new("a\0b")),
            InvalidInput,
            r#""a\0b""#,
        ),
        (
            |k| reserve(k, ReserveRequest::new("a\x1b[2Jb")),
            InvalidInput,
            "control character",
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").description("\u{8}")),
            InvalidInput,
            "description",
        ),
        (
            |k| {
                reserve(
                    k,
                    ReserveRequest::new("shop").description("é".repeat(5_000)),
                )
            },
            InvalidInput,
            "longer than 4000 characters",
        ),
        (
            |k| {
                reserve(
                    k,
                    ReserveRequest::new("shop").tags((0..10_000).map(|n| n.to_string())),
                )
            },
            InvalidInput,
            "10000",
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").tag("")),
            InvalidInput,
            r#"tag """#,
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").tag("a\nb")),
            InvalidInput,
            r#""a\nb""#,
        ),
        (
            |k| k.list(Filter::claims().tag("")).map(drop),
            InvalidInput,
            "tag",
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").metadata("{broken")),
            InvalidInput,
            r#"metadata "{broken" is not valid JSON"#,
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").metadata("[1]")),
            InvalidInput,
            "not a JSON object",
        ),
        (
            |k| reserve(k, ReserveRequest::new("shop").metadata("9".repeat(100_000))),
            InvalidInput,
            "longer than 65536 bytes",
        ),
        (
            |k| k.release(4000).map(drop),
            PortNotFound,
            "port 4000 is not reserved",
        ),
        (
            |k| k.release([2999, 4000]).map(drop),
            PortNotFound,
            "port 4000 is not reserved",
        ),
        (
            |k| k.release(Release::port(2999).only_of("shop")).map(drop),
            PortReserved,
            r#"reserved for project "keep""#,
        ),
        (
            |k| k.reserve(2999, ReserveRequest::new("shop")).map(drop),
            PortReserved,
            "\"keep\"",
        ),
    ]
};

#[test]
fn words_are_read_as_they_are_written() {
    fn check<T: Copy + FromStr<Err = Error>>(name: fn(T) -> &'static str, words: &[&str]) {
        for word in words {
            assert_eq!(word.parse().map(name).unwrap(), *word);
        }
        let list = format!("\"Frëe\" is none of {}", words.join(", "));
        for other in ["Frëe", "", " free", "FREE", "random,stable"] {
            let error = other.parse::<T>().err().expect(other);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(
                other != "Frëe" || error.to_string().ends_with(&list),
                "{error}"
            );
        }
    }
    check(Status::as_str, &["free", "reserved", "in-use"]);
    check(
        Action::as_str,
        &["reserved", "released", "in-use", "killed"],
    );
    check(
        Strategy::as_str,
        &["lowest", "contiguous", "random", "stable"],
    );
    check(ImportMode::as_str, &["merge", "replace"]);
    check(Durability::as_str, &["full", "normal"]);
}

#[test]
fn bad_input_is_refused_by_name_and_changes_nothing() {
    let keeper = Keeper::in_memory().unwrap();
    let request = ReserveRequest::new("keep").description("stays").tag("t");
    let kept = keeper.reserve(2999, request.adopt(true)).unwrap();

    for (position, (attempt, kind, phrase)) in ATTEMPTS.iter().enumerate() {
        let error = attempt(&keeper).expect_err("it is refused");
        assert_eq!(error.kind(), *kind, "attempt {position}: {error}");
        let shown = error.to_string();
        assert!(shown.contains(phrase), "attempt {position}: {shown}");
        assert!(
            shown.len() < 400,
            "attempt {position} prints {} bytes",
            shown.len()
        );
    }
    assert_eq!(keeper.list(Filter::claims()).unwrap(), [kept]);
    assert_eq!(keeper.history(HistoryQuery::all()).unwrap().len(), 1);
}

#[test]
fn an_actor_is_checked_when_the_keeper_is_opened() {
    let refused =
        |actor: &str| -> Error { Options::new().in_memory().actor(actor).open().unwrap_err() };
    assert_eq!(refused(" ").kind(), ErrorKind::InvalidInput);
    assert_eq!(
        refused("a\nb").to_string(),
        r#"actor "a\nb" contains a control character"#
    );
}

#[test]
fn a_file_that_is_no_registry_is_refused_by_path_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "these are not the tables you are looking for\n".repeat(100),
    )
    .unwrap();
    let before = std::fs::read(&text).unwrap();

    let error = Keeper::open_at(&text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let error = Keeper::open_at(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseError, "{error}");
    assert!(error.to_string().contains("is a directory"), "{error}");

    let registry = folder.path().join("database.db");
    let keeper = Keeper::open_at(&registry).unwrap();
    for port in 21_000..21_200 {
        keeper
            .reserve(port, ReserveRequest::new("shop").adopt(true))
            .unwrap();
    }
    drop(keeper);
    let whole = std::fs::read(&registry).unwrap();
    let half = &whole[..whole.len() / 2];
    std::fs::write(&registry, half).unwrap();
    let error = Keeper::open_at(&registry).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
    assert!(error.to_string().contains("database.db"), "{error}");
    assert_eq!(std::fs::read(&registry).unwrap(), half);
}
