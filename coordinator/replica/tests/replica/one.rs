//! One voter, its store, and what is wrong with stores.

use fruitnode_coordinator::state::ClusterState;
use fruitnode_replica::{
    Fatal, LogEntry, LogStore, MemoryLog, ProposeError, Replica, ReplicaError, Role, Step, Vote,
    VoterChange,
};

use crate::{cancel, founded, n, short};

fn open(store: MemoryLog) -> Replica<MemoryLog> {
    Replica::open(short(1), store).unwrap()
}

fn drain(replica: &mut Replica<MemoryLog>) -> Vec<Step> {
    std::iter::from_fn(|| replica.next().unwrap()).collect()
}

fn words(steps: &[Step]) -> Vec<&'static str> {
    let word = |step: &Step| match step {
        Step::Send(_) => "send",
        Step::Confirmed(_) => "confirm",
        Step::Persisted => "persist",
        Step::Installed { .. } => "install",
        Step::Applied(_) => "apply",
        Step::Compacted => "compact",
        Step::Advanced => "advance",
    };
    steps.iter().map(word).collect()
}

fn refusal(store: MemoryLog) -> String {
    match Replica::open(short(1), store) {
        Ok(_) => panic!("it was opened"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_voter_alone_leads_at_once_and_stores_before_it_applies() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    assert_eq!(replica.status().role, Role::Leader);
    let proposed = replica.propose(&cancel("a"), 1).unwrap();
    assert_eq!(replica.status().applied, proposed.index - 1);
    let steps = drain(&mut replica);
    assert_eq!(words(&steps), ["persist", "persist", "apply", "advance"]);
    let Step::Applied(applied) = &steps[2] else { panic!("{steps:?}") };
    assert_eq!((applied[0].index, applied[0].term), (proposed.index, proposed.term));
    assert_eq!(applied[0].command, Some(cancel("a")));
    assert_eq!(replica.state().applied(), proposed.index);
}

#[test]
fn a_store_that_is_opened_again_gives_the_same_state_and_no_effects() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    for round in 0..50 {
        replica.propose(&cancel(&format!("job {round}")), 1).unwrap();
        drain(&mut replica);
    }
    let applied = replica.status().applied;
    let mut again = open(replica.into_store());
    assert_eq!(again.status().applied, applied);
    let steps = drain(&mut again);
    let Some(Step::Applied(entries)) = steps.iter().find(|step| matches!(step, Step::Applied(_)))
    else {
        panic!("the new term begins with an entry");
    };
    assert!(entries.iter().all(|entry| entry.command.is_none()), "{entries:?}");
}

#[test]
fn a_long_log_is_kept_as_a_snapshot_and_a_few_entries() {
    let mut replica = open(founded(1));
    let mut steps = drain(&mut replica);
    for _ in 0..30 {
        replica.propose(&cancel("a"), 1).unwrap();
        steps.extend(drain(&mut replica));
    }
    assert_eq!(words(&steps).iter().filter(|word| **word == "compact").count(), 3);
    let applied = replica.status().applied;
    let store = replica.into_store();
    let snapshot = store.snapshot().unwrap().unwrap();
    assert!(applied - snapshot.index < 8);
    assert_eq!(store.first().unwrap(), snapshot.index - 4 + 1);
    assert_eq!(open(store).status().applied, applied);
}

#[test]
fn messages_and_ticks_in_the_midst_of_a_round_wait_for_its_end() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    replica.propose(&cancel("a"), 1).unwrap();
    assert!(matches!(replica.next(), Ok(Some(Step::Persisted))));
    for _ in 0..100 {
        replica.tick();
    }
    replica.campaign();
    assert_eq!(replica.propose(&cancel("b"), 1), Err(ProposeError::Busy));
    drain(&mut replica);
    assert_eq!(replica.status().role, Role::Leader);
    replica.propose(&cancel("b"), 1).unwrap();
}

#[test]
fn a_store_that_fails_stops_the_replica_before_anything_is_applied() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    let before = replica.status().applied;
    let mut failing = replica.into_store();
    failing.set_failing(true);
    let mut replica = open(failing);
    assert!(matches!(replica.next(), Err(Fatal::Store(_))));
    assert!(matches!(replica.next(), Err(Fatal::Stopped)));
    assert!(replica.status().applied >= before);
}

#[test]
fn a_command_that_no_entry_may_hold_is_refused() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    let large = cancel(&"x".repeat(2 << 20));
    assert!(matches!(replica.propose(&large, 1), Err(ProposeError::TooLarge { .. })));
}

#[test]
fn a_leader_takes_no_more_in_than_it_may_hold_uncommitted() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    let large = cancel(&"x".repeat(900_000));
    let taken = (0..100).take_while(|_| replica.propose(&large, 1).is_ok()).count();
    assert!((4..10).contains(&taken), "{taken}");
    drain(&mut replica);
    replica.propose(&large, 1).unwrap();
}

#[test]
fn a_change_of_voters_that_makes_no_sense_is_refused_in_words() {
    let mut replica = open(founded(1));
    drain(&mut replica);
    let of = |add: &[u64], promote: &[u64], remove: &[u64]| VoterChange {
        add_learners: add.iter().copied().map(n).collect(),
        promote: promote.iter().copied().map(n).collect(),
        remove: remove.iter().copied().map(n).collect(),
    };
    for (change, why) in [
        (of(&[], &[], &[]), "nothing"),
        (of(&[1], &[], &[]), "already"),
        (of(&[], &[2], &[]), "not a learner"),
        (of(&[], &[], &[2]), "does not have the log"),
        (of(&[], &[], &[1]), "transfer its role"),
        (of(&[2, 2], &[], &[]), "twice"),
        (of(&[0], &[], &[]), "ID 0"),
    ] {
        let refused = replica.change_voters(&change).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    replica.change_voters(&of(&[2], &[], &[])).unwrap();
    assert_eq!(replica.change_voters(&of(&[3], &[], &[])), Err(ProposeError::Busy));
}

#[test]
fn a_store_that_no_replica_left_behind_is_refused() {
    let entry = |index, term| LogEntry { index, term, bytes: vec![0x10, 0, 0x18, 0] };
    let with = |change: &dyn Fn(&mut MemoryLog)| {
        let mut store = founded(1);
        change(&mut store);
        refusal(store)
    };
    let vote = |term, commit| Some(Vote { term, vote: 0, commit });
    assert!(with(&|store| store.append(&[], vote(1, 9)).unwrap()).contains("missing"));
    assert!(with(&|store| store.append(&[], vote(0, 1)).unwrap()).contains("snapshot"));
    assert!(with(&|store| store.append(&[entry(2, 1)], None).unwrap()).contains("written"));
    assert!(with(&|store| store.append(&[entry(7, 1)], None).unwrap()).contains("missing"));
    let mut empty = MemoryLog::new();
    empty.append(&[entry(1, 1)], None).unwrap();
    assert!(refusal(empty).contains("begin"));
    let mut snapshot = founded(1).snapshot().unwrap().unwrap();
    snapshot.conf = vec![8, 1, 8, 1];
    assert!(with(&|store| store.install(&snapshot, None).unwrap()).contains("configuration"));
}

#[test]
fn a_store_that_cannot_be_understood_names_the_newer_release() {
    let mut store = MemoryLog::new();
    Replica::found(&mut store, n(1), &ClusterState::default()).unwrap();
    let mut snapshot = store.snapshot().unwrap().unwrap();
    snapshot.state = vec![0xff; 9];
    store.install(&snapshot, None).unwrap();
    let refused = Replica::open(short(1), store);
    assert!(matches!(refused, Err(ReplicaError::Codec(_))));
}
