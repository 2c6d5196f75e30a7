//! Callers that send too much.

use std::str::FromStr;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

use super::world::{CLUSTER, Told, World, roster, soon};
use crate::client::link::Link;
use crate::client::{Contact, Peers};
use crate::error::MeshError;
use crate::identity;
use crate::roster::RosterBook;
use crate::tls::{Dial, Pinned, Tls};

fn submission(bytes: usize) -> v1::SubmitRequest {
    v1::SubmitRequest { job: "x".repeat(bytes), ..v1::SubmitRequest::default() }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_connection_lives() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let tls = Tls::new(&world.person("ann")).unwrap();
    let name = identity::node_name(NodeId(1), CLUSTER);
    let link = Link::open(Dial::to(&tls, &name, &node.address).unwrap()).await.unwrap();
    // A client without limits of its own.
    let mut grpc = Grpc::new(link.channel());
    let path = PathAndQuery::from_str("/fruitnode.v1.Control/SubmitJob").unwrap();
    let mut submit = async |bytes| {
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<v1::SubmitRequest, v1::JobStatus>::default();
        soon(grpc.unary(Request::new(submission(bytes)), path.clone(), codec)).await
    };
    assert!(submit(1).await.is_ok());
    for _ in 0..3 {
        let status = submit(5 << 20).await.unwrap_err();
        assert!(matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange), "{status}");
        assert!(matches!(link.error(&status), MeshError::Exhausted(_)), "{status:?}");
    }
    assert!(submit(3 << 20).await.is_ok());
    let addresses = told.addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0], addresses[1], "the connection was made anew");
}

#[tokio::test]
async fn a_stranger_cannot_make_a_node_keep_much() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let pinned = Pinned::new(world.authority.pin());
    let link = Link::open(Dial::pinned(&pinned, &node.address).unwrap()).await.unwrap();
    let path = PathAndQuery::from_str("/fruitnode.v1.Enrolment/Enroll").unwrap();
    let mut grpc = Grpc::new(link.channel());
    let mut enroll = async |bytes| {
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<v1::EnrollRequest, v1::EnrollReply>::default();
        let request = v1::EnrollRequest { request: vec![0; bytes], ..v1::EnrollRequest::default() };
        soon(grpc.unary(Request::new(request), path.clone(), codec)).await
    };
    assert!(enroll(1 << 10).await.is_ok());
    let status = enroll(32 << 10).await.unwrap_err();
    assert!(matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange), "{status}");
    assert_eq!(told.enrolled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn ones_own_side_sends_nothing_too_large() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    let error = soon(contact.submit_job(submission(5 << 20))).await.unwrap_err();
    assert!(matches!(error, MeshError::Exhausted(_)), "{error:?}");
    assert_eq!(told.addresses().len(), 0);
}

#[tokio::test]
async fn moments_are_taken_up_to_a_limit() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1, 2], "")).await;
    let book = RosterBook::new(roster(1, &[1, 2], &node.address));
    let peers = Peers::new(Tls::new(&world.node(2)).unwrap(), book);
    let ask = async |pieces: usize| {
        let job = pieces.to_string();
        let request = v1::MomentsRequest { job, ..v1::MomentsRequest::default() };
        soon(peers.moments(NodeId(1), request, 7 << 20)).await
    };
    assert_eq!(ask(7).await.unwrap().len(), 7 << 20);
    assert!(matches!(ask(8).await, Err(MeshError::Exhausted(_))));
    assert_eq!(ask(0).await, Ok(Vec::new()));
}
