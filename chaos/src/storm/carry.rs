//! How each operation is carried out, and what its answer means.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Violation;
use super::arena::{Arena, Asked, name};
use super::known::{Going, Life};
use super::process::{Ended, Running};
use super::rules::{Machine, Manner};
use super::script::{Operation, Outage, Target};
use super::site::hosts;

/// How long a command waits for an answer: those that take a vote away may wait for another voter.
const PATIENCE: &str = "120s";

/// How long a command may take at most.
const LIMIT: Duration = Duration::from_secs(150);

/// How long leases of a node that leaves may take to end.
const LEASES: &str = "5s";

/// Exit codes after which it is open whether something was done: nobody, or nobody in time,
/// answered.
const OPEN: [Option<i32>; 3] = [Some(3), Some(124), None];

/// Of how many requests one is told to slow down.
const SLOW_DOWN_EVERY: u64 = 3;

/// How long a slow store lets every request wait, milliseconds.
const SLOW_MS: u64 = 500;

impl Arena {
    /// Begins an operation. Commands run beside everything else.
    pub(crate) fn begin(&mut self, operation: &Operation) -> Result<(), Violation> {
        let whom = target(operation);
        let machine = whom.and_then(|whom| self.resolve(whom));
        let did = match (whom, machine) {
            (Some(_), None) => false,
            (Some(_), Some(machine)) => self.on_machine(operation, machine)?,
            (None, _) => self.on_all(operation)?,
        };
        let now = self.now();
        let node = machine.and_then(|machine| self.known.nodes.get(&machine));
        let node = node.map(|node| format!(" ({})", name(node))).unwrap_or_default();
        let machine = machine.map(|machine| format!(" m{machine}")).unwrap_or_default();
        let what = match whom {
            Some(Target::Machine(_)) | None => format!("{operation}{node}"),
            Some(_) => format!("{operation}:{machine}{node}"),
        };
        if did {
            self.say.line(now, &what);
        } else {
            self.say.line(now, &format!("{what}: not possible any more"));
            self.report.operations.entry(operation.name()).or_default().left_out += 1;
        }
        Ok(())
    }

    fn did(&mut self, operation: &Operation) {
        self.report.operations.entry(operation.name()).or_default().done += 1;
    }

    fn resolve(&self, whom: Target) -> Option<Machine> {
        let nodes = &self.known.nodes;
        let oldest = |life: Life| {
            let having = nodes.iter().filter(|(_, node)| node.life == life);
            having.min_by_key(|(_, node)| node.since).map(|(machine, _)| *machine)
        };
        match whom {
            Target::Machine(machine) => nodes.contains_key(&machine).then_some(machine),
            Target::Coordinator => self.known.machine_of(self.known.leader?),
            Target::Voter => {
                let (_, look) = self.last_look.as_ref()?;
                let voters = look.voters().into_iter().filter(|id| look.leader != Some(*id));
                let mut machines = voters.filter_map(|id| self.known.machine_of(id));
                machines.find(|machine| nodes[machine].life == Life::Up)
            }
            Target::Dead => oldest(Life::Killed),
            Target::Frozen => oldest(Life::Frozen),
        }
    }

    /// What is about one node. Whether it was possible.
    fn on_machine(&mut self, operation: &Operation, machine: Machine) -> Result<bool, Violation> {
        let node = self.known.nodes[&machine].clone();
        let Some(id) = node.id else { return Ok(false) };
        match operation {
            Operation::Kill(_) if node.life == Life::Up => {
                let others = self.known.nodes.iter().filter(|(other, _)| **other != machine);
                let knew = others.filter_map(|(_, node)| node.id).collect();
                let body = self.bodies.get_mut(&machine).expect("it lives");
                (body.process, body.knew) = (None, knew);
                self.set_life(machine, Life::Killed);
                self.did(operation);
            }
            Operation::Freeze(_) if node.life == Life::Up => {
                self.signal(machine, Signal::STOP);
                self.set_life(machine, Life::Frozen);
                self.did(operation);
            }
            Operation::Thaw(_) if node.life == Life::Frozen => self.thaw(machine),
            Operation::Restart(_) if node.life == Life::Killed => {
                self.start(machine).map_err(|error| Violation::tool(&error))?;
                self.did(operation);
            }
            Operation::Restart(_) if node.life == Life::Up && node.going == Going::Stays => {
                self.signal(machine, Signal::TERM);
                self.set_life(machine, Life::Stopping);
                self.did(operation);
            }
            Operation::Drain(_) | Operation::Undo(_) if node.going == Going::Stays => {
                let mut command = self.site.client();
                command.args(["node", "drain", &format!("n{id}")]);
                if matches!(operation, Operation::Undo(_)) {
                    command.arg("--undo");
                }
                let known = self.known.nodes.get_mut(&machine).expect("it is there");
                known.drained = None;
                return self.ask(operation, Some(machine), command);
            }
            Operation::Remove(_) if node.going == Going::Stays => {
                let mut command = self.site.client();
                command.args(["node", "remove", &format!("n{id}"), "--yes"]);
                self.set_going(machine, Going::Asked);
                return self.ask(operation, Some(machine), command);
            }
            Operation::Leave(_) if node.going == Going::Stays && node.life == Life::Up => {
                let mut command = self.site.on(machine);
                let folder = self.bodies[&machine].folder.clone();
                command.args(["leave", "--yes", "--drain-timeout", LEASES, "--data-dir", &folder]);
                let known = self.known.nodes.get_mut(&machine).expect("it is there");
                known.drained = None;
                self.set_going(machine, Going::Asked);
                return self.ask(operation, Some(machine), command);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is about no node, or about all. Whether it was possible.
    fn on_all(&mut self, operation: &Operation) -> Result<bool, Violation> {
        match operation {
            Operation::Join => {
                let Some(machine) = self.free() else { return Ok(false) };
                self.join(machine).map_err(|error| Violation::tool(&error))?;
                self.obey()?;
                self.did(operation);
            }
            Operation::Token => {
                let mut command = self.site.client();
                command.args(["token", "create", "--uses", "1", "--ttl", "1h", "-o", "json"]);
                return self.ask(operation, None, command);
            }
            Operation::Backup => {
                self.files += 1;
                let mut command = self.site.client();
                command.args(["backup", "--to", &format!("backup-{}", self.files)]);
                return self.ask(operation, None, command);
            }
            Operation::Cut(cut) => {
                self.cut = Some(cut.clone());
                self.obey()?;
                self.did(operation);
            }
            Operation::Heal => {
                self.cut = None;
                self.obey()?;
                self.did(operation);
            }
            Operation::Outage(outage) => {
                self.fail_store(Some(*outage))?;
                self.did(operation);
            }
            Operation::Supply => {
                self.fail_store(None)?;
                self.did(operation);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn thaw(&mut self, machine: Machine) {
        self.signal(machine, Signal::CONT);
        self.set_life(machine, Life::Up);
        self.did(&Operation::Thaw(Target::Machine(machine)));
    }

    fn set_going(&mut self, machine: Machine, going: Going) {
        if let Some(node) = self.known.nodes.get_mut(&machine) {
            node.going = going;
        }
    }

    /// Has the store fail in one way, or in none.
    pub(crate) fn fail_store(&mut self, outage: Option<Outage>) -> Result<(), Violation> {
        let supply = &mut self.site.supply;
        supply.stall(false);
        let every = if outage == Some(Outage::SlowDown) { SLOW_DOWN_EVERY } else { 0 };
        let delay_ms = if outage == Some(Outage::Slow) { SLOW_MS } else { 0 };
        let told = supply.slow_down_every(every).and_then(|()| supply.delay_ms(delay_ms));
        told.map_err(|error| Violation::tool(&error))?;
        supply.stall(outage == Some(Outage::Stall));
        let now = self.now();
        self.known.supplied = outage.is_none().then_some(now);
        self.outage = match outage {
            Some(Outage::Drop) => Some(Manner::Drop),
            Some(Outage::Reject) => Some(Manner::Reject),
            _ => None,
        };
        self.obey()
    }

    /// Starts a command. Whether there was somebody to ask.
    fn ask(
        &mut self,
        operation: &Operation,
        machine: Option<Machine>,
        mut command: Command,
    ) -> Result<bool, Violation> {
        let ask = self.known.askable();
        command.args(["--timeout", PATIENCE]);
        if !ask.is_empty() && !matches!(operation, Operation::Leave(_)) {
            command.args(["--host", &hosts(&ask)]);
        }
        self.files += 1;
        let (began, able) = (self.now(), self.able_since.is_some());
        let files = self.site.folder.join(format!("command-{}", self.files));
        let started = Running::start(command, &files, (began, LIMIT));
        let command = started.map_err(|error| Violation::tool(&error))?;
        let (operation, overlapped) = (operation.clone(), false);
        let node = machine.and_then(|machine| self.known.nodes.get(&machine)?.id);
        self.asked.push(Asked { operation, machine, node, began, able, overlapped, command });
        Ok(true)
    }

    /// Takes in what commands answered.
    pub(crate) fn hear(&mut self) -> Result<(), Violation> {
        let now = self.now();
        let mut at = 0;
        while at < self.asked.len() {
            match self.asked[at].command.ended(now) {
                Some(ended) => {
                    let asked = self.asked.remove(at);
                    self.answered(&asked, &ended)?;
                }
                None => at += 1,
            }
        }
        Ok(())
    }

    fn answered(&mut self, asked: &Asked, ended: &Ended) -> Result<(), Violation> {
        let operation = &asked.operation;
        let (now, words) = (self.now(), ended.words());
        let about = asked.machine.map(|at| format!(" m{at}")).unwrap_or_default();
        let what = operation.name();
        self.say.line(
            now,
            &format!("  {what}{about} after {:.1} s: {words}", ended.took.as_secs_f64()),
        );
        let able_since = self.able_since.filter(|_| asked.able);
        if ended.overran && able_since.is_some_and(|since| since <= asked.began) {
            let words = format!("{what}{about} was not answered within {LIMIT:?}");
            return Err(Violation::new("command", words));
        }
        if words.is_empty() || words.contains("panicked at") {
            let words = format!("{what}{about} ended with code {:?} and said: {words}", ended.code);
            return Err(Violation::new("command", words));
        }
        let went = self.report.operations.entry(what).or_default();
        if ended.is_done() {
            went.done += 1
        } else {
            went.refused += 1
        }
        match operation {
            Operation::Token if ended.is_done() => {
                let told: Value = serde_json::from_str(&ended.out).unwrap_or_default();
                self.tokens.extend(told["token"].as_str().map(str::to_owned));
            }
            Operation::Backup => {
                let path = self.site.folder.join(format!("backup-{}", self.files));
                drop(std::fs::remove_file(path));
            }
            _ => {}
        }
        let of = asked.machine.filter(|machine| {
            // By now there may be another node on the machine, of which nothing was said.
            let now = self.known.nodes.get(machine).and_then(|node| node.id);
            asked.node.is_none() || asked.node == now
        });
        if let Some(machine) = of {
            self.changed((operation, asked.overlapped), machine, ended);
        }
        Ok(())
    }

    /// What an answer says of a node.
    fn changed(
        &mut self,
        (operation, overlapped): (&Operation, bool),
        machine: Machine,
        ended: &Ended,
    ) {
        let now = self.now();
        let mut alone = !overlapped;
        for other in self.asked.iter_mut().filter(|asked| asked.machine == Some(machine)) {
            (alone, other.overlapped) = (false, true);
        }
        let Some(node) = self.known.nodes.get_mut(&machine) else { return };
        let done = ended.is_done();
        node.answered = now;
        match operation {
            Operation::Drain(_) | Operation::Undo(_) => {
                let drained = matches!(operation, Operation::Drain(_));
                node.drained = (done && alone).then_some(drained);
            }
            Operation::Leave(_) | Operation::Remove(_) if done && !says_it_stays(ended) => {
                node.going = Going::Gone;
                if node.life == Life::Killed {
                    self.release(machine);
                }
            }
            Operation::Leave(_) | Operation::Remove(_) if !OPEN.contains(&ended.code) => {
                node.going = Going::Stays;
            }
            _ => {}
        }
    }

    /// Makes whole what is broken.
    pub(crate) fn mend(&mut self) -> Result<(), Violation> {
        if self.cut.take().is_some() || self.outage.is_some() {
            self.obey()?;
        }
        self.fail_store(None)?;
        for (machine, life) in self.lives() {
            match life {
                Life::Frozen => self.thaw(machine),
                Life::Killed => self.start(machine).map_err(|error| Violation::tool(&error))?,
                Life::Joining | Life::Up | Life::Stopping => {}
            }
        }
        self.undo_drains()
    }

    /// Asks for every drain that is there or open to be undone.
    pub(crate) fn undo_drains(&mut self) -> Result<(), Violation> {
        let drained = self.known.nodes.iter().filter(|(_, node)| {
            let here = node.life == Life::Up && node.going == Going::Stays && node.id.is_some();
            here && node.drained != Some(false)
        });
        let drained: Vec<Machine> = drained.map(|(machine, _)| *machine).collect();
        for machine in drained {
            if !self.asked.iter().any(|asked| asked.machine == Some(machine)) {
                self.on_machine(&Operation::Undo(Target::Machine(machine)), machine)?;
            }
        }
        Ok(())
    }

    pub(crate) fn lives(&self) -> Vec<(Machine, Life)> {
        self.known.nodes.iter().map(|(machine, node)| (*machine, node.life)).collect()
    }
}

/// Whether `leave` says that the node was drained, and has to be taken out by somebody else.
fn says_it_stays(ended: &Ended) -> bool {
    ended.out.contains("To remove it for good")
}

fn target(operation: &Operation) -> Option<Target> {
    match operation {
        Operation::Kill(whom)
        | Operation::Restart(whom)
        | Operation::Freeze(whom)
        | Operation::Thaw(whom)
        | Operation::Drain(whom)
        | Operation::Undo(whom)
        | Operation::Leave(whom)
        | Operation::Remove(whom) => Some(*whom),
        _ => None,
    }
}
