//! A deterministic simulator of a whole cluster, over the coordinator alone.
//!
//! One seed gives one run: a number of nodes with their logs, a network, members that compute, an
//! object store and clients, all in one thread and in virtual time, with everything that chance
//! decides drawn from one generator. First things go wrong ([`Verdict`] tells what was seen);
//! then they do no longer, and every job has to end.
//!
//! What is simulated is only what stands around the decisions: replica, state, scheduler and the
//! machines of the control plane are those of production. The rest, sockets, disks and work, is
//! made up here, and is wrong on purpose if a [`Bug`] is planted. README.md beside this crate says
//! what the node decides that is not seen here.

mod attending;
mod book;
mod branches;
mod bug;
mod checks;
mod dice;
mod events;
mod faults;
mod keys;
mod known;
mod leading;
mod network;
mod node;
mod objects;
mod operation;
mod plan;
mod reads;
pub mod scale;
pub mod storm;
mod tasks;
mod time;
mod timing;
mod untimely;
mod voting;
mod within;
mod work;
mod world;

use std::collections::{BTreeMap, BTreeSet};

pub use branches::{SEEDS_FOR_ALL, branches};
pub use bug::Bug;

use dice::Dice;
use plan::Plan;
use untimely::Untimely;
use world::World;

/// How a run is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// A mistake that is planted.
    pub bug: Option<Bug>,
    /// Nothing goes wrong.
    pub calm: bool,
    /// Every event is printed.
    pub trace: bool,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The first thing that was wrong, in words.
    pub violation: Option<String>,
    /// Of every event: equal hashes, equal runs.
    pub hash: u64,
    /// Events that happened.
    pub events: u64,
    /// Virtual time that passed, milliseconds.
    pub took_ms: u64,
    /// Entries that were committed.
    pub committed: u64,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// How often each kind of thing happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// Branches of the control plane's machines that were taken.
    pub reached: BTreeSet<&'static str>,
}

impl Verdict {
    /// The line that shows this run again.
    pub fn replay(&self, bug: Option<Bug>) -> String {
        let bug = bug.and_then(|bug| clap::ValueEnum::to_possible_value(&bug));
        let bug = bug.map(|bug| format!(" --bug {}", bug.get_name())).unwrap_or_default();
        let seed = self.seed;
        format!("replay: cargo run -p fruitnode-chaos -- --seed {seed}{bug} --trace")
    }
}

/// One run.
pub fn run(seed: u64, options: Options) -> Verdict {
    let (mut dice, mut more) = (Dice::new(seed), Dice::new(!seed));
    let mut latest = Untimely::dice(seed);
    let mut plan = Plan::draw(&mut dice, &mut more);
    Untimely::of(seed).shape(&mut plan, &mut latest);
    if options.calm {
        plan = plan.without_faults();
    }
    let mut world = World::new(plan, (dice, more, latest), options.bug, options.trace);
    world.run();
    world.take_notes();
    Verdict {
        seed,
        violation: world.violation.take().map(|violation| violation.0),
        hash: world.trace_hash(),
        events: world.events,
        took_ms: world.now,
        committed: world.checks.committed(),
        succeeded: world.checks.succeeded(),
        seen: world.seen,
        reached: world.reached,
    }
}

/// Seeds that once failed, in the order in which they were found.
pub fn known_seeds() -> impl Iterator<Item = u64> {
    let lines = include_str!("../seeds.txt").lines();
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok())
}
