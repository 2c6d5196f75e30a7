//! What the coordinator does beside applying: its office, its streams, and what follows from
//! entries.

use std::collections::{BTreeMap, VecDeque};

use fruitnode_coordinator::attendance::{Attendance, welcome};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases::{Leases, OverdueNames, Terms};
use fruitnode_coordinator::replica::{Applied, Role};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::TaskKind;

use crate::bug::Bug;
use crate::events::{Down, Event, Key, Lease, StreamId, Up, Wish};
use crate::world::World;

pub(crate) type Client = Option<(usize, Wish)>;

/// Ticks that an attempt may make no progress: less than in the world, so that runs stay short.
const TERM_TICKS: u64 = 300;

/// A node's time as leader of one term.
pub(crate) struct Leading {
    pub(crate) term: u64,
    /// An entry of this term was applied: the state is not older than any before.
    pub(crate) ready: bool,
    pub(crate) tick: u64,
    pub(crate) attendance: Attendance,
    pub(crate) leases: Leases,
    /// Attempts for which somebody else is to be found with the next grants.
    pub(crate) overdue: OverdueNames,
    pub(crate) streams: BTreeMap<NodeId, StreamId>,
    pub(crate) hellos: BTreeMap<NodeId, (StreamId, u64)>,
    pub(crate) queue: VecDeque<(Command, Client)>,
    pub(crate) proposed: BTreeMap<u64, Proposal>,
}

/// A command that was proposed and not applied yet.
pub(crate) struct Proposal {
    pub(crate) term: u64,
    pub(crate) client: Client,
    pub(crate) is_grant: bool,
}

impl Leading {
    fn new(term: u64) -> Self {
        Self {
            term,
            ready: false,
            tick: 0,
            attendance: Attendance::default(),
            leases: Leases::new(Terms::uniform(TERM_TICKS)),
            overdue: OverdueNames::new(),
            streams: BTreeMap::new(),
            hellos: BTreeMap::new(),
            queue: VecDeque::new(),
            proposed: BTreeMap::new(),
        }
    }
}

impl World {
    /// After every round: takes office, leaves it, and proposes. Says whether it proposed.
    pub(crate) fn leader_turn(&mut self, id: NodeId) -> bool {
        let leads = self.take_office(id);
        if leads {
            self.offer_grants(id);
        }
        leads && self.flush(id)
    }

    /// Begins or ends the node's time as leader, as its replica says. Says whether it leads.
    fn take_office(&mut self, id: NodeId) -> bool {
        let Some((role, term)) = self.role(id) else {
            return false;
        };
        let leads = role == Role::Leader;
        let known = self.node(id).leading.as_ref().map(|leading| leading.term);
        if leads && known != Some(term) {
            self.depose(id);
            self.check_leader(id, term);
            self.note(format_args!("{id} leads in term {term}"));
            self.count("leader elected");
            self.node(id).leading = Some(Leading::new(term));
        }
        if !leads && known.is_some() && !self.has(Bug::DeposedLeader) {
            self.note(format_args!("{id} leads no longer"));
            self.depose(id);
        }
        leads
    }

    /// Who attends is told by the breaking of the stream.
    fn depose(&mut self, id: NodeId) {
        let Some(leading) = self.node(id).leading.take() else {
            return;
        };
        let waiting = leading.hellos.values().map(|(stream, _)| *stream);
        for stream in leading.streams.into_values().chain(waiting) {
            self.break_stream(stream);
        }
    }

    /// An entry was applied on this node.
    pub(crate) fn leader_applied(&mut self, id: NodeId, entry: Applied) {
        self.take_office(id);
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        if entry.term == leading.term && !leading.ready {
            leading.ready = true;
            leading.attendance = Attendance::begin(replica.state(), leading.tick);
        }
        let mine = leading.proposed.remove(&entry.index);
        leading.proposed.retain(|index, _| *index > entry.index);
        let client = mine.filter(|mine| mine.term == entry.term).and_then(|mine| mine.client);
        if let Some((job, wish)) = client {
            self.answer(job, wish);
        }
        if !self.node(id).leading.as_ref().is_some_and(|leading| leading.ready) {
            return;
        }
        match entry.command {
            Some(Command::AddNode { node, incarnation, .. }) => {
                self.welcome(id, node, incarnation);
            }
            Some(Command::LoseNode { node, .. } | Command::RemoveNode { node }) => {
                self.count("node lost or removed");
                self.forget_lost(id, node);
            }
            _ => {}
        }
        for effect in entry.effects {
            self.carry_out(id, effect);
        }
    }

    /// A member is told what is believed of it, and given its leases again.
    fn welcome(&mut self, id: NodeId, member: NodeId, incarnation: u64) {
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        let Some((stream, _)) =
            leading.hellos.get(&member).copied().filter(|(_, said)| *said == incarnation)
        else {
            return;
        };
        leading.hellos.remove(&member);
        leading.attendance.heard(member, incarnation, leading.tick);
        let before = leading.streams.insert(member, stream);
        let term = leading.term;
        let believed = welcome(replica.state(), member);
        let mut outstanding = replica.state().outstanding_effects();
        if self.has(Bug::ForgetOutstanding) {
            outstanding.clear();
        }
        if let Some(before) = before.filter(|before| *before != stream) {
            self.break_stream(before);
        }
        let (attempts, held) = (believed.attempts, believed.held);
        self.say_down(stream, Down::Welcome { term, attempts, held });
        for effect in outstanding {
            if matches!(&effect, Effect::Start { node, .. } if *node == member) {
                self.carry_out(id, effect);
            }
        }
    }

    /// A node that was declared lost has to come again, should it be there after all.
    fn forget_lost(&mut self, id: NodeId, lost: NodeId) {
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&mut node.leading, &node.replica) else {
            return;
        };
        if replica.state().node(lost).is_some() {
            return;
        }
        leading.attendance.forget(lost);
        if let Some(stream) = leading.streams.remove(&lost) {
            self.break_stream(stream);
        }
    }

    fn carry_out(&mut self, id: NodeId, effect: Effect) {
        let node = self.node(id);
        let (Some(leading), Some(replica)) = (&node.leading, &node.replica) else {
            return;
        };
        let term = leading.term;
        let stream = |node: NodeId| leading.streams.get(&node).copied();
        let (to, said) = match effect {
            Effect::Start { job, task, attempt, node } => {
                let state = replica.state();
                let Some(known) = state.job(&job).filter(|known| !known.ended()) else {
                    return;
                };
                let Some(inputs) = state.inputs(&job, task) else {
                    // What it needs was lost with a later entry of the same page. Nobody would
                    // ever hear of the attempt, and the task would wait for it for ever.
                    self.fail_for_want_of_inputs(id, (job, task, attempt));
                    return;
                };
                let spec = known.spec().clone();
                let key = (job, task, attempt);
                (vec![stream(node)], Down::Lease(Box::new(Lease { term, key, spec, inputs })))
            }
            Effect::Cancel { job, task, attempt, node } => {
                (vec![stream(node)], Down::Cancel { term, key: (job, task, attempt) })
            }
            Effect::Release { job, tree_node, node } => {
                (vec![stream(node)], Down::Release { term, job, tree_node })
            }
            Effect::End { job, .. } => {
                let all = leading.streams.values().copied().map(Some).collect();
                (all, Down::Forget { job })
            }
            Effect::Abandon { .. } => return,
        };
        for stream in to.into_iter().flatten() {
            self.say_down(stream, said.clone());
        }
    }

    fn fail_for_want_of_inputs(&mut self, id: NodeId, (job, task, attempt): Key) {
        if self.has(Bug::SkipUnstartable) {
            return;
        }
        let (reason, facts) = (FailureReason::MomentsMissing, AttemptFacts::default());
        let detail = "what it needs was lost before it began".to_owned();
        if let Some(leading) = &mut self.node(id).leading {
            let fail = Command::Fail { job, task, attempt, reason, detail, facts };
            leading.queue.push_back((fail, None));
        }
    }

    pub(crate) fn on_up(&mut self, stream: StreamId, said: Up) {
        let Some((member, id)) = self.ends(stream) else {
            return;
        };
        let stale = self.has(Bug::AcceptStale);
        let node = self.node(id);
        let hint = node.replica.as_ref().and_then(|replica| replica.status().leader);
        let Some(leading) = node.leading.as_mut().filter(|leading| leading.ready) else {
            let hint = hint.filter(|hint| *hint != id);
            self.say_down(stream, Down::Elsewhere { hint });
            return;
        };
        let welcomed = leading.streams.get(&member) == Some(&stream);
        match said {
            Up::Hello { incarnation, slots } => {
                leading.hellos.insert(member, (stream, incarnation));
                leading.queue.push_back((add_node(member, incarnation, slots), None));
            }
            Up::Beat(running) if welcomed => {
                let tick = leading.tick;
                for (key, progress) in &running {
                    leading.leases.heard(member, key, *progress, tick);
                }
                let incarnation = node
                    .replica
                    .as_ref()
                    .and_then(|replica| replica.state().node(member).map(|node| node.incarnation));
                if let Some(incarnation) = incarnation {
                    leading.attendance.heard(member, incarnation, tick);
                }
            }
            Up::Report(command) if welcomed => {
                let command = match &node.replica {
                    Some(replica) if stale => renamed(command, replica.state()),
                    _ => command,
                };
                leading.queue.push_back((command, None));
            }
            Up::Beat(_) | Up::Report(_) => {}
        }
        self.wake(id);
    }

    pub(crate) fn leader_lost_stream(&mut self, id: NodeId, stream: StreamId) {
        let Some(leading) = &mut self.node(id).leading else {
            return;
        };
        leading.hellos.retain(|_, (waiting, _)| *waiting != stream);
        let member = leading.streams.iter().find(|(_, known)| **known == stream);
        if let Some(member) = member.map(|(member, _)| *member) {
            leading.streams.remove(&member);
            leading.attendance.broken(member, leading.tick);
        }
    }

    pub(crate) fn answer(&mut self, job: usize, wish: Wish) {
        let (delay, lost) = (self.delay(), self.dice.chance(self.plan.loss));
        if !lost {
            self.schedule(delay, Event::Answer { job, wish });
        }
    }
}

fn add_node(node: NodeId, incarnation: u64, slots: u32) -> Command {
    Command::AddNode {
        node,
        incarnation,
        starts: 0,
        address: format!("host-{}:7400", node.0),
        release: "0.1.0".to_owned(),
        slots,
        compute_class: "cpu".to_owned(),
        fit_class: "fit".to_owned(),
    }
}

/// The mistake: whatever attempt is leased now, this must be it.
fn renamed(command: Command, state: &fruitnode_coordinator::state::ClusterState) -> Command {
    let Command::Accept { job, task, attempt, result, facts } = command else {
        return command;
    };
    let leased = state.job(&job).and_then(|known| {
        known.granted().find(|(leased, _, _)| *leased == task).map(|(_, attempt, _)| attempt)
    });
    let attempt = match task.kind() {
        TaskKind::Publish => attempt,
        _ => leased.unwrap_or(attempt),
    };
    Command::Accept { job, task, attempt, result, facts }
}
