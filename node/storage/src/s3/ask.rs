//! How a store is asked: again, until it says something that decides, at a pace that it bears.
//!
//! Everything that is sent to a store goes through [`Bucket::ask`]: the SDK itself repeats nothing
//! and has no time-out but for connecting.

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::s3::bucket::Bucket;
use crate::s3::fault::{Blame, Fault, World};
use crate::s3::pace::{Entry, Pace};
use crate::s3::patience::{Asked, HURRY, Load, PAUSE_MOST, within};
use crate::s3::store::{Look, Turn};

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
            let mut asked = Asked::now(store);
            loop {
                let turn = self.turn(&mut asked).await?;
                let began = store.now();
                asked.sent += 1;
                let answer = tokio::select! {
                    biased;
                    answer = request(asked.time_out(load)) => answer,
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
                store.note(|pace, now| {
                    pace.in_vain();
                    match world {
                        World::Slow => pace.slowed(now, &words),
                        World::Faulty => pace.failed(now, &words),
                        World::Silent => pace.silent(now, began, &words),
                        World::Narrow => pace.narrowed(now, &words),
                    }
                });
                let others = store.pace().well().is_some_and(|well| well > began);
                asked.silences += u32::from(world == World::Silent && !others);
                asked.silences_alone += u32::from(world == World::Silent && others);
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
