//! The thread that drives a replica: one step at a time, and death between any two. And when there
//! is one: as the node's voter machine says.

use fruitnode_coordinator::control::leader::{Input, Leader};
use fruitnode_coordinator::control::voter::{self, Opening, Output};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases::Terms;
use fruitnode_replica::{MemoryLog, ProposeError, Replica, ReplicaConfig, Step};

use crate::book::Book;
use crate::bug::Bug;
use crate::events::{Event, Life};
use crate::node::{Proposal, Voting};
use crate::world::World;

/// A tick, milliseconds.
const TICK: u64 = 100;

/// Ticks that an attempt may make no progress: less than in the world, so that runs stay short.
const TERM_TICKS: u64 = 300;

impl World {
    pub(crate) fn on_tick(&mut self, id: NodeId, life: Life) {
        if !self.lives(id, life) {
            return;
        }
        self.schedule(TICK, Event::Tick(id, life));
        let fails = self.dice.chance(self.plan.disk_fails) && self.dice.chance(50);
        if let Some(voting) = self.node(id).voting_mut() {
            voting.replica.tick();
            if fails {
                voting.replica.store_mut().set_failing(true);
            }
            self.mail(id, Input::Tick);
        }
        self.member_tick(id);
        self.voter_tick(id);
        self.let_others_in(id);
        self.ask_to_read(id);
        self.look_for_a_leader();
        self.wake(id);
    }

    fn voter_tick(&mut self, id: NodeId) {
        let node = self.node(id);
        let unlisted = !node.book.voters.is_empty() && !node.book.voters.contains(&id);
        let holds_key = node.has_key;
        self.voter_step(id, voter::Input::Tick { holds_key, unlisted });
    }

    pub(crate) fn voter_step(&mut self, id: NodeId, input: voter::Input) {
        let Some(process) = &mut self.node(id).process else { return };
        let outputs = process.voter.step(&process.standing, input);
        for output in outputs {
            match output {
                Output::Open(opening) => {
                    let node = self.node(id);
                    (node.has_log, node.has_key) = (true, true);
                    let life = node.life;
                    let after = self.dice.between(1, 200);
                    self.schedule(after, Event::LogOpen(id, life, opening));
                }
                Output::Close => self.close_log(id),
                Output::RemoveKey => {
                    self.count("authority's key removed");
                    self.node(id).has_key = false;
                }
                Output::Answer(taken) => self.answer_admission(id, taken),
            }
        }
    }

    /// Opens the node's log. One that cannot be opened was lost by somebody.
    pub(crate) fn on_log_open(&mut self, id: NodeId, life: Life, opening: Opening) {
        if !self.lives(id, life) {
            return;
        }
        let config = ReplicaConfig {
            compact_entries: self.plan.compact_entries,
            keep_entries: self.plan.compact_entries / 2,
            ..ReplicaConfig::new(id)
        };
        let lazy = self.has(Bug::SkipFsync) || self.has(Bug::SendBeforePersist);
        let mut disk: MemoryLog = std::mem::take(&mut self.node(id).disk);
        disk.set_failing(false);
        disk.set_lazy(lazy);
        disk.set_forgetful(self.has(Bug::ForgetCommit));
        let terms = if self.has(Bug::NeverExpire) { u64::MAX } else { TERM_TICKS };
        match Replica::open(config, disk) {
            Ok(replica) => {
                self.note(format_args!("{id} takes part in the log"));
                let voting = Voting::new(opening, replica, Leader::new(Terms::uniform(terms)));
                if let Some(process) = &mut self.node(id).process {
                    process.voting = Some(voting);
                }
            }
            Err(why) => self.violate(format!("RAFT: {id} cannot open its log: {why}")),
        }
        self.voter_step(id, voter::Input::Opened { open: true });
        self.wake(id);
    }

    /// In good order: nothing is lost.
    fn close_log(&mut self, id: NodeId) {
        self.count("voter dismissed");
        self.note(format_args!("{id} takes part in the log no longer"));
        if let Some(replica) = self.take_voting(id) {
            self.node(id).disk = replica.into_store();
            self.node(id).disk.close();
        }
        let life = self.node(id).life;
        let after = self.dice.between(1, 2_000);
        self.schedule(after, Event::LogClosed(id, life));
    }

    pub(crate) fn on_log_closed(&mut self, id: NodeId, life: Life) {
        if self.lives(id, life) {
            self.voter_step(id, voter::Input::Closed);
        }
    }

    /// What a process has while it takes part is gone, and the streams to it with it.
    pub(crate) fn take_voting(&mut self, id: NodeId) -> Option<Replica<MemoryLog>> {
        let voting = self.node(id).process.as_mut()?.voting.take()?;
        self.reached.extend(voting.leader.reached().names());
        let life = self.node(id).life;
        let wires = self.wires.iter().filter(|(_, wire)| wire.leader == (id, life));
        for wire in wires.map(|(wire, _)| *wire).collect::<Vec<_>>() {
            self.break_wire(wire);
        }
        Some(voting.replica)
    }

    pub(crate) fn on_admit(
        &mut self,
        (to, roster): (NodeId, Book),
        asker: (NodeId, Life),
        term: u64,
    ) {
        let node = self.node(to);
        let Some(process) = &mut node.process else { return };
        node.book.take(roster);
        process.admitting.push((asker, term));
        self.voter_step(to, voter::Input::Admit);
    }

    fn answer_admission(&mut self, id: NodeId, taken: bool) {
        if taken && self.more.chance(self.plan.within.pause_admitted) {
            let until = self.now + self.more.between(12_000, 25_000);
            let node = self.node(id);
            node.paused_until = node.paused_until.max(until);
            self.note(format_args!("{id} is stopped until {until}"));
            self.count("process stopped that was to vote");
        }
        let Some(process) = &mut self.node(id).process else { return };
        for (asker, term) in std::mem::take(&mut process.admitting) {
            let delay = self.delay();
            if self.reaches(id, asker.0) {
                self.schedule(delay, Event::Admitted { asker, node: id, term, taken });
            }
        }
    }

    /// Lets the thread go on, if it waits.
    pub(crate) fn wake(&mut self, id: NodeId) {
        let life = self.node(id).life;
        let Some(voting) = self.node(id).voting_mut() else { return };
        if !voting.stepping {
            voting.stepping = true;
            self.on_step(id, life);
        }
    }

    pub(crate) fn on_step(&mut self, id: NodeId, life: Life) {
        while self.lives(id, life) && self.violation.is_none() {
            let dies = self.dice.below(100_000) < self.plan.crash_step;
            if dies {
                self.note(format_args!("{id} dies between two steps"));
                self.count("death between two steps");
                self.crash(id);
                return;
            }
            let Some(voting) = self.node(id).voting_mut() else {
                return;
            };
            match voting.replica.next() {
                Ok(Some(step)) => self.take_step(id, step),
                Ok(None) => {
                    voting.stepping = false;
                    self.show(id);
                    if !self.flush(id) {
                        return;
                    }
                    if let Some(voting) = self.node(id).voting_mut() {
                        voting.stepping = true;
                    }
                    continue;
                }
                Err(why) => {
                    self.note(format_args!("{id} gives up: {why}"));
                    self.count("disk that failed");
                    self.crash(id);
                    return;
                }
            }
            let disk_max = self.plan.disk_max;
            if disk_max > 0 && self.dice.chance(300) {
                let after = self.dice.between(1, disk_max);
                self.schedule(after, Event::Step(id, life));
                return;
            }
        }
    }

    fn take_step(&mut self, id: NodeId, step: Step) {
        match step {
            Step::Send(messages) => self.send_raft(id, messages),
            Step::Applied(entries) => {
                for entry in &entries {
                    self.check_entry(id, entry);
                }
                self.check_state(id);
                for entry in &entries {
                    self.settle(id, entry.index, entry.term);
                }
                let Some(voting) = self.node(id).voting_mut() else { return };
                let status = voting.replica.status();
                let news = voting.office.applied(&status, entries);
                news.into_iter().for_each(|news| self.mail_news(id, Input::News(news)));
            }
            Step::Installed { index } => {
                self.note(format_args!("{id} installs a snapshot up to {index}"));
                self.count("snapshot installed");
                self.check_state(id);
                self.mail_news(id, Input::Installed);
            }
            Step::Advanced => {
                // The mistake is in the order alone: at the end of a round all is durable.
                let before = self.has(Bug::SendBeforePersist);
                if let Some(voting) = self.node(id).voting_mut().filter(|_| before) {
                    voting.replica.store_mut().sync();
                }
            }
            Step::Compacted => self.count("log compacted"),
            Step::Confirmed(answers) => {
                answers.into_iter().for_each(|answer| self.answer_read(id, answer));
            }
            Step::Persisted => {}
        }
    }

    /// Tells the leader's actor where the replica stands, when that has changed.
    fn show(&mut self, id: NodeId) {
        let deaf = self.has(Bug::DeposedLeader);
        let Some(voting) = self.node(id).voting_mut() else { return };
        let status = voting.replica.status();
        let news = voting.office.stands(&status);
        let moved = voting.shown.as_ref() != Some(&status);
        voting.shown = Some(status);
        if let Some(news) = news.filter(|_| !deaf) {
            self.mail_news(id, Input::News(news));
        } else if moved {
            self.mail(id, Input::Moved);
        }
        self.catch_up(id);
    }

    /// What waits for the entry at this index is told whether it is there.
    fn settle(&mut self, id: NodeId, index: u64, term: u64) {
        let Some(voting) = self.node(id).voting_mut() else { return };
        if let Some((_, leaders)) = voting.changing.filter(|(at, _)| *at <= index) {
            voting.changing = None;
            self.mail(id, Input::Changed { term: leaders });
        }
        let Some(voting) = self.node(id).voting_mut() else { return };
        let Some((proposed_in, proposal)) = voting.proposed.remove(&index) else { return };
        if proposed_in != term {
            // Another entry took its place: it is proposed again, and refused if nobody leads here.
            voting.queue.push_front(proposal);
            return;
        }
        if let Some((job, wish)) = proposal.client {
            self.answer(job, wish);
        }
        if let Some(proposal) = proposal.number {
            self.mail(id, Input::Settled { proposal, applied: true });
        }
    }

    /// Proposes what waits, in order. What cannot be taken waits on; where nobody leads it comes to
    /// nothing.
    fn flush(&mut self, id: NodeId) -> bool {
        let (now, early) = (self.now, self.has(Bug::AckEarly));
        let (mut answers, mut mail, mut any) = (Vec::new(), Vec::new(), false);
        let mut wrong = None;
        let Some(voting) = self.node(id).voting_mut() else { return false };
        while let Some(proposal) = voting.queue.front() {
            match voting.replica.propose(&proposal.command, now) {
                Ok(proposed) => {
                    answers.extend(proposal.client.filter(|_| early));
                    let proposal = voting.queue.pop_front().expect("it was at the front");
                    voting.proposed.insert(proposed.index, (proposed.term, proposal));
                    any = true;
                }
                Err(ProposeError::Busy) => break,
                Err(ProposeError::NotLeader { .. }) => {
                    let Proposal { number, .. } =
                        voting.queue.pop_front().expect("it was at the front");
                    let lost = |proposal| Input::Settled { proposal, applied: false };
                    mail.extend(number.map(lost));
                }
                Err(why) => {
                    wrong = Some(format!("PROPOSE: {why}"));
                    break;
                }
            }
        }
        let mut changed = false;
        if let Some((change, term)) = voting.changes.pop_front() {
            match voting.replica.change_voters(&change) {
                Ok(proposed) => {
                    voting.changing = Some((proposed.index, term));
                    (any, changed) = (true, true);
                }
                Err(_) => mail.push(Input::Changed { term }),
            }
        }
        if changed {
            self.count("voters changed");
        }
        if let Some(words) = wrong {
            self.violate(words);
            return false;
        }
        mail.into_iter().for_each(|input| self.mail(id, input));
        answers.into_iter().for_each(|(job, wish)| self.answer(job, wish));
        any
    }
}
