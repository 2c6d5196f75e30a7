//! Replicas in one room: messages arrive in order, unless somebody is cut off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fruitnode_coordinator::ids::NodeId;
use fruitnode_replica::{
    Confirmed, MemoryLog, Outgoing, Proposed, Replica, Role, Status, Step, StepError, VoterChange,
};

use crate::{founded, n, short};

pub(crate) struct Room {
    pub(crate) here: BTreeMap<NodeId, Replica<MemoryLog>>,
    pub(crate) cut_off: BTreeSet<NodeId>,
    /// Indexes of commands that each applied, with their terms.
    pub(crate) applied: BTreeMap<NodeId, Vec<(u64, u64)>>,
    pub(crate) confirmed: BTreeMap<NodeId, Vec<Confirmed>>,
    pub(crate) installed: Vec<NodeId>,
    pub(crate) refused: Vec<StepError>,
    wire: VecDeque<(NodeId, Outgoing)>,
}

impl Room {
    /// The founder alone.
    pub(crate) fn founded() -> Self {
        let mut room = Self {
            here: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            applied: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            installed: Vec::new(),
            refused: Vec::new(),
            wire: VecDeque::new(),
        };
        room.enter(1, founded(1));
        room.settle();
        room
    }

    /// The founder and others that it made voters.
    pub(crate) fn of(voters: u64) -> Self {
        let mut room = Self::founded();
        let others: Vec<_> = (2..=voters).map(n).collect();
        for id in &others {
            room.enter(id.0, MemoryLog::new());
        }
        if others.is_empty() {
            return room;
        }
        room.change(VoterChange { add_learners: others.clone(), ..VoterChange::default() });
        room.change(VoterChange { promote: others, ..VoterChange::default() });
        room
    }

    pub(crate) fn enter(&mut self, id: u64, store: MemoryLog) {
        let replica = Replica::open(short(id), store).unwrap();
        self.here.insert(n(id), replica);
    }

    /// The process dies: what it was about to do is lost, and what it stored stays.
    pub(crate) fn leave(&mut self, id: u64) -> MemoryLog {
        let mut store = self.here.remove(&n(id)).unwrap().into_store();
        store.crash();
        store
    }

    pub(crate) fn change(&mut self, change: VoterChange) {
        let leader = self.leader();
        self.replica(leader).change_voters(&change).unwrap();
        self.ticks(30);
    }

    pub(crate) fn replica(&mut self, id: NodeId) -> &mut Replica<MemoryLog> {
        self.here.get_mut(&id).unwrap()
    }

    pub(crate) fn status(&self, id: u64) -> Status {
        self.here[&n(id)].status()
    }

    /// The one that leads in the newest term.
    pub(crate) fn leader(&self) -> NodeId {
        let leaders = self.here.values().map(Replica::status);
        let leaders = leaders.filter(|status| status.role == Role::Leader);
        leaders.max_by_key(|status| status.term).expect("somebody leads").id
    }

    pub(crate) fn propose(&mut self, job: &str) -> Proposed {
        let leader = self.leader();
        let proposed = self.replica(leader).propose(&crate::cancel(job), 7).unwrap();
        self.settle();
        proposed
    }

    pub(crate) fn ticks(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.here.values_mut().for_each(Replica::tick);
            self.settle();
        }
    }

    /// Until nobody has anything to do.
    pub(crate) fn settle(&mut self) {
        loop {
            let ids: Vec<_> = self.here.keys().copied().collect();
            for id in ids {
                while let Some(step) = self.replica(id).next().unwrap() {
                    self.take(id, step);
                }
            }
            if self.wire.is_empty() {
                return;
            }
            while let Some((from, message)) = self.wire.pop_front() {
                self.deliver(from, &message);
            }
        }
    }

    fn deliver(&mut self, from: NodeId, message: &Outgoing) {
        let arrives = !self.cut_off.contains(&from) && !self.cut_off.contains(&message.to);
        let receiver = self.here.get_mut(&message.to).filter(|_| arrives);
        let taken = receiver.map(|receiver| receiver.step(from, &message.bytes));
        let arrived = matches!(taken, Some(Ok(())));
        if let Some(Err(why)) = taken {
            self.refused.push(why);
        }
        if let Some(sender) = self.here.get_mut(&from) {
            if message.snapshot {
                sender.snapshot_sent(message.to, arrived);
            } else if !arrived {
                sender.unreachable(message.to);
            }
        }
    }

    fn take(&mut self, id: NodeId, step: Step) {
        match step {
            Step::Send(messages) => {
                self.wire.extend(messages.into_iter().map(|message| (id, message)));
            }
            Step::Applied(entries) => {
                let applied = self.applied.entry(id).or_default();
                let commands = entries.iter().filter(|entry| entry.command.is_some());
                applied.extend(commands.map(|entry| (entry.index, entry.term)));
            }
            Step::Confirmed(answers) => {
                self.confirmed.entry(id).or_default().extend(answers);
            }
            Step::Installed { .. } => self.installed.push(id),
            Step::Persisted | Step::Compacted | Step::Advanced => {}
        }
    }
}
