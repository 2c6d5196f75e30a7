//! Who is thought able to decide, and which words of the cluster are taken for untrue.

use super::super::rules::Cut;
use super::*;

fn s(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

fn node(id: u64) -> Known {
    Known {
        id: Some(id),
        life: Life::Up,
        since: s(0),
        going: Going::Stays,
        drained: Some(false),
        answered: s(0),
    }
}

fn look(health: &str, leader: u64, nodes: &[(&str, &str)]) -> Look {
    let nodes: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(
            |(at, (state, role))| serde_json::json!({"node": at + 1, "state": state, "role": role}),
        )
        .collect();
    let json = serde_json::json!({
        "health": health, "words": [], "coordinator": leader, "voters_wanted": 3, "nodes": nodes,
        "outages": [], "set_aside": [], "unreachable_pairs": [],
    });
    Look::parse(&json.to_string()).unwrap()
}

const VOTER: (&str, &str) = ("ready", "voter");

/// Three nodes that vote, and one that does not.
fn four() -> Knowledge {
    let mut known = Knowledge::new(3);
    for machine in 1..=4 {
        known.nodes.insert(machine, node(u64::from(machine)));
    }
    known.saw(&look("healthy", 1, &[VOTER, VOTER, VOTER, ("ready", "member")]), s(1));
    known
}

#[test]
fn a_majority_of_the_voters_that_reach_each_other_is_able() {
    let mut known = four();
    assert!(known.is_able());
    known.nodes.get_mut(&1).unwrap().life = Life::Killed;
    assert!(known.is_able());
    let machines = (1..=4).collect();
    for (cut, able) in [
        ("drop split m4", true),
        ("drop split m2,m4", false),
        ("drop mute m3", false),
        ("drop peers m4", true),
        ("reject store m2", true),
    ] {
        known.ways = cut.parse::<Cut>().unwrap().ways(&machines);
        assert_eq!(known.is_able(), able, "{cut}");
    }
    known.ways.clear();
    known.nodes.get_mut(&2).unwrap().life = Life::Frozen;
    assert!(!known.is_able());
}

#[test]
fn whoever_left_alive_is_no_excuse_and_whoever_was_dead_is() {
    for (dead, able) in [(false, true), (true, false)] {
        let mut known = four();
        for id in [2, 3] {
            known.nodes.remove(&(id as Machine));
            known.past.insert(id, Past { dead, since: s(2) });
        }
        assert_eq!(known.is_able(), able);
    }
}

#[test]
fn a_set_of_voters_counts_for_a_while_after_it_was_replaced() {
    let mut known = four();
    let moved = look("healthy", 1, &[VOTER, VOTER, ("ready", "member"), VOTER]);
    known.saw(&moved, s(2));
    for machine in [3, 2] {
        known.nodes.get_mut(&machine).unwrap().life = Life::Killed;
    }
    assert!(!known.is_able(), "n1 alone lives of those that voted a second ago");
    known.nodes.get_mut(&2).unwrap().life = Life::Up;
    known.nodes.get_mut(&4).unwrap().life = Life::Killed;
    assert!(known.is_able());
    known.saw(&moved, s(30));
    assert_eq!(known.voters.len(), 1);
    assert_eq!(known.askable(), [1, 2]);
}

#[test]
fn what_is_not_so_is_found_after_a_while_and_not_before() {
    let mut known = four();
    let healthy = look("healthy", 1, &[VOTER, VOTER, VOTER, ("ready", "member")]);
    assert_eq!(known.untrue(&healthy, s(100)), Vec::<String>::new());
    known.nodes.get_mut(&1).unwrap().life = Life::Killed;
    known.nodes.get_mut(&1).unwrap().since = s(100);
    assert_eq!(known.untrue(&healthy, s(110)), Vec::<String>::new());
    let wrong = known.untrue(&healthy, s(130)).join("\n");
    for says in ["to be healthy, and n1", "n1 is down for long, and is said to be ready", "lead"] {
        assert!(wrong.contains(says), "{wrong}");
    }
    let told = look("degraded", 2, &[("lost", "voter"), VOTER, VOTER, ("ready", "member")]);
    assert_eq!(known.untrue(&told, s(130)), Vec::<String>::new());

    let mut known = four();
    assert!(known.untrue(&told, s(130)).join("").contains("n1 lives"));
    known.past.insert(4, Past { dead: false, since: s(100) });
    known.nodes.remove(&4);
    assert!(known.untrue(&healthy, s(110)).join("").contains("n4 is out for good"));
    known.nodes.get_mut(&2).unwrap().drained = Some(true);
    assert!(known.untrue(&healthy, s(110)).join("").contains("n2 is drained"));
    known.wanted = 5;
    assert!(known.untrue(&healthy, s(110)).join("").contains("3 voters are said"));

    let mut known = four();
    known.nodes.get_mut(&2).unwrap().since = s(100);
    let stops = look("degraded", 1, &[VOTER, ("draining", "voter"), VOTER, ("ready", "member")]);
    assert_eq!(known.untrue(&stops, s(110)), Vec::<String>::new());
    assert!(known.untrue(&stops, s(130)).join("").contains("n2 is not drained"));
}

#[test]
fn an_outage_is_no_health_and_is_not_told_for_long_after_it_is_over() {
    let mut known = four();
    known.supplied = Some(s(100));
    let mut told = look("degraded", 1, &[VOTER, VOTER, VOTER, ("ready", "member")]);
    told.outages = 1;
    assert_eq!(known.untrue(&told, s(150)), Vec::<String>::new());
    assert!(known.untrue(&told, s(170)).join("").contains("has answered all for long"));
    known.ways_since = s(120);
    assert_eq!(known.untrue(&told, s(170)), Vec::<String>::new());
    known.supplied = None;
    assert_eq!(known.untrue(&told, s(900)), Vec::<String>::new());
    told.health = "healthy".to_owned();
    assert!(known.untrue(&told, s(150)).join("").contains("tells of an outage"));
    (told.outages, told.troubles) = (0, 1);
    assert!(known.untrue(&told, s(150)).join("").contains("tells of an outage"));
}

#[test]
fn the_end_is_healthy_with_all_voters_that_there_can_be() {
    let mut known = four();
    let good = look("healthy", 1, &[VOTER, VOTER, VOTER, ("ready", "member")]);
    assert_eq!(known.missing(&good), Vec::<String>::new());
    let few = look("degraded", 1, &[VOTER, ("draining", "member"), VOTER, ("ready", "member")]);
    let missing = known.missing(&few).join("\n");
    for says in ["it is degraded", "2 vote, and 3 should", "n2 is draining"] {
        assert!(missing.contains(says), "{missing}");
    }
    known.wanted = 5;
    assert_eq!(known.voters_due(), 3);
    known.nodes.insert(5, node(5));
    assert_eq!(known.voters_due(), 5);
    known.nodes.get_mut(&5).unwrap().going = Going::Gone;
    assert_eq!(known.voters_due(), 3);
    assert!(Look::parse("{}").is_none() && Look::parse("no").is_none());
}
