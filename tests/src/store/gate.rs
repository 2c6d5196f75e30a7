//! What happens to a request before it is carried out, and to its reply afterwards: counting,
//! waiting, and every fault that is not one of the objects.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use tokio::sync::watch;

use super::bucket::Bucket;
use super::counters::Counters;
use super::switches::{Hold, Right, Switches};
use super::{ACCESS_KEY, GUEST_ACCESS_KEY, GUEST_SECRET_KEY, SECRET_KEY};

/// Everything requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bucket_name: String,
    pub(super) region: String,
    bucket: Mutex<Bucket>,
    counters: Mutex<Counters>,
    switches: Mutex<Switches>,
    holding: watch::Sender<Holding>,
    /// Requests that came and were not answered yet.
    pub(super) under_way: AtomicU64,
}

/// What is held, and what became of those that were.
#[derive(Debug, Clone, Default)]
struct Holding {
    holds: Vec<Kept>,
    /// Rises whenever something is let go.
    generation: u64,
    /// Those that were held before this generation are refused.
    refused_before: u64,
}

/// A hold, and how many it has made to wait.
#[derive(Debug, Clone)]
struct Kept {
    hold: Hold,
    held: Arc<AtomicU64>,
}

/// What is known of a request once its signature has been checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    pub(super) operation: String,
    pub(super) key: String,
    /// Counted from 1 among those of its operation.
    pub(super) number_of_kind: u64,
}

/// Where that is written down: it travels with the request.
pub(super) type NotedSlot = Arc<Mutex<Option<Noted>>>;

/// Whether a request comes in, once it is known who sent it.
#[derive(Debug, Clone)]
pub(super) struct Gate(pub(super) Arc<Shared>);

/// Two access keys with their secrets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys;

impl Shared {
    pub(super) fn new(bucket_name: String, region: String, switches: Switches) -> Self {
        Self {
            bucket_name,
            region,
            bucket: Mutex::default(),
            counters: Mutex::default(),
            switches: Mutex::new(switches),
            holding: watch::Sender::default(),
            under_way: AtomicU64::default(),
        }
    }

    pub(super) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        locked(&self.bucket)
    }

    pub(super) fn counters(&self) -> MutexGuard<'_, Counters> {
        locked(&self.counters)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        locked(&self.switches)
    }

    /// Refuses what this access key has no right to.
    pub(super) fn allow(&self, access_key: &str, right: Right, key: &str) -> S3Result<()> {
        if self.may(access_key, right, key) {
            return Ok(());
        }
        let name = right.name();
        Err(s3_error!(AccessDenied, "User: {access_key} is not authorized to perform: {name}"))
    }

    /// Whether it has the right.
    pub(super) fn may(&self, access_key: &str, right: Right, key: &str) -> bool {
        let switches = self.switches();
        let of_guest = (access_key == GUEST_ACCESS_KEY).then_some(&switches.guest_denials);
        let mut denials = switches.denials.iter().chain(of_guest.into_iter().flatten());
        !denials.any(|denial| denial.hits(right, key))
    }

    pub(super) fn hold(&self, hold: Option<Hold>, refuse: bool) {
        self.holding.send_modify(|holding| {
            holding.holds = hold.into_iter().map(Kept::of).collect();
            holding.generation += 1;
            if refuse {
                holding.refused_before = holding.generation;
            }
        });
    }

    pub(super) fn hold_too(&self, hold: Hold) {
        self.holding.send_modify(|holding| holding.holds.push(Kept::of(hold)));
    }

    pub(super) fn let_go_first(&self) {
        self.holding.send_modify(|holding| drop(holding.holds.remove(0)));
    }

    pub(super) fn held(&self) -> u64 {
        let holding = self.holding.borrow();
        holding.holds.iter().map(|kept| kept.held.load(Ordering::Relaxed)).sum()
    }

    /// Waits while requests like this one are held.
    async fn pass(&self, noted: &Noted, number: u64) -> S3Result<()> {
        let mut holding = self.holding.subscribe();
        let arrived = holding.borrow().generation;
        // The hold that made it wait.
        let mut waits_for: Option<Arc<AtomicU64>> = None;
        loop {
            {
                let now = holding.borrow_and_update();
                if now.refused_before > arrived {
                    return Err(s3_error!(ServiceUnavailable, "let go by the test"));
                }
                let (operation, key) = (&noted.operation, &noted.key);
                let of_kind = noted.number_of_kind;
                let holds = now.holds.iter().find(|kept| match &waits_for {
                    Some(held) if Arc::ptr_eq(held, &kept.held) => true,
                    _ => kept.hold.holds(operation, key, number, of_kind) && kept.counts(),
                });
                match holds {
                    Some(kept) => waits_for = Some(Arc::clone(&kept.held)),
                    None => return Ok(()),
                }
            }
            if holding.changed().await.is_err() {
                return Err(s3_error!(ServiceUnavailable, "the store is gone"));
            }
        }
    }
}

impl Kept {
    fn of(hold: Hold) -> Self {
        Self { hold, held: Arc::default() }
    }

    /// Counts one more, if it may hold one more.
    fn counts(&self) -> bool {
        let more = |held| (held < self.hold.at_most).then_some(held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() && !self.0.switches().habits.public {
            return Err(s3_error!(AccessDenied, "Anonymous access is forbidden"));
        }
        let operation = cx.s3_op().name().to_owned();
        let key = cx.s3_path().get_object_key().unwrap_or_default().to_owned();
        let (number, number_of_kind) = {
            let mut counters = self.0.counters();
            counters.requests += 1;
            let requests = counters.requests;
            let of_kind = counters.operations.entry(operation.clone()).or_default();
            *of_kind += 1;
            let number_of_kind = *of_kind;
            if operation == "GetObject" {
                counters.gets.entry(key.clone()).or_default().asked += 1;
            }
            (requests, number_of_kind)
        };
        let noted = Noted { operation, key, number_of_kind };
        if let Some(slot) = cx.extensions_mut().get::<NotedSlot>() {
            *locked(slot) = Some(noted.clone());
        }
        let switches = self.0.switches().clone();
        if !switches.delay.is_zero() {
            tokio::time::sleep(switches.delay).await;
        }
        self.0.pass(&noted, number).await?;
        if switches.slow_down.hits(number) {
            self.0.counters().faults += 1;
            return Err(s3_error!(SlowDown, "Please reduce your request rate."));
        }
        if switches.clock_skewed {
            let words =
                "The difference between the request time and the current time is too large.";
            return Err(s3_error!(RequestTimeTooSkewed, "{words}"));
        }
        if cx.s3_path().get_bucket_name().is_some_and(|name| name != self.0.bucket_name) {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match access_key {
            ACCESS_KEY => Ok(SECRET_KEY.into()),
            GUEST_ACCESS_KEY => Ok(GUEST_SECRET_KEY.into()),
            _ => {
                let words = "The AWS Access Key Id you provided does not exist in our records.";
                Err(s3_error!(InvalidAccessKeyId, "{words}"))
            }
        }
    }
}

/// What a test that failed left locked is still good to read.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
