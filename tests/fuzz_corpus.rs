//! Replays the corpora of the fuzz targets in `portkeeper-core/fuzz`; that of `import` is replayed by
//! `export_import_documents`.

use std::{fs, path::Path};

#[path = "../portkeeper-core/fuzz/properties/open_file.rs"]
mod open_file;

#[test]
fn open_file() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("portkeeper-core/fuzz/corpus/open_file");
    let mut files = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        open_file::check(&fs::read(path).unwrap());
        files += 1;
    }
    assert!(files >= 10, "only {files} files");
}

#[test]
fn every_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("portkeeper-core/fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["import.rs", "open_file.rs"]);
    let import = include_str!("export_import_documents.rs");
    assert!(import.contains("holds_for(&fs::read(&path)"));
}
