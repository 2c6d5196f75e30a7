//! Joining, from the token to credentials that open the cluster.

use std::slice;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::sleep;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

use super::world::{CLUSTER, Leader, NODE_LIFE, Told, World, roster, soon};
use crate::client::{Contact, enroll};
use crate::credentials::NodeKey;
use crate::error::MeshError;
use crate::identity::Identity;
use crate::tls::Patience;
use crate::token::Token;

fn reply(world: &World, node: u64, request: &[u8]) -> v1::EnrollReply {
    v1::EnrollReply {
        node,
        cluster: CLUSTER.to_owned(),
        certificates: world.authority.sign_node(NodeId(node), request, NODE_LIFE).unwrap(),
        roster: Some(roster(1, &[1, node], "")),
    }
}

#[tokio::test]
async fn a_token_and_a_key_of_ones_own_make_a_node() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let token = Token::create(world.authority.pin());
    let key = NodeKey::generate().unwrap();
    let request = key.request_der().unwrap();
    told.will_reply(reply(&world, 5, &request));
    let asked = v1::EnrollRequest { request, ..v1::EnrollRequest::default() };
    let given = soon(enroll(slice::from_ref(&node.address), &token, asked)).await.unwrap();
    let credentials = key.with(given.certificates).unwrap();
    assert_eq!(credentials.check().unwrap().identity, Identity::Node(NodeId(5)));
    let contact = soon(Contact::connect(&[node.address], &credentials)).await.unwrap();
    assert_eq!(soon(contact.status()).await.unwrap().answered_by, 1);

    let asked = told.enrolled.lock().unwrap().clone();
    let secrets: Vec<&[u8]> = asked.iter().map(|asked| asked.secret.as_slice()).collect();
    assert_eq!(secrets, [&[][..], &token.secret], "first a question, then the secret");
    assert!(asked.iter().all(|asked| asked.token == token.id));
}

#[tokio::test]
async fn a_node_that_is_only_starting_is_waited_for() {
    let world = World::new();
    let told = Told::alone(1);
    let token = Token::create(world.authority.pin());
    let request = NodeKey::generate().unwrap().request_der().unwrap();
    told.will_reply(reply(&world, 5, &request));
    // Bound and deaf: whoever comes is refused, as before a node listens.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addresses = [socket.local_addr().unwrap().to_string()];
    let asked = v1::EnrollRequest { request, ..v1::EnrollRequest::default() };
    let joining = enroll(&addresses, &token, asked);
    let node = async {
        sleep(Duration::from_millis(500)).await;
        let listener = socket.listen(16).unwrap();
        let (own, roster) = (world.node(1), roster(1, &[1], ""));
        World::start_on(listener, &own, told.clone(), roster, Patience::default())
    };
    let (given, _node) = soon(Box::pin(async { tokio::join!(joining, node) })).await;
    assert_eq!(given.unwrap().node, 5);
}

#[tokio::test]
async fn the_secret_goes_to_the_coordinator_alone() {
    let world = World::new();
    let (first, leader) = (Told::alone(1), Told::alone(2));
    let node_1 = world.start(first.clone(), roster(1, &[1, 2], "")).await;
    let node_2 = world.start(leader.clone(), roster(1, &[1, 2], "")).await;
    first.say(Leader::Another(NodeId(2), node_2.address.clone()));
    let token = Token::create(world.authority.pin());
    let request = NodeKey::generate().unwrap().request_der().unwrap();
    leader.will_reply(reply(&world, 5, &request));
    let asked = v1::EnrollRequest { request, ..v1::EnrollRequest::default() };
    let given = soon(enroll(slice::from_ref(&node_1.address), &token, asked)).await.unwrap();
    assert_eq!(given.node, 5);
    let told = |told: &Told| {
        told.enrolled.lock().unwrap().iter().map(|asked| asked.secret.len()).collect::<Vec<_>>()
    };
    assert_eq!(told(&first), [0]);
    assert_eq!(told(&leader), [0, 32]);
}

#[tokio::test]
async fn certificates_of_another_authority_are_not_taken() {
    let (world, other) = (World::new(), World::new());
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let token = Token::create(world.authority.pin());
    let request = NodeKey::generate().unwrap().request_der().unwrap();
    told.will_reply(reply(&other, 5, &request));
    let asked = v1::EnrollRequest { request, ..v1::EnrollRequest::default() };
    let error = soon(enroll(slice::from_ref(&node.address), &token, asked)).await.unwrap_err();
    assert!(matches!(error, MeshError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_for_another_key_are_of_no_use() {
    let world = World::new();
    let (key, other) = (NodeKey::generate().unwrap(), NodeKey::generate().unwrap());
    let request = other.request_der().unwrap();
    let chain = world.authority.sign_node(NodeId(5), &request, NODE_LIFE).unwrap();
    assert!(key.with(chain.clone()).is_err());
    assert!(other.with(chain).is_ok());
    assert!(other.with(Vec::new()).is_err());
}
