//! Callers that take all places, and those who come all the same.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpSocket, TcpStream};
use tonic::Request;

use fruitnode_proto::v1;

use super::handshakes::stranger;
use super::world::{Running, Told, World, roster, soon};
use crate::client::Contact;
use crate::client::link::Link;
use crate::generated::enrolment_client::EnrolmentClient;
use crate::tls::{Dial, Patience, Pinned};

/// Places of each kind at the node of these tests.
const PLACES: usize = 4;

/// Where floods come from. Everybody else is at 127.0.0.1.
const ELSEWHERE: &str = "127.0.0.2";

/// A node with few places, which hangs up on nobody because of the time.
async fn small(world: &World) -> (Arc<Told>, Running) {
    let hour = Duration::from_hours(1);
    let patience =
        Patience { handshake: hour, stranger: hour, handshakes_max: PLACES, strangers_max: PLACES };
    let told = Told::alone(1);
    let node = world.start_as(&world.node(1), told.clone(), roster(1, &[1], ""), patience).await;
    (told, node)
}

async fn dial(from: &str, node: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    soon(socket.connect(node.address.parse().unwrap())).await.unwrap()
}

/// Waits until the node hangs up.
async fn hung_up(mut stream: impl AsyncRead + Unpin) {
    // How it ends is the system's affair.
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
}

/// Connections of a flood that say nothing, once they have had to make room for each other.
async fn silence(node: &Running) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..3 * PLACES {
        silent.push(dial(ELSEWHERE, node).await);
    }
    hung_up(silent.remove(0)).await;
    silent
}

/// The same of strangers who were let in and do nothing.
async fn idleness(world: &World, node: &Running) -> Vec<impl AsyncRead + Unpin> {
    let mut idle = Vec::new();
    for _ in 0..3 * PLACES {
        idle.push(stranger(world, dial(ELSEWHERE, node).await).await);
    }
    hung_up(idle.remove(0)).await;
    idle
}

async fn enrol(link: &Link) -> Result<(), tonic::Status> {
    let request = Request::new(v1::EnrollRequest::default());
    soon(EnrolmentClient::new(link.channel()).enroll(request)).await.map(drop)
}

#[tokio::test]
async fn silent_connections_keep_nobody_waiting() {
    let world = World::new();
    let (_, node) = small(&world).await;
    let _silent = silence(&node).await;
    let ann = world.person("ann");
    let contact = soon(Contact::connect(slice::from_ref(&node.address), &ann)).await.unwrap();
    assert_eq!(soon(contact.status()).await.unwrap().answered_by, 1);
}

#[tokio::test]
async fn a_handshake_from_elsewhere_outlives_a_flood() {
    let world = World::new();
    let (_, node) = small(&world).await;
    let slow = dial("127.0.0.1", &node).await;
    let _silent = silence(&node).await;
    stranger(&world, slow).await;
}

#[tokio::test]
async fn idle_strangers_keep_no_joiner_out() {
    let world = World::new();
    let (_, node) = small(&world).await;
    let _idle = idleness(&world, &node).await;
    let pinned = Pinned::new(world.authority.pin());
    let link = Link::open(Dial::pinned(&pinned, &node.address).unwrap()).await.unwrap();
    enrol(&link).await.unwrap();
}

#[tokio::test]
async fn a_joiner_from_elsewhere_outlives_a_flood_of_strangers() {
    let world = World::new();
    let (told, node) = small(&world).await;
    let pinned = Pinned::new(world.authority.pin());
    let link = Link::open(Dial::pinned(&pinned, &node.address).unwrap()).await.unwrap();
    enrol(&link).await.unwrap();
    let _idle = idleness(&world, &node).await;
    enrol(&link).await.unwrap();
    let addresses = told.addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses[0], addresses[1], "the connection was made anew");
}
