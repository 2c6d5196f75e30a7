//! Clusters in every state, and what is said of each.

use fruitnode_proto::v1::from_member::Beat;
use fruitnode_proto::v1::{Outage, SetAside, UnreachablePair};

use super::examples::status;
use super::votes::After;
use super::*;

const VOTER: (&str, &str) = ("ready", "voter");
const MEMBER: (&str, &str) = ("ready", "member");
const LOST: (&str, &str) = ("lost", "voter");

/// What is said of a cluster, checked to be of this state, and to say this.
fn judged(status: &ClusterStatus, state: State, says: &str) -> Health {
    let health = health(status);
    assert_eq!(health.state, state, "{health:?}");
    let words = told(&health);
    assert!(words.contains(says), "{says}: {words}");
    health
}

fn told(health: &Health) -> String {
    health.notices.iter().map(|notice| format!("{}\n", notice.words)).collect()
}

#[test]
fn a_cluster_is_judged_by_its_voters_and_its_lost_nodes() {
    for (leader, wanted, nodes, state, says) in [
        (1, 3, vec![VOTER, VOTER, VOTER], State::Healthy, ""),
        (1, 1, vec![VOTER], State::Healthy, ""),
        (1, 3, vec![VOTER, VOTER, VOTER, MEMBER, ("removed", "member")], State::Healthy, ""),
        (1, 3, vec![VOTER], State::Healthy, "join 2 more nodes"),
        (1, 3, vec![VOTER, MEMBER], State::Healthy, "join 1 more node"),
        (1, 1, vec![("draining", "voter")], State::Degraded, "no node accepts leases"),
        (1, 3, vec![("draining", "voter"); 3], State::Degraded, "--undo"),
        (1, 3, vec![VOTER, MEMBER, MEMBER], State::Degraded, "other nodes are becoming voters"),
        (1, 3, vec![VOTER, VOTER, LOST], State::Degraded, "stops when one more"),
        (1, 3, vec![VOTER, VOTER, LOST], State::Degraded, "1 voter remains, which must not"),
        (1, 3, vec![VOTER, VOTER, LOST, MEMBER], State::Degraded, "n4 becomes a voter: of 3"),
        (1, 5, vec![VOTER, VOTER, VOTER, VOTER, LOST], State::Degraded, "1 more may be lost"),
        (1, 5, vec![VOTER, VOTER, VOTER, VOTER, LOST], State::Degraded, "3 voters remain"),
        (1, 3, vec![VOTER, VOTER, VOTER, ("lost", "member")], State::Degraded, "remove n4"),
        (
            1,
            3,
            vec![VOTER, VOTER, VOTER, ("ready", "learner")],
            State::Degraded,
            "is receiving the log",
        ),
        (1, 1, vec![VOTER, ("joined", "member")], State::Degraded, "n2 (10.0.0.2:7400) has joined"),
        (1, 1, vec![VOTER, ("lost", "member")], State::Degraded, "(with `--ask 10.0.0.1:7400` if"),
        (0, 3, vec![VOTER, LOST, LOST], State::Stopped, "2 of 3"),
    ] {
        let health = judged(&status(leader, wanted, &nodes), state, says);
        assert_eq!(health.notices.is_empty(), says.is_empty(), "{health:?}");
    }
}

#[test]
fn a_voter_that_attends_and_says_nothing_in_the_log_is_told_of() {
    for (silent_ms, role, state, says) in [
        (4_999, "voter", State::Healthy, ""),
        (5_000, "voter", State::Degraded, "n3 (10.0.0.3:7400) is a voter and has not answered"),
        (
            12_000,
            "learner",
            State::Degraded,
            "is becoming a voter and has not answered in the log for 12",
        ),
    ] {
        let mut status = status(1, 3, &[VOTER, VOTER, ("ready", role), VOTER]);
        status.nodes[2].log_silent_ms = silent_ms;
        let health = judged(&status, state, says);
        if state == State::Degraded {
            assert_eq!(
                (health.notices[0].code, &*health.notices[0].nodes),
                ("voter_silent", &[3][..])
            );
            assert_eq!(health.notices[0].for_ms, Some(silent_ms));
        }
    }
    let mut status = status(1, 3, &[VOTER, VOTER, VOTER, ("ready", "learner")]);
    status.nodes[3].log_behind = 1_234;
    judged(
        &status,
        State::Degraded,
        "n4 (10.0.0.4:7400) is receiving the log, and becomes a voter once it has it: 1,234",
    );
}

#[test]
fn each_state_of_a_node_has_its_own_advice() {
    let mut drained = status(1, 3, &[VOTER, VOTER, ("draining", "voter")]);
    let health = judged(&drained, State::Healthy, "`fruitnode node drain n3 --undo`");
    assert_eq!(
        (health.notices[0].code, health.notices[0].brief.as_str()),
        ("draining", "n3 draining")
    );
    drained.nodes[2].slots = 0;
    let health = judged(&drained, State::Healthy, "`fruitnode start`");
    assert!(!told(&health).contains("--undo"), "{health:?}");

    // Whom a node that leaves waits for: who gets the log, who will, or nobody.
    for (nodes, says) in [
        (
            vec![VOTER, VOTER, VOTER, ("ready", "learner")],
            "it remains a voter until n4 has taken its place",
        ),
        (vec![VOTER, VOTER, VOTER, MEMBER], "it remains a voter until n4 has taken its place"),
        (vec![VOTER, VOTER, VOTER], "until the others have agreed to continue without it"),
    ] {
        let mut status = status(1, 3, &nodes);
        status.nodes[1].leaving = true;
        let health = judged(&status, State::Degraded, says);
        assert!(!told(&health).contains("--undo"), "{health:?}");
    }
    let mut status = status(1, 3, &[VOTER, VOTER, VOTER, MEMBER, ("lost", "voter")]);
    status.nodes[3].leaving = true;
    judged(
        &status,
        State::Degraded,
        "n4 (10.0.0.4:7400) is leaving for good, on its own: its work",
    );
    status.nodes[4].leaving = true;
    let health = judged(&status, State::Degraded, "n5 (10.0.0.5:7400), which is lost, is leaving");
    assert!(!told(&health).contains("node remove n5"), "{health:?}");
}

#[test]
fn what_follows_for_the_votes_is_known_before() {
    for (nodes, gone, voters, may_be_lost, heirs) in [
        (vec![VOTER; 3], vec![3], 1, Some(0), vec![]),
        (vec![VOTER, VOTER, VOTER, MEMBER], vec![3], 3, Some(1), vec![4]),
        (vec![VOTER, VOTER, LOST], vec![2], 1, Some(0), vec![]),
        (vec![VOTER, VOTER, LOST, MEMBER], vec![2], 3, Some(0), vec![4]),
        (vec![VOTER, VOTER, LOST], vec![1, 2], 1, None, vec![]),
        (vec![VOTER, MEMBER], vec![1], 1, Some(0), vec![2]),
        (vec![VOTER, ("lost", "member")], vec![1], 1, None, vec![]),
        (vec![VOTER], vec![1], 1, None, vec![]),
    ] {
        let found = after(&status(1, 3, &nodes), &gone);
        assert_eq!(found, After { voters, may_be_lost, heirs }, "{nodes:?} without {gone:?}");
    }
    let five = after(&status(1, 5, &[VOTER; 5]), &[5]);
    assert_eq!(five, After { voters: 3, may_be_lost: Some(1), heirs: Vec::new() });
}

#[test]
fn what_is_endured_is_told_with_the_words_of_the_store_and_what_to_do() {
    let well = || status(1, 3, &[VOTER; 3]);
    let (job, since_ms) = ("week".to_owned(), 988_000);
    let outages = vec![Outage {
        job: job.clone(),
        detail: "connection refused".to_owned(),
        since_ms,
        nodes: vec![2, 3],
    }];
    let status = ClusterStatus { outages, ..well() };
    let health = judged(&status, State::Degraded, "has not answered n2, n3 for 12.0 s: connection");
    let notice = &health.notices[0];
    assert_eq!(
        (notice.code, notice.for_ms, notice.job.as_deref()),
        ("outage", Some(12_000), Some("week"))
    );
    judged(&status, State::Degraded, "there is nothing to do here");

    let detail = "the request was signed too long ago".to_owned();
    let aside = SetAside { node: 2, job: job.clone(), detail, since_ms, until_ms: 1_060_000 };
    let status = ClusterStatus { set_aside: vec![aside], ..well() };
    let says = "signed too long ago. Other nodes do its part. On n2, check the credentials";
    judged(&status, State::Degraded, says);
    judged(&status, State::Degraded, "the clock and --region. It is retried in 1 min 0 s");

    let pair = UnreachablePair { from: 2, to: 3, since_ms, job };
    let status = ClusterStatus { unreachable_pairs: vec![pair], ..well() };
    let says = "n2 has not been able to reach n3 for 12.0 s: open port 7400 of 10.0.0.3 to n2 \
                (10.0.0.2)";
    judged(&status, State::Degraded, says);
}

#[test]
fn without_a_coordinator_it_is_told_who_must_come_back() {
    let partial = |leaderless_ms, nodes: &[(&str, &str)]| ClusterStatus {
        partial: true,
        leaderless_ms,
        ..status(0, 3, nodes)
    };
    let (answers, silent) = (("answers", "voter"), ("silent", "voter"));
    let mut two_dead = partial(14_000, &[answers, silent, silent, ("unknown", "member")]);
    (two_dead.nodes[1].log_silent_ms, two_dead.nodes[2].log_silent_ms) = (16_000, 12_000);
    for says in [
        "no coordinator for 14.0 s, as far as n1 knows",
        "a majority of the voters (2 of 3)",
        "n2 (10.0.0.2:7400) is a voter and has not answered for 16.0 s: start it",
        "start 1 of n2, n3 again",
        "fruitnode recover --help",
    ] {
        judged(&two_dead, State::Stopped, says);
    }
    let health = judged(&two_dead, State::Stopped, "");
    assert!(!told(&health).contains("n4"), "who only works decides nothing: {health:?}");

    // A majority that has left is not waited for.
    assert!(!told(&health).contains("--ask"), "{health:?}");
    two_dead.leaderless_ms = 30_000;
    judged(&two_dead, State::Stopped, "restart n1 with `fruitnode start --ask HOST:PORT`");

    judged(&partial(1_000, &[answers, answers, silent]), State::Stopped, "takes a few seconds");
    judged(&partial(60_000, &[answers, answers, silent]), State::Stopped, "reach each other");
    let mut apart = partial(60_000, &[answers, answers, silent]);
    apart.nodes[1].log_silent_ms = 58_000;
    judged(
        &apart,
        State::Stopped,
        "answers here, but n1 has not heard from it for 58.0 s: open its port",
    );

    let followed = ClusterStatus { leader: 2, ..partial(0, &[answers, silent, answers]) };
    judged(&followed, State::Stopped, "n1 considers n2 (10.0.0.2:7400) the coordinator");
    let healthy_to_itself = ClusterStatus { leader: 2, ..partial(0, &[VOTER, VOTER, VOTER]) };
    judged(&healthy_to_itself, State::Stopped, "does not answer here");
}

#[test]
fn a_certificate_that_was_not_renewed_is_told_of_in_time() {
    let day = 24 * 3_600_000;
    for (life_days, left_days, warned) in [(30, 8, false), (30, 6, true), (4, 2, false)] {
        let mut status = status(1, 3, &[("ready", "voter"); 3]);
        let beat = Beat { certificate_ends_ms: (100 + left_days) * day, ..Beat::default() };
        status.nodes[1].beat = Some(beat);
        (status.now_ms, status.certificate_life_ms) = (100 * day, life_days * day);
        let health = health(&status);
        assert_eq!(told(&health).contains("of n2 is"), warned);
        assert_eq!(health.state == State::Degraded, warned, "{left_days} of {life_days} days");
    }
}

#[test]
fn a_clock_that_is_wrong_is_told_of() {
    for (ahead_ms, words) in [(0, None), (59_000, None), (-600_000, Some("behind"))] {
        let mut status = status(1, 3, &[("ready", "voter"); 3]);
        status.nodes[2].clock_ahead_ms = ahead_ms;
        let health = health(&status);
        let clock = health.notices.iter().find(|notice| notice.code == "clock");
        let told = clock.map(|notice| &notice.words);
        assert_eq!(told.is_some(), words.is_some(), "{ahead_ms}: {told:?}");
        assert!(told.is_none_or(|told| told.contains(words.unwrap_or_default())), "{told:?}");
        assert_eq!(health.state == State::Degraded, words.is_some());
    }
}
