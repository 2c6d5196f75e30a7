//! How long a request is waited for, and after which pauses it is sent again.
//!
//! `run` waits for a store for as long as it takes, for there is nobody else to try; a node of a
//! cluster gives back what it could not do for half a minute, so that the coordinator may ask
//! another one.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use fruitnode_env::Moment;

use crate::s3::fault::{Failed, Fault, World};
use crate::s3::pace::Tally;
use crate::s3::store::{Store, Waits};

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
pub(super) const HURRY: Duration = Duration::from_secs(3);

/// A request that fails for so long while others are answered is not the world's fault.
const ALONE_FOR: Duration = Duration::from_secs(60);

/// The same, of how often it has to fail.
const ALONE_TIMES: u32 = 12;

/// The same, of how often no answer came in time.
const ALONE_SILENCES: u32 = 4;

/// The same, of others: for one that they met of this they were answered so often. A store that
/// does this to one and another does it to all.
const ALONE_ANSWERED: u64 = 20;

/// A store that answered somebody within this time is no store with an outage.
const OTHERS_ANSWERED: Duration = Duration::from_secs(10);

/// Wait before a request is sent a second time; then twice as long each time.
const PAUSE_LEAST: Duration = Duration::from_millis(25);

/// Longest wait.
pub(super) const PAUSE_MOST: Duration = Duration::from_secs(5);

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
    pub(super) store: Arc<Store>,
    patience: Patience,
    /// When it was told to come to an end.
    hurry: Arc<watch::Sender<Option<Moment>>>,
}

/// One request, however often it is sent.
pub(super) struct Asked<'a> {
    pub(super) began: Moment,
    pub(super) sent: u32,
    /// Times that no answer came in time, and none to anybody else.
    pub(super) silences: u32,
    /// The same, while others were answered.
    pub(super) silences_alone: u32,
    /// What the store had done for others when it began.
    before: Tally,
    /// Told of the first time that it is not answered well.
    waits: Option<Waits<'a>>,
}

impl Load {
    /// Of a request that carries so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { bytes: bytes as u64, copies: false }
    }

    /// Of one that has the store copy bytes, or put them together.
    pub(super) fn copy() -> Self {
        Self { bytes: 0, copies: true }
    }

    /// How long the answer is waited for, after so many that did not come.
    pub(super) fn time_out(self, silences: u32) -> Duration {
        let base = if self.copies { COPY_TIME_OUT } else { ANSWER_TIME_OUT };
        let sent = Duration::from_secs(self.bytes / SENT_PER_S_LEAST);
        (base + sent) * 2u32.pow(silences.min(DOUBLINGS_MAX))
    }
}

impl Asking {
    /// Of a server.
    pub(super) fn of(server: &str, patience: Patience) -> Self {
        let hurry = Arc::new(watch::Sender::new(None));
        Self { store: Store::of(server), patience, hurry }
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
    pub(super) fn left(&self, asked: &Asked<'_>) -> Option<Duration> {
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
    pub(super) fn given_up(&self, asked: &Asked<'_>, world: World, fault: &Fault) -> Option<Fault> {
        let (now, pace) = (self.store.now(), self.store.pace());
        let others = pace.well().is_some_and(|well| now.saturating_sub(well) < OTHERS_ANSWERED);
        let (lasts, since) = (asked.began.elapsed(), pace.tally());
        drop(pace);
        let often = match world {
            World::Faulty | World::Slow => asked.sent >= ALONE_TIMES,
            World::Silent => asked.silences_alone >= ALONE_SILENCES,
            World::Narrow => false,
        };
        let met = (since.vain - asked.before.vain).saturating_sub(u64::from(asked.sent));
        let rare = since.answered - asked.before.answered > met * ALONE_ANSWERED;
        if others && often && rare && lasts >= ALONE_FOR {
            return Some(Fault { alone: Some(asked.sent), ..fault.clone() });
        }
        // Whoever may be alone with it is given the time to find that out.
        let late = lasts >= if others { ALONE_FOR } else { GIVEN_BACK_AFTER };
        let back = late && self.patience == Patience::Shared && world != World::Narrow;
        (back || self.left(asked) == Some(Duration::ZERO)).then(|| self.vain(fault.clone()))
    }

    /// A fault that was waited for in vain.
    pub(super) fn vain(&self, fault: Fault) -> Fault {
        let (now, pace) = (self.store.now(), self.store.pace());
        let lasted = pace.trouble().map(|trouble| now.saturating_sub(trouble.since));
        Fault { lasted: Some(lasted.unwrap_or_default()), ..fault }
    }

    /// Returns when whoever ends has waited long enough.
    pub(super) async fn late(&self) {
        let mut hurry = self.hurry.subscribe();
        let told = hurry.wait_for(Option::is_some).await.map(|since| *since);
        match told {
            Ok(Some(since)) => sleep(HURRY.saturating_sub(since.elapsed())).await,
            _ => std::future::pending().await,
        }
    }

    /// Waits, but not longer than the request is waited for.
    pub(super) async fn pause(&self, asked: &Asked<'_>, pause: Duration) {
        let pause = self.left(asked).map_or(pause, |left| pause.min(left));
        let mut hurry = self.hurry.subscribe();
        tokio::select! {
            () = sleep(pause) => {}
            _ = hurry.changed() => {}
        }
    }
}

impl<'a> Asked<'a> {
    /// One that begins now.
    pub(super) fn now(store: &Store) -> Self {
        let before = store.pace().tally();
        let (sent, silences, silences_alone, waits) = (0, 0, 0, None);
        Self { began: Moment::now(), sent, silences, silences_alone, before, waits }
    }

    /// How long its answer is waited for. Where others were answered meanwhile, it was one request
    /// that was lost, or it is one object that is never given: neither is waited for as long again.
    pub(super) fn time_out(&self, load: Load) -> Duration {
        let time_out = load.time_out(self.silences);
        if self.silences_alone > 0 { time_out / 3 } else { time_out }
    }

    /// Has the store know that it is waited for.
    pub(super) fn wait(&mut self, store: &'a Store) {
        self.waits.get_or_insert_with(|| {
            store.pace().wait(true);
            Waits(store)
        });
    }

    /// How long it waits before it is sent again: the longer the more often it was, and not in step
    /// with others.
    pub(super) fn pause(&self) -> Duration {
        let most = (PAUSE_LEAST * 2u32.pow(self.sent.saturating_sub(1).min(10))).min(PAUSE_MOST);
        // What the clock says below a millisecond is chance enough.
        let share = self.began.elapsed().subsec_nanos() % 1_000;
        most / 2 + most * share / 2_000
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
