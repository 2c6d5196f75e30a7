//! The lock of a target: one object, held by whoever wrote it last and goes on renewing it.
//!
//! No clocks are compared: whoever meets a lock watches whether it changes. Whoever holds it makes
//! sure, before anything public is touched, that it was renewed a moment ago.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tracing::warn;

use fruitnode_env::Moment;

use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::holder::{Claim, Holder, started};
use crate::s3::probe::Conditions;
use crate::s3::write::Written;
use crate::sink::SinkError;

/// Name of the lock below the target.
pub(super) const LOCK: &str = "_run/lock";

/// Time between renewals.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// A lock that does not change for so long belongs to a dead process.
const WATCH: Duration = Duration::from_secs(15);

/// Time between two looks at a lock that is watched.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A look that took longer proves nothing: if the server was silent, then to the holder too.
const LOOK_LATE: Duration = Duration::from_secs(2);

/// A renewal older than this is repeated before anything public is touched: less than [`WATCH`], so
/// that nobody has taken the lock over meanwhile.
const FRESH: Duration = Duration::from_secs(7);

/// Times that one renewal is tried.
const RENEWALS_MAX: u32 = 3;

/// Times that others may be faster in taking a free lock.
const ROUNDS_MAX: u32 = 10;

/// What is wrong when it is not taken and cannot be renewed.
const CHANGES: &str = "it is the lock of the target, and someone else changes it: make sure that \
                       no other run writes there; if none does, delete it and run again";

/// Longest lock: whoever wrote more into it was no run.
const LOCK_BYTES_MAX: u64 = 64 << 10;

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Lock {
    bucket: Bucket,
    key: String,
    conditions: Conditions,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    me: Holder,
    etag: String,
    /// The lock is at least as fresh as this; nothing before that is known.
    renewed: Option<Moment>,
    /// When the `ETag` was last known to be the lock's.
    looked: Moment,
    state: State,
    /// Whether this process ends the job.
    ends: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    Lost,
    Released,
}

impl Lock {
    /// Takes the lock of a target, at once if nobody has it or a dead process of this machine; else
    /// after watching it.
    pub(super) async fn take(
        bucket: &Bucket,
        me: Holder,
        conditions: Conditions,
    ) -> Result<Self, SinkError> {
        let key = bucket.key(LOCK);
        let bytes = Bytes::from(me.encode());
        for _ in 0..ROUNDS_MAX {
            let taken = match find(bucket, &key).await? {
                None => bucket.put(&key, bytes.clone(), conditions.absent()).await?,
                Some((held, etag)) => match me.judge(held.as_ref(), started) {
                    // It is over, and another node clears away what it left.
                    Claim::Ours if held.as_ref().is_some_and(|held| held.ended) => {
                        return Err(SinkError::Lost { out: bucket.uri() });
                    }
                    // The answer to an earlier attempt of the client was lost.
                    Claim::Ours => Written::Done(etag),
                    Claim::Dead => {
                        bucket.put(&key, bytes.clone(), conditions.same(&etag).as_deref()).await?
                    }
                    Claim::Unknown => match watch(bucket, &key, held.as_ref(), &etag).await? {
                        Watched::Gone => continue,
                        Watched::Unchanged => {
                            bucket
                                .put(&key, bytes.clone(), conditions.same(&etag).as_deref())
                                .await?
                        }
                        Watched::Changed => {
                            let lock = bucket.place(&key);
                            let holder =
                                format!("{}; {lock} is renewed", Holder::words(held.as_ref()));
                            let out = bucket.uri();
                            return Err(SinkError::Busy { out, holder });
                        }
                    },
                },
            };
            if let Written::Done(etag) = taken {
                let (bucket, looked) = (bucket.clone(), Moment::now());
                let (renewed, state) = (Some(looked), State::Held);
                let held = Mutex::new(Held { me, etag, renewed, looked, state, ends: false });
                return Ok(Self { bucket, key, conditions, held });
            }
        }
        let holder = "several runs that start at the same time".to_owned();
        Err(SinkError::Busy { out: bucket.uri(), holder })
    }

    /// Joins those that hold a target for the same job. If none do, the lock is lost.
    ///
    /// Those of a job that is being ended can be joined by who goes on with that.
    pub(super) async fn join(
        bucket: &Bucket,
        mut me: Holder,
        conditions: Conditions,
    ) -> Result<Self, SinkError> {
        let (key, looked) = (bucket.key(LOCK), Moment::now());
        let (etag, state) = match find(bucket, &key).await? {
            Some((Some(found), etag)) if found.job == me.job => {
                me.ended = found.ended;
                (etag, State::Held)
            }
            _ => (String::new(), State::Lost),
        };
        let held = Mutex::new(Held { me, etag, renewed: None, looked, state, ends: false });
        Ok(Self { bucket: bucket.clone(), key, conditions, held })
    }

    /// Renews the lock until it is released or lost.
    pub(super) async fn keep(&self) {
        loop {
            sleep(RENEW_EVERY).await;
            let mut held = self.held.lock().await;
            match self.renew(&mut held).await {
                Ok(()) => {}
                Err(SinkError::Lost { .. } | SinkError::Closed) => return,
                Err(error) => warn!(%error, "cannot renew the lock of the target"),
            }
        }
    }

    /// Makes sure that the lock is ours at this moment.
    pub(super) async fn ensure(&self) -> Result<(), SinkError> {
        let mut held = self.held.lock().await;
        if held.me.ended && !held.ends {
            return Err(self.lost());
        }
        if held.state == State::Held && held.renewed.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        self.renew(&mut held).await
    }

    /// Looks whether the lock is still ours: what was written before this call was written while it
    /// was, whatever happens from now on.
    pub(super) async fn confirm(&self) -> Result<(), SinkError> {
        let mut held = self.held.lock().await;
        match held.state {
            State::Held if held.me.ended && !held.ends => Err(self.lost()),
            State::Held => self.find_ours(&mut held).await,
            State::Lost => Err(self.lost()),
            State::Released => Err(SinkError::Closed),
        }
    }

    /// Makes sure that the lock is ours, and tells the other nodes of the job that it is over: what
    /// they write from now on, or have begun to write without a look at the lock, is refused.
    pub(super) async fn end(&self) -> Result<(), SinkError> {
        let mut held = self.held.lock().await;
        (held.me.ended, held.ends) = (true, true);
        // A renewal by another node that is as fresh does not say so.
        for _ in 0..RENEWALS_MAX {
            self.renew(&mut held).await?;
            match find(&self.bucket, &self.key).await? {
                Some((Some(found), etag)) if found.job == held.me.job => {
                    held.etag = etag;
                    if found.ended {
                        return Ok(());
                    }
                }
                _ => {
                    held.state = State::Lost;
                    return Err(self.lost());
                }
            }
        }
        Err(self.bucket.broken(&self.key, CHANGES).into())
    }

    /// An error if the lock is known to be lost.
    pub(super) fn check(&self) -> Result<(), SinkError> {
        // While it is being renewed nobody knows better.
        match self.held.try_lock() {
            Ok(held) if held.state == State::Lost => Err(self.lost()),
            _ => Ok(()),
        }
    }

    /// Removes the lock, if it is still ours. Nothing renews it any more.
    pub(super) async fn release(&self) -> Result<(), SinkError> {
        let mut held = self.held.lock().await;
        match self.renew(&mut held).await {
            Ok(()) => {}
            Err(SinkError::Lost { .. } | SinkError::Closed) => return Ok(()),
            Err(error) => {
                held.state = State::Released;
                return Err(error);
            }
        }
        for _ in 0..RENEWALS_MAX {
            // Since then another run may have taken it over.
            let doomed = self.conditions.doomed(self.key.clone(), Some(&held.etag));
            if self.bucket.remove_one(&doomed).await? {
                break;
            }
            // Another node of the job has renewed it.
            if self.find_ours(&mut held).await.is_err() {
                break;
            }
        }
        held.state = State::Released;
        Ok(())
    }

    async fn renew(&self, held: &mut Held) -> Result<(), SinkError> {
        match held.state {
            State::Held => {}
            State::Lost => return Err(self.lost()),
            State::Released => return Err(SinkError::Closed),
        }
        for _ in 0..RENEWALS_MAX {
            // Reckoned from before the request: afterwards the lock is at least as fresh.
            let began = Moment::now();
            held.me.beat += 1;
            if !self.conditions.replace {
                self.find_ours(held).await?;
            }
            let bytes = Bytes::from(held.me.encode());
            let same = self.conditions.same(&held.etag);
            match self.bucket.put(&self.key, bytes, same.as_deref()).await? {
                Written::Done(etag) => {
                    held.etag = etag;
                    (held.renewed, held.looked) = (Some(began), began);
                    return Ok(());
                }
                // The answer to an earlier attempt of the client may have been lost, or another
                // node of the job was faster.
                Written::Unmet | Written::Unsupported => {
                    let (known, before) = (held.etag.clone(), held.looked);
                    self.find_ours(held).await?;
                    // It changed after it was looked at, and is as fresh as that: with many nodes
                    // one renewal serves all.
                    if held.etag != known && before.elapsed() < FRESH {
                        held.renewed = Some(before);
                        return Ok(());
                    }
                }
            }
        }
        Err(self.bucket.broken(&self.key, CHANGES).into())
    }

    /// Reads who holds the lock; an error unless it is us.
    async fn find_ours(&self, held: &mut Held) -> Result<(), SinkError> {
        let looked = Moment::now();
        match find(&self.bucket, &self.key).await? {
            Some((Some(found), etag))
                if found.job == held.me.job && (held.me.ended || !found.ended) =>
            {
                (held.etag, held.looked) = (etag, looked);
                Ok(())
            }
            _ => {
                held.state = State::Lost;
                Err(self.lost())
            }
        }
    }

    fn lost(&self) -> SinkError {
        SinkError::Lost { out: self.bucket.uri() }
    }
}

/// What became of a lock that was watched.
enum Watched {
    Gone,
    Changed,
    Unchanged,
}

type Found = Option<(Option<Holder>, String)>;

/// The lock, if there is one: what it says, and its `ETag`.
async fn find(bucket: &Bucket, key: &str) -> Result<Found, S3Error> {
    let found = bucket.get_small(key, LOCK_BYTES_MAX).await?;
    Ok(found.map(|(bytes, etag)| (bytes.and_then(|bytes| Holder::decode(&bytes)), etag)))
}

async fn watch(
    bucket: &Bucket,
    key: &str,
    held: Option<&Holder>,
    etag: &str,
) -> Result<Watched, S3Error> {
    let (seconds, holder) = (WATCH.as_secs(), Holder::words(held));
    warn!(
        out = bucket.uri(),
        holder,
        "the target is locked by another run, which may have died: waiting {seconds} seconds to \
         find out"
    );
    let mut began = Moment::now();
    while began.elapsed() < WATCH {
        sleep(LOOK_EVERY).await;
        let looked = Moment::now();
        match bucket.head(key).await? {
            None => return Ok(Watched::Gone),
            Some(head) if head.etag != etag => return Ok(Watched::Changed),
            // Whoever holds it is given as long to renew it as if nothing had been.
            Some(_) if looked.elapsed() > LOOK_LATE => began = Moment::now(),
            Some(_) => {}
        }
    }
    Ok(Watched::Unchanged)
}
