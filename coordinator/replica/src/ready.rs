//! The steps of one round, one at a time and in the only safe order.

use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeV2, Entry, EntryType, Message, MessageType};
use raft::{LightReady, ReadState, Ready, StateRole};

use crate::hand::{First, Hand, Then};
use crate::store::{LogStore, Vote};
use crate::tail::raft_snapshot;
use crate::{Applied, Confirmed, Fatal, Outgoing, Replica, Step, entry};
use fruitnode_coordinator::codec;
use fruitnode_coordinator::ids::NodeId;

type Next<S> = Result<Option<Step>, Fatal<<S as LogStore>::Error>>;

impl<S: LogStore> Replica<S> {
    /// Takes the next step. `None` when there is nothing to do, until something is put in.
    #[allow(clippy::should_implement_trait, reason = "it fails, and goes on after `None`")]
    pub fn next(&mut self) -> Next<S> {
        if self.stopped {
            return Err(Fatal::Stopped);
        }
        let step = self.next_step();
        self.stopped = step.is_err();
        step
    }

    fn next_step(&mut self) -> Next<S> {
        loop {
            let step = match self.hand.take() {
                Some(Hand::First(ready, at)) => self.first(ready, at)?,
                Some(Hand::Then(light, at)) => self.then(light, at)?,
                None => {
                    while let Some(input) = self.inbox.pop_front() {
                        self.input_now(input);
                    }
                    if self.node.has_ready() {
                        let ready = Box::new(self.node.ready());
                        self.hand = Some(Hand::First(ready, First::Reads));
                        continue;
                    }
                    return self.compact();
                }
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    fn first(&mut self, mut ready: Box<Ready>, at: First) -> Next<S> {
        let (step, next) = match at {
            First::Reads => (confirmed(ready.take_read_states()), First::Messages),
            First::Messages => (send(ready.take_messages()), First::Snapshot),
            First::Snapshot => (self.install(&ready)?, First::Entries),
            First::Entries => (self.persist(&ready)?, First::Promises),
            First::Promises => (send(ready.take_persisted_messages()), First::Apply),
            First::Apply => {
                let entries = ready.take_committed_entries();
                (self.apply(&entries)?, First::Advance)
            }
            First::Advance => {
                let light = Box::new(self.node.advance(*ready));
                self.hand = Some(Hand::Then(light, Then::Commit));
                return Ok(send(std::mem::take(&mut self.farewell)));
            }
        };
        self.hand = Some(Hand::First(ready, next));
        Ok(step)
    }

    fn then(&mut self, mut light: Box<LightReady>, at: Then) -> Next<S> {
        let (step, next) = match at {
            Then::Commit => (self.persist_commit(&light)?, Then::Messages),
            Then::Messages => (send(light.take_messages()), Then::Apply),
            Then::Apply => {
                let entries = light.take_committed_entries();
                (self.apply(&entries)?, Then::Finish)
            }
            Then::Finish => {
                self.node.advance_apply();
                return Ok(Some(Step::Advanced));
            }
        };
        self.hand = Some(Hand::Then(light, next));
        Ok(step)
    }

    /// What another has snapshotted takes the place of everything here.
    fn install(&mut self, ready: &Ready) -> Next<S> {
        let snapshot = ready.snapshot();
        if snapshot.is_empty() {
            return Ok(None);
        }
        let index = snapshot.get_metadata().index;
        let state = entry::decode_state(snapshot).map_err(|why| Fatal::Entry { index, why })?;
        // Entries that follow the snapshot are stored next, and with them what is committed of
        // them.
        let vote = self.vote();
        let vote = Vote { commit: vote.commit.min(index), ..vote };
        let stored = entry::snapshot_to_log(snapshot);
        self.store.install(&stored, Some(vote)).map_err(Fatal::Store)?;
        self.node.mut_store().install(snapshot.clone());
        self.state = state;
        self.applied = index;
        self.bytes_since = 0;
        Ok(Some(Step::Installed { index }))
    }

    fn persist(&mut self, ready: &Ready) -> Next<S> {
        if ready.entries().is_empty() && ready.hs().is_none() {
            return Ok(None);
        }
        let entries: Vec<_> = ready.entries().iter().map(entry::to_log).collect();
        let vote = self.vote();
        self.store.append(&entries, Some(vote)).map_err(Fatal::Store)?;
        self.node.mut_store().append(ready.entries());
        Ok(Some(Step::Persisted))
    }

    fn persist_commit(&mut self, light: &LightReady) -> Next<S> {
        if light.commit_index().is_none() {
            return Ok(None);
        }
        let vote = self.vote();
        self.store.append(&[], Some(vote)).map_err(Fatal::Store)?;
        Ok(Some(Step::Persisted))
    }

    /// The vote as it is now, whole: in a round nothing changes it but the round itself.
    fn vote(&self) -> Vote {
        let hard = self.node.raft.hard_state();
        Vote { term: hard.term, vote: hard.vote, commit: hard.commit }
    }

    fn apply(&mut self, entries: &[Entry]) -> Next<S> {
        if entries.is_empty() {
            return Ok(None);
        }
        // Who has no vote any more stops answering once the change is applied. A voter that forgot
        // that it is committed would wait for the votes of the gone, for ever.
        if entries.iter().any(|entry| entry.get_entry_type() != EntryType::EntryNormal) {
            self.store.keep_commit().map_err(Fatal::Store)?;
        }
        let mut applied = Vec::with_capacity(entries.len());
        for entry in entries {
            applied.push(self.apply_one(entry)?);
            self.applied = entry.index;
            self.bytes_since += u64::from(entry.compute_size());
        }
        Ok(Some(Step::Applied(applied)))
    }

    fn apply_one(&mut self, entry: &Entry) -> Result<Applied, Fatal<S::Error>> {
        let (index, term) = (entry.index, entry.term);
        let nothing = Applied { index, term, command: None, effects: Vec::new() };
        match entry.get_entry_type() {
            EntryType::EntryNormal if entry.get_data().is_empty() => Ok(nothing),
            EntryType::EntryNormal => {
                let applied = entry::apply(&mut self.state, index, entry.get_data());
                let (command, effects) = applied.map_err(|why| Fatal::Entry { index, why })?;
                Ok(Applied { command: Some(command), effects, ..nothing })
            }
            EntryType::EntryConfChange => {
                if let Ok(change) = ConfChange::parse_from_bytes(entry.get_data()) {
                    // Refused by all alike, since all have the same configuration here.
                    drop(self.node.apply_conf_change(&change));
                }
                self.step_down_if_removed();
                Ok(nothing)
            }
            EntryType::EntryConfChangeV2 => {
                if let Ok(change) = ConfChangeV2::parse_from_bytes(entry.get_data()) {
                    drop(self.node.apply_conf_change(&change));
                }
                self.step_down_if_removed();
                Ok(nothing)
            }
        }
    }

    /// A leader without a vote tells the others what is committed, its removal included, and is
    /// none any more. Raft would lead on, and panic when it looks for itself among the voters.
    fn step_down_if_removed(&mut self) {
        let raft = &mut self.node.raft;
        if raft.state != StateRole::Leader || raft.promotable() {
            return;
        }
        raft.bcast_append();
        self.farewell.append(&mut raft.msgs);
        raft.become_follower(raft.term, raft::INVALID_ID);
    }

    /// Keeps the state as a snapshot, if the log has become long or somebody needs one.
    fn compact(&mut self) -> Next<S> {
        let tail = self.node.store();
        let since = self.applied - tail.snapshot_index();
        let due = since >= self.config.compact_entries
            || self.bytes_since >= self.config.compact_bytes
            || tail.snapshot_wanted();
        if since == 0 || !due {
            return Ok(None);
        }
        let Ok(term) = self.node.raft.raft_log.term(self.applied) else {
            return Ok(None);
        };
        let state = codec::encode_state(&self.state);
        let snapshot = raft_snapshot(self.applied, term, self.conf(), state);
        let remove_to = self.applied.saturating_sub(self.config.keep_entries);
        let stored = entry::snapshot_to_log(&snapshot);
        self.store.compact(&stored, remove_to).map_err(Fatal::Store)?;
        self.node.mut_store().compact(snapshot, remove_to);
        self.bytes_since = 0;
        Ok(Some(Step::Compacted))
    }
}

/// `None` if nobody asked.
fn confirmed(reads: Vec<ReadState>) -> Option<Step> {
    let answer = |read: ReadState| {
        let number = read.request_ctx.try_into().map(u64::from_le_bytes).ok()?;
        Some(Confirmed { number, index: read.index })
    };
    let confirmed: Vec<_> = reads.into_iter().filter_map(answer).collect();
    (!confirmed.is_empty()).then_some(Step::Confirmed(confirmed))
}

/// `None` if there is nothing to send.
fn send(messages: Vec<Message>) -> Option<Step> {
    let outgoing: Vec<_> = messages
        .into_iter()
        .map(|message| Outgoing {
            to: NodeId(message.to),
            snapshot: message.get_msg_type() == MessageType::MsgSnapshot,
            bytes: message
                .write_to_bytes()
                .expect("a message without required fields can always be written"),
        })
        .collect();
    (!outgoing.is_empty()).then_some(Step::Send(outgoing))
}
