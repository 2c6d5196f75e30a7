//! The endpoints over real sockets, with callers that do what they should not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{CONNECTIONS_MAX, Health, LIMIT, serve_within};
use crate::http::request::HEAD_BYTES_MAX;

/// Of a process that has begun, and is not yet a part of its cluster.
fn starting() -> Health {
    Health { live: Ok(()), ready: Err("starting".to_owned()) }
}

/// A server on a free port, for as long as the set lives.
async fn server(health: Health) -> (SocketAddr, watch::Sender<Health>, JoinSet<()>) {
    server_within(LIMIT, health).await
}

async fn server_within(
    limit: Duration,
    health: Health,
) -> (SocketAddr, watch::Sender<Health>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = watch::channel(health);
    let mut server = JoinSet::new();
    server.spawn(serve_within(limit, listener, receiver));
    (address, sender, server)
}

/// Sends bytes and returns all that comes back.
async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn a_node_is_live_at_once_and_ready_when_it_is_attended() {
    let (address, health, _server) = server(starting()).await;
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200 OK\r\n"));
    let starting = get(address, "/readyz").await;
    assert!(starting.starts_with("HTTP/1.1 503 ") && starting.ends_with("\r\n\r\nstarting\n"));
    health.send_replace(Health { live: Ok(()), ready: Ok(()) });
    let ready = get(address, "/readyz?verbose").await;
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.ends_with("\r\n\r\nok\n"), "{ready}");
    assert!(ready.contains("\r\nContent-Length: 3\r\n"), "{ready}");
    health
        .send_replace(Health { live: Err("the log cannot be written".to_owned()), ready: Ok(()) });
    for path in ["/livez", "/readyz"] {
        let answer = get(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("log"), "{answer}");
    }
    drop(health);
    assert!(get(address, "/livez").await.contains("stopped"));
}

#[tokio::test]
async fn whatever_else_is_asked_is_refused_in_words() {
    let (address, _health, _server) = server(starting()).await;
    let long = [b"GET /livez HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 4 * HEAD_BYTES_MAX]].concat();
    for (bytes, status) in [
        (&b"GET /metrics HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "400"),
        (&long, "431"),
    ] {
        let answer = ask(address, bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn callers_that_say_nothing_keep_nobody_waiting_for_ever() {
    let limit = Duration::from_millis(50);
    let (address, _health, _server) = server_within(limit, starting()).await;
    let mut silent = Vec::new();
    for _ in 0..2 * CONNECTIONS_MAX {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200 "));
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0, "nothing is said to the silent");
    }
}
