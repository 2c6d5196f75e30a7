//! Fixtures shared by the integration tests, and the rules of style and layering they check.

pub mod client;
pub mod cluster;
pub mod front;
pub mod hostile;
pub mod hub;
pub mod layering;
pub mod link;
pub mod sandbox;
pub mod store;
pub mod tidy;

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
pub fn repo_root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("this crate lies in a folder of the workspace").to_path_buf()
}

/// The folder `../shared` with data too large for the repository, if it is there. If not, `test` is
/// said to be skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let shared = repo_root().join("../shared");
    if shared.is_dir() {
        return Some(shared);
    }
    say_skipped(&format!("{test}: ../shared is not there"));
    None
}

/// Says aloud that a test, or a part of it, is skipped: past the test harness, which keeps what
/// passing tests print.
pub fn say_skipped(words: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {words}");
}
