//! The names that manifests give.

use std::{fs::File, io::Read, path::Path};

use serde::Deserialize;

/// Longest manifest that is read.
const LONGEST: u64 = 4 * 1024 * 1024;

type Reader = fn(&str) -> Option<String>;

/// In the order in which they are asked.
const MANIFESTS: [(&str, Reader); 3] = [
    ("Cargo.toml", cargo),
    ("package.json", package_json),
    ("pyproject.toml", pyproject),
];

/// Whether the folder has a manifest of any kind.
pub(super) fn any_in(folder: &Path) -> bool {
    MANIFESTS
        .iter()
        .any(|(file, _)| folder.join(file).is_file())
}

/// The first name that a manifest of the folder gives.
pub(super) fn name_in(folder: &Path) -> Option<String> {
    MANIFESTS.iter().find_map(|(file, reader)| {
        let name = reader(&text(&folder.join(file))?)?;
        (!name.trim().is_empty()).then_some(name)
    })
}

/// The text of a file that is not too long. To open anything but a file might never return.
fn text(path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let mut text = String::new();
    let mut file = File::open(path).ok()?.take(LONGEST + 1);
    file.read_to_string(&mut text).ok()?;
    if text.len() as u64 > LONGEST {
        return None;
    }
    // Some editors begin a file with a mark of its encoding.
    Some(
        text.strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text),
    )
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

fn cargo(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Option<Named>,
    }
    toml::from_str::<Manifest>(text).ok()?.package?.name
}

fn package_json(text: &str) -> Option<String> {
    serde_json::from_str::<Named>(text).ok()?.name
}

fn pyproject(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        project: Option<Named>,
        tool: Option<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        poetry: Option<Named>,
    }
    let manifest: Manifest = toml::from_str(text).ok()?;
    let poetry = manifest.tool.and_then(|tool| tool.poetry);
    let name = manifest.project.and_then(|project| project.name);
    name.or_else(|| poetry?.name)
}
