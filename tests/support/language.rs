//! Programs in the languages that have a binding, as far as those are built.

#[path = "skipped.rs"]
mod skipped;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::OnceLock,
};

use crate::support::child;

pub use skipped::skipped;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Python,
    Node,
    C,
}

/// A program that exists once in each language: in Rust as the test of that name in this test program,
/// otherwise as a source of that name in `tests/<folder>`.
#[derive(Clone, Copy)]
pub struct Program {
    pub folder: &'static str,
    pub name: &'static str,
}

impl Program {
    /// How it begins in a language, or why it cannot be run here. Its arguments follow; in Rust they are
    /// `CHILD` in its environment.
    pub fn command(self, language: Language) -> Result<Command, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = root.join("tests").join(self.folder).join(self.name);
        match language {
            Language::Rust => Ok(child(self.name, "")),
            Language::Python => {
                let python = found(root.join("target/python/venv/bin/python"))?;
                let mut command = Command::new(python);
                command.arg(source.with_extension("py"));
                Ok(command)
            }
            Language::Node => {
                let package = found(root.join("bindings/node/native"))?;
                let mut command = Command::new("node");
                command
                    .arg(source.with_extension("mjs"))
                    .arg(package.with_file_name("index.mjs"));
                Ok(command)
            }
            Language::C => {
                // Beside this program, where the library lies once the workspace's tests are built.
                let libraries = env::current_exe().unwrap();
                let library = found(libraries.with_file_name("libportkeeper.a"))?;
                // A test program has one such program.
                static BUILT: OnceLock<PathBuf> = OnceLock::new();
                let built =
                    BUILT.get_or_init(|| self.compile(&source.with_extension("c"), &library));
                Ok(Command::new(built))
            }
        }
    }

    fn compile(self, source: &Path, library: &Path) -> PathBuf {
        let built = format!("{}-{}", self.folder, self.name);
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(built);
        // Another run may be using it.
        let new = program.with_extension(process::id().to_string());
        let status = Command::new("cc")
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
            .args([&new, source, library])
            .arg("-I")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("portkeeper-ffi/include"))
            .args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"])
            .status()
            .unwrap();
        assert!(status.success(), "{} was not compiled", source.display());
        fs::rename(new, &program).unwrap();
        program
    }

    /// The languages in which it can be run; says by name which are left out, and why.
    pub fn languages(self, test: &str) -> Vec<Language> {
        let all = [
            Language::Rust,
            Language::Python,
            Language::Node,
            Language::C,
        ];
        let mut languages = all.to_vec();
        languages.retain(|language| match self.missing(*language) {
            None => true,
            Some(reason) => {
                skipped(format_args!("{test}, {language:?}: {reason}"));
                false
            }
        });
        languages
    }

    fn missing(self, language: Language) -> Option<String> {
        let command = match self.command(language) {
            Ok(command) => command,
            Err(reason) => return Some(reason),
        };
        let imports = ["-c", "import portkeeper"];
        let imported = || Command::new(command.get_program()).args(imports).output();
        let is_broken =
            language == Language::Python && !imported().is_ok_and(|probe| probe.status.success());
        is_broken.then(|| "its portkeeper cannot be imported".to_owned())
    }
}

fn found(path: PathBuf) -> Result<PathBuf, String> {
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not built", path.display()))
    }
}
