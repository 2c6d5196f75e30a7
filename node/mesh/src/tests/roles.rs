//! Each method, called by each kind of caller, over the wire.

use std::str::FromStr;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

use super::world::{CLUSTER, Told, World, roster, soon};
use crate::client::link::Link;
use crate::credentials::Credentials;
use crate::identity;
use crate::tls::{Dial, Pinned, Tls};

/// Paths of all calls of the contract.
fn paths() -> Vec<String> {
    let contract = include_str!("../../../../proto/fruitnode/v1/mesh.proto");
    let (mut service, mut paths) = ("", Vec::new());
    for line in contract.lines() {
        let words: Vec<&str> = line.trim().split([' ', '(']).collect();
        match words[..] {
            ["service", name, ..] => service = name,
            ["rpc", method, ..] => paths.push(format!("/fruitnode.v1.{service}/{method}")),
            _ => {}
        }
    }
    assert!(paths.len() > 20, "the contract was not read");
    paths
}

async fn link(credentials: &Credentials, address: &str) -> Link {
    let tls = Tls::new(credentials).unwrap();
    let name = identity::node_name(NodeId(1), CLUSTER);
    Link::open(Dial::to(&tls, &name, address).unwrap()).await.unwrap()
}

/// Calls with an empty message, which every method can read.
async fn call(link: &Link, path: &str) -> Result<(), Status> {
    let mut grpc = Grpc::new(link.channel());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<v1::Unit, v1::Unit>::default();
    let path = PathAndQuery::from_str(path).unwrap();
    let call = grpc.server_streaming(Request::new(v1::Unit {}), path, codec);
    soon(call).await.map(|_| ())
}

/// Paths that are refused because of who calls.
async fn denied(link: &Link) -> Vec<String> {
    let mut denied = Vec::new();
    for path in paths() {
        match call(link, &path).await {
            Err(status) if status.code() == Code::PermissionDenied => denied.push(path),
            _ => {}
        }
    }
    denied
}

fn all_but(allowed: impl Fn(&str) -> bool) -> Vec<String> {
    paths().into_iter().filter(|path| !allowed(path)).collect()
}

#[tokio::test]
async fn without_a_certificate_there_is_enrolment_and_nothing_else() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let pinned = Pinned::new(world.authority.pin());
    let stranger = Link::open(Dial::pinned(&pinned, &node.address).unwrap()).await.unwrap();
    let refused = denied(&stranger).await;
    assert_eq!(refused, all_but(|path| path.starts_with("/fruitnode.v1.Enrolment/")));
    let words = call(&stranger, "/fruitnode.v1.Control/Status").await.unwrap_err();
    assert!(words.message().contains("needs a certificate"), "{words}");
}

#[tokio::test]
async fn a_worker_may_work_and_reduce_but_neither_decide_nor_control() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1, 2], "")).await;
    let worker = link(&world.node(2), &node.address).await;
    let allowed = |path: &str| {
        ["Enrolment/", "Work/", "Reduction/", "Control/Status", "Control/DrainNode"]
            .iter()
            .any(|known| path.contains(known))
    };
    assert_eq!(denied(&worker).await, all_but(allowed));
    let status = call(&worker, "/fruitnode.v1.Consensus/Exchange").await.unwrap_err();
    assert!(status.message().contains("n2 is not"), "{status}");
}

#[tokio::test]
async fn a_voter_may_also_take_part_in_decisions() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[2, 1], "")).await;
    let voter = link(&world.node(2), &node.address).await;
    let refused = denied(&voter).await;
    assert!(!refused.iter().any(|path| path.contains("Consensus/")), "{refused:?}");
    assert!(refused.iter().any(|path| path.contains("Control/CreateToken")), "{refused:?}");
}

#[tokio::test]
async fn a_person_may_control_and_infer_but_do_nothing_of_nodes() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let person = link(&world.person("ann"), &node.address).await;
    let allowed = |path: &str| {
        ["Enrolment/", "Control/", "Inference/"].iter().any(|known| path.contains(known))
    };
    assert_eq!(denied(&person).await, all_but(allowed));
}

#[tokio::test]
async fn a_call_that_is_in_no_contract_is_unknown() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let person = link(&world.person("ann"), &node.address).await;
    for path in ["/fruitnode.v1.Nothing/Call", "/other.Service/Call", "/x"] {
        assert_eq!(call(&person, path).await.unwrap_err().code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn who_was_removed_or_revoked_is_heard_no_more() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1, 2], "")).await;
    let (worker, person) = (world.node(2), world.person("ann"));
    let serial = person.check().unwrap().serial;
    let (worker, person) = (link(&worker, &node.address).await, link(&person, &node.address).await);
    assert!(call(&worker, "/fruitnode.v1.Control/Status").await.is_ok());
    assert!(call(&person, "/fruitnode.v1.Control/Status").await.is_ok());
    let mut next = roster(2, &[1], "");
    (next.removed, next.revoked) = (vec![2], vec![serial]);
    assert!(node.book.take(next));
    assert_eq!(denied(&worker).await, paths());
    assert_eq!(denied(&person).await, paths());
    let again = link(&world.node(2), &node.address).await;
    assert_eq!(denied(&again).await, paths(), "a new certificate does not help a removed node");
    let again = link(&world.person("ann"), &node.address).await;
    assert!(call(&again, "/fruitnode.v1.Control/Status").await.is_ok(), "a person's does");
}
