//! How the public names of a target change: cleared of what died, announced, made a result, or
//! given up. Between any two requests the process may be stopped for a minute, and other nodes of
//! the same job may do the same thing meanwhile: so every removal of a public object names the
//! version that was seen, and whoever comes second finds what the first wrote and goes on from
//! there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use crate::resume::Resume;
use crate::s3::earlier::{
    Announced, Content, Verdict, announced_name, committed_name, target_name,
};
use crate::s3::publication::{Shared, content, refuse};
use crate::s3::unfinished::give_up_dead_uploads;
use crate::s3::write::{DELETE_KEYS_MAX, Doomed};
use crate::sink::{SUCCESS, SinkError};

/// Objects of dead runs that are copied at a time.
const COPIES_AT_A_TIME: usize = 16;

impl Shared {
    /// Removes what dead runs left: whoever holds the lock knows that they are dead. If that fails,
    /// or the target may not be used, the lock is let go, unless other nodes share it.
    pub(super) async fn clear(&self) -> Result<(), SinkError> {
        let cleared = self.clear_dead().await;
        if cleared.is_err()
            && !self.member
            && let Err(error) = self.lock.release().await
        {
            warn!(%error, "cannot remove the lock of the target; the next run takes it over");
        }
        cleared
    }

    async fn clear_dead(&self) -> Result<(), SinkError> {
        let mut found = content(&self.bucket, self.is_ours).await?;
        self.take_over(&found).await?;
        // What the dead may still give a public name goes first, and what they have given one is
        // looked for afterwards: of what they asked for nothing comes after that.
        let sources = found.sources(&self.job);
        if !sources.is_empty() {
            let sources = sources.into_iter().map(|name| (name, String::new()));
            self.remove_versions(&sources.collect(), |_| true).await?;
            give_up_dead_uploads(&self.bucket, &self.job, self.is_ours).await?;
            found = content(&self.bucket, self.is_ours).await?;
        }
        let mut announced = Vec::new();
        for name in found.announcements(&self.job) {
            announced.extend(self.announced(&name).await?);
        }
        match found.judge(self.mode, &announced) {
            Verdict::Debris => {
                self.remove_versions(&found.public, |_| true).await?;
                let objects = found.public.len();
                info!(
                    out = self.uri,
                    objects, "removed the leftovers of an interrupted publication"
                );
            }
            verdict => refuse(verdict, &self.uri)?,
        }
        let dead = found.dead(&self.job).into_iter().map(|name| (name, String::new()));
        self.remove_versions(&dead.collect(), |_| true).await?;
        give_up_dead_uploads(&self.bucket, &self.job, self.is_ours).await?;
        Ok(())
    }

    /// Copies what the job takes over of the dead, and says that it can be resumed itself.
    async fn take_over(&self, found: &Content) -> Result<(), SinkError> {
        let Some(resume) = &self.resume else { return Ok(()) };
        // First of all: what is taken over must not be lost if this run dies amid it.
        self.put(&resume.checkpoint_of(&self.job), Bytes::new()).await?;
        let moved = resume.taken_over(&self.job, found.private.iter().map(String::as_str));
        let resumed = stream::iter(moved)
            .map(|(from, to)| async move {
                match self.promote(&from, &to).await {
                    Ok(()) => Ok(Some(to)),
                    Err(SinkError::Missing { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffered(COPIES_AT_A_TIME)
            .try_filter_map(|name| async move { Ok(name) })
            .try_collect()
            .await?;
        let _ = self.resumed.set(resumed);
        Ok(())
    }

    async fn announced(&self, name: &str) -> Result<Option<Announced>, SinkError> {
        let found = self.bucket.get(&self.bucket.key(name)).await?;
        Ok(found.and_then(|(bytes, _)| Announced::decode(&bytes)))
    }

    /// What this job announced: by this process, or by another of its nodes.
    async fn own_announcement(&self) -> Result<Option<Announced>, SinkError> {
        let begun = self.state().finals.is_some();
        match begun || self.member {
            true => self.announced(&announced_name(&self.job)).await,
            false => Ok(None),
        }
    }

    /// Removes the versions of names that were seen, if they are `meant`.
    async fn remove_versions(
        &self,
        seen: &BTreeMap<String, String>,
        meant: impl Fn(&str) -> bool,
    ) -> Result<(), SinkError> {
        let meant = seen.iter().filter(|(name, _)| meant(name));
        let doomed: Vec<Doomed> = meant
            .map(|(name, etag)| self.conditions.doomed(self.bucket.key(name), Some(etag)))
            .collect();
        for doomed in doomed.chunks(DELETE_KEYS_MAX) {
            // By now they may be another job's.
            self.lock.ensure().await?;
            self.bucket.remove_all(doomed).await?;
        }
        Ok(())
    }

    /// Writes down what is about to change, and clears the way for it. What is announced already is
    /// gone on with.
    pub(super) async fn begin(&self, finals: BTreeSet<String>) -> Result<(), SinkError> {
        self.check_open()?;
        self.lock.ensure().await?;
        let content = content(&self.bucket, self.is_ours).await?;
        let said = self.own_announcement().await?.filter(|said| said.new == finals);
        let old = match said {
            Some(said) => self.go_on(&content, said)?,
            None => self.announce(&content, &finals).await?,
        };
        {
            let mut state = self.state();
            state.finals = Some(finals.clone());
            state.old.clone_from(&old);
        }
        // The earlier result ends before any part of it goes.
        let still = |name: &str| old.get(name).is_some_and(|tag| content.etag(name) == Some(tag));
        self.remove_versions(&old, |name| name == SUCCESS && still(name)).await?;
        // What has a new version to come is replaced by it, where that can be said to the server.
        let can_say = self.conditions.create && self.conditions.replace;
        let replaced = |name: &str| {
            let known = old.get(name).is_some_and(|etag| !etag.is_empty());
            can_say && known && finals.contains(name)
        };
        let goes = |name: &str| name != SUCCESS && still(name) && !replaced(name);
        self.remove_versions(&old, goes).await
    }

    /// The versions that were there when the job was announced.
    fn go_on(
        &self,
        content: &Content,
        said: Announced,
    ) -> Result<BTreeMap<String, String>, SinkError> {
        if let Some(name) = &content.foreign {
            let (out, name) = (self.uri.clone(), name.clone());
            return Err(SinkError::Foreign { out, name });
        }
        let mut old = said.etags;
        match &content.success {
            Some(found) if old.get(SUCCESS) == Some(found) => {}
            // Another node of the job has written it meanwhile: nothing is left to do here.
            Some(_) if self.member => return Err(SinkError::Closed),
            // It is our own, whose answer was lost.
            Some(found) => drop(old.insert(SUCCESS.to_owned(), found.clone())),
            None => {}
        }
        Ok(old)
    }

    async fn announce(
        &self,
        content: &Content,
        finals: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, SinkError> {
        let mut old = {
            let state = self.state();
            if state.finals.is_none() {
                refuse(content.judge(self.mode, &[]), &self.uri)?;
            }
            state.old.clone()
        };
        old.extend(content.public.clone());
        old.extend(content.success.clone().map(|etag| (SUCCESS.to_owned(), etag)));
        let announced = Announced::new(old.clone(), finals.clone()).encode();
        let key = self.bucket.key(&announced_name(&self.job));
        self.send(&key, announced.into()).await?;
        Ok(old)
    }

    /// The marker, if it is there and this job's own. What its writer left undone is done.
    pub(super) async fn published(&self) -> Result<Option<Bytes>, SinkError> {
        let get = async |name: &str| self.bucket.get(&self.bucket.key(name)).await;
        let Some((said, _)) = get(&committed_name(&self.job)).await? else { return Ok(None) };
        let found = get(SUCCESS).await?;
        let marker = found.map(|(bytes, _)| bytes).filter(|bytes| name_of(bytes) == said);
        if marker.is_some() && self.check_open().is_ok() && self.lock.ensure().await.is_ok() {
            self.close().await;
        }
        Ok(marker)
    }

    /// Writes the marker, if all that was announced is there and nothing else.
    pub(super) async fn commit(&self, success: Bytes) -> Result<(), SinkError> {
        self.check_open()?;
        let finals = self.state().finals.clone().unwrap_or_default();
        let written = content(&self.bucket, self.is_ours).await?;
        if let Some(name) = finals.iter().find(|name| !written.public.contains_key(*name)) {
            return Err(SinkError::Incomplete { name: name.clone() });
        }
        let more = written.public.keys().find(|name| !finals.contains(*name));
        if let Some(name) = more.or(written.foreign.as_ref()) {
            return Err(SinkError::NotAnnounced { name: name.clone() });
        }
        self.lock.ensure().await?;
        if self.member {
            // Should this process die now, another one knows the marker for the job's own.
            let key = self.bucket.key(&committed_name(&self.job));
            self.send(&key, name_of(&success).into()).await?;
        }
        let staged = self.stage();
        self.send(&self.bucket.key(&staged), success).await?;
        self.lock.confirm().await?;
        self.lock.ensure().await?;
        self.copy_to(&staged, SUCCESS).await?;
        self.close().await;
        Ok(())
    }

    /// Tidies up behind a result that is published. What cannot be removed is removed by the next
    /// run for this target.
    pub(super) async fn close(&self) {
        let staged = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.staged)
        };
        let mut doomed = vec![announced_name(&self.job)];
        if self.member {
            doomed.push(target_name(&self.job));
            if let Err(error) = self.remove_below(&format!("_run/{}/work/", self.job)).await {
                warn!(%error, "the result is published, but its temporary objects stay until the \
                               next run");
            }
        } else {
            let staged = staged.into_iter().map(|key| Doomed { key, etag: None });
            if let Err(error) = self.bucket.remove_all(&staged.collect::<Vec<_>>()).await {
                warn!(%error, "the result is published, but copies of it stay until the next run");
            }
        }
        for name in doomed {
            if let Err(error) = self.bucket.remove(&self.bucket.key(&name)).await {
                warn!(%error, name, "the result is published, but this object stays until the next \
                                     run");
            }
        }
        if let Err(error) = self.lock.release().await {
            warn!(%error, "the result is published, but its lock stays until the next run");
        }
    }

    /// Removes all that the job wrote.
    pub(super) async fn abort(&self) -> Result<(), SinkError> {
        self.end(false).await.map(drop)
    }

    /// The same, but for what the next job can resume from; says where that lies, if there is any.
    /// Once publishing has begun nothing is left: it might still be copied to a public name.
    pub(super) async fn leave(&self) -> Result<Option<String>, SinkError> {
        let left = self.end(self.resume.is_some()).await?;
        Ok(left.then(|| format!("{}_run/{}/", self.bucket.uri(), self.job)))
    }

    /// Ends the job without a result. Whether something is left to resume from.
    async fn end(&self, leaves: bool) -> Result<bool, SinkError> {
        let begun = {
            let mut state = self.state();
            let ended = std::mem::replace(&mut state.closed, true);
            if ended { None } else { Some(state.finals.is_some()) }
        };
        self.bucket.asking.hurry();
        let Some(begun) = begun else {
            // A commit that was cut off may have left the lock.
            return self.lock.release().await.map(|()| false);
        };
        let _none_under_way = self.under_way.write().await;
        let cleaned = match &self.resume {
            Some(resume) if leaves && !begun => self.leave_work(resume).await.map(|()| true),
            _ => self.give_up(begun).await.map(|()| false),
        };
        self.lock.release().await?;
        cleaned
    }

    /// Removes all that the job wrote but what the next one can resume from.
    async fn leave_work(&self, resume: &Resume) -> Result<(), SinkError> {
        let own = self.bucket.all(&self.bucket.key(&format!("_run/{}/", self.job))).await?;
        let doomed = own.into_iter().filter(|object| {
            let name = object.key.strip_prefix(&self.bucket.prefix).unwrap_or(&object.key);
            !resume.leaves(&self.job, name)
        });
        let doomed = doomed.map(|object| Doomed { key: object.key, etag: None });
        self.bucket.remove_all(&doomed.collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// What may still be copied to public names goes first, these next, and what was announced at
    /// the end: it says that they are debris.
    async fn give_up(&self, begun: bool) -> Result<(), SinkError> {
        if begun || self.member {
            match self.lock.end().await {
                Ok(()) => {
                    self.remove_below(&format!("_run/{}/work/", self.job)).await?;
                    self.remove_announced().await?;
                }
                // By now all of it may be the job's result.
                Err(SinkError::Lost { .. } | SinkError::Closed) if self.member => return Ok(()),
                // By now they may be another job's.
                Err(SinkError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_below(&format!("_run/{}/", self.job)).await
    }
}

impl Shared {
    async fn remove_announced(&self) -> Result<(), SinkError> {
        let announced = self.announced(&announced_name(&self.job)).await?;
        let Some(said) = announced else { return Ok(()) };
        let mut seen = content(&self.bucket, self.is_ours).await?;
        // A commit that was cut off may have written it.
        let marker = seen.success.take().map(|etag| (SUCCESS.to_owned(), etag));
        self.remove_versions(&marker.into_iter().collect(), |_| true).await?;
        let ours = |name: &str| said.new.contains(name) || said.old.contains(name);
        self.remove_versions(&seen.public, ours).await
    }
}

/// How a job names its marker before it writes it.
fn name_of(success: &[u8]) -> String {
    Sha256::digest(success).iter().map(|byte| format!("{byte:02x}")).collect()
}
