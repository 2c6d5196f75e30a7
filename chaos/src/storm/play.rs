//! Plays a script from its beginning to its end, or to the first thing that is wrong.

use std::path::Path;
use std::time::Duration;

use super::arena::Arena;
use super::clock::Time;
use super::known::{Going, Life};
use super::report::Report;
use super::script::{Operation, Script};
use super::site::Means;
use super::{Say, StormError, Violation, interrupted, pause};

/// How long a cluster may take to be as it should be once everything is whole.
const SETTLE_MAX: Duration = Duration::from_secs(180);

/// Between two tries to undo what is still drained.
const UNDO_EVERY: Duration = Duration::from_secs(3);

/// What came of a script.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) report: Report,
    pub(crate) failure: Option<Failure>,
    /// Somebody ended it before its end; what happened until then is reported.
    pub(crate) interrupted: bool,
}

/// What was wrong.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) violation: Violation,
    /// What was done until then.
    pub(crate) script: Script,
    /// Last lines of every log.
    pub(crate) tails: String,
}

/// Plays a script in a folder of its own, in namespaces whose names begin with the prefix. An
/// operation does not begin after `until`, but for the last one.
pub(crate) fn play(
    means: &Means,
    place: (&Path, &str),
    script: &Script,
    (bound, until, say): (Duration, Option<Duration>, Say),
) -> Result<Played, StormError> {
    let mut arena = Arena::found(means, place, script, (bound, say))?;
    let mut at = 0;
    let wrong = match arena.settle(false) {
        Ok(()) => arena.steps(script, until, &mut at).err(),
        Err(stopped) => Some(stopped),
    };
    let interrupted = matches!(wrong, Some(Stopped::Interrupted));
    let violation = match wrong {
        Some(Stopped::Wrong(violation)) => Some(violation),
        Some(Stopped::Interrupted) | None => {
            arena.panics().map(|words| Violation::new("panic", words))
        }
    };
    arena.report.lasted = arena.now();
    let failure = violation.map(|violation| {
        let steps = script.steps.iter().take(at + 1).cloned().collect();
        let tails = arena.tails();
        Failure { violation, script: Script { steps, ..script.clone() }, tails }
    });
    let mut report = std::mem::take(&mut arena.report);
    report.violations = u64::from(failure.is_some());
    Ok(Played { report, failure, interrupted })
}

/// Why a script was not played to its end.
#[derive(Debug)]
enum Stopped {
    Wrong(Violation),
    Interrupted,
}

impl From<Violation> for Stopped {
    fn from(violation: Violation) -> Self {
        Self::Wrong(violation)
    }
}

impl Arena {
    fn steps(
        &mut self,
        script: &Script,
        until: Option<Duration>,
        at: &mut usize,
    ) -> Result<(), Stopped> {
        let (began, last) = (self.now(), script.steps.len().saturating_sub(1));
        for (number, step) in script.steps.iter().enumerate() {
            let due = self.now() + step.wait;
            while self.now() < due {
                self.look()?;
            }
            let late = until.is_some_and(|until| self.now() - began > until);
            if late && number != last {
                continue;
            }
            *at = number;
            match &step.operation {
                Operation::Settle => self.settle(true)?,
                operation => self.begin(operation)?,
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Stopped> {
        if interrupted() {
            return Err(Stopped::Interrupted);
        }
        self.tick()?;
        pause();
        Ok(())
    }

    /// Makes everything whole and waits until the cluster is, with a job done if that is asked for.
    fn settle(&mut self, with_job: bool) -> Result<(), Stopped> {
        let began = self.now();
        let mut undo_at = began;
        self.mend()?;
        loop {
            self.look()?;
            let now = self.now();
            if now >= undo_at {
                undo_at = now + UNDO_EVERY;
                self.undo_drains()?;
            }
            self.resolve_open();
            if with_job {
                self.jobs.want_since(began);
            }
            let missing = self.unsettled(began, with_job);
            if missing.is_empty() {
                let took = (now - began).as_secs_f64();
                self.say.line(now, &format!("as it should be, after {took:.1} s"));
                return Ok(());
            }
            if now - began > SETTLE_MAX {
                let words = format!(
                    "not as it should be {} s after everything was made whole: {}",
                    SETTLE_MAX.as_secs(),
                    missing.join("; ")
                );
                return Err(Violation::new("settle", words).into());
            }
        }
    }

    /// Nodes of which it was left open whether they are out: the cluster says it.
    fn resolve_open(&mut self) {
        let Some((looked, look)) = self.last_look.clone() else { return };
        let open = |going: Going| going == Going::Asked;
        let nodes = self.known.nodes.iter().filter(|(_, node)| open(node.going));
        let machines: Vec<_> = nodes.map(|(machine, node)| (*machine, node.id)).collect();
        for (machine, id) in machines {
            if self.asked.iter().any(|asked| asked.machine == Some(machine)) {
                continue;
            }
            let said = id.and_then(|id| look.nodes.get(&id));
            let out = said.is_none_or(|(state, _)| state == "removed");
            let node = self.known.nodes.get_mut(&machine).expect("it is there");
            // A look from before the answer says nothing.
            if looked > node.answered {
                node.going = if out { Going::Gone } else { Going::Stays };
                if out && node.life == Life::Killed {
                    self.release(machine);
                }
            }
        }
    }

    /// What is not yet as it should be.
    fn unsettled(&self, began: Time, with_job: bool) -> Vec<String> {
        let mut missing = Vec::new();
        missing.extend(self.asked.iter().map(|asked| {
            let machine = asked.machine.map(|at| format!(" m{at}")).unwrap_or_default();
            format!("{}{machine} has no answer", asked.operation.name())
        }));
        let nodes = self.known.nodes.iter();
        missing.extend(
            nodes.filter(|(_, node)| !is_settled(node.life, node.going)).map(|(machine, node)| {
                format!("m{machine} is {:?} and {:?}", node.life, node.going)
            }),
        );
        match &self.last_look {
            Some((looked, look)) if *looked > began => missing.extend(self.known.missing(look)),
            _ => missing.push("the status was not answered".to_owned()),
        }
        if with_job && !self.jobs.is_done_since(began) {
            missing.push(self.jobs.words(self.now()));
        }
        missing
    }
}

/// Whoever is out has ended; whoever stays is there.
fn is_settled(life: Life, going: Going) -> bool {
    (life, going) == (Life::Up, Going::Stays)
}
