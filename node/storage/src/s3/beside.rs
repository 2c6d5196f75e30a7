//! Whether a store that fails at one photograph gives others: whoever waits for the one asks for
//! the first byte of another now and then. While nothing else is read nobody would know, and a
//! photograph that can never be read would hold up everything, as an outage does.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::s3::bucket::{Bucket, Query};
use crate::s3::pace::Pace;
use crate::s3::patience::within;

/// Wait for a photograph before another is looked at: less than what is told as an outage.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Wait between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Wait for the answer to a look.
const LOOK_TIME_OUT: Duration = Duration::from_secs(5);

/// Photographs that are listed to find another than the one that is waited for.
const LISTED_MAX: i32 = 8;

/// What is known of the photographs beside the one that is waited for.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The whole key of the one that was read last.
    read: Mutex<Option<String>>,
    /// Held by whoever looks: one look at a time is enough for all.
    looking: tokio::sync::Mutex<()>,
}

impl Beside {
    /// A photograph was read.
    pub(super) fn read(&self, key: &str) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.as_deref() != Some(key) {
            *read = Some(key.to_owned());
        }
    }

    /// Looks again and again, for as long as somebody waits for `key`.
    pub(super) async fn watch(&self, bucket: &Bucket, key: &str) -> Infallible {
        sleep(FIRST_LOOK).await;
        loop {
            if let Ok(_turn) = self.looking.try_lock() {
                self.look(bucket, key).await;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Has the store's pace know that it gives another photograph, if it does.
    async fn look(&self, bucket: &Bucket, key: &str) {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let other = match known.filter(|known| known != key) {
            Some(known) => Some(known),
            None => timeout(LOOK_TIME_OUT, other_than(bucket, key)).await.ok().flatten(),
        };
        let Some(other) = other else { return };
        let get = bucket.client.get_object().bucket(&bucket.name).key(other).range("bytes=0-0");
        if within(LOOK_TIME_OUT, get.send()).await.is_ok() {
            bucket.asking.store.note(Pace::answered);
        }
    }
}

/// Another object below the prefix, with something in it.
async fn other_than(bucket: &Bucket, key: &str) -> Option<String> {
    let query = Query { prefix: &bucket.prefix, keys_max: Some(LISTED_MAX), ..Query::default() };
    let page = bucket.page(query).await.ok()?;
    let mut others = page.objects.into_iter().filter(|object| object.size > 0 && object.key != key);
    others.next().map(|object| object.key)
}
