//! Tells the story, twice a second, how far the work is.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use fruitnode_result::story::Story;

use crate::actors::spawn::spawn;

const EVERY: Duration = Duration::from_millis(500);

/// Measures until it is dropped.
#[derive(Debug)]
pub(super) struct Meter(JoinHandle<()>);

impl Meter {
    /// Begins.
    pub(super) fn start(story: Arc<Story>) -> Self {
        Self(spawn("meter", async move {
            loop {
                story.measure();
                tokio::time::sleep(EVERY).await;
            }
        }))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.0.abort();
    }
}
