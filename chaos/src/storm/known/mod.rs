//! What a storm knows of the cluster because it did it, and whether what the cluster says agrees.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::clock::Time;
use super::rules::{Machine, Way, largest_clique, reach};

/// For how long a fault may be there before it must be told: a node is missed after seconds, and
/// the machine may do much else.
pub(crate) const TOLD_AFTER: Duration = Duration::from_secs(20);

/// For how long a store may have answered everybody while an outage of it is still told: a task
/// waits eight seconds at most before it is tried again, and what is tried is an attempt.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// For how long what was answered may not be told yet: a node may be asked that knows it later.
const ANSWERED_AFTER: Duration = Duration::from_secs(3);

/// For how long a set of voters counts after another one was seen: a change is made of two steps,
/// and one look sees one of them.
const VOTERS_KEPT: Duration = Duration::from_secs(15);

/// What a node's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs, and is not let in yet.
    Joining,
    Up,
    Killed,
    Frozen,
    /// It was asked to stop, and will be started again.
    Stopping,
}

/// Whether a node is on its way out for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    Stays,
    /// Somebody asked for it, and has no answer yet or one that leaves it open.
    Asked,
    /// The cluster said so.
    Gone,
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// As the cluster calls it, once it is let in.
    pub(crate) id: Option<u64>,
    pub(crate) life: Life,
    pub(crate) since: Time,
    pub(crate) going: Going,
    /// Whether it is drained; `None` while that is open.
    pub(crate) drained: Option<bool>,
    /// When a command about it was answered last.
    pub(crate) answered: Time,
}

/// The cluster.
#[derive(Debug, Clone)]
pub(crate) struct Knowledge {
    pub(crate) wanted: u32,
    pub(crate) nodes: BTreeMap<Machine, Known>,
    /// Nodes that are out for good, and whether they were dead before.
    pub(crate) past: BTreeMap<u64, Past>,
    /// Ways that are cut now.
    pub(crate) ways: BTreeSet<Way>,
    /// Since when the network is as it is.
    pub(crate) ways_since: Time,
    /// Since when the store answers as it should, if it does.
    pub(crate) supplied: Option<Time>,
    /// Who voted at the last looks, the newest at the end.
    voters: VecDeque<(Time, BTreeSet<u64>)>,
    pub(crate) leader: Option<u64>,
}

/// A node that is out for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    pub(crate) dead: bool,
    pub(crate) since: Time,
}

/// What `status -o json` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) health: String,
    pub(crate) words: Vec<String>,
    pub(crate) leader: Option<u64>,
    pub(crate) wanted: u32,
    /// State and role of every node.
    pub(crate) nodes: BTreeMap<u64, (String, String)>,
    /// Outages of stores that are told.
    pub(crate) outages: usize,
    /// Nodes that are set aside, and pairs that do not reach each other.
    pub(crate) troubles: usize,
}

impl Look {
    /// Reads it; `None` if it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let told: Value = serde_json::from_str(text).ok()?;
        let count = |key: &str| told[key].as_array().map(Vec::len);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let nodes = told["nodes"].as_array()?.iter().filter_map(|node| {
            Some((node["node"].as_u64()?, (word(&node["state"]), word(&node["role"]))))
        });
        Some(Self {
            health: told["health"].as_str()?.to_owned(),
            words: told["words"].as_array().map(|all| all.iter().map(word).collect())?,
            leader: told["coordinator"].as_u64().filter(|leader| *leader > 0),
            wanted: told["voters_wanted"].as_u64()?.try_into().ok()?,
            nodes: nodes.collect(),
            outages: count("outages")?,
            troubles: count("set_aside")? + count("unreachable_pairs")?,
        })
    }

    pub(crate) fn voters(&self) -> BTreeSet<u64> {
        let votes =
            |(_, (state, role)): &(&u64, &(String, String))| role == "voter" && state != "removed";
        self.nodes.iter().filter(votes).map(|(node, _)| *node).collect()
    }
}

impl Knowledge {
    pub(crate) fn new(wanted: u32) -> Self {
        Self {
            wanted,
            nodes: BTreeMap::new(),
            past: BTreeMap::new(),
            ways: BTreeSet::new(),
            ways_since: Time::ZERO,
            supplied: Some(Time::ZERO),
            voters: VecDeque::new(),
            leader: None,
        }
    }

    /// Remembers who votes and leads.
    pub(crate) fn saw(&mut self, look: &Look, now: Time) {
        self.leader = look.leader;
        let voters = look.voters();
        match self.voters.back_mut() {
            Some((last, same)) if *same == voters => *last = now,
            _ => self.voters.push_back((now, voters)),
        }
        while self.voters.len() > 1 && self.voters[0].0 + VOTERS_KEPT < now {
            self.voters.pop_front();
        }
    }

    pub(crate) fn machine_of(&self, id: u64) -> Option<Machine> {
        let found = self.nodes.iter().find(|(_, node)| node.id == Some(id));
        found.map(|(machine, _)| *machine)
    }

    /// Whether a coordinator is possible, whichever of the sets of voters seen of late decides.
    /// Whoever left or was removed alive is no excuse: the cluster answered for its vote.
    pub(crate) fn is_able(&self) -> bool {
        !self.voters.is_empty() && self.voters.iter().all(|(_, voters)| self.may_decide(voters))
    }

    fn may_decide(&self, voters: &BTreeSet<u64>) -> bool {
        let (mut up, mut released) = (Vec::new(), 0);
        for id in voters {
            match (self.past.get(id), self.machine_of(*id)) {
                (Some(past), _) => released += usize::from(!past.dead),
                (None, Some(machine)) if self.nodes[&machine].life == Life::Up => up.push(machine),
                (None, _) => {}
            }
        }
        largest_clique(&self.ways, &up) + released > voters.len() / 2
    }

    /// Machines to ask: those that reach most others, the more the better.
    pub(crate) fn askable(&self) -> Vec<Machine> {
        let up = self.nodes.iter().filter(|(_, node)| node.life == Life::Up && node.id.is_some());
        let up: Vec<Machine> = up.map(|(machine, _)| *machine).collect();
        let reached =
            |one: &Machine| up.iter().filter(|other| reach(&self.ways, *one, **other)).count();
        let most = up.iter().map(reached).max().unwrap_or(0);
        up.iter().copied().filter(|machine| reached(machine) == most).collect()
    }

    /// Voters that there should be, once everything is whole.
    pub(crate) fn voters_due(&self) -> usize {
        let stay = self.nodes.values().filter(|node| node.going != Going::Gone).count();
        match stay.min(self.wanted as usize) {
            0..=2 => 1,
            3 | 4 => 3,
            _ => 5,
        }
    }

    /// What a look that began then says that is not so.
    pub(crate) fn untrue(&self, look: &Look, began: Time) -> Vec<String> {
        let mut wrong = Vec::new();
        if look.wanted != self.wanted {
            wrong.push(format!("{} voters are said to be wanted of {}", look.wanted, self.wanted));
        }
        if look.health == "healthy" && look.outages + look.troubles > 0 {
            wrong.push(
                "the cluster is said to be healthy, and tells of an outage, a node that is \
                        set aside, or a pair that do not reach each other"
                    .to_owned(),
            );
        }
        let long_since = |since: Time, least: Duration| since + least < began;
        let whole = self.ways.is_empty() && long_since(self.ways_since, FORGOTTEN_AFTER);
        let supplied = self.supplied.is_some_and(|since| long_since(since, FORGOTTEN_AFTER));
        if look.outages > 0 && whole && supplied {
            wrong.push("an outage is told, and the store has answered all for long".to_owned());
        }
        for (id, past) in &self.past {
            let state = look.nodes.get(id).map_or("removed", |(state, _)| state);
            if state != "removed" && long_since(past.since, ANSWERED_AFTER) {
                wrong.push(format!("n{id} is out for good, and is said to be {state}"));
            }
        }
        for node in self.nodes.values().filter(|node| node.going == Going::Stays) {
            let Some((id, (state, _))) =
                node.id.and_then(|id| look.nodes.get(&id).map(|said| (id, said)))
            else {
                continue;
            };
            let lasts = long_since(node.since, TOLD_AFTER);
            match (node.life, state.as_str()) {
                (Life::Killed | Life::Frozen, state) if lasts => {
                    if look.health == "healthy" {
                        wrong.push(format!("the cluster is said to be healthy, and n{id} is down"));
                    }
                    if state == "ready" {
                        wrong.push(format!("n{id} is down for long, and is said to be ready"));
                    }
                    if look.leader == Some(id) {
                        wrong.push(format!("n{id} is down for long, and is said to lead"));
                    }
                }
                (Life::Up, "lost" | "joined")
                    if lasts && self.ways.is_empty() && long_since(self.ways_since, TOLD_AFTER) =>
                {
                    wrong.push(format!("n{id} lives and reaches all, and is said to be lost"));
                }
                (Life::Up, state) if long_since(node.answered, ANSWERED_AFTER) => {
                    match (node.drained, state) {
                        (Some(true), "ready") => {
                            wrong.push(format!("n{id} is drained, and is said to be ready"));
                        }
                        // Whoever is asked to stop takes nothing more either, and so it is told
                        // until the next process has been heard.
                        (Some(false), "draining") if lasts => {
                            wrong.push(format!("n{id} is not drained, and is said to be"));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        wrong
    }

    /// What a look says that is not yet as it should be once everything is whole.
    pub(crate) fn missing(&self, look: &Look) -> Vec<String> {
        let mut missing = Vec::new();
        if look.health != "healthy" {
            missing.push(format!("it is {}: {}", look.health, look.words.join(" / ")));
        }
        let (voters, due) = (look.voters().len(), self.voters_due());
        if voters != due {
            missing.push(format!("{voters} vote, and {due} should"));
        }
        for node in self.nodes.values().filter(|node| node.going == Going::Stays) {
            let said = node.id.and_then(|id| look.nodes.get(&id));
            let state = said.map_or("not known", |(state, _)| state);
            if state != "ready" {
                missing.push(format!("n{} is {state}", node.id.unwrap_or(0)));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests;
