//! What is written down of refused calls, and what is not.

use std::io;
use std::slice;
use std::sync::{Arc, Mutex};

use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tracing_subscriber::fmt::MakeWriter;

use fruitnode_coordinator::ids::hex;
use fruitnode_proto::v1;

use super::world::{Leader, Told, World, roster, soon};
use crate::client::link::Link;
use crate::client::{Contact, enroll};
use crate::tls::{Dial, Pinned};
use crate::token::Token;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn a_refused_call_is_one_line_and_secrets_are_in_none() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _on = tracing::subscriber::set_default(subscriber);

    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let worker =
        soon(Contact::connect(slice::from_ref(&node.address), &world.node(2))).await.unwrap();
    assert!(soon(worker.list_jobs()).await.is_err());
    let text = log.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("rejected a call")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for said in ["Control/ListJobs", "node n2", "127.0.0.1:"] {
        assert!(lines[0].contains(said), "{said}: {}", lines[0]);
    }

    // Of what somebody says whom nobody knows, little is repeated.
    let pinned = Pinned::new(world.authority.pin());
    let link = Link::open(Dial::pinned(&pinned, &node.address).unwrap()).await.unwrap();
    let long = format!("/fruitnode.v1.Control/{}", "x".repeat(1_000));
    let mut grpc = Grpc::new(link.channel());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<v1::Unit, v1::Unit>::default();
    let called = grpc.unary(Request::new(v1::Unit {}), long.parse().unwrap(), codec);
    assert!(soon(called).await.is_err());
    let text = log.text();
    let last = text.lines().rfind(|line| line.contains("rejected a call")).unwrap();
    assert!(last.contains("Control/xxx") && !last.contains(&"x".repeat(65)), "{last}");

    let token = Token::create(world.authority.pin());
    let request = v1::EnrollRequest { request: vec![1; 9], ..v1::EnrollRequest::default() };
    assert!(soon(enroll(slice::from_ref(&node.address), &token, request.clone())).await.is_err());
    assert!(told.enrolled.lock().unwrap().iter().any(|asked| asked.secret == token.secret));
    told.say(Leader::Nobody);
    tracing::info!(?token, "a token in the log");
    let text = log.text();
    assert!(text.contains(&token.id));
    let listed = token.secret[..6].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let escaped: String =
        token.secret[..4].iter().map(|byte| byte.escape_ascii().to_string()).collect();
    for shape in [hex(&token.secret)[..12].to_owned(), listed, escaped] {
        assert!(!text.contains(&shape), "the secret is in the log as {shape:?}");
    }
}
