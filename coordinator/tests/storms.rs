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
use fruitnode_coordinator::job::{JobSpec, Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
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
    Fail(usize, bool),
    Drop(usize),
    Again(usize),
    Stale(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let any = any::<usize>;
    let event = prop_oneof![
        1 => (1..4u32).prop_map(Event::Join),
        1 => any().prop_map(Event::Lose),
        4 => Just(Event::Schedule),
        8 => any().prop_map(Event::Finish),
        1 => (any(), proptest::bool::ANY).prop_map(|(at, lost)| Event::Fail(at, lost)),
        1 => any().prop_map(Event::Drop),
        1 => any().prop_map(Event::Again),
        1 => any().prop_map(Event::Stale),
    ];
    collection::vec(event, 0..200)
}

struct World {
    state: ClusterState,
    log: Vec<Command>,
    nodes: Vec<NodeId>,
    out: Vec<(Task, Attempt, NodeId)>,
    past: Vec<(Task, Attempt)>,
    held: Vec<(fruitnode_coordinator::tree::TreeNode, NodeId)>,
    extracted: BTreeSet<PartitionId>,
    partitions: u32,
}

fn job() -> JobId {
    JobId("j".into())
}

impl World {
    fn new(partitions: u32, (pca, given_fit): (bool, bool)) -> Self {
        let mut world = Self {
            state: ClusterState::default(),
            log: Vec::new(),
            nodes: Vec::new(),
            out: Vec::new(),
            past: Vec::new(),
            held: Vec::new(),
            extracted: BTreeSet::new(),
            partitions,
        };
        let spec = JobSpec {
            from: "in".into(),
            to: "out".into(),
            rows_per_part: 1,
            pca,
            given_fit,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
            options: Vec::new(),
        };
        world.apply(Command::SubmitJob { job: job(), spec });
        world
    }

    fn apply(&mut self, command: Command) {
        self.log.push(command.clone());
        let index = self.log.len() as u64;
        for effect in self.state.apply(index, index, &command) {
            match effect {
                Effect::Start { task, attempt, node, .. } => {
                    if let Task::Extract(p) = task {
                        assert!(!self.extracted.contains(&p), "{task} was accepted before");
                    }
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
            TaskKind::List => TaskResult::Listed {
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
            TaskKind::Merge | TaskKind::Remake => TaskResult::Held { digest },
            TaskKind::Fit => TaskResult::Fitted { digest, components: 1 },
            TaskKind::Project => TaskResult::Projected { rows: 1, scores: digest, csv: digest },
            TaskKind::Publish => TaskResult::Published { digest },
        };
        let facts = AttemptFacts { took_ms: attempt.0, ..AttemptFacts::default() };
        self.apply(Command::Accept { job: job(), task, attempt, result, facts });
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
            Task::Merge(tree_node) => self.held.push((tree_node, node)),
            _ => {}
        }
        self.accept(task, attempt);
        if let Task::Extract(p) = task {
            self.extracted.insert(p);
        }
        self.past.push((task, attempt));
    }

    fn step(&mut self, event: &Event) {
        match *event {
            Event::Join(slots) => {
                // A node that was lost comes back under a new id.
                let node = NodeId(self.log.len() as u64);
                self.nodes.push(node);
                let (compute_class, fit_class) = ("cpu".into(), "f".into());
                self.apply(Command::AddNode {
                    node,
                    incarnation: 1,
                    address: String::new(),
                    release: String::new(),
                    slots,
                    compute_class,
                    fit_class,
                });
            }
            Event::Lose(at) => {
                let Some(at) = at.checked_rem(self.nodes.len()) else {
                    return;
                };
                let node = self.nodes.swap_remove(at);
                self.out.retain(|lease| lease.2 != node);
                self.apply(Command::LoseNode { node, incarnation: 0 });
            }
            Event::Schedule => {
                schedule::grants(&self.state).into_iter().for_each(|grant| self.apply(grant));
                assert_eq!(schedule::grants(&self.state), Vec::new(), "not complete");
            }
            Event::Finish(at) => self.finish(at),
            Event::Fail(at, lost) => {
                let Some(at) = at.checked_rem(self.out.len()) else {
                    return;
                };
                let (task, attempt, _) = self.out.swap_remove(at);
                let uncounted = [FailureReason::Cancelled, FailureReason::MomentsMissing];
                let reason = uncounted[usize::from(lost)];
                let facts = AttemptFacts::default();
                let detail = String::new();
                self.apply(Command::Fail { job: job(), task, attempt, reason, detail, facts });
            }
            Event::Drop(at) => {
                let Some(at) = at.checked_rem(self.held.len()) else {
                    return;
                };
                let (tree_node, node) = self.held.swap_remove(at);
                self.apply(Command::DropMoments { job: job(), tree_node, node });
            }
            Event::Again(at) => {
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
            Event::Stale(at) => {
                let Some(at) = at.checked_rem(self.past.len()) else {
                    return;
                };
                let (task, attempt) = self.past[at];
                let before = format!("{:?}", self.state.job(&job()));
                self.accept(task, attempt);
                assert_eq!(before, format!("{:?}", self.state.job(&job())), "{task} counted twice");
            }
        }
    }
}

proptest! {

    #[test]
    fn a_job_ends_once_the_storm_is_over(
        partitions in 1..40u32,
        fit in prop_oneof![Just((false, false)), Just((true, false)), Just((true, true))],
        storm in events(),
    ) {
        let mut world = World::new(partitions, fit);
        storm.iter().for_each(|event| world.step(event));
        world.step(&Event::Join(2));
        for _ in 0..40 * partitions + 100 {
            world.step(&Event::Schedule);
            world.step(&Event::Finish(0));
        }
        let phase = world.state.job(&job()).expect("submitted").phase().clone();
        prop_assert!(matches!(phase, Phase::Ended(Outcome::Succeeded { .. })), "{phase:?}");
        prop_assert_eq!(world.extracted.len(), partitions as usize);

        let mut replayed = ClusterState::default();
        for (index, command) in world.log.iter().enumerate() {
            let index = index as u64 + 1;
            replayed.apply(index, index, command);
        }
        prop_assert_eq!(format!("{replayed:?}"), format!("{:?}", world.state));
    }
}
