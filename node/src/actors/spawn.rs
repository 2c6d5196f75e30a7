//! Starting tasks. Every task of the process has a name, and none is started elsewhere.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Starts a task on the reactor. What it logs carries its name.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.instrument(tracing::debug_span!("task", name)))
}
