//! People's calls, at whichever node, and their way to the coordinator.

use std::time::Duration;

use tokio::runtime::Handle;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

use super::world::{Leader, Told, World, roster, soon};
use crate::client::Contact;
use crate::error::MeshError;

#[tokio::test]
async fn a_call_follows_to_the_coordinator_and_stays_there() {
    let world = World::new();
    let (first, leader) = (Told::alone(1), Told::alone(2));
    let node_1 = world.start(first.clone(), roster(1, &[1, 2], "")).await;
    let node_2 = world.start(leader.clone(), roster(1, &[1, 2], "")).await;
    first.say(Leader::Another(NodeId(2), node_2.address.clone()));
    let ann = world.person("ann");
    let contact = soon(Contact::connect(&[node_1.address], &ann)).await.unwrap();
    assert_eq!(soon(contact.status()).await.unwrap().answered_by, 1, "any node can tell");
    for _ in 0..2 {
        assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n2");
    }
    assert_eq!(first.addresses().len(), 2, "a status, and one question too many");
    let request = v1::NameRequest { name: "a".to_owned() };
    let mut watch = soon(contact.watch_job(request)).await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().job, "a");
}

#[tokio::test]
async fn a_call_waits_for_an_election() {
    let world = World::new();
    let told = Told::alone(1);
    told.say(Leader::Nobody);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let elected = told.clone();
    Handle::current().spawn(async move {
        // After it has been asked in vain.
        while elected.addresses().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        elected.say(Leader::Me);
    });
    assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n1");
    assert!(told.addresses().len() >= 2);
}

#[tokio::test]
async fn without_a_coordinator_a_call_ends_in_words() {
    let world = World::new();
    let told = Told::alone(1);
    told.say(Leader::Nobody);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let contact = contact.with_limit(Duration::from_millis(500));
    let error = soon(contact.list_jobs()).await.unwrap_err();
    let MeshError::NoLeader { words } = &error else { panic!("{error:?}") };
    assert!(words.contains("majority"), "{words}");
}

#[tokio::test]
async fn nodes_that_name_one_another_are_not_followed_for_ever() {
    let world = World::new();
    let (one, two) = (Told::alone(1), Told::alone(2));
    let node_1 = world.start(one.clone(), roster(1, &[1, 2], "")).await;
    let node_2 = world.start(two.clone(), roster(1, &[1, 2], "")).await;
    one.say(Leader::Another(NodeId(2), node_2.address));
    two.say(Leader::Another(NodeId(1), node_1.address.clone()));
    let ann = world.person("ann");
    let contact = soon(Contact::connect(&[node_1.address], &ann)).await.unwrap();
    let error = soon(contact.list_jobs()).await.unwrap_err();
    assert!(matches!(error, MeshError::NoLeader { .. }), "{error:?}");
    assert_eq!(one.addresses().len() + two.addresses().len(), 6);
}

#[tokio::test]
async fn a_dead_coordinator_is_waited_for_at_the_nodes_that_live() {
    let world = World::new();
    let told = Told::alone(1);
    told.say(Leader::Another(NodeId(2), "127.0.0.1:1".to_owned()));
    let node = world.start(told.clone(), roster(1, &[1, 2], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let elected = told.clone();
    Handle::current().spawn(async move {
        while elected.addresses().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        elected.say(Leader::Me);
    });
    assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n1");
}

#[tokio::test]
async fn the_first_address_that_answers_is_used() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let ann = world.person("ann");
    let addresses = ["127.0.0.1:1".to_owned(), node.address];
    let contact = soon(Contact::connect(&addresses, &ann)).await.unwrap();
    assert_eq!(soon(contact.status()).await.unwrap().answered_by, 1);
    let nowhere = soon(Contact::connect(&addresses[..1], &ann)).await.err().unwrap();
    assert!(matches!(nowhere, MeshError::Unreachable { .. }), "{nowhere:?}");
    assert!(nowhere.to_string().contains("127.0.0.1:1"), "{nowhere}");
}

#[tokio::test]
async fn a_refusal_keeps_its_kind_and_its_words() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let error = soon(contact.cancel_job(v1::NameRequest { name: "gone".to_owned() })).await;
    assert_eq!(error, Err(MeshError::NotFound("there is no job gone".to_owned())));
    let error = soon(contact.backup()).await.err().unwrap();
    assert!(matches!(&error, MeshError::Failed(words) if words.contains("Backup")), "{error:?}");
}
