//! Who gets through a handshake, and what the other side is told.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use fruitnode_coordinator::ids::NodeId;

use super::world::{CLUSTER, Running, Told, World, roster, soon};
use crate::client::Contact;
use crate::credentials::Credentials;
use crate::error::MeshError;
use crate::identity::{Certified, Identity, any_name};
use crate::tls::{Patience, Tls};

async fn ask(address: &str, credentials: &Credentials) -> Result<u64, MeshError> {
    let contact = soon(Contact::connect(&[address.to_owned()], credentials)).await?;
    Ok(soon(contact.status()).await?.answered_by)
}

fn words(error: &MeshError) -> String {
    match error {
        MeshError::Tls { words, .. } => words.clone(),
        other => panic!("not a matter of TLS: {other:?}"),
    }
}

/// A handshake with no more than this side, as other programs make it.
async fn raw(
    world: &World,
    node: &Running,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(&node.address).await.unwrap();
    raw_on(world, stream, version, alpn).await
}

/// The same on a connection that was made already.
async fn raw_on(
    world: &World,
    stream: TcpStream,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(world.authority.certificate_der().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(any_name(CLUSTER)).unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// The same as whoever these credentials speak for, whatever they say, up to what the node answers.
pub(super) async fn raw_as(
    world: &World,
    node: &Running,
    credentials: &Credentials,
) -> std::io::Result<usize> {
    let mut roots = RootCertStore::empty();
    roots.add(world.authority.certificate_der().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = credentials.chain.iter().map(|der| der.clone().into()).collect();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, credentials.key.clone().try_into().unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(&node.address).await.unwrap();
    let name = ServerName::try_from(any_name(CLUSTER)).unwrap();
    let mut stream = soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
    greet(&mut stream).await
}

/// The preface of HTTP/2 and empty settings: who is let in is answered.
async fn greet(stream: &mut TlsStream<TcpStream>) -> std::io::Result<usize> {
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(hello).await?;
    soon(stream.read_exact(&mut [0; 9])).await
}

/// Somebody without a certificate on this connection, who has been let in.
pub(super) async fn stranger(world: &World, stream: TcpStream) -> TlsStream<TcpStream> {
    let mut stream = raw_on(world, stream, &TLS13, b"h2").await.unwrap();
    greet(&mut stream).await.unwrap();
    stream
}

#[tokio::test]
async fn a_person_of_the_cluster_is_answered_and_known_by_name() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let ann = world.person("ann");
    assert_eq!(ask(&node.address, &ann).await, Ok(1));
    let caller = told.callers.lock().unwrap()[0].clone();
    assert_eq!(caller.identity, Some(Identity::Person("ann".to_owned())));
    assert_eq!(caller.serial, ann.check().unwrap().serial);
}

#[tokio::test]
async fn the_certificate_of_another_cluster_opens_nothing_either_way() {
    let (ours, theirs) = (World::new(), World::of("00000001"));
    let told = Told::alone(1);
    let node = ours.start(told.clone(), roster(1, &[1], "")).await;
    let error = ask(&node.address, &theirs.person("ann")).await.unwrap_err();
    assert!(words(&error).contains("was not issued by the authority"), "{error}");
    assert!(error.to_string().starts_with(&node.address), "{error}");
    assert_eq!(told.callers.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_authority_of_the_same_name_is_another_authority_all_the_same() {
    let (ours, theirs) = (World::new(), World::new());
    let told = Told::alone(1);
    let node = ours.start(told.clone(), roster(1, &[1], "")).await;
    let error = ask(&node.address, &theirs.person("ann")).await.unwrap_err();
    assert!(words(&error).contains("was not issued by the authority"), "{error}");
    // Who trusts the node is still not trusted by it.
    let mut mixed = theirs.person("ann");
    mixed.ca = ours.authority.certificate_der().to_vec();
    let error = ask(&node.address, &mixed).await.unwrap_err();
    assert!(words(&error).contains("does not know the authority"), "{error}");
    assert_eq!(told.callers.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused_in_words_on_both_sides() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let ann = Identity::Person("ann".to_owned());
    for (from, until) in [(-2, -1), (1, 2)] {
        let error = ask(&node.address, &world.valid(&ann, from, until)).await.unwrap_err();
        assert!(words(&error).contains("our certificate"), "{error}");
        assert!(words(&error).contains("clocks"), "{error}");
    }
    for (from, until, expected) in [(-2, -1, "has expired"), (1, 2, "is not valid yet")] {
        let old = world.valid(&Identity::Node(NodeId(1)), from, until);
        let told = Told::alone(1);
        let node = world.start_as(&old, told, roster(1, &[1], ""), Patience::default()).await;
        let error = ask(&node.address, &world.person("ann")).await.unwrap_err();
        assert!(words(&error).contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_person_cannot_stand_in_for_a_node() {
    let world = World::new();
    let person = world.person("ann");
    let told = Told::alone(1);
    let false_node = world.start_as(&person, told, roster(1, &[1], ""), Patience::default()).await;
    let error = ask(&false_node.address, &world.person("bob")).await.unwrap_err();
    assert!(matches!(error, MeshError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn only_tls_1_3_with_http_2_is_spoken() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    assert!(raw(&world, &node, &TLS13, b"h2").await.is_ok());
    let error = raw(&world, &node, &TLS12, b"h2").await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    assert!(raw(&world, &node, &TLS13, b"http/1.1").await.is_err());
}

#[tokio::test]
async fn who_does_not_finish_a_handshake_is_hung_up_on() {
    let world = World::new();
    let patience = Patience { handshake: Duration::from_millis(50), ..Patience::default() };
    let credentials = world.node(1);
    let node = world.start_as(&credentials, Told::alone(1), roster(1, &[1], ""), patience).await;
    let mut silent = TcpStream::connect(&node.address).await.unwrap();
    let mut heard = Vec::new();
    // The server ends it; this side would wait for ever.
    let _ = soon(silent.read_to_end(&mut heard)).await;
    assert_eq!(heard, b"");
}

#[tokio::test]
async fn a_stranger_does_not_stay() {
    let world = World::new();
    let patience = Patience { stranger: Duration::from_millis(50), ..Patience::default() };
    let credentials = world.node(1);
    let node = world.start_as(&credentials, Told::alone(1), roster(1, &[1], ""), patience).await;
    let mut stranger = raw(&world, &node, &TLS13, b"h2").await.unwrap();
    let mut heard = Vec::new();
    let _ = soon(stranger.read_to_end(&mut heard)).await;
    assert_eq!(ask(&node.address, &world.person("ann")).await, Ok(1));
}

#[tokio::test]
async fn something_that_speaks_no_tls_is_told_apart_from_nobody() {
    let world = World::new();
    let error = ask("127.0.0.1:1", &world.person("ann")).await.unwrap_err();
    assert!(matches!(error, MeshError::Unreachable { .. }), "{error:?}");
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap().to_string();
    let answers = async {
        let (mut stream, _) = plain.accept().await.unwrap();
        let banner = b"220 mail.example.org ESMTP ready for whatever you want to send\r\n";
        stream.write_all(banner).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let ann = world.person("ann");
    let (error, ()) = tokio::join!(ask(&address, &ann), answers);
    assert!(words(&error.unwrap_err()).contains("does not speak TLS"));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
    let world = World::new();
    let node = world.start(Told::alone(1), roster(1, &[1], "")).await;
    let before = raw(&world, &node, &TLS13, b"h2").await.unwrap();
    let renewed = world.node(1);
    node.tls.reload(&renewed).unwrap();
    let after = raw(&world, &node, &TLS13, b"h2").await.unwrap();
    let serial = |stream: &TlsStream<TcpStream>| {
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        Certified::read(&chain[0]).unwrap().serial
    };
    assert_ne!(serial(&before), serial(&after));
    assert_eq!(serial(&after), renewed.check().unwrap().serial);
}

#[tokio::test]
async fn somebody_elses_certificate_is_not_taken_for_a_renewed_one() {
    let (world, other) = (World::new(), World::new());
    let tls = Tls::new(&world.node(1)).unwrap();
    for stranger in [world.node(2), world.person("ann"), other.node(1)] {
        assert!(tls.reload(&stranger).is_err(), "{stranger:?}");
    }
    assert!(tls.reload(&world.node(1)).is_ok());
}
