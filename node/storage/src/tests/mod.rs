//! Stories of whole listings, reads and results, on real folders.

mod list;
mod read;
mod result;

use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Root may read everything, so that what a refusal leads to cannot be seen.
fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if root {
        fruitnode_env::skipped::say(&format!("{what} needs a user other than root"));
    }
    root
}
