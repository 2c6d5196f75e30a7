//! Partitions of a network, as pure values: who is kept from whom, who reaches whom all the same,
//! and the rules for nftables that make it so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::script_error::ScriptError;

/// A machine's number, from 1.
pub(crate) type Machine = u8;

/// Whoever has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Machine(Machine),
    Store,
}

/// How a packet is kept away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In silence: whoever sent it waits.
    Drop,
    /// Aloud: whoever sent it is told at once.
    Reject,
}

/// The shape of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// These machines on one side, all others with the store on the other.
    Split(Vec<Machine>),
    /// It hears nobody of the others.
    Deaf(Machine),
    /// Nobody of the others hears it.
    Mute(Machine),
    /// Each machine reaches its two neighbours alone.
    Ring,
    /// It reaches the store and none of the others.
    Peers(Machine),
    /// It reaches the others and not the store.
    Store(Machine),
    /// It reaches nobody every other second.
    Flap(Machine),
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) shape: Shape,
    pub(crate) manner: Manner,
}

/// Packets from one host to another one.
pub(crate) type Way = (Host, Host);

impl Cut {
    /// Ways that are cut among these machines; of a flapping one, while it is cut.
    pub(crate) fn ways(&self, machines: &BTreeSet<Machine>) -> BTreeSet<Way> {
        let mut ways = BTreeSet::new();
        let mut both = |one: Host, other: Host| {
            if one != other {
                ways.insert((one, other));
                ways.insert((other, one));
            }
        };
        let hosts = machines.iter().map(|machine| Host::Machine(*machine));
        match &self.shape {
            Shape::Split(side) => {
                let inside = |host: &Host| matches!(host, Host::Machine(m) if side.contains(m));
                for one in side.iter().map(|machine| Host::Machine(*machine)) {
                    hosts.clone().filter(|other| !inside(other)).for_each(|other| both(one, other));
                    both(one, Host::Store);
                }
            }
            Shape::Flap(machine) => {
                hosts.for_each(|other| both(Host::Machine(*machine), other));
                both(Host::Machine(*machine), Host::Store);
            }
            Shape::Peers(machine) => hosts.for_each(|other| both(Host::Machine(*machine), other)),
            Shape::Store(machine) => both(Host::Machine(*machine), Host::Store),
            Shape::Ring => {
                let around: Vec<Host> = hosts.collect();
                for (at, one) in around.iter().enumerate() {
                    for (to, other) in around.iter().enumerate().skip(at + 1) {
                        let apart = to - at;
                        if apart != 1 && apart != around.len() - 1 {
                            both(*one, *other);
                        }
                    }
                }
            }
            Shape::Deaf(machine) | Shape::Mute(machine) => {
                let own = Host::Machine(*machine);
                for other in hosts.filter(|other| *other != own) {
                    let deaf = matches!(self.shape, Shape::Deaf(_));
                    ways.insert(if deaf { (other, own) } else { (own, other) });
                }
            }
        }
        ways
    }

    /// Whether it comes and goes by itself.
    pub(crate) fn flaps(&self) -> bool {
        matches!(self.shape, Shape::Flap(_))
    }
}

/// Whether two machines reach each other both ways.
pub(crate) fn reach(cut: &BTreeSet<Way>, one: Machine, other: Machine) -> bool {
    let (one, other) = (Host::Machine(one), Host::Machine(other));
    !cut.contains(&(one, other)) && !cut.contains(&(other, one))
}

/// Largest number of these machines that all reach each other. They are few.
pub(crate) fn largest_clique(cut: &BTreeSet<Way>, machines: &[Machine]) -> usize {
    let sets = 0_u32..1 << machines.len();
    let members = |set: u32| {
        let at = machines.iter().enumerate();
        at.filter(move |(at, _)| set & (1 << at) != 0).map(|(_, machine)| *machine)
    };
    let all_reach = |set: &u32| {
        let all: Vec<Machine> = members(*set).collect();
        all.iter().all(|one| all.iter().all(|other| one == other || reach(cut, *one, *other)))
    };
    sets.filter(all_reach).map(|set| set.count_ones() as usize).max().unwrap_or(0)
}

/// The rules of each host that has any, as nftables reads them. They stand where packets leave, so
/// that the store needs none for machines, and where they come, so that one way alone can be cut.
pub(crate) fn rules(
    cut: &BTreeSet<Way>,
    manner: Manner,
    address: impl Fn(Host) -> String,
) -> BTreeMap<Host, String> {
    let verdict = match manner {
        Manner::Drop => "drop",
        Manner::Reject => "meta l4proto tcp reject with tcp reset",
    };
    let mut chains: BTreeMap<Host, String> = BTreeMap::new();
    for (from, to) in cut {
        let line = format!("    ip daddr {} {verdict}\n", address(*to));
        chains.entry(*from).or_default().push_str(&line);
    }
    let table = |lines: String| {
        format!(
            "table inet storm {{\n  chain out {{\n    type filter hook output priority 0;\n\
             {lines}  }}\n}}\n"
        )
    };
    chains.into_iter().map(|(host, lines)| (host, table(lines))).collect()
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Reject => "reject",
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(side) => {
                let side: Vec<_> = side.iter().map(|machine| format!("m{machine}")).collect();
                write!(f, "split {}", side.join(","))
            }
            Self::Deaf(machine) => write!(f, "deaf m{machine}"),
            Self::Mute(machine) => write!(f, "mute m{machine}"),
            Self::Ring => f.write_str("ring"),
            Self::Peers(machine) => write!(f, "peers m{machine}"),
            Self::Store(machine) => write!(f, "store m{machine}"),
            Self::Flap(machine) => write!(f, "flap m{machine}"),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.manner, self.shape)
    }
}

impl FromStr for Cut {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let unclear = || ScriptError::Partition(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let (manner, shape, who) = match words[..] {
            [manner, shape] => (manner, shape, ""),
            [manner, shape, who] => (manner, shape, who),
            _ => return Err(unclear()),
        };
        let manner = match manner {
            "drop" => Manner::Drop,
            "reject" => Manner::Reject,
            _ => return Err(unclear()),
        };
        let one = || machine(who).ok_or_else(unclear);
        let shape = match shape {
            "split" => {
                let side = who.split(',').map(machine).collect::<Option<Vec<_>>>();
                Shape::Split(side.ok_or_else(unclear)?)
            }
            "deaf" => Shape::Deaf(one()?),
            "mute" => Shape::Mute(one()?),
            "ring" => Shape::Ring,
            "peers" => Shape::Peers(one()?),
            "store" => Shape::Store(one()?),
            "flap" => Shape::Flap(one()?),
            _ => return Err(unclear()),
        };
        Ok(Self { shape, manner })
    }
}

/// A machine as scripts name it.
pub(crate) fn machine(word: &str) -> Option<Machine> {
    word.strip_prefix('m')?.parse().ok().filter(|machine| *machine > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five() -> BTreeSet<Machine> {
        (1..=5).collect()
    }

    fn cut(text: &str) -> Cut {
        text.parse().unwrap()
    }

    fn clique(text: &str) -> usize {
        largest_clique(&cut(text).ways(&five()), &[1, 2, 3, 4, 5])
    }

    #[test]
    fn who_reaches_whom_follows_from_the_shape() {
        for (text, together) in [
            ("drop split m1,m2", 3),
            ("drop split m1,m2,m3", 3),
            ("reject deaf m2", 4),
            ("drop mute m2", 4),
            ("drop ring", 2),
            ("drop peers m5", 4),
            ("drop store m1", 5),
            ("reject flap m3", 4),
        ] {
            assert_eq!(clique(text), together, "{text}");
            assert_eq!(cut(text).to_string(), text);
        }
        let ring = cut("drop ring").ways(&five());
        assert!(reach(&ring, 1, 2) && reach(&ring, 5, 1) && !reach(&ring, 1, 3));
    }

    #[test]
    fn the_store_is_cut_off_where_the_shape_says_so() {
        let store = |text: &str, machine| {
            cut(text).ways(&five()).contains(&(Host::Machine(machine), Host::Store))
        };
        assert!(store("drop store m1", 1) && !store("drop store m1", 2));
        assert!(store("drop split m1,m2", 2) && !store("drop split m1,m2", 3));
        assert!(!store("drop peers m1", 1) && store("drop flap m1", 1));
    }

    #[test]
    fn one_way_is_one_rule_where_packets_leave() {
        let address = |host| match host {
            Host::Machine(machine) => format!("10.0.0.{machine}"),
            Host::Store => "10.0.0.100".to_owned(),
        };
        let three: BTreeSet<Machine> = (1..=3).collect();
        let mute = rules(&cut("drop mute m2").ways(&three), Manner::Drop, address);
        assert_eq!(mute.keys().copied().collect::<Vec<_>>(), [Host::Machine(2)]);
        assert!(mute[&Host::Machine(2)].contains("    ip daddr 10.0.0.3 drop\n"), "{mute:?}");
        let deaf = rules(&cut("reject deaf m2").ways(&three), Manner::Reject, address);
        assert_eq!(deaf.len(), 2);
        let line = "    ip daddr 10.0.0.2 meta l4proto tcp reject with tcp reset\n";
        assert!(deaf[&Host::Machine(1)].contains(line), "{deaf:?}");
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        for text in
            ["", "drop", "drop round", "keep ring", "drop deaf", "drop deaf 2", "drop split"]
        {
            assert!(text.parse::<Cut>().is_err(), "{text}");
        }
    }
}
