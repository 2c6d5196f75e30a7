//! How a store is asked: again, until it says something that decides, at a pace that it bears.
//!
//! Everything that is sent to a store goes through [`Bucket::ask`]: the SDK itself repeats nothing
//! and has no time-out but for connecting. All requests of the process to one server share what is
//! known of it (its [`Pace`]). `run` waits for a store for as long as it takes, for there is nobody
//! else to try; a node of a cluster gives back what it could not do for half a minute, so that the
//! coordinator may ask another one.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::env::{Moment, wall_ms};
use crate::storage::s3::bucket::Bucket;
use crate::storage::s3::connect::Failed;
use crate::storage::s3::descriptors::requests_most;
use crate::storage::s3::fault::{Blame, Fault, World};
use crate::storage::s3::pace::{Entry, News, Pace};

/// Wait for the head of an answer.
const ANSWER_TIME_OUT: Duration = Duration::from_secs(30);

/// The same where the store itself moves many bytes first.
const COPY_TIME_OUT: Duration = Duration::from_secs(120);

/// Bytes that are sent in a second at least.
const SENT_PER_S_LEAST: u64 = 64 << 10;

/// Times that the time-out of one request is doubled, for a store that is slow and alive.
const DOUBLINGS_MAX: u32 = 4;

/// A node gives a request back when the store answered nothing well for so long.
const GIVEN_BACK_AFTER: Duration = Duration::from_secs(30);

/// A server that has never answered is waited for so long: it may not be one.
const NEVER_SEEN: Duration = Duration::from_secs(8);

/// Whoever ends waits no longer than this for what is left to do.
const HURRY: Duration = Duration::from_secs(3);

/// A request that fails for so long, so often, while others are answered is not the world's fault.
const ALONE: (Duration, u32) = (Duration::from_secs(120), 20);

/// A store that answered somebody within this time is no store with an outage.
const OTHERS_ANSWERED: Duration = Duration::from_secs(10);

/// Wait before a request is sent a second time; then twice as long each time.
const PAUSE_LEAST: Duration = Duration::from_millis(25);

/// Longest wait.
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// What this process knows of servers, by their addresses.
static STORES: LazyLock<Mutex<BTreeMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);

/// What this process knows of one server.
pub(super) struct Store {
    server: String,
    began: Moment,
    pace: Mutex<Pace>,
    changed: Notify,
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

/// Who else may do what this process cannot, and how long it waits therefore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nobody.
    Alone,
    /// Other nodes, or whoever asked for it, later.
    Shared,
    /// Nothing is tried twice.
    #[cfg(test)]
    None,
}

/// What a request moves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    bytes: u64,
    copies: bool,
}

/// How a bucket is asked.
#[derive(Clone)]
pub(super) struct Asking {
    store: Arc<Store>,
    patience: Patience,
    /// When it was told to come to an end.
    hurry: Arc<watch::Sender<Option<Moment>>>,
}

/// One request, however often it is sent.
struct Asked<'a> {
    began: Moment,
    sent: u32,
    silences: u32,
    /// Told of the first time that it is not answered well.
    waits: Option<Waits<'a>>,
}

/// A request that waits.
struct Waits<'a>(&'a Store);

/// A request that was sent.
struct Turn<'a>(&'a Store);

/// A look whether the store answers.
struct Look<'a>(&'a Store);

impl Load {
    /// Of a request that carries so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { bytes: bytes as u64, copies: false }
    }

    /// Of one that has the store copy bytes, or put them together.
    pub(super) fn copy() -> Self {
        Self { bytes: 0, copies: true }
    }

    fn time_out(self, silences: u32) -> Duration {
        let base = if self.copies { COPY_TIME_OUT } else { ANSWER_TIME_OUT };
        let sent = Duration::from_secs(self.bytes / SENT_PER_S_LEAST);
        (base + sent) * 2u32.pow(silences.min(DOUBLINGS_MAX))
    }
}

impl Asking {
    /// Of a server.
    pub(super) fn of(server: &str, patience: Patience) -> Self {
        let mut stores = locked(&STORES);
        let store = stores.entry(server.to_owned()).or_insert_with(|| {
            let (pace, changed) = (Mutex::new(Pace::new(requests_most())), Notify::new());
            Arc::new(Store { server: server.to_owned(), began: Moment::now(), pace, changed })
        });
        Self { store: Arc::clone(store), patience, hurry: Arc::new(watch::Sender::new(None)) }
    }

    /// Waits no longer than a few seconds for anything from now on, where nobody else waits either.
    pub(super) fn hurry(&self) {
        if self.patience == Patience::Shared {
            return;
        }
        self.hurry.send_modify(|hurry| *hurry = hurry.or_else(|| Some(Moment::now())));
    }

    /// How long a store may be silent before a request that began then is given up.
    fn bears(&self, known: bool) -> Option<Duration> {
        match self.patience {
            #[cfg(test)]
            Patience::None => Some(Duration::ZERO),
            Patience::Alone | Patience::Shared if !known => Some(NEVER_SEEN),
            Patience::Shared => Some(GIVEN_BACK_AFTER),
            Patience::Alone => None,
        }
    }

    /// When the request is given up, from now; nothing for one that waits as long as it takes.
    fn left(&self, asked: &Asked<'_>) -> Option<Duration> {
        let hurry = *self.hurry.borrow();
        let hurry = hurry.map(|since| HURRY.saturating_sub(since.elapsed()));
        let pace = self.store.pace();
        let bears = self.bears(pace.known()).map(|bears| {
            let now = self.store.now();
            let began = now.saturating_sub(asked.began.elapsed());
            // What went well meanwhile begins it anew.
            let since = pace.well().map_or(began, |well| well.max(began));
            bears.saturating_sub(now.saturating_sub(since))
        });
        [hurry, bears].into_iter().flatten().min()
    }

    /// Why a request is given up, if it is.
    fn given_up(&self, asked: &Asked<'_>, world: World, fault: &Fault) -> Option<Fault> {
        let (now, pace) = (self.store.now(), self.store.pace());
        let others = |within| pace.well().is_some_and(|well| now.saturating_sub(well) < within);
        let (long, often) = ALONE;
        let alone = asked.began.elapsed() >= long && asked.sent >= often && others(OTHERS_ANSWERED);
        if alone && matches!(world, World::Faulty | World::Silent) {
            return Some(Fault { alone: Some(asked.sent), ..fault.clone() });
        }
        drop(pace);
        let late = asked.began.elapsed() >= GIVEN_BACK_AFTER;
        let back = late && self.patience == Patience::Shared && world != World::Narrow;
        (back || self.left(asked) == Some(Duration::ZERO)).then(|| self.vain(fault.clone()))
    }

    /// A fault that was waited for in vain.
    fn vain(&self, fault: Fault) -> Fault {
        let (now, pace) = (self.store.now(), self.store.pace());
        let lasted = pace.trouble().map(|trouble| now.saturating_sub(trouble.since));
        Fault { lasted: Some(lasted.unwrap_or_default()), ..fault }
    }

    /// Returns when whoever ends has waited long enough.
    async fn late(&self) {
        let mut hurry = self.hurry.subscribe();
        let told = hurry.wait_for(Option::is_some).await.map(|since| *since);
        match told {
            Ok(Some(since)) => sleep(HURRY.saturating_sub(since.elapsed())).await,
            _ => std::future::pending().await,
        }
    }

    /// Waits, but not longer than the request is waited for.
    async fn pause(&self, asked: &Asked<'_>, pause: Duration) {
        let pause = self.left(asked).map_or(pause, |left| pause.min(left));
        let mut hurry = self.hurry.subscribe();
        tokio::select! {
            () = sleep(pause) => {}
            _ = hurry.changed() => {}
        }
    }
}

impl Store {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        locked(&self.pace)
    }

    /// Changes the pace, tells of it what is worth a line, and lets whoever waits look again.
    fn note(&self, change: impl FnOnce(&mut Pace, Duration) -> Option<News>) {
        let news = change(&mut self.pace(), self.now());
        let server = &self.server;
        match news {
            Some(News::Outage(lasts, words)) => {
                let lasts = lasts.as_secs();
                warn!("{server} has not answered for {lasts} s ({words}): waiting for it");
            }
            Some(News::Over(lasted)) => {
                let lasted = lasted.as_secs();
                warn!("{server} answers again after {lasted} s: going on");
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

impl<'a> Asked<'a> {
    fn wait(&mut self, store: &'a Store) {
        self.waits.get_or_insert_with(|| {
            store.pace().wait(true);
            Waits(store)
        });
    }

    /// How long it waits before it is sent again: the longer the more often it was, and not in step
    /// with others.
    fn pause(&self) -> Duration {
        let most = (PAUSE_LEAST * 2u32.pow(self.sent.saturating_sub(1).min(10))).min(PAUSE_MOST);
        // What the clock says below a millisecond is chance enough.
        let share = self.began.elapsed().subsec_nanos() % 1_000;
        most / 2 + most * share / 2_000
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

impl Bucket {
    /// Sends a request until its answer decides something, which is good or somebody's fault but
    /// the world's; or until it is given up.
    pub(super) fn ask<'a, T, R>(
        &'a self,
        load: Load,
        request: impl Fn(Duration) -> R + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Fault>>
    where
        T: Send + 'a,
        R: Future<Output = Result<T, Fault>> + Send + 'a,
    {
        // Every layer above would else hold the whole of a request in its own future.
        Box::pin(async move {
            let store = &*self.asking.store;
            let mut asked = Asked { began: Moment::now(), sent: 0, silences: 0, waits: None };
            loop {
                let turn = self.turn(&mut asked).await?;
                let began = store.now();
                asked.sent += 1;
                let answer = tokio::select! {
                    biased;
                    answer = request(load.time_out(asked.silences)) => answer,
                    () = self.asking.late() => Err(Fault::unanswered(HURRY)),
                };
                drop(turn);
                let fault = match answer {
                    Ok(answer) => {
                        store.note(Pace::answered);
                        return Ok(answer);
                    }
                    Err(fault) => fault,
                };
                let Blame::World(world) = fault.blame() else {
                    store.note(Pace::answered);
                    return Err(fault);
                };
                let words = fault.words();
                store.note(|pace, now| match world {
                    World::Slow => pace.slowed(now, &words),
                    World::Faulty => pace.failed(now, &words),
                    World::Silent => pace.silent(now, began, &words),
                    World::Narrow => pace.narrowed(now, &words),
                });
                asked.silences += u32::from(world == World::Silent);
                asked.wait(store);
                if let Some(fault) = self.asking.given_up(&asked, world, &fault) {
                    return Err(fault);
                }
                if world != World::Silent || asked.silences > 1 {
                    self.asking.pause(&asked, asked.pause()).await;
                }
            }
        })
    }

    /// Waits for the moment at which a request may be sent.
    async fn turn<'a>(&'a self, asked: &mut Asked<'a>) -> Result<Turn<'a>, Fault> {
        let store = &*self.asking.store;
        loop {
            let changed = store.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let entry = store.pace().enter(store.now());
            match entry {
                Entry::Go => return Ok(Turn(store)),
                Entry::Look(time_out) => {
                    asked.wait(store);
                    self.look(time_out).await;
                }
                Entry::Wait(until) => {
                    let until = until.map(|at| at.saturating_sub(store.now()));
                    let pause = until.unwrap_or(PAUSE_MOST);
                    tokio::select! {
                        () = changed => {}
                        () = self.asking.pause(asked, pause) => {}
                    }
                }
            }
            let words = store.pace().trouble().map(|trouble| trouble.words.clone());
            if let Some(words) = words
                && self.asking.left(asked) == Some(Duration::ZERO)
            {
                return Err(self.asking.vain(Fault::silent(&words)));
            }
        }
    }

    /// Asks a small question of a store that did not answer. Any answer will do.
    async fn look(&self, time_out: Duration) {
        let store = &*self.asking.store;
        let looks = Look(store);
        let asked = within(time_out, self.client.head_bucket().bucket(&self.name).send()).await;
        let none = match asked {
            Err(fault) if matches!(fault.blame(), Blame::World(World::Silent | World::Narrow)) => {
                Some(fault.words())
            }
            _ => None,
        };
        store.note(|pace, now| pace.looked(now, none.as_deref()));
        drop(looks);
    }
}

/// The answer to a request, if it comes in time.
pub(super) async fn within<T, E>(
    time_out: Duration,
    answer: impl Future<Output = Result<T, Failed<E>>>,
) -> Result<T, Fault>
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match timeout(time_out, Box::pin(answer)).await {
        Ok(answer) => answer.map_err(|error| Fault::of(&error)),
        Err(_) => Err(Fault::unanswered(time_out)),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
