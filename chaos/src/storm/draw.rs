//! Sequences of operations, drawn from a seed: the same seed, the same sequence.
//!
//! What is drawn is possible if every command does what it is asked to. Where one is refused, later
//! operations that no longer fit are left out when their turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::rules::{Cut, Machine, Manner, Shape};
use super::script::{Operation, Outage, Script, Step, Target};
use crate::dice::Dice;

/// Fewest members that operations leave.
const MEMBERS_MIN: usize = 3;

/// Most members that operations make.
const MEMBERS_MAX: usize = 7;

/// Members at least that may take leases.
const READY_MIN: usize = 2;

/// Waits between membership operations, milliseconds: at once, within the time of an election, and
/// beyond the time after which a voter is replaced.
const WAITS_MS: [u64; 12] =
    [0, 0, 200, 500, 900, 1_500, 2_500, 4_000, 6_000, 11_000, 16_000, 20_000];

/// From the last kill to what comes next: longer than a coordinator may be missing.
const AFTER_PROBE_MS: u64 = 14_000;

/// Pause between jobs of a storm.
const PAUSE: Duration = Duration::from_secs(2);

/// What kind of trouble there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Processes die, stop and freeze.
    Kill,
    /// The network and the store fail.
    Net,
    /// Members come and go.
    Ops,
}

impl Trouble {
    /// Every kind.
    pub(crate) const ALL: [Self; 3] = [Self::Kill, Self::Net, Self::Ops];
}

/// Members as they are if all goes well.
#[derive(Debug, Clone)]
struct Members {
    here: BTreeSet<Machine>,
    drained: BTreeSet<Machine>,
    dead: Option<Machine>,
}

impl Members {
    fn of(nodes: Machine) -> Self {
        Self { here: (1..=nodes).collect(), drained: BTreeSet::new(), dead: None }
    }

    fn living(&self) -> Vec<Machine> {
        self.here.iter().copied().filter(|at| Some(*at) != self.dead).collect()
    }

    fn ready(&self) -> Vec<Machine> {
        let drained = |at: &Machine| self.drained.contains(at);
        self.living().into_iter().filter(|at| !drained(at)).collect()
    }

    fn gone(&mut self, machine: Machine) {
        self.here.remove(&machine);
        self.drained.remove(&machine);
        if self.dead == Some(machine) {
            self.dead = None;
        }
    }

    fn first_free(&self) -> Machine {
        (1..).find(|at| !self.here.contains(at)).expect("there are more numbers than members")
    }

    /// One membership operation that is possible.
    fn operation(&mut self, dice: &mut Dice) -> Operation {
        loop {
            let kind = dice.below(100);
            let ready = self.ready();
            let may_lose = self.here.len() > MEMBERS_MIN;
            let at = |machines: &[Machine], dice: &mut Dice| {
                (!machines.is_empty()).then(|| dice.pick(machines))
            };
            match kind {
                0..16 if ready.len() > READY_MIN => {
                    let machine = dice.pick(&ready);
                    self.drained.insert(machine);
                    return Operation::Drain(Target::Machine(machine));
                }
                16..36 => {
                    let drained: Vec<_> = self.drained.iter().copied().collect();
                    if let Some(machine) = at(&drained, dice) {
                        self.drained.remove(&machine);
                        return Operation::Undo(Target::Machine(machine));
                    }
                }
                36..52 if may_lose => {
                    let machine = dice.pick(&self.living());
                    if !ready.contains(&machine) || ready.len() > READY_MIN {
                        self.gone(machine);
                        return Operation::Leave(Target::Machine(machine));
                    }
                }
                52..68 if may_lose || self.dead.is_some() => {
                    let machine = self.dead.unwrap_or_else(|| dice.pick(&self.living()));
                    if !ready.contains(&machine) || ready.len() > READY_MIN {
                        self.gone(machine);
                        return Operation::Remove(Target::Machine(machine));
                    }
                }
                68..84 if self.here.len() < MEMBERS_MAX => {
                    self.here.insert(self.first_free());
                    return Operation::Join;
                }
                84..92 => return Operation::Restart(Target::Machine(dice.pick(&self.living()))),
                92..96 => return Operation::Token,
                96.. => return Operation::Backup,
                _ => {}
            }
        }
    }
}

/// A sequence of membership operations and, where it is asked for, one node that dies amid them;
/// then everything is mended, and the coordinator dies to show that those that vote hear it.
pub(crate) fn sequence(seed: u64, nodes: Option<Machine>, length: u32, one_dead: bool) -> Script {
    let mut dice = Dice::new(seed);
    let drawn = dice.between(3, 5) as Machine;
    let nodes = nodes.unwrap_or(drawn);
    let voters = if nodes >= 5 && dice.chance(500) { 5 } else { 3 };
    let pause = dice.chance(400).then_some(PAUSE);
    let mut members = Members::of(nodes);
    let dies_at = one_dead.then(|| dice.below(u64::from(length.max(1))) as u32);
    let mut steps = Vec::new();
    for at in 0..length {
        let wait = Duration::from_millis(dice.pick(&WAITS_MS));
        let operation = if dies_at == Some(at) {
            let machine = dice.pick(&members.living());
            members.dead = Some(machine);
            Operation::Kill(Target::Machine(machine))
        } else {
            members.operation(&mut dice)
        };
        steps.push(Step { wait, operation });
    }
    steps.extend(ending(true));
    Script { nodes, voters, pause, steps }
}

/// How a sequence ends: whole again, and with a probe, able to lose its coordinator.
fn ending(probe: bool) -> Vec<Step> {
    let step = |wait_ms, operation| Step { wait: Duration::from_millis(wait_ms), operation };
    let mut steps = vec![step(500, Operation::Settle)];
    if probe {
        steps.push(step(500, Operation::Kill(Target::Coordinator)));
        steps.push(step(AFTER_PROBE_MS, Operation::Restart(Target::Dead)));
        steps.push(step(0, Operation::Settle));
    }
    steps
}

/// A storm of so long, with what is broken now by when it is mended.
struct Storm {
    dice: Dice,
    members: Members,
    /// Operations by their time, milliseconds, and the order in which they were drawn.
    timeline: BTreeMap<(u64, usize), Operation>,
    /// Until when processes are down, milliseconds.
    down: Vec<u64>,
    cut_until: u64,
    outage_until: u64,
}

/// A storm of these kinds of trouble.
pub(crate) fn storm(
    seed: u64,
    troubles: &[Trouble],
    (nodes, voters): (Machine, u32),
    lasts: Duration,
) -> Script {
    let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let mut storm = Storm {
        dice: Dice::new(seed),
        members: Members::of(nodes),
        timeline: BTreeMap::new(),
        down: Vec::new(),
        cut_until: 0,
        outage_until: 0,
    };
    let mut now = 1_000;
    while now < lasts_ms {
        storm.trouble(now, troubles);
        now += storm.dice.between(1_000, 8_000);
    }
    let mut last = 0;
    let within = storm.timeline.into_iter().take_while(|((at, _), _)| *at < lasts_ms);
    let mut steps: Vec<Step> = within
        .map(|((at, _), operation)| {
            let wait = Duration::from_millis(at - last);
            last = at;
            Step { wait, operation }
        })
        .collect();
    steps.extend(ending(false));
    Script { nodes, voters, pause: Some(PAUSE), steps }
}

impl Storm {
    fn add(&mut self, at: u64, operation: Operation) {
        let order = self.timeline.len();
        self.timeline.insert((at, order), operation);
    }

    fn trouble(&mut self, now: u64, troubles: &[Trouble]) {
        // Deaths and partitions are quick to come and go; members take their time.
        let trouble = self.dice.pick(troubles);
        match trouble {
            Trouble::Kill => self.kill(now),
            Trouble::Net if self.dice.chance(250) => self.outage(now),
            Trouble::Net => self.cut(now),
            Trouble::Ops => {
                let operation = self.members.operation(&mut self.dice);
                self.add(now, operation);
            }
        }
    }

    /// A process dies or freezes; mostly a majority stays, and sometimes not.
    fn kill(&mut self, now: u64) {
        self.down.retain(|until| *until > now);
        let spare = self.members.here.len().saturating_sub(1) / 2;
        let beyond = self.dice.chance(80);
        if self.down.len() >= spare && !beyond {
            return;
        }
        let until = now + self.dice.between(500, 15_000);
        self.down.push(until);
        let machine = self.dice.pick(&self.members.living());
        let whom = match self.dice.below(10) {
            0..4 => Target::Coordinator,
            4..7 => Target::Voter,
            _ => Target::Machine(machine),
        };
        if self.dice.chance(300) {
            self.add(now, Operation::Freeze(whom));
            self.add(until, Operation::Thaw(Target::Frozen));
        } else {
            self.add(now, Operation::Kill(whom));
            self.add(until, Operation::Restart(Target::Dead));
        }
    }

    fn cut(&mut self, now: u64) {
        if self.cut_until > now {
            return;
        }
        self.cut_until = now + self.dice.between(2_000, 20_000);
        let machines = self.members.living();
        let one = self.dice.pick(&machines);
        let shape = match self.dice.below(8) {
            0 | 1 => {
                let largest = machines.len() as u64 / 2;
                let size = self.dice.between(1, largest.max(1)) as usize;
                let from = machines.iter().position(|at| *at == one).unwrap_or(0);
                let around = machines.iter().cycle().skip(from).take(size);
                Shape::Split(around.copied().collect())
            }
            2 => Shape::Deaf(one),
            3 => Shape::Mute(one),
            4 => Shape::Ring,
            5 => Shape::Peers(one),
            6 => Shape::Store(one),
            _ => Shape::Flap(one),
        };
        let manner = self.dice.pick(&[Manner::Drop, Manner::Drop, Manner::Reject]);
        self.add(now, Operation::Cut(Cut { shape, manner }));
        self.add(self.cut_until, Operation::Heal);
    }

    fn outage(&mut self, now: u64) {
        if self.outage_until > now {
            return;
        }
        self.outage_until = now + self.dice.between(3_000, 25_000);
        let outage = self.dice.pick(&Outage::ALL);
        self.add(now, Operation::Outage(outage));
        self.add(self.outage_until, Operation::Supply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn the_same_seed_draws_the_same_sequence_and_another_one_another() {
        let storm = |seed| storm(seed, &Trouble::ALL, (5, 3), minutes(5));
        assert_eq!(storm(7), storm(7));
        assert_ne!(storm(7), storm(8));
        assert_eq!(sequence(7, None, 12, true), sequence(7, None, 12, true));
        assert_ne!(sequence(7, None, 12, false), sequence(8, None, 12, false));
        let text = storm(7).to_string();
        assert_eq!(text.parse::<Script>().unwrap(), storm(7), "{text}");
    }

    /// Members after each operation, if each does what it is asked to.
    fn followed(script: &Script) -> Vec<Members> {
        let mut members = Members::of(script.nodes);
        let steps = script.steps.iter().take_while(|step| step.operation != Operation::Settle);
        let follow = |step: &Step| {
            match step.operation {
                Operation::Drain(Target::Machine(at)) => drop(members.drained.insert(at)),
                Operation::Undo(Target::Machine(at)) => drop(members.drained.remove(&at)),
                Operation::Leave(Target::Machine(at)) | Operation::Remove(Target::Machine(at)) => {
                    assert!(members.here.contains(&at), "{step}");
                    members.gone(at);
                }
                Operation::Join => drop(members.here.insert(members.first_free())),
                Operation::Kill(Target::Machine(at)) => members.dead = Some(at),
                _ => {}
            }
            members.clone()
        };
        steps.map(follow).collect()
    }

    #[test]
    fn sequences_keep_three_to_seven_members_and_two_that_work() {
        let mut seen = BTreeMap::new();
        for seed in 0..300 {
            let script = sequence(seed, None, 12, seed % 2 == 0);
            assert_eq!(script.steps.len(), 12 + 4);
            for members in followed(&script) {
                assert!((2..=MEMBERS_MAX).contains(&members.here.len()), "{script}");
                assert!(!members.ready().is_empty(), "{script}");
            }
            for step in &script.steps {
                *seen.entry(step.operation.name()).or_insert(0_u32) += 1;
            }
        }
        for name in ["drain", "undo a drain", "leave", "remove", "join", "restart", "token"] {
            assert!(seen[name] > 100, "{name}: {seen:?}");
        }
        assert_eq!(seen["kill -9"], 150 + 300, "one each that dies, and one probe each");
    }

    #[test]
    fn an_hour_of_storm_holds_enough_of_everything() {
        let mut seen = BTreeMap::new();
        let script = storm(1, &Trouble::ALL, (5, 3), minutes(60));
        for step in &script.steps {
            *seen.entry(step.operation.name()).or_insert(0_u32) += 1;
        }
        for (name, least) in [
            ("kill -9", 50),
            ("freeze", 20),
            ("partition", 20),
            ("outage of the store", 5),
            ("join", 5),
            ("leave", 5),
            ("remove", 5),
        ] {
            assert!(seen[name] >= least, "{name}: {seen:?}");
        }
        let lasts: Duration = script.steps.iter().map(|step| step.wait).sum();
        assert!(lasts <= minutes(60) + Duration::from_secs(1), "{lasts:?}");
    }

    #[test]
    fn one_kind_of_trouble_comes_alone() {
        for (trouble, foreign) in [
            (Trouble::Kill, ["partition", "join"]),
            (Trouble::Net, ["kill -9", "join"]),
            (Trouble::Ops, ["kill -9", "partition"]),
        ] {
            let script = storm(3, &[trouble], (5, 3), minutes(20));
            let names = || script.steps.iter().map(|step| step.operation.name());
            assert!(foreign.iter().all(|name| names().all(|own| own != *name)), "{trouble:?}");
            assert!(script.steps.len() > 20, "{trouble:?}");
        }
    }
}
