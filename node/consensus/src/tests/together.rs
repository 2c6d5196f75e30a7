//! Three voters: who leads, what is lost, and who catches up.

use tokio::runtime::Handle;

use fruitnode_replica::{MemoryLog, Role};

use super::{Net, ONE, SOON, THREE, TWO, begin, disk, nothing, offer, offered, three, until};
use crate::{Consensus, Event, LogFailure, ProposeError};

fn three_memories() -> [MemoryLog; 3] {
    [MemoryLog::new(), MemoryLog::new(), MemoryLog::new()]
}

/// The one of two that leads, as soon as one does.
async fn new_leader(two: &Consensus, three: &Consensus) -> Consensus {
    let leads = |voter: &Consensus| {
        let voter = voter.clone();
        async move {
            until(&voter, |status| status.role == Role::Leader).await;
            voter
        }
    };
    tokio::select! { heir = leads(two) => heir, heir = leads(three) => heir }
}

/// Proposes as callers do: at the one that leads, and again where an answer asks for that.
async fn propose_to_any(voters: &[&Consensus], node: u64) -> u64 {
    loop {
        for voter in voters {
            if let Ok(index) = voter.propose(offer(node)).await {
                return index;
            }
        }
        tokio::time::sleep(SOON).await;
    }
}

#[tokio::test]
async fn a_follower_names_the_leader_and_a_leader_that_stops_hands_over() {
    let net = Net::default();
    let [(one, mut events), (two, mut followed), (three, _)] = three(&net, three_memories()).await;
    one.propose(offer(5)).await.unwrap();
    let refused = two.propose(offer(6)).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(ONE) }));
    assert!(refused.unwrap_err().to_string().contains("ask n1"));
    let term = one.status().borrow().term;
    one.stop().await;
    let led = [&two, &three].map(|voter| voter.status().borrow().term > term);
    assert!(led.contains(&true), "nobody took over before the leader went");
    net.leave(ONE);
    let heir = new_leader(&two, &three).await;
    heir.propose(offer(6)).await.unwrap();
    assert_eq!(offered(&heir).await, [5, 6]);
    assert!(matches!(events.recv().await, Some(Event::Leading { .. })));
    let mut effects = 0;
    while let Ok(event) = followed.try_recv() {
        effects += u32::from(matches!(event, Event::Applied { .. }));
    }
    assert_eq!(effects, 0, "a follower carries out nothing");
}

#[tokio::test]
async fn what_a_cut_off_leader_took_is_lost_and_said_to_be() {
    let net = Net::default();
    let [(one, _), (two, _), (three, _)] = three(&net, three_memories()).await;
    net.cut(ONE);
    let cut_off = one.clone();
    let waits = Handle::current().spawn(async move { cut_off.propose(offer(8)).await });
    let heir = new_leader(&two, &three).await;
    heir.propose(offer(9)).await.unwrap();
    net.heal();
    assert_eq!(waits.await.unwrap(), Err(ProposeError::Lost));
    until(&one, |status| status.leader.is_some_and(|leader| leader != ONE)).await;
    let committed = heir.status().borrow().committed;
    until(&one, |status| status.applied >= committed).await;
    assert_eq!(offered(&one).await, [9]);
}

#[tokio::test]
async fn messages_that_get_lost_delay_and_lose_nothing() {
    let net = Net::default();
    let [(one, _), (two, _), (three, _)] = three(&net, three_memories()).await;
    // Few enough that some heartbeat arrives before an election is due.
    net.lose(40);
    let voters = [&one, &two, &three];
    let mut last = 0;
    for node in 10..20 {
        last = propose_to_any(&voters, node).await;
    }
    for voter in voters {
        until(voter, |status| status.applied >= last).await;
        assert_eq!(offered(voter).await, (10..20).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_voter_that_was_away_for_long_catches_up_by_a_snapshot() {
    let (net, folder) = (Net::default(), tempfile::tempdir().unwrap());
    let stores = [ONE, TWO, THREE].map(|id| disk(&folder, id));
    let [(one, _), (_two, _), (three, _)] = three(&net, stores).await;
    net.leave(THREE);
    three.stop().await;
    for node in 10..80 {
        one.propose(offer(node)).await.unwrap();
    }
    let before = net.installed();
    let (three, mut events) = begin(&net, THREE, disk(&folder, THREE), SOON);
    let committed = one.status().borrow().committed;
    until(&three, |status| status.applied >= committed).await;
    assert_eq!(offered(&three).await, offered(&one).await);
    assert!(net.installed() > before, "nothing went out of band");
    let mut installed = false;
    while let Ok(event) = events.try_recv() {
        installed |= event == Event::Installed;
    }
    assert!(installed, "the thread did not tell");
    one.propose(nothing(10)).await.unwrap();
}

#[tokio::test]
async fn three_that_end_at_once_go_on_where_they_were() {
    let (net, folder) = (Net::default(), tempfile::tempdir().unwrap());
    let ids = [ONE, TWO, THREE];
    let voters = three(&net, ids.map(|id| disk(&folder, id))).await;
    let (one, _) = &voters[0];
    for node in 10..60 {
        one.propose(offer(node)).await.unwrap();
    }
    let known = offered(one).await;
    ids.iter().for_each(|id| net.cut(*id));
    for (voter, _) in &voters {
        voter.stop().await;
    }
    net.heal();
    let again = ids.map(|id| begin(&net, id, disk(&folder, id), SOON));
    let [one, two, three] = [&again[0].0, &again[1].0, &again[2].0];
    let leader = until(one, |status| status.leader.is_some()).await.leader.unwrap();
    let leader = [one, two, three][leader.0 as usize - 1];
    leader.propose(offer(60)).await.unwrap();
    let committed = leader.status().borrow().committed;
    for voter in [one, two, three] {
        until(voter, |status| status.applied >= committed).await;
        assert_eq!(offered(voter).await, [&known[..], &[60]].concat());
    }
}

#[tokio::test]
async fn a_voter_whose_disk_was_set_back_ends_and_votes_no_more() {
    let (net, folder) = (Net::default(), tempfile::tempdir().unwrap());
    let voters = three(&net, [ONE, TWO, THREE].map(|id| disk(&folder, id))).await;
    let [(one, _), (two, _), (three, _)] = &voters;
    let files = ["redb", "mark"].map(|ending| folder.path().join(format!("{THREE}.{ending}")));
    // Enough entries that stay in the leader's log: a follower that is merely late is sent them.
    one.propose(offer(10)).await.unwrap();
    three.stop().await;
    let kept = files.each_ref().map(|file| std::fs::read(file).unwrap());
    let (again, _) = begin(&net, THREE, disk(&folder, THREE), SOON);
    let index = one.propose(offer(11)).await.unwrap();
    until(&again, |status| status.applied >= index).await;
    until(one, |status| status.matched.get(&THREE).is_some_and(|at| *at >= index)).await;
    again.stop().await;
    for (file, bytes) in files.iter().zip(kept) {
        std::fs::write(file, bytes).unwrap();
    }
    let (_back, mut events) = begin(&net, THREE, disk(&folder, THREE), SOON);
    let failure = loop {
        if let Event::Failed(failure) = events.recv().await.expect("it says why it ends") {
            break failure;
        }
    };
    assert!(matches!(&failure, LogFailure { behind: true, .. }), "{failure:?}");
    assert!(failure.words.contains("was lost"), "{failure:?}");
    // The other two go on.
    one.propose(offer(12)).await.unwrap();
    until(two, |status| status.applied > index).await;
}

#[tokio::test]
async fn a_leader_that_was_cut_off_confirms_nothing_and_another_one_does() {
    let net = Net::default();
    let [(one, _), (two, _), (three, _)] = three(&net, three_memories()).await;
    let index = one.propose(offer(5)).await.unwrap();
    assert!(one.confirm().await.unwrap() >= index);
    let elsewhere = two.confirm().await;
    assert_eq!(elsewhere, Err(ProposeError::NotLeader { leader: Some(ONE) }));
    net.cut(ONE);
    assert_eq!(one.status().borrow().role, Role::Leader, "it does not know yet");
    let cut_off = one.confirm().await;
    assert!(matches!(cut_off, Err(ProposeError::NotLeader { .. })), "{cut_off:?}");
    let heir = new_leader(&two, &three).await;
    let index = heir.propose(offer(6)).await.unwrap();
    assert!(heir.confirm().await.unwrap() >= index);
}
