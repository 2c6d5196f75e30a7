//! Random storms of events against the state machine. Its invariants are checked after every
//! command (`debug_assert` in `apply`); here it is added that every job ends once the storm is
//! over, that what was accepted is never leased again, and that equal logs give equal states.

use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq};
use proptest::{collection, prop_oneof, proptest};

use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId};
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskKind, TaskResult};

/// What the world may do. Numbers pick among what there is at the time.
#[derive(Debug, Clone)]
enum Event {
    Join(u32),
    Lose(usize),
    Schedule,
    Finish(usize),
    Fail(usize, usize),
    Wall(usize, usize),
    Wait(u64),
    Drop(usize),
    Again(usize),
    Restart(usize),
    Drain(usize, bool),
    Remove(usize),
    Stale(usize),
    Hang(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let any = any::<usize>;
    let event = prop_oneof![
        1 => (1..4u32).prop_map(Event::Join),
        1 => any().prop_map(Event::Lose),
        4 => Just(Event::Schedule),
        8 => any().prop_map(Event::Finish),
        2 => (any(), any()).prop_map(|(at, why)| Event::Fail(at, why)),
        2 => (any(), any()).prop_map(|(at, to)| Event::Wall(at, to)),
        2 => (1..100_000u64).prop_map(Event::Wait),
        1 => any().prop_map(Event::Drop),
        1 => any().prop_map(Event::Again),
        1 => any().prop_map(Event::Restart),
        1 => (any(), proptest::bool::ANY).prop_map(|(at, undo)| Event::Drain(at, undo)),
        1 => any().prop_map(Event::Remove),
        1 => any().prop_map(Event::Stale),
        1 => any().prop_map(Event::Hang),
    ];
    collection::vec(event, 0..200)
}

struct World {
    state: ClusterState,
    /// With the time of each.
    log: Vec<(u64, Command)>,
    now_ms: u64,
    nodes: Vec<NodeId>,
    out: Vec<(Task, Attempt, NodeId)>,
    past: Vec<(Task, Attempt)>,
    held: Vec<(fruitnode_coordinator::tree::TreeNode, NodeId)>,
    extracted: BTreeSet<PartitionId>,
    /// Tasks of the listing that were accepted.
    listed: BTreeSet<Task>,
    partitions: u32,
    /// Into which the source is cut; 0 if it is not.
    ranges: u32,
}

fn job() -> JobId {
    JobId("j".into())
}

impl World {
    fn new(partitions: u32, ranges: u32, (pca, given_fit): (bool, bool)) -> Self {
        let mut world = Self {
            state: ClusterState::default(),
            log: Vec::new(),
            now_ms: 1,
            nodes: Vec::new(),
            out: Vec::new(),
            past: Vec::new(),
            held: Vec::new(),
            extracted: BTreeSet::new(),
            listed: BTreeSet::new(),
            partitions,
            ranges,
        };
        let spec = JobSpec {
            from: "in".into(),
            to: "out".into(),
            rows_per_part: 1,
            pca,
            given_fit,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
            max_bad: None,
            options: Vec::new(),
        };
        world.apply(Command::FoundCluster {
            cluster: "ab12cd34".into(),
            name: "fruit".into(),
            voters_wanted: 3,
            address: "host1:7400".into(),
            storage: "1".into(),
            key: Digest([0; 32]),
            certificate_life_ms: 0,
        });
        let (id, hash, uses, expires_ms) = ("t".into(), Digest([7; 32]), u32::MAX, u64::MAX);
        world.apply(Command::CreateToken { id, hash, uses, expires_ms });
        world.apply(Command::SubmitJob { job: job(), spec });
        world
    }

    fn apply(&mut self, command: Command) {
        self.log.push((self.now_ms, command.clone()));
        let index = self.log.len() as u64;
        for effect in self.state.apply(index, self.now_ms, &command) {
            match effect {
                Effect::Start { task, attempt, node, .. } => {
                    if let Task::Extract(p) = task {
                        assert!(!self.extracted.contains(&p), "{task} was accepted before");
                    }
                    assert!(!self.listed.contains(&task), "{task} was accepted before");
                    assert!(self.state.inputs(&job(), task).is_some(), "{task} lacks its inputs");
                    self.out.push((task, attempt, node));
                }
                Effect::Cancel { task, attempt, .. } => {
                    self.out.retain(|lease| (lease.0, lease.1) != (task, attempt));
                    self.past.push((task, attempt));
                }
                Effect::Release { tree_node, node, .. } => {
                    self.held.retain(|held| *held != (tree_node, node));
                }
                Effect::End { .. } => self.out.clear(),
                Effect::Abandon { .. } => {}
            }
        }
        self.through_a_snapshot();
    }

    /// A snapshot says everything: now and then a voter goes on from one.
    fn through_a_snapshot(&mut self) {
        let bytes = codec::encode_state(&self.state);
        let restored = codec::decode_state(&bytes).expect("our own bytes");
        assert_eq!(codec::encode_state(&restored), bytes);
        if self.log.len().is_multiple_of(8) {
            assert_eq!(format!("{restored:?}"), format!("{:?}", self.state));
            self.state = restored;
        }
    }

    fn accept(&mut self, task: Task, attempt: Attempt) {
        let digest = Digest([1; 32]);
        let reduces = self.state.job(&job()).expect("submitted").spec().reduces();
        let result = match task.kind() {
            TaskKind::List if self.ranges > 0 => {
                TaskResult::Cut { ranges: self.ranges, keys: self.partitions.into(), digest }
            }
            // The survey found everything: what is gathered is what the ranges listed.
            TaskKind::ListRange => TaskResult::RangeListed { keys: 0, digest },
            TaskKind::List | TaskKind::Gather => TaskResult::Listed {
                keys: self.partitions.into(),
                bytes: 0,
                partitions: self.partitions,
                digest,
            },
            TaskKind::Extract => TaskResult::Extracted {
                good: 1,
                bad: 0,
                features: digest,
                quarantine: None,
                moments: reduces.then_some(digest),
                gets: 1,
                inferences: 1,
            },
            TaskKind::Merge | TaskKind::Remake | TaskKind::Rebuild => TaskResult::Held { digest },
            TaskKind::Fit => TaskResult::Fitted { digest, components: 1 },
            TaskKind::Project => TaskResult::Projected { rows: 1, scores: digest, csv: digest },
            TaskKind::Publish => TaskResult::Published { digest },
        };
        let facts = AttemptFacts { took_ms: attempt.0, ..AttemptFacts::default() };
        self.apply(Command::Accept { job: job(), task, attempt, result, facts });
    }

    /// A new process of a node offers its slots.
    fn begin(&mut self, node: NodeId, slots: u32) {
        self.apply(Command::AddNode {
            node,
            incarnation: self.log.len() as u64 + 1,
            starts: 0,
            address: "host:7400".into(),
            release: "0.1.0".into(),
            slots,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
        });
    }

    /// What a process was at and held is gone with it.
    fn forget(&mut self, node: NodeId) {
        self.out.retain(|lease| lease.2 != node);
        self.held.retain(|held| held.1 != node);
    }

    fn finish(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.out.len()) else {
            return;
        };
        let (task, attempt, node) = self.out.swap_remove(at);
        match task {
            Task::Extract(p) => {
                self.held.push((fruitnode_coordinator::tree::TreeNode::leaf(p.0), node));
            }
            Task::Merge(tree_node) | Task::Rebuild(tree_node) => {
                self.held.push((tree_node, node));
            }
            _ => {}
        }
        self.accept(task, attempt);
        match task {
            Task::Extract(p) => drop(self.extracted.insert(p)),
            Task::List | Task::ListRange(_) | Task::Gather => drop(self.listed.insert(task)),
            _ => {}
        }
        self.past.push((task, attempt));
    }

    fn step(&mut self, event: &Event) {
        match *event {
            Event::Join(slots) => {
                let mut key = Digest([1; 32]);
                key.0[..8].copy_from_slice(&self.log.len().to_le_bytes());
                let (token, address) = ("t".to_owned(), "host:7400".to_owned());
                self.apply(Command::Enroll { token, key, address, storage: "s".into() });
                let node = self.state.membership().node_of_key(&key).expect("it was let in");
                self.nodes.push(node);
                self.begin(node, slots);
            }
            Event::Restart(at) => {
                let Some(at) = at.checked_rem(self.nodes.len()) else {
                    return;
                };
                let node = self.nodes[at];
                self.forget(node);
                self.begin(node, 2);
            }
            Event::Drain(at, undo) => {
                let Some(at) = at.checked_rem(self.nodes.len()) else {
                    return;
                };
                self.apply(Command::DrainNode { node: self.nodes[at], undo, leaving: false });
            }
            Event::Remove(at) => {
                let Some(at) = at.checked_rem(self.nodes.len()) else {
                    return;
                };
                let node = self.nodes.swap_remove(at);
                self.forget(node);
                self.apply(Command::RemoveNode { node });
                self.begin(node, 1);
                assert_eq!(self.state.node(node), None, "a removed node came back");
            }
            Event::Lose(at) => {
                let Some(at) = at.checked_rem(self.nodes.len()) else {
                    return;
                };
                let node = self.nodes.swap_remove(at);
                self.forget(node);
                self.apply(Command::LoseNode { node, incarnation: 0 });
            }
            Event::Schedule => {
                let now_ms = self.now_ms;
                let grants =
                    |world: &Self| schedule::turn_at(&world.state, &[].into(), now_ms).grants;
                grants(self).into_iter().for_each(|grant| self.apply(grant));
                assert_eq!(grants(self), Vec::new(), "not complete");
            }
            Event::Wait(for_ms) => self.now_ms += for_ms,
            Event::Finish(at) => self.finish(at),
            Event::Fail(at, why) => {
                // What is counted ends a job, and of the rest only that nobody is let in.
                let uncounted = FailureReason::ALL.into_iter().filter(|reason| !reason.counts());
                let uncounted: Vec<_> = uncounted.collect();
                self.fail(at, uncounted[why % uncounted.len()], None);
            }
            Event::Wall(at, to) => {
                let to = to.checked_rem(self.nodes.len()).map(|at| self.nodes[at]);
                self.fail(at, FailureReason::MomentsUnreachable, to);
            }
            Event::Drop(at) => {
                let Some(at) = at.checked_rem(self.held.len()) else {
                    return;
                };
                let (tree_node, node) = self.held.swap_remove(at);
                self.apply(Command::DropMoments { job: job(), tree_node, node });
            }
            Event::Again(at) => self.again(at),
            Event::Hang(at) => self.hang(at),
            Event::Stale(at) => self.stale(at),
        }
    }

    fn fail(&mut self, at: usize, reason: FailureReason, unreached: Option<NodeId>) {
        let Some(at) = at.checked_rem(self.out.len()) else {
            return;
        };
        let (task, attempt, _) = self.out.swap_remove(at);
        let (facts, detail) = (AttemptFacts { unreached, ..AttemptFacts::default() }, "no".into());
        self.apply(Command::Fail { job: job(), task, attempt, reason, detail, facts });
    }

    fn again(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.out.len()) else {
            return;
        };
        let Some(&node) = self.nodes.first() else {
            return;
        };
        let task = self.out[at].0;
        let next = self.state.job(&job()).expect("submitted").granted();
        let highest = next.map(|lease| lease.1.0).max().unwrap_or(0);
        // Often void, since the number must be the next: that too must change nothing.
        let attempt = Attempt(highest + 1);
        self.apply(Command::Grant { job: job(), task, attempt, node });
    }

    fn hang(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.out.len()) else {
            return;
        };
        let (task, attempt, _) = self.out[at];
        let overdue = [(job(), task, attempt)].into();
        let turn = schedule::turn_at(&self.state, &overdue, self.now_ms);
        turn.grants.into_iter().for_each(|grant| self.apply(grant));
        for ((_, task, attempt), _) in turn.give_up {
            self.out.retain(|lease| (lease.0, lease.1) != (task, attempt));
            self.past.push((task, attempt));
            let (reason, detail) = (FailureReason::Stalled, String::new());
            let facts = AttemptFacts::default();
            self.apply(Command::Fail { job: job(), task, attempt, reason, detail, facts });
        }
    }

    fn stale(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.past.len()) else {
            return;
        };
        let (task, attempt) = self.past[at];
        let before = format!("{:?}", self.state.job(&job()));
        self.accept(task, attempt);
        assert_eq!(before, format!("{:?}", self.state.job(&job())), "{task} counted twice");
    }
}

proptest! {

    #[test]
    fn a_job_ends_once_the_storm_is_over(
        partitions in 1..40u32,
        ranges in prop_oneof![Just(0), 1..20u32],
        fit in prop_oneof![Just((false, false)), Just((true, false)), Just((true, true))],
        storm in events(),
    ) {
        let mut world = World::new(partitions, ranges, fit);
        storm.iter().for_each(|event| world.step(event));
        world.step(&Event::Join(2));
        for _ in 0..40 * (partitions + ranges) + 100 {
            world.step(&Event::Wait(100));
            world.step(&Event::Schedule);
            world.step(&Event::Finish(0));
        }
        let phase = world.state.job(&job()).expect("submitted").phase().clone();
        if let Phase::Ended(Outcome::Failed { reason, .. }) = phase {
            prop_assert!(reason.sets_aside(), "{reason:?}");
        } else {
            prop_assert!(matches!(phase, Phase::Ended(Outcome::Succeeded { .. })), "{phase:?}");
            prop_assert_eq!(world.extracted.len(), partitions as usize);
        }

        let mut replayed = ClusterState::default();
        for (index, (now_ms, command)) in world.log.iter().enumerate() {
            replayed.apply(index as u64 + 1, *now_ms, command);
        }
        prop_assert_eq!(format!("{replayed:?}"), format!("{:?}", world.state));
    }
}
