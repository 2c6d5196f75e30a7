//! Several hosts that were named: who refuses, and who knows of nobody, is passed by; and what is
//! told of a cluster without a coordinator.

use std::time::Duration;

use fruitnode_coordinator::ids::NodeId;

use super::world::{Leader, Told, World, roster, soon};
use crate::client::Contact;
use crate::error::MeshError;

#[tokio::test]
async fn a_host_of_another_cluster_is_passed_by_and_all_are_named_when_all_refuse() {
    let (ours, theirs) = (World::new(), World::of("00000001"));
    let node = ours.start(Told::alone(1), roster(1, &[1], "")).await;
    let strange = theirs.start(Told::alone(1), roster(1, &[1], "")).await;
    let other = theirs.start(Told::alone(2), roster(1, &[1, 2], "")).await;
    let ann = ours.person("ann");
    let hosts = [strange.address.clone(), node.address.clone()];
    let contact = soon(Contact::connect(&hosts, &ann)).await.unwrap();
    assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n1");
    let hosts = [strange.address.clone(), other.address.clone()];
    let error = soon(Contact::connect(&hosts, &ann)).await.err().unwrap();
    assert!(matches!(error, MeshError::Tls { .. }), "{error:?}");
    for host in &hosts {
        assert!(error.to_string().contains(&format!("{host}: its certificate")), "{error}");
    }
    // Who is not there may come back: that is no refusal.
    let hosts = [strange.address.clone(), "127.0.0.1:1".to_owned()];
    let error = soon(Contact::connect(&hosts, &ann)).await.err().unwrap();
    assert!(matches!(error, MeshError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&strange.address), "{error}");
}

#[tokio::test]
async fn a_node_that_refuses_the_callers_certificate_is_passed_by() {
    let world = World::new();
    let ann = world.person("ann");
    let mut outdated = roster(1, &[1, 2], "");
    outdated.revoked = vec![ann.check().unwrap().serial];
    let (first, second) = (Told::alone(1), Told::alone(2));
    let refuses = world.start(first.clone(), outdated.clone()).await;
    let takes = world.start(second, roster(1, &[1, 2], "")).await;
    let hosts = [refuses.address.clone(), takes.address.clone()];
    let contact = soon(Contact::connect(&hosts, &ann)).await.unwrap();
    assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n2");
    assert_eq!(soon(contact.look()).await.unwrap().answered_by, 2);
    let contact = soon(Contact::connect(&hosts[..1], &ann)).await.unwrap();
    let error = soon(contact.list_jobs()).await.unwrap_err();
    assert!(matches!(&error, MeshError::Denied(words) if words.contains("revoked")), "{error:?}");
    assert!(first.callers.lock().unwrap().is_empty(), "the guard refused");
}

#[tokio::test]
async fn a_node_that_knows_of_nobody_is_passed_by() {
    let world = World::new();
    let (lonely, leads) = (Told::alone(1), Told::alone(2));
    lonely.say(Leader::Nobody);
    let first = world.start(lonely, roster(1, &[1, 2], "")).await;
    let second = world.start(leads, roster(1, &[1, 2], "")).await;
    let hosts = [first.address, second.address];
    let contact = soon(Contact::connect(&hosts, &world.person("ann"))).await.unwrap();
    assert_eq!(soon(contact.list_jobs()).await.unwrap().jobs[0].job, "of n2");
}

#[tokio::test]
async fn whoever_only_looks_is_told_by_the_coordinator_or_else_by_any_node_at_once() {
    let world = World::new();
    let (first, leads) = (Told::alone(1), Told::alone(2));
    let node_1 = world.start(first.clone(), roster(1, &[1, 2], "")).await;
    let node_2 = world.start(leads.clone(), roster(1, &[1, 2], "")).await;
    first.say(Leader::Another(NodeId(2), node_2.address.clone()));
    let ann = world.person("ann");
    let contact =
        soon(Contact::connect(std::slice::from_ref(&node_1.address), &ann)).await.unwrap();
    let status = soon(contact.look()).await.unwrap();
    assert_eq!((status.answered_by, status.partial), (2, false));

    // The one that is named has died: it is told whom the node takes for the coordinator.
    first.say(Leader::Another(NodeId(2), "127.0.0.1:1".to_owned()));
    let contact =
        soon(Contact::connect(std::slice::from_ref(&node_1.address), &ann)).await.unwrap();
    let status = soon(contact.look()).await.unwrap();
    assert_eq!((status.answered_by, status.partial, status.leader), (1, true, 2));
    assert_eq!(status.nodes[1].state, "silent");

    // Nobody leads, and another host that was named says so as well.
    first.say(Leader::Nobody);
    leads.say(Leader::Nobody);
    let hosts = [node_1.address, node_2.address];
    let contact = soon(Contact::connect(&hosts, &ann)).await.unwrap();
    let contact = contact.with_limit(Duration::from_secs(20));
    let status = soon(contact.look()).await.unwrap();
    assert!(status.partial && status.leader == 0, "{status:?}");
}
