//! A reduction ends whoever can reach whom: whole jobs are driven by `schedule` and `apply`, with
//! real moments, while nodes cannot fetch from each other. Each ends with the root that one node
//! alone computes, and costs no more than a small multiple of what it needs without walls.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_assert};
use proptest::{collection, proptest};

use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId};
use fruitnode_coordinator::inputs::Inputs;
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Holding, Task, TaskResult};
use fruitnode_coordinator::tree::{ReducePlan, Step, TreeNode};
use fruitnode_pca::moments::Moments;

/// How long a fetch waits for a node that does not answer, milliseconds.
const FETCH_LIMIT_MS: u64 = 15_000;

/// Grants that a job may need, as a multiple of those that it needs without walls.
const GRANTS_FACTOR: u32 = 3;

/// How often each partition's features may be read again, on average, because moments could not be
/// fetched.
const REMADE_FACTOR: u32 = 2;

/// An attempt, with what it was given when it began: nothing, if that was lost before.
struct Lease {
    task: Task,
    attempt: Attempt,
    node: NodeId,
    inputs: Option<Inputs>,
}

/// Why moments did not come: their holder was not reached, or does not have them any more.
enum Missed {
    Unreached(NodeId),
    Gone,
}

/// Whether the first may fetch from the second.
type Relation = Box<dyn Fn(u64, u64) -> bool>;

struct World {
    state: ClusterState,
    index: u64,
    now_ms: u64,
    reaches: Relation,
    partitions: u32,
    out: Vec<Lease>,
    /// In the memory of nodes.
    moments: BTreeMap<(NodeId, TreeNode), Moments>,
    fitted: Option<Digest>,
    dice: u64,
}

/// What a job cost.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    grants: u32,
    remade: u32,
    root: Option<Digest>,
}

fn job() -> JobId {
    JobId("j".into())
}

fn rows(partition: u32) -> Moments {
    let value = |at: u32| ((partition * 7 + at) as f32).sin() + partition as f32;
    Moments::of_rows(&(0..6).map(value).collect::<Vec<_>>(), 2)
}

/// The root as one node alone makes it.
fn root_of(partitions: u32) -> Option<Digest> {
    let plan = ReducePlan::new(partitions);
    Some(below(plan, plan.root()?).digest())
}

fn below(plan: ReducePlan, node: TreeNode) -> Moments {
    let mut stack: Vec<Moments> = Vec::new();
    for step in plan.steps(node) {
        match step {
            Step::Leaf(partition) => stack.push(rows(partition)),
            Step::Merge => {
                let (right, left) = (stack.pop().expect("two"), stack.pop().expect("one"));
                stack.push(Moments::merge(&left, &right).expect("alike"));
            }
        }
    }
    stack.pop().expect("one is left")
}

impl World {
    fn new((nodes, slots): (u64, u32), partitions: u32, reaches: Relation, dice: u64) -> Self {
        let mut world = Self {
            state: ClusterState::default(),
            index: 0,
            now_ms: 1_000,
            reaches,
            partitions,
            out: Vec::new(),
            moments: BTreeMap::new(),
            fitted: None,
            dice,
        };
        (1..=nodes).for_each(|node| world.join(node, slots));
        let spec = JobSpec {
            from: "in".into(),
            to: "out".into(),
            rows_per_part: 1,
            pca: true,
            given_fit: false,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
            max_bad: None,
            options: Vec::new(),
        };
        world.apply(&Command::SubmitJob { job: job(), spec });
        world
    }

    fn join(&mut self, node: u64, slots: u32) {
        self.apply(&Command::AddNode {
            node: NodeId(node),
            incarnation: 1 + self.index,
            starts: 0,
            address: String::new(),
            release: String::new(),
            slots,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
        });
    }

    fn lose(&mut self, node: NodeId) {
        self.moments.retain(|(holder, _), _| *holder != node);
        self.out.retain(|lease| lease.node != node);
        self.apply(&Command::LoseNode { node, incarnation: 0 });
    }

    /// Every entry goes through its bytes, and now and then the state through its own.
    fn apply(&mut self, command: &Command) {
        self.index += 1;
        let entry = codec::decode(&codec::encode(command, self.now_ms)).expect("our own bytes");
        for effect in self.state.apply(self.index, entry.now_ms, &entry.command) {
            match effect {
                Effect::Start { task, attempt, node, .. } => {
                    let inputs = self.state.inputs(&job(), task);
                    self.out.push(Lease { task, attempt, node, inputs });
                }
                Effect::Cancel { task, attempt, .. } => {
                    self.out.retain(|lease| (lease.task, lease.attempt) != (task, attempt));
                }
                Effect::Release { tree_node, node, .. } => {
                    assert!(self.moments.remove(&(node, tree_node)).is_some(), "{tree_node}");
                }
                Effect::End { .. } => self.out.clear(),
                Effect::Abandon { .. } => {}
            }
        }
        if self.index.is_multiple_of(16) {
            let bytes = codec::encode_state(&self.state);
            self.state = codec::decode_state(&bytes).expect("our own bytes");
        }
    }

    /// Grants what can be granted, and carries one attempt out. Whether there was any.
    fn step(&mut self) -> bool {
        let turn = schedule::turn_at(&self.state, &[].into(), self.now_ms);
        turn.grants.iter().for_each(|grant| self.apply(grant));
        let Some(at) = self.roll().checked_rem(self.out.len() as u64) else { return false };
        let lease = self.out.swap_remove(at as usize);
        let (task, attempt) = (lease.task, lease.attempt);
        self.now_ms += 10;
        let fail = |reason, unreached| {
            let facts = AttemptFacts { unreached, ..AttemptFacts::default() };
            Command::Fail { job: job(), task, attempt, reason, detail: String::new(), facts }
        };
        let command = match self.carry_out(lease) {
            Ok(result) => {
                let facts = AttemptFacts::default();
                Command::Accept { job: job(), task, attempt, result, facts }
            }
            Err(Missed::Gone) => fail(FailureReason::MomentsMissing, None),
            Err(Missed::Unreached(holder)) => {
                self.now_ms += FETCH_LIMIT_MS;
                fail(FailureReason::MomentsUnreachable, Some(holder))
            }
        };
        self.apply(&command);
        true
    }

    /// What becomes of an attempt.
    fn carry_out(&mut self, lease: Lease) -> Result<TaskResult, Missed> {
        let (digest, Lease { task, node, inputs, .. }) = (Digest([7; 32]), lease);
        let inputs = inputs.ok_or(Missed::Gone)?;
        Ok(match (task, inputs) {
            (Task::List, _) => TaskResult::Listed {
                keys: self.partitions.into(),
                bytes: 0,
                partitions: self.partitions,
                digest,
            },
            (Task::Extract(PartitionId(p)), _) => TaskResult::Extracted {
                good: 1,
                bad: 0,
                features: digest,
                quarantine: None,
                moments: Some(self.hold(node, TreeNode::leaf(p), rows(p))),
                gets: 1,
                inferences: 1,
            },
            (Task::Remake(PartitionId(p)), _) => {
                TaskResult::Held { digest: self.hold(node, TreeNode::leaf(p), rows(p)) }
            }
            (Task::Rebuild(at), Inputs::Rebuild { partitions, winners }) => {
                let plan = ReducePlan::new(partitions);
                let told = winners.iter().map(|winner| winner.partition.0);
                assert!(told.eq(plan.leaves(at)), "{at} is made of other partitions");
                TaskResult::Held { digest: self.hold(node, at, below(plan, at)) }
            }
            (Task::Merge(into), Inputs::Merge(left, right)) => {
                let (left, right) = (self.fetch(node, left)?, self.fetch(node, right)?);
                let merged = Moments::merge(&left, &right).expect("alike");
                TaskResult::Held { digest: self.hold(node, into, merged) }
            }
            (Task::Fit, Inputs::Fit(root, holding)) => {
                self.fitted = Some(self.fetch(node, (root, holding))?.digest());
                TaskResult::Fitted { digest, components: 1 }
            }
            (Task::Project(_), _) => TaskResult::Projected { rows: 1, scores: digest, csv: digest },
            (Task::Publish, _) => TaskResult::Published { digest },
            (task, inputs) => panic!("{task} was given {inputs:?}"),
        })
    }

    fn fetch(&self, node: NodeId, held: (TreeNode, Holding)) -> Result<Moments, Missed> {
        let (tree_node, Holding { node: holder, digest }) = held;
        if node != holder && !(self.reaches)(node.0, holder.0) {
            return Err(Missed::Unreached(holder));
        }
        let moments = self.moments.get(&(holder, tree_node)).ok_or(Missed::Gone)?;
        assert_eq!(moments.digest(), digest, "{tree_node}");
        Ok(moments.clone())
    }

    fn hold(&mut self, node: NodeId, tree_node: TreeNode, moments: Moments) -> Digest {
        let digest = moments.digest();
        self.moments.insert((node, tree_node), moments);
        digest
    }

    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.dice >> 33
    }

    /// Goes on to the end.
    fn finish(&mut self) -> Cost {
        let limit = 100 * self.partitions + 1_000;
        (0..limit).find(|_| !self.step());
        let job = self.state.job(&job()).expect("submitted");
        let succeeded = matches!(job.phase(), Phase::Ended(Outcome::Succeeded { .. }));
        assert!(succeeded, "{:?} after {} attempts", job.phase(), job.attempts());
        assert_eq!(self.moments, BTreeMap::new(), "what nobody needs is let go of");
        Cost { grants: job.attempts(), remade: job.counts().remade, root: self.fitted }
    }
}

fn cost(nodes: (u64, u32), partitions: u32, reaches: Relation, dice: u64) -> Cost {
    World::new(nodes, partitions, reaches, dice).finish()
}

/// A job behind walls beside the same job without any.
fn compare(name: &str, nodes: (u64, u32), partitions: u32, reaches: Relation, dice: u64) {
    let free = cost(nodes, partitions, Box::new(|_, _| true), dice);
    let walled = cost(nodes, partitions, reaches, dice);
    let told = format!("{name}, {nodes:?}, {partitions} partitions: {walled:?} beside {free:?}");
    assert_eq!((free.root, walled.root), (root_of(partitions), root_of(partitions)), "{told}");
    assert!(walled.grants <= GRANTS_FACTOR * free.grants, "{told}");
    assert!(walled.remade <= REMADE_FACTOR * partitions, "{told}");
}

#[test]
fn a_job_ends_behind_every_kind_of_wall() {
    for (nodes, partitions, dice) in [(2, 2, 1), (3, 10, 2), (5, 64, 3), (5, 101, 4), (9, 77, 5)] {
        let walls: [(&str, Relation); 7] = [
            ("pairs", Box::new(|from, to| from.div_ceil(2) != to.div_ceil(2))),
            ("star", Box::new(|from, to| from == 1 || to == 1)),
            ("hub that asks", Box::new(|from, _| from == 1)),
            ("ring", Box::new(move |from, to| from % nodes + 1 == to)),
            ("halves", Box::new(move |from, to| (2 * from <= nodes) == (2 * to <= nodes))),
            ("one way", Box::new(|from, to| from < to)),
            ("nobody", Box::new(|_, _| false)),
        ];
        for (name, reaches) in walls {
            compare(name, (nodes, 2), partitions, reaches, dice);
        }
    }
}

#[test]
fn a_wall_costs_nothing_where_nobody_has_to_go_through_it() {
    let free = cost((4, 1), 32, Box::new(|_, _| true), 9);
    // The first is never asked for anything but by itself.
    let walled = cost((1, 1), 32, Box::new(|_, _| false), 9);
    assert_eq!((walled.remade, walled.root), (0, free.root));
}

#[test]
fn the_death_of_whoever_made_it_again_costs_what_it_held() {
    let mut world = World::new((3, 2), 24, Box::new(|_, _| false), 11);
    let mut deaths = 0;
    while world.step() {
        let held = world.state.job(&job()).expect("submitted");
        let rebuilt = held.held().find(|(at, _)| held.plan().leaves(*at).len() > 6);
        if let Some((_, holding)) = rebuilt.filter(|_| deaths < 3) {
            deaths += 1;
            world.lose(holding.node);
            world.join(holding.node.0, 2);
        }
    }
    assert_eq!((deaths, world.fitted), (3, root_of(24)));
}

/// Who reaches whom, as bits.
fn relation() -> impl Strategy<Value = Vec<bool>> {
    collection::vec(any::<bool>(), 64)
}

proptest! {

    #[test]
    fn a_job_ends_whoever_can_reach_whom(
        nodes in 1..8u64,
        slots in 1..3u32,
        partitions in 1..60u32,
        ways in relation(),
        dice in any::<u64>(),
    ) {
        let reaches = Box::new(move |from: u64, to: u64| ways[(8 * (from % 8) + to % 8) as usize]);
        compare("random", (nodes, slots), partitions, reaches, dice);
    }

    /// Walls that come and go, and nodes too: the job ends once they stand still.
    #[test]
    fn a_job_ends_whoever_could_reach_whom_at_times(
        partitions in 1..40u32,
        ways in collection::vec(relation(), 1..6),
        losses in collection::vec((0..400usize, 1..5u64), 0..6),
        dice in any::<u64>(),
    ) {
        let mut world = World::new((4, 2), partitions, Box::new(|_, _| true), dice);
        for at in 0..400 {
            if at % 20 == 0 {
                let ways = ways[at / 20 % ways.len()].clone();
                world.reaches = Box::new(move |from, to| ways[(8 * from + to) as usize]);
            }
            for (_, node) in losses.iter().filter(|(when, _)| *when == at) {
                world.lose(NodeId(*node));
                world.join(*node, 2);
            }
            world.step();
        }
        let cost = world.finish();
        prop_assert!(cost.root == root_of(partitions), "{cost:?}");
    }
}
