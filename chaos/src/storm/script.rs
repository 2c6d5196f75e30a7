//! A sequence of operations, as data and as a text that can be replayed.
//!
//! A line of the text is `+SECONDS OPERATION`: so long after the operation before it began, or
//! ended if it is one that is waited for, this one begins. Lines that begin with `#` say something
//! to people.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::rules::{Cut, Machine, machine};
use super::script_error::ScriptError;

/// Most machines of a cluster: each has an address.
pub(crate) const MACHINES_MAX: Machine = 9;

/// Whom an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The node on this machine.
    Machine(Machine),
    /// The node that is the coordinator then.
    Coordinator,
    /// A node that votes and is not the coordinator then.
    Voter,
    /// The node that is dead for longest.
    Dead,
    /// The node that is frozen for longest.
    Frozen,
}

/// How the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outage {
    /// Packets to it vanish.
    Drop,
    /// Connections to it are refused.
    Reject,
    /// It takes requests and answers none.
    Stall,
    /// It answers 503 to every third request.
    SlowDown,
    /// Every request takes half a second.
    Slow,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// As a power cut would.
    Kill(Target),
    /// A dead node is started; one that lives is asked to stop first.
    Restart(Target),
    /// Stopped where it stands.
    Freeze(Target),
    Thaw(Target),
    Drain(Target),
    Undo(Target),
    Leave(Target),
    /// A new node in a new folder, on the first machine that is free.
    Join,
    Remove(Target),
    /// A token, with which the next node joins.
    Token,
    Backup,
    Cut(Cut),
    Heal,
    Outage(Outage),
    /// The store is as before.
    Supply,
    /// Everything that is broken is made whole: network, store, processes, drains. Then it is
    /// waited for the commands that run, for a new job, and for the cluster to be as it should be.
    Settle,
}

/// An operation, and how long after the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) wait: Duration,
    pub(crate) operation: Operation,
}

/// A whole sequence, with what it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Nodes at the beginning.
    pub(crate) nodes: Machine,
    /// Voters wanted.
    pub(crate) voters: u32,
    /// Jobs run all the time, with so long a pause between two; else only to settle.
    pub(crate) pause: Option<Duration>,
    pub(crate) steps: Vec<Step>,
}

impl Operation {
    /// What it is called in reports, whomever it is about.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill -9",
            Self::Restart(_) => "restart",
            Self::Freeze(_) => "freeze",
            Self::Thaw(_) => "thaw",
            Self::Drain(_) => "drain",
            Self::Undo(_) => "undo a drain",
            Self::Leave(_) => "leave",
            Self::Join => "join",
            Self::Remove(_) => "remove",
            Self::Token => "token",
            Self::Backup => "backup",
            Self::Cut(_) => "partition",
            Self::Heal => "heal",
            Self::Outage(_) => "outage of the store",
            Self::Supply => "store back",
            Self::Settle => "settle",
        }
    }

    fn parse(text: &str) -> Result<Self, ScriptError> {
        let unclear = || ScriptError::Operation(text.to_owned());
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let whom = || rest.parse::<Target>().map_err(|()| unclear());
        let alone = |operation: Self| if rest.is_empty() { Ok(operation) } else { Err(unclear()) };
        match word {
            "kill" => Ok(Self::Kill(whom()?)),
            "restart" => Ok(Self::Restart(whom()?)),
            "freeze" => Ok(Self::Freeze(whom()?)),
            "thaw" => Ok(Self::Thaw(whom()?)),
            "drain" => Ok(Self::Drain(whom()?)),
            "undo" => Ok(Self::Undo(whom()?)),
            "leave" => Ok(Self::Leave(whom()?)),
            "remove" => Ok(Self::Remove(whom()?)),
            "cut" => Ok(Self::Cut(rest.parse()?)),
            "outage" => Outage::ALL
                .into_iter()
                .find(|outage| outage.word() == rest)
                .map(Self::Outage)
                .ok_or_else(unclear),
            "join" => alone(Self::Join),
            "token" => alone(Self::Token),
            "backup" => alone(Self::Backup),
            "heal" => alone(Self::Heal),
            "supply" => alone(Self::Supply),
            "settle" => alone(Self::Settle),
            _ => Err(unclear()),
        }
    }
}

impl Outage {
    /// Every kind.
    pub(crate) const ALL: [Self; 5] =
        [Self::Drop, Self::Reject, Self::Stall, Self::SlowDown, Self::Slow];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Stall => "stall",
            Self::SlowDown => "slow-down",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(machine) => write!(f, "m{machine}"),
            Self::Coordinator => f.write_str("coordinator"),
            Self::Voter => f.write_str("voter"),
            Self::Dead => f.write_str("dead"),
            Self::Frozen => f.write_str("frozen"),
        }
    }
}

impl FromStr for Target {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "coordinator" => Ok(Self::Coordinator),
            "voter" => Ok(Self::Voter),
            "dead" => Ok(Self::Dead),
            "frozen" => Ok(Self::Frozen),
            _ => machine(word).filter(|at| *at <= MACHINES_MAX).map(Self::Machine).ok_or(()),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(whom) => write!(f, "kill {whom}"),
            Self::Restart(whom) => write!(f, "restart {whom}"),
            Self::Freeze(whom) => write!(f, "freeze {whom}"),
            Self::Thaw(whom) => write!(f, "thaw {whom}"),
            Self::Drain(whom) => write!(f, "drain {whom}"),
            Self::Undo(whom) => write!(f, "undo {whom}"),
            Self::Leave(whom) => write!(f, "leave {whom}"),
            Self::Remove(whom) => write!(f, "remove {whom}"),
            Self::Cut(cut) => write!(f, "cut {cut}"),
            Self::Outage(outage) => write!(f, "outage {}", outage.word()),
            Self::Join => f.write_str("join"),
            Self::Token => f.write_str("token"),
            Self::Backup => f.write_str("backup"),
            Self::Heal => f.write_str("heal"),
            Self::Supply => f.write_str("supply"),
            Self::Settle => f.write_str("settle"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:.3} {}", self.wait.as_secs_f64(), self.operation)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "nodes {}\nvoters {}", self.nodes, self.voters)?;
        match self.pause {
            Some(pause) => writeln!(f, "jobs {:.3}", pause.as_secs_f64())?,
            None => writeln!(f, "jobs none")?,
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self { nodes: 3, voters: 3, pause: None, steps: Vec::new() };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let head = || ScriptError::Head(line.to_owned());
            let (word, rest) = line.split_once(' ').ok_or_else(head)?;
            match word {
                "nodes" => {
                    let nodes = rest.parse().ok().filter(|nodes| (1..MACHINES_MAX).contains(nodes));
                    script.nodes = nodes.ok_or_else(head)?;
                }
                "voters" => {
                    let voters = rest.parse().ok().filter(|voters| [1, 3, 5].contains(voters));
                    script.voters = voters.ok_or_else(head)?;
                }
                "jobs" if rest == "none" => script.pause = None,
                "jobs" => script.pause = Some(seconds(rest).ok_or_else(head)?),
                _ => {
                    let wait = word.strip_prefix('+').and_then(seconds).ok_or_else(head)?;
                    script.steps.push(Step { wait, operation: Operation::parse(rest)? });
                }
            }
        }
        Ok(script)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "nodes 5\nvoters 3\njobs 3.000\n+0.000 kill coordinator\n\
                        +1.500 restart dead\n+0.250 freeze voter\n+0.000 thaw frozen\n\
                        +16.000 drain m2\n+0.000 undo m2\n+0.000 leave m3\n+0.000 join\n\
                        +0.000 remove dead\n+0.000 token\n+0.000 backup\n\
                        +0.000 cut reject split m1,m2\n+0.000 heal\n+0.000 outage slow-down\n\
                        +0.000 supply\n+0.000 settle\n";

    #[test]
    fn a_script_is_read_as_it_is_written() {
        let script: Script = TEXT.parse().unwrap();
        assert_eq!(script.steps.len(), 16);
        assert_eq!(script.to_string(), TEXT);
        let told = format!("# what failed\n\n{}", TEXT.replace("jobs 3.000", "jobs none"));
        assert_eq!(told.parse::<Script>().unwrap().pause, None);
    }

    #[test]
    fn what_is_unclear_is_refused_in_words() {
        for (text, says) in [
            ("+1 explode m1", "`explode m1` is no operation"),
            ("+1 kill m77", "`kill m77` is no operation"),
            ("+1 join m1", "`join m1` is no operation"),
            ("+1 cut drop round", "`drop round` is no partition"),
            ("nodes 0", "`nodes 0` says nothing"),
            ("voters 2", "`voters 2` says nothing"),
            ("kill m1", "`kill m1` says nothing"),
            ("+soon kill m1", "says nothing"),
        ] {
            let error = text.parse::<Script>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
