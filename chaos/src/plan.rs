//! What goes wrong in one run, drawn from its seed.
//!
//! Each kind of fault is there in about half of all runs, so that each is also seen without the
//! others; in one run of four one of them is extreme.

use std::collections::BTreeSet;

use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::max_bad::{MaxBad, WHOLE};
use fruitnode_coordinator::spec::JobSpec;

use crate::dice::Dice;
use crate::operation::{OPERATIONS_MAX, Operation};
use crate::time::Time;
use crate::untimely::Untimely;
use crate::within::Within;

/// One job, and what its client does.
#[derive(Debug, Clone)]
pub(crate) struct JobPlan {
    pub(crate) id: JobId,
    pub(crate) spec: JobSpec,
    pub(crate) partitions: u32,
    pub(crate) submit_at: Time,
    pub(crate) cancel_at: Option<Time>,
}

/// Rates are per thousand, times in milliseconds; a mean time of 0 is never.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: u64,
    pub(crate) voters: u32,
    pub(crate) slots: u32,
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) calm_at: Time,
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) late: u64,
    pub(crate) delay_max: Time,
    pub(crate) break_stream: u64,
    pub(crate) crash_mean: Time,
    /// Per hundred thousand steps of a round.
    pub(crate) crash_step: u64,
    pub(crate) down_max: Time,
    pub(crate) pause_mean: Time,
    pub(crate) pause_max: Time,
    pub(crate) partition_mean: Time,
    pub(crate) partition_max: Time,
    pub(crate) one_way: bool,
    pub(crate) disk_max: Time,
    pub(crate) disk_fails: u64,
    pub(crate) task_max: Time,
    pub(crate) task_fails: u64,
    pub(crate) task_slow: u64,
    pub(crate) task_hangs: u64,
    pub(crate) drop_mean: Time,
    pub(crate) store_fails: u64,
    pub(crate) reply_lost: u64,
    pub(crate) compact_entries: u64,
    pub(crate) leave_dead: bool,
    /// Who cannot fetch moments from whom, for ever.
    pub(crate) walls: BTreeSet<(NodeId, NodeId)>,
    /// Nodes that the store refuses, for ever.
    pub(crate) refused: BTreeSet<NodeId>,
    /// When the store answers nobody: from, and until.
    pub(crate) outages: Vec<(Time, Time)>,
    /// When each node is let in, in order; the first one founds the cluster.
    pub(crate) joins: Vec<Time>,
    /// What people do with its members, and when.
    pub(crate) operations: Vec<(Time, Operation)>,
    /// What goes wrong within a node.
    pub(crate) within: Within,
    /// What happens just when it matters.
    pub(crate) untimely: Untimely,
    /// When all nodes die at once.
    pub(crate) power_cut_at: Option<Time>,
}

/// Longest time for which the store answers nobody.
const OUTAGE_MAX: Time = 60_000;

const KINDS: u64 = 15;

impl Plan {
    /// What was added later is drawn from `more`, so that it does not shift the rest.
    pub(crate) fn draw(dice: &mut Dice, more: &mut Dice) -> Self {
        let extreme = if dice.chance(250) { dice.below(KINDS) } else { KINDS };
        let mut kind = 0;
        let mut rate = |dice: &mut Dice, none: u64, mild: u64, worst: u64| {
            let mine = kind;
            kind += 1;
            let on = dice.chance(500);
            match mine {
                _ if mine == extreme => worst,
                _ if on => mild,
                _ => none,
            }
        };
        let voters = dice.pick(&[3, 3, 3, 5]);
        let calm_at = dice.between(30_000, 90_000);
        let mut plan = Self {
            nodes: u64::from(voters) + dice.below(4),
            voters,
            slots: dice.between(1, 2) as u32,
            jobs: Vec::new(),
            calm_at,
            loss: rate(dice, 0, 30, 300),
            duplicate: rate(dice, 0, 50, 500),
            late: rate(dice, 0, 20, 300),
            delay_max: rate(dice, 10, 60, 600),
            break_stream: rate(dice, 0, 5, 100),
            crash_mean: rate(dice, 0, 10_000, 2_000),
            crash_step: rate(dice, 0, 20, 400),
            pause_mean: rate(dice, 0, 10_000, 3_000),
            partition_mean: rate(dice, 0, 12_000, 3_000),
            disk_max: rate(dice, 0, 20, 400),
            task_fails: rate(dice, 0, 50, 400),
            task_slow: rate(dice, 0, 30, 200),
            task_hangs: rate(dice, 0, 20, 150),
            drop_mean: rate(dice, 0, 1_200, 200),
            reply_lost: rate(dice, 0, 300, 800),
            down_max: dice.pick(&[500, 4_000, 20_000]),
            pause_max: dice.pick(&[3_000, 12_000, 30_000]),
            partition_max: dice.pick(&[3_000, 10_000, 25_000]),
            one_way: dice.chance(400),
            disk_fails: dice.pick(&[0, 0, 0, 2]),
            task_max: dice.pick(&[500, 2_000, 8_000]),
            store_fails: dice.pick(&[0, 0, 50, 200]),
            compact_entries: dice.pick(&[20, 60, 4_096]),
            leave_dead: dice.chance(500),
            walls: BTreeSet::new(),
            refused: BTreeSet::new(),
            outages: Vec::new(),
            joins: Vec::new(),
            operations: Vec::new(),
            within: Within::draw(more, calm_at),
            untimely: Untimely::Never,
            power_cut_at: None,
        };
        plan.walls = walls(dice, plan.nodes);
        if dice.chance(200) {
            let from = dice.between(3_000, calm_at);
            plan.outages.push((from, from + dice.between(1_000, OUTAGE_MAX)));
        }
        plan.joins = (0..plan.nodes)
            .map(|node| match dice.chance(250) && node > 0 {
                true => dice.between(0, calm_at),
                false => 0,
            })
            .collect();
        plan.joins.sort_unstable();
        plan.operations = Operation::draw(dice, calm_at);
        // Somebody has to be there whom the store lets in.
        if dice.chance(150) && plan.nodes > 2 {
            plan.refused = BTreeSet::from([NodeId(dice.between(1, plan.nodes))]);
            plan.operations.clear();
            plan.leave_dead = false;
        }
        for job in 0..dice.between(1, 2) {
            plan.jobs.push(JobPlan::draw(dice, job, calm_at));
        }
        plan.cancel_when_somebody_leaves(more);
        plan
    }

    /// In some runs a client gives up its job just when people have done something to a node.
    fn cancel_when_somebody_leaves(&mut self, more: &mut Dice) {
        let cancels = more.chance(300);
        for job in &mut self.jobs {
            let (at, after) = (more.below(OPERATIONS_MAX) as usize, more.between(1, 5_000));
            if let Some((when, _)) = self.operations.get(at).filter(|_| cancels) {
                job.cancel_at.get_or_insert(when + after);
            }
        }
    }

    /// The same jobs, and nothing that goes wrong.
    pub(crate) fn without_faults(mut self) -> Self {
        self.calm_at = 0;
        for job in &mut self.jobs {
            job.cancel_at = None;
        }
        self.leave_dead = false;
        self.joins = vec![0; self.joins.len()];
        self.operations.clear();
        self.walls.clear();
        self.refused.clear();
        self.outages.clear();
        self.within = Within::default();
        self.untimely = Untimely::Never;
        self.power_cut_at = None;
        self.still();
        self
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn still(&mut self) {
        for rate in [
            &mut self.loss,
            &mut self.duplicate,
            &mut self.late,
            &mut self.break_stream,
            &mut self.crash_mean,
            &mut self.crash_step,
            &mut self.pause_mean,
            &mut self.partition_mean,
            &mut self.disk_fails,
            &mut self.task_fails,
            &mut self.task_slow,
            &mut self.task_hangs,
            &mut self.drop_mean,
            &mut self.store_fails,
            &mut self.reply_lost,
        ] {
            *rate = 0;
        }
        self.delay_max = self.delay_max.min(60);
        self.disk_max = self.disk_max.min(20);
        self.task_max = self.task_max.min(1_000);
        self.within.still();
    }
}

/// Firewalls between nodes that reach everything else, in one run of five.
fn walls(dice: &mut Dice, nodes: u64) -> BTreeSet<(NodeId, NodeId)> {
    let there = dice.chance(200);
    let kind = dice.below(6);
    let mut walls = BTreeSet::new();
    for one in 1..=nodes {
        for other in one + 1..=nodes {
            let closed = match kind {
                // Each from each; from the first; but for neighbours; between halves; at random.
                0 => true,
                1 => one == 1,
                2 => other - one > 1 && other - one < nodes - 1,
                3 => (one % 2 == 0) != (other % 2 == 0),
                _ => dice.chance(500),
            };
            let one_way = kind == 5;
            if there && closed {
                walls.insert((NodeId(one), NodeId(other)));
                walls.extend((!one_way).then_some((NodeId(other), NodeId(one))));
            }
        }
    }
    walls
}

impl JobPlan {
    fn draw(dice: &mut Dice, job: u64, calm_at: Time) -> Self {
        let partitions = dice.between(1, 24) as u32;
        let pca = dice.chance(850);
        let given_fit = pca && dice.chance(100);
        // 0 if the survey lists the source whole.
        let ranges = if dice.chance(500) { dice.between(1, 12) as u32 } else { 0 };
        Self {
            id: JobId(format!("job-{job}")),
            spec: JobSpec {
                from: format!("from-{job}-{ranges}-{partitions}"),
                to: format!("to-{job}"),
                rows_per_part: 4,
                pca,
                given_fit,
                compute_class: "cpu".to_owned(),
                fit_class: "fit".to_owned(),
                // What is bad by design is endured, and one more would not be.
                max_bad: Some(MaxBad::Billionths(WHOLE / 4)),
                options: Vec::new(),
            },
            partitions,
            submit_at: dice.between(3_000, calm_at / 2),
            cancel_at: dice.chance(80).then(|| dice.between(5_000, calm_at)),
        }
    }
}
