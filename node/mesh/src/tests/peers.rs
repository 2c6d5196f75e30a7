//! Nodes that call one another.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_proto::v1;

use super::world::{Leader, Told, World, roster, soon};
use crate::client::Peers;
use crate::error::MeshError;
use crate::identity::Identity;
use crate::roster::RosterBook;
use crate::tls::Tls;

#[tokio::test]
async fn batches_of_raft_arrive_in_order_with_the_callers_id() {
    let world = World::new();
    let (told, mut endings) = Told::node(1);
    let node = world.start(told.clone(), roster(1, &[2, 1], "")).await;
    let book = RosterBook::new(roster(1, &[2, 1], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let sender = peers.exchange(NodeId(1)).unwrap();
    for at in 0..100_u8 {
        let messages = vec![vec![at]];
        sender.send(v1::RaftBatch { messages, ..v1::RaftBatch::default() }).await.unwrap();
    }
    drop(sender);
    assert_eq!(soon(endings.recv()).await.unwrap(), Ok(()));
    let batches = told.batches.lock().unwrap().clone();
    let sent = batches.iter().map(|batch| batch.messages[0][0]);
    assert!(sent.eq(0..100));
    let caller = told.callers.lock().unwrap()[0].clone();
    assert_eq!(caller.identity, Some(Identity::Node(NodeId(2))));
}

#[tokio::test]
async fn a_snapshot_larger_than_a_message_arrives_whole() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[2, 1], "")).await;
    let book = RosterBook::new(roster(1, &[2, 1], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let message: Vec<u8> = (0..9_000_000_u32).map(|at| (at % 251) as u8).collect();
    soon(peers.install(NodeId(1), Process::default(), message.clone())).await.unwrap();
    assert!(*told.installed.lock().unwrap() == message);
}

#[tokio::test]
async fn a_node_that_moved_is_called_where_it_is_now() {
    let world = World::new();
    let (here, there) = (Told::alone(1), Told::alone(1));
    let node_here = world.start(here.clone(), roster(1, &[1, 2], "")).await;
    let node_there = world.start(there.clone(), roster(1, &[1, 2], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2], &node_here.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book.clone());
    let renew = || peers.renew(NodeId(1), v1::RenewRequest::default());
    soon(renew()).await.unwrap();
    soon(renew()).await.unwrap();
    book.take(roster(2, &[1, 2], &node_there.address));
    soon(renew()).await.unwrap();
    let addresses = here.addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0], addresses[1], "calls share a connection");
    assert_eq!(there.addresses().len(), 1);

    let mut gone = roster(3, &[2], "");
    gone.removed = vec![1];
    book.take(gone);
    assert!(matches!(soon(renew()).await, Err(MeshError::Unavailable(_))));
    let unknown = peers.renew(NodeId(7), v1::RenewRequest::default());
    assert!(matches!(soon(unknown).await, Err(MeshError::NotFound(_))));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_with_the_next_call() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1, 2], "")).await;
    let (old, new) = (world.node(2), world.node(2));
    let tls = Tls::new(&old).unwrap();
    let book = RosterBook::new(roster(1, &[1, 2], &node.address));
    let peers = Peers::new(tls.clone(), book);
    let renew = || peers.renew(NodeId(1), v1::RenewRequest::default());
    soon(renew()).await.unwrap();
    tls.reload(&new).unwrap();
    soon(renew()).await.unwrap();
    let expected = [old, new].map(|credentials| credentials.check().unwrap().serial);
    assert_eq!(told.serials(), expected);
}

#[tokio::test]
async fn another_node_at_the_address_is_not_taken_for_the_one_that_was_called() {
    let world = World::new();
    let told = Told::alone(3);
    let node = world.start(told.clone(), roster(1, &[1, 2, 3], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2, 3], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let error = soon(peers.renew(NodeId(1), v1::RenewRequest::default())).await.unwrap_err();
    let told_so =
        matches!(&error, MeshError::Tls { words, .. } if words.contains("a different node"));
    assert!(told_so, "{error:?}");
    assert_eq!(told.addresses().len(), 0);
    soon(peers.renew(NodeId(3), v1::RenewRequest::default())).await.unwrap();
}

#[tokio::test]
async fn who_does_not_decide_says_who_does() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1, 2], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    for (said, expected) in [
        (Leader::Nobody, None),
        (
            Leader::Another(NodeId(3), "10.0.0.3:7401".to_owned()),
            Some((NodeId(3), "10.0.0.3:7401".to_owned())),
        ),
    ] {
        told.say(said);
        let error = soon(peers.renew(NodeId(1), v1::RenewRequest::default())).await.unwrap_err();
        let MeshError::NotLeader { leader, .. } = &error else { panic!("{error:?}") };
        assert_eq!(leader, &expected);
    }
}
