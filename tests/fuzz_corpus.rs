//! Replays the corpus of the fuzz targets in `portkeeper-core/fuzz`.

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
