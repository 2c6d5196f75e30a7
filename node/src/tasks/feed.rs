//! Rows as they are made, for whoever watches a job. Without a watcher nothing is copied; one that
//! is slower than the node loses rows and is told how many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fruitnode_coordinator::ids::JobId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Batches that wait for a watcher. Of 16 rows with 1,280 features they take 5 MB.
const BATCHES_MAX: usize = 64;

/// One row as a watcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FedRow {
    /// Its key.
    pub path: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its features; none of a bad photograph.
    pub features: Vec<f32>,
    /// Why there are none.
    pub code: Option<String>,
}

/// Rows that were finished together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FedRows {
    /// The rows.
    pub rows: Arc<Vec<FedRow>>,
    /// Rows that were left out since the last time.
    pub skipped: u64,
}

#[derive(Debug, Clone)]
struct Batch {
    /// Rows of the job that were fed before these.
    before: u64,
    rows: Arc<Vec<FedRow>>,
}

#[derive(Debug)]
struct Feed {
    sender: broadcast::Sender<Batch>,
    fed: u64,
}

/// The rows of every job that is watched at this node.
#[derive(Debug, Default)]
pub(crate) struct RowFeed {
    jobs: Mutex<BTreeMap<JobId, Feed>>,
}

/// Somebody who watches one job. Dropped, it costs nothing more.
#[derive(Debug)]
pub(crate) struct RowWatcher {
    receiver: broadcast::Receiver<Batch>,
    /// Rows that were fed before the next ones that it is to see.
    due: u64,
}

impl RowFeed {
    /// Watches a job from now on.
    pub(crate) fn watch(&self, job: &JobId) -> RowWatcher {
        let mut jobs = self.lock();
        let new = || Feed { sender: broadcast::channel(BATCHES_MAX).0, fed: 0 };
        let feed = jobs.entry(job.clone()).or_insert_with(new);
        RowWatcher { receiver: feed.sender.subscribe(), due: feed.fed }
    }

    /// Feeds rows of a job, which are made only if somebody watches it.
    pub(super) fn feed(&self, job: &JobId, rows: impl FnOnce() -> Vec<FedRow>) {
        let mut jobs = self.lock();
        let Some(feed) = jobs.get_mut(job) else { return };
        if feed.sender.receiver_count() == 0 {
            jobs.remove(job);
            return;
        }
        let (before, rows) = (feed.fed, Arc::new(rows()));
        feed.fed += rows.len() as u64;
        // The last watcher may have left just now.
        let _ = feed.sender.send(Batch { before, rows });
    }

    /// Ends the feed of a job: its watchers see what waits for them, and then its end.
    pub(crate) fn end(&self, job: &JobId) {
        self.lock().remove(job);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Feed>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RowWatcher {
    /// The next rows; nothing when the job has ended.
    pub(crate) async fn next(&mut self) -> Option<FedRows> {
        loop {
            match self.receiver.recv().await {
                Ok(Batch { before, rows }) => {
                    let skipped = before.saturating_sub(self.due);
                    self.due = before + rows.len() as u64;
                    return Some(FedRows { rows, skipped });
                }
                // How many rows they held is seen from the next batch.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobId {
        JobId("job".to_owned())
    }

    fn rows(count: usize) -> Vec<FedRow> {
        let row = FedRow {
            path: "a/b.jpg".to_owned(),
            label: Some("a".to_owned()),
            features: vec![1.0],
            code: None,
        };
        vec![row; count]
    }

    #[tokio::test]
    async fn a_watcher_that_is_too_slow_is_told_how_many_rows_it_lost() {
        let feed = RowFeed::default();
        let mut slow = feed.watch(&job());
        for _ in 0..BATCHES_MAX + 3 {
            feed.feed(&job(), || rows(5));
        }
        let first = slow.next().await.unwrap();
        assert_eq!((first.skipped, first.rows.len()), (15, 5));
        assert_eq!(slow.next().await.unwrap().skipped, 0);
        feed.end(&job());
        let mut left = 0;
        while slow.next().await.is_some() {
            left += 1;
        }
        assert_eq!(left, BATCHES_MAX - 2);
    }

    #[tokio::test]
    async fn nothing_is_made_for_nobody() {
        let feed = RowFeed::default();
        feed.feed(&job(), || unreachable!("nobody watches"));
        drop(feed.watch(&job()));
        feed.feed(&job(), || unreachable!("nobody watches any more"));
        let mut late = feed.watch(&job());
        feed.feed(&job(), || rows(2));
        assert_eq!(late.next().await.unwrap().skipped, 0, "what came before is not missed");
    }
}
