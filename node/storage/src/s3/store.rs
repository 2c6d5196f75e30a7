//! What this process knows of one server: all requests to it share that, and its [`Pace`].

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::warn;

use fruitnode_env::{Moment, wall_ms};

use crate::s3::descriptors::requests_most;
use crate::s3::pace::{News, Pace};

/// What this process knows of servers, by their addresses.
static STORES: LazyLock<Mutex<BTreeMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);

/// What this process knows of one server.
pub(super) struct Store {
    server: String,
    began: Moment,
    pace: Mutex<Pace>,
    pub(super) changed: Notify,
}

/// A store that does not answer, or fails at everything, while somebody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Its address.
    pub server: String,
    /// What it, or the network, said last.
    pub words: String,
    /// For how long nothing was answered well.
    pub lasts: Duration,
    /// Since when, milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
}

/// Stores that this process waits for at this moment.
#[must_use]
pub fn outages() -> Vec<Outage> {
    let stores: Vec<_> = locked(&STORES).values().cloned().collect();
    stores.iter().filter_map(|store| store.outage()).collect()
}

/// A request that waits.
pub(super) struct Waits<'a>(pub(super) &'a Store);

/// A request that was sent.
pub(super) struct Turn<'a>(pub(super) &'a Store);

/// A look whether the store answers.
pub(super) struct Look<'a>(pub(super) &'a Store);

impl Store {
    /// What is known of a server, by its address.
    pub(super) fn of(server: &str) -> Arc<Self> {
        let mut stores = locked(&STORES);
        let store = stores.entry(server.to_owned()).or_insert_with(|| {
            let (pace, changed) = (Mutex::new(Pace::new(requests_most())), Notify::new());
            Arc::new(Self { server: server.to_owned(), began: Moment::now(), pace, changed })
        });
        Arc::clone(store)
    }

    /// Time since this process heard of it first: the clock of its pace.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// At what pace it is asked.
    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        locked(&self.pace)
    }

    /// Changes the pace, tells of it what is worth a line, and lets whoever waits look again.
    pub(super) fn note(&self, change: impl FnOnce(&mut Pace, Duration) -> Option<News>) {
        let news = change(&mut self.pace(), self.now());
        let server = &self.server;
        match news {
            Some(News::Outage(lasts, words)) => {
                let lasts = lasts.as_secs();
                warn!("{server} has not answered for {lasts} s ({words}): waiting for it");
            }
            Some(News::Over(lasted)) => {
                let lasted = lasted.as_secs();
                warn!("{server} answers again after {lasted} s: continuing");
            }
            None => {}
        }
        self.changed.notify_waiters();
    }

    fn outage(&self) -> Option<Outage> {
        let (now, pace) = (self.now(), self.pace());
        let trouble = pace.outage(now)?;
        let lasts = now.saturating_sub(trouble.since);
        let ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let since_ms = wall_ms().saturating_sub(ms);
        Some(Outage { server: self.server.clone(), words: trouble.words.clone(), lasts, since_ms })
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.pace().wait(false);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.pace().leave();
        self.0.changed.notify_waiters();
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.pace().looked_away();
        self.0.changed.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
