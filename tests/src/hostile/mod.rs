//! Files that no decoder should have to meet, made by code, each with the code under which it must
//! end in quarantine (or none, if it must be accepted).

mod build;
mod places;

use std::fs;
use std::path::Path;

pub use build::huge_and_cut;
pub use places::write_places;

/// A file of the corpus.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Name below the folder.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Code of its row of the quarantine; `None` if it is a photograph after all.
    pub code: Option<&'static str>,
}

/// Everything but the files that are hostile by their place or name.
pub fn corpus() -> Vec<Hostile> {
    let mut all = Vec::new();
    all.extend(build::strangers());
    all.extend(build::lying_headers());
    all.extend(build::bombs());
    all.extend(build::truncations());
    all.extend(build::accepted());
    all
}

/// Writes the corpus into a folder.
pub fn write(folder: &Path, corpus: &[Hostile]) {
    fs::create_dir_all(folder).expect("room for a folder");
    for file in corpus {
        fs::write(folder.join(&file.name), &file.bytes).expect("room for a file");
    }
}

fn file(name: impl Into<String>, bytes: impl Into<Vec<u8>>, code: &'static str) -> Hostile {
    Hostile { name: name.into(), bytes: bytes.into(), code: Some(code) }
}

fn good(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Hostile {
    Hostile { name: name.into(), bytes: bytes.into(), code: None }
}
