//! Around the leader's machine: its mailbox, and what it wants done.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::leader::{Happening, Input, Output};
use fruitnode_coordinator::control::message::{FromMember, Order, Report, StreamId, ToMember};
use fruitnode_coordinator::ids::{Digest, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::task::TaskKind;

use crate::book::Book;
use crate::bug::Bug;
use crate::events::{Down, Event, Life, Up, Wire, Wish};
use crate::node::Proposal;
use crate::timing::Turn;
use crate::world::World;

const TOKEN: &str = "token";

impl World {
    /// Leaves something in the mailbox of the leader's actor, which turns to it a little later: the
    /// state may be newer by then than what it hears of.
    pub(crate) fn mail(&mut self, id: NodeId, input: Input) {
        let after = self.dice.below(self.plan.within.mail_max);
        let first = self.more.chance(self.plan.within.lost_first);
        let life = self.node(id).life;
        let Some(voting) = self.node(id).voting_mut() else { return };
        // It comes another way than news of the office, and may overtake them.
        match input {
            Input::Settled { applied: false, .. } if first => voting.mail.push_front(input),
            input => voting.mail.push_back(input),
        }
        if !std::mem::replace(&mut voting.mail_is_due, true) {
            self.schedule(after, Event::Mail(id, life));
        }
    }

    /// The same with news of the office, for which there is not always room: then they are left
    /// out, and where things stand is told when there is.
    pub(crate) fn mail_news(&mut self, id: NodeId, news: Input) {
        if self.has_room_for_news(id) {
            self.mail(id, news);
        } else if let Some(voting) = self.node(id).voting_mut() {
            voting.left_out = true;
            self.count("news left out");
        }
    }

    /// After something was left out: tells where things stand, if there is room.
    pub(crate) fn catch_up(&mut self, id: NodeId) {
        let Some(voting) = self.node(id).voting_mut() else { return };
        if std::mem::take(&mut voting.left_out) {
            if self.has_room_for_news(id) {
                let Some(voting) = self.node(id).voting_mut() else { return };
                let news = voting.office.summary(&voting.replica.status());
                self.mail(id, Input::News(news));
            } else if let Some(voting) = self.node(id).voting_mut() {
                voting.left_out = true;
            }
        }
    }

    fn has_room_for_news(&self, id: NodeId) -> bool {
        let is_news = |input: &&Input| matches!(input, Input::News(_) | Input::Installed);
        self.nodes[&id].voting().is_some_and(|voting| {
            let waiting = voting.mail.iter().filter(is_news).count();
            !voting.left_out && waiting < self.plan.within.news_max
        })
    }

    pub(crate) fn on_mail(&mut self, id: NodeId, life: Life) {
        if !self.lives(id, life) {
            return;
        }
        let now = if self.has(Bug::NeverWake) { 0 } else { self.now };
        let book = self.node(id).book.index;
        let Some(voting) = self.node(id).voting_mut() else { return };
        voting.mail_is_due = false;
        let status = voting.replica.status();
        voting.leader.hear_roster(book);
        let inputs = std::mem::take(&mut voting.mail);
        let opened = inputs.iter().filter_map(|input| match input {
            Input::Opened { stream, .. } => Some(*stream),
            _ => None,
        });
        let opened: Vec<_> = opened.collect();
        let outputs = voting.leader.steps(voting.replica.state(), &status, now, inputs);
        let refused = |stream: &StreamId| {
            outputs.iter().any(|output| matches!(output, Output::Refuse(at, _) if at == stream))
        };
        let taken: Vec<_> = opened.into_iter().filter(|stream| !refused(stream)).collect();
        let turn = Turn::of(&outputs, !taken.is_empty());
        taken.into_iter().for_each(|StreamId(wire)| self.say_down(wire, Down::Taken));
        let looked = |output: &Output| matches!(output, Output::Say(_, ToMember::Beat));
        if outputs.iter().any(looked) {
            self.check_overdue(id);
        }
        let mut welcomed = None;
        for output in outputs {
            let skipped = self.is_forgotten(&output, &mut welcomed);
            match output {
                Output::Propose { proposal, .. } if skipped => {
                    self.mail(id, Input::Settled { proposal, applied: true });
                }
                _ if skipped => {}
                output => self.do_for_leader(id, output),
            }
        }
        self.wake(id);
        self.see_to_moments(id, turn);
    }

    fn do_for_leader(&mut self, id: NodeId, output: Output) {
        let life = self.node(id).life;
        match output {
            Output::Propose { proposal, command } => {
                let proposal = Proposal { command, number: Some(proposal), client: None };
                if let Some(voting) = self.node(id).voting_mut() {
                    voting.queue.push_back(proposal);
                }
            }
            Output::Say(StreamId(wire), message) => {
                self.end_untimely(wire, &message);
                self.say_down(wire, Down::Said(message));
            }
            Output::Refuse(StreamId(wire), refusal) => {
                self.say_down(wire, Down::Refused(refusal));
            }
            Output::End(StreamId(wire)) => self.break_wire(wire),
            Output::Roster(roster) => self.hear(id, Book::from(&roster)),
            Output::Admit { node, term } => self.send_admission(id, node, term),
            Output::Change { change, term } => {
                if let Some(voting) = self.node(id).voting_mut() {
                    voting.changes.push_back((change, term));
                }
            }
            Output::Transfer(to) => {
                if let Some(voting) = self.node(id).voting_mut() {
                    voting.replica.transfer(to);
                }
            }
            Output::Keep { .. } => {}
            Output::Tell(happening) => self.happening(id, life, &happening),
        }
    }

    fn happening(&mut self, id: NodeId, _: Life, happening: &Happening) {
        self.note(format_args!("{id}: {happening}"));
        match happening {
            Happening::Elected { term } => {
                self.check_leader(id, *term);
                self.count("leader elected");
            }
            Happening::Lost(_) => self.count("node lost"),
            Happening::Removed(_) => self.count("node removed"),
            Happening::Mute(_) => self.count("voter asked to take part"),
            Happening::HandedOver(_) => self.count("leader handed over"),
            _ => {}
        }
    }

    /// Hands a node what it needs, with who there is: it hears of itself before the others do.
    fn send_admission(&mut self, id: NodeId, to: NodeId, term: u64) {
        let life = self.node(id).life;
        let roster = self.node(id).book.clone();
        let (delay, lost) = (self.delay(), self.dice.chance(self.plan.loss));
        let asker = (id, life);
        if self.reaches(id, to) && !lost && self.node(to).up() {
            self.schedule(delay, Event::Admit { to, asker, term, roster });
        }
        // Nothing is waited for without end: whichever answer comes second is void.
        let timeout = Event::Admitted { asker, node: to, term, taken: false };
        self.schedule(15_000, timeout);
    }

    pub(crate) fn on_admitted(
        &mut self,
        asker: (NodeId, Life),
        node: NodeId,
        (term, taken): (u64, bool),
    ) {
        if !self.lives(asker.0, asker.1) {
            return;
        }
        let key = (asker, node, term);
        // A time-out comes after every answer: it counts if no answer has come.
        match (taken, self.admissions.contains(&key)) {
            (true, _) => drop(self.admissions.insert(key)),
            (false, true) => {
                self.admissions.remove(&key);
                return;
            }
            (false, false) => {}
        }
        self.mail(asker.0, Input::Admitted { node, term, taken });
    }

    /// Whether a planted mistake lets this fall.
    fn is_forgotten(&self, output: &Output, welcomed: &mut Option<StreamId>) -> bool {
        match output {
            Output::Propose { command: Command::LoseNode { .. }, .. } => self.has(Bug::ForgetLost),
            Output::Propose { command: Command::Fail { reason, detail, .. }, .. } => {
                self.has(Bug::SkipUnstartable)
                    && *reason == FailureReason::MomentsMissing
                    && detail.contains("before it started")
            }
            Output::Say(stream, ToMember::Welcome(_)) => {
                *welcomed = Some(*stream);
                false
            }
            Output::Say(stream, ToMember::Order { order, .. }) => {
                self.has(Bug::ForgetOutstanding)
                    && *welcomed == Some(*stream)
                    && matches!(**order, Order::Start(_))
            }
            _ => false,
        }
    }

    pub(crate) fn on_up(&mut self, wire: Wire, said: Up) {
        let Some((member, id)) = self.ends(wire) else {
            return;
        };
        let stale = self.has(Bug::AcceptStale);
        let node = self.node(id);
        let attended = node.process.as_ref().and_then(|process| process.member.attends());
        let votes = node.book.voters.contains(&id);
        let Some(voting) = node.voting_mut().filter(|_| votes) else {
            let leader = attended.map(|(leader, _)| leader);
            let refusal = fruitnode_coordinator::control::leader::Refusal::NotLeader(leader);
            self.say_down(wire, Down::Refused(refusal));
            return;
        };
        let input = match said {
            Up::Hello(hello) => Input::Opened { stream: StreamId(wire), node: member, hello },
            Up::Said(FromMember::Report(report)) if stale => {
                let report = renamed(report, voting.replica.state());
                Input::Said(StreamId(wire), FromMember::Report(report))
            }
            Up::Said(said) => Input::Said(StreamId(wire), said),
        };
        self.mail(id, input);
    }

    /// Whoever leads lets everybody in when the time has come.
    pub(crate) fn let_others_in(&mut self, id: NodeId) {
        let due = self.plan.joins.iter().filter(|at| **at <= self.now).count() as u64;
        let Some(voting) = self.node(id).voting_mut().filter(|voting| voting.serves()) else {
            return;
        };
        if !voting.queue.is_empty() || !voting.proposed.is_empty() {
            return;
        }
        let membership = voting.replica.state().membership();
        let here = membership.members().count() as u64;
        let mut wanted = Vec::new();
        if here < due && membership.tokens().next().is_none() {
            let (uses, expires_ms) = (100, u64::MAX >> 8);
            let (id, hash) = (TOKEN.to_owned(), Digest([7; 32]));
            wanted.push(Command::CreateToken { id, hash, uses, expires_ms });
        }
        for node in here.max(1) + 1..=due {
            let (token, key) = (TOKEN.to_owned(), key(node));
            let (address, storage) = (address(node), storage(node));
            wanted.push(Command::Enroll { token, key, address, storage });
        }
        let proposals =
            wanted.into_iter().map(|command| Proposal { command, number: None, client: None });
        voting.queue.extend(proposals);
    }

    pub(crate) fn on_asked(&mut self, to: NodeId, job: usize, wish: Wish) {
        let plan = self.plan.jobs[job].clone();
        if let Some(voting) = self.node(to).voting_mut().filter(|voting| voting.serves()) {
            let command = match wish {
                Wish::Submit => Command::SubmitJob { job: plan.id, spec: plan.spec },
                Wish::Cancel => Command::CancelJob { job: plan.id },
            };
            let client = Some((job, wish));
            voting.queue.push_back(Proposal { command, number: None, client });
            self.wake(to);
        }
    }

    pub(crate) fn answer(&mut self, job: usize, wish: Wish) {
        let (delay, lost) = (self.delay(), self.dice.chance(self.plan.loss));
        if !lost {
            self.schedule(delay, Event::Answer { job, wish });
        }
    }

    /// Whoever leads proposes this for somebody who does not care whether it comes to pass.
    pub(crate) fn propose_by_anybody(&mut self, command: Command) {
        let proposal = Proposal { command, number: None, client: None };
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            if let Some(voting) = self.node(id).voting_mut().filter(|voting| voting.serves()) {
                voting.queue.push_back(proposal);
                self.wake(id);
                return;
            }
        }
    }
}

/// The first entry.
pub(crate) fn founding(voters_wanted: u32) -> Command {
    Command::FoundCluster {
        cluster: "ab12cd34".to_owned(),
        name: "orchard".to_owned(),
        voters_wanted,
        address: address(1),
        storage: storage(1),
        key: key(1),
        certificate_life_ms: 0,
    }
}

pub(crate) fn address(node: u64) -> String {
    format!("host-{node}:7400")
}

pub(crate) fn storage(node: u64) -> String {
    format!("storage-{node}")
}

fn key(node: u64) -> Digest {
    Digest([node as u8; 32])
}

/// The mistake: whatever attempt is leased now, this must be it.
fn renamed(report: Report, state: &ClusterState) -> Report {
    let Report::Done { name: (job, task, attempt), result, facts } = report else {
        return report;
    };
    let leased = state.job(&job).and_then(|known| {
        known.granted().find(|(leased, _, _)| *leased == task).map(|(_, attempt, _)| attempt)
    });
    let attempt = match task.kind() {
        TaskKind::Publish => attempt,
        _ => leased.unwrap_or(attempt),
    };
    Report::Done { name: (job, task, attempt), result, facts }
}
