//! Streams, and what ends them before their time.

use std::time::Duration;

use tokio::sync::mpsc;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

use super::world::{Told, World, roster, soon};
use crate::client::{Contact, Peers};
use crate::error::MeshError;
use crate::identity::Identity;
use crate::roster::RosterBook;
use crate::tls::Tls;

fn leave() -> v1::FromMember {
    v1::FromMember { message: Some(v1::from_member::Message::Leave(v1::Unit {})) }
}

#[tokio::test]
async fn a_removed_nodes_open_stream_ends_on_both_sides() {
    let world = World::new();
    let (told, mut endings) = Told::node(1);
    let node = world.start(told, roster(1, &[1, 2], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let (sender, outbound) = mpsc::channel(4);
    let mut inbound = soon(peers.attend(NodeId(1), outbound)).await.unwrap();
    for _ in 0..3 {
        sender.send(leave()).await.unwrap();
        assert!(soon(inbound.next()).await.unwrap().is_some());
    }
    let mut next = roster(2, &[1], "");
    next.removed = vec![2];
    node.book.take(next);
    let error = soon(inbound.next()).await.unwrap_err();
    assert!(matches!(&error, MeshError::Denied(words) if words.contains("removed")), "{error:?}");
    assert_eq!(soon(inbound.next()).await, Ok(None), "an error is the end");
    let ended = soon(endings.recv()).await.unwrap();
    assert!(matches!(ended, Err(MeshError::Denied(_))), "{ended:?}");
    let (_sender, outbound) = mpsc::channel(4);
    let error = soon(peers.attend(NodeId(1), outbound)).await.err().unwrap();
    assert!(matches!(error, MeshError::Denied(_)), "{error:?}");
}

#[tokio::test]
async fn a_revoked_persons_open_stream_ends() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let ann = world.person("ann");
    let contact = soon(Contact::connect(&[node.address], &ann)).await.unwrap();
    let request = v1::NameRequest { name: "a".to_owned() };
    let mut watch = soon(contact.watch_job(request)).await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().job, "a");
    let mut next = roster(2, &[1], "");
    next.revoked = vec![ann.check().unwrap().serial];
    node.book.take(next);
    let error = soon(watch.next()).await.unwrap_err();
    assert!(matches!(&error, MeshError::Denied(words) if words.contains("revoked")), "{error:?}");
}

#[tokio::test]
async fn a_persons_open_stream_ends_with_the_certificate() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let identity = Identity::Person("ann".to_owned());
    let ann = world.valid_for(&identity, Duration::from_secs(5));
    let contact = soon(Contact::connect(&[node.address], &ann)).await.unwrap();
    let request = v1::NameRequest { name: "a".to_owned() };
    let mut watch = soon(contact.watch_job(request)).await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().job, "a");
    let error = soon(watch.next()).await.unwrap_err();
    assert!(matches!(&error, MeshError::Denied(words) if words.contains("expired")), "{error:?}");
}

#[tokio::test]
async fn who_is_removed_in_the_middle_of_a_call_is_refused_there() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[2, 1], "")).await;
    let book = RosterBook::new(roster(1, &[2, 1], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let sender = peers.exchange(NodeId(1)).unwrap();
    sender.send(v1::RaftBatch::default()).await.unwrap();
    let mut next = roster(2, &[1], "");
    next.removed = vec![2];
    node.book.take(next);
    soon(sender.closed()).await;
    let again = peers.exchange(NodeId(1)).unwrap();
    soon(again.closed()).await;
    assert!(told.addresses().len() <= 1, "the second call was let through");
}

#[tokio::test]
async fn a_node_that_stops_ends_streams_and_then_itself() {
    let world = World::new();
    let (told, mut endings) = Told::node(1);
    let node = world.start(told, roster(1, &[1, 2], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let (_sender, outbound) = mpsc::channel(4);
    let mut inbound = soon(peers.attend(NodeId(1), outbound)).await.unwrap();
    node.stop.send(true).unwrap();
    let error = soon(inbound.next()).await.unwrap_err();
    let words = matches!(&error, MeshError::Unavailable(words) if words.contains("stopping"));
    assert!(words, "{error:?}");
    assert!(matches!(soon(endings.recv()).await, Some(Err(MeshError::Unavailable(_)))));
    assert_eq!(soon(node.served).await.unwrap(), Ok(()));
    let (_sender, outbound) = mpsc::channel(4);
    let error = soon(peers.attend(NodeId(1), outbound)).await.err().unwrap();
    assert!(matches!(error, MeshError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn photographs_go_in_and_rows_come_back_in_order() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let (sender, photographs) = mpsc::channel(1);
    let mut rows = soon(contact.infer(photographs)).await.unwrap();
    for at in 0..20 {
        let request = v1::InferRequest { photograph: vec![at; 3], ..v1::InferRequest::default() };
        soon(sender.send(request)).await.unwrap();
        let reply = soon(rows.next()).await.unwrap().unwrap();
        assert_eq!(reply.row, [f32::from(at); 3]);
    }
    // What is larger than a message goes in pieces, of which the last says that it is that.
    let photograph = vec![7; (5 << 20) + 200];
    let request = v1::InferRequest { photograph, ..v1::InferRequest::default() };
    soon(sender.send(request)).await.unwrap();
    let mut pieces = Vec::new();
    while pieces.last().is_none_or(|(_, more)| *more) {
        let reply = soon(rows.next()).await.unwrap().unwrap();
        pieces.push((reply.row[0] as usize, reply.row[1] > 0.0));
    }
    assert_eq!(pieces.iter().map(|(bytes, _)| bytes).sum::<usize>(), (5 << 20) + 200);
    assert_eq!(pieces.len(), 6);
    drop(sender);
    assert_eq!(soon(rows.next()).await.unwrap(), None);
}
