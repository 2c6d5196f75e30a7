//! `/livez` and `/readyz` of a node, for whoever keeps its process alive and sends it work: a
//! server of two answers on loopback, and nothing else. Whatever it does not know it refuses: one
//! request a connection, `GET` alone, a few kilobytes, a few seconds.

mod request;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use request::{HEAD_BYTES_MAX, Parsed};

/// How long a connection may take from its first byte to its last.
const LIMIT: Duration = Duration::from_secs(2);

/// Connections at a time; others wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;

/// Rest after the system refused a connection: it has no file to give, and asking again at once
/// would keep a processor busy.
const REST: Duration = Duration::from_millis(100);

/// Bytes of a request that is refused which are still read, so that the refusal is not lost with
/// them.
const DREGS_BYTES_MAX: u64 = 64 << 10;

/// How the node is, as whoever runs it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    /// Whether the process does its work; why not, in words.
    pub live: Result<(), String>,
    /// Whether the node takes part in its cluster; why not, in words.
    pub ready: Result<(), String>,
}

/// A status and a line of words.
struct Answer {
    status: &'static str,
    words: String,
}

/// Answers until the returned future is dropped.
pub(crate) async fn serve(listener: TcpListener, health: watch::Receiver<Health>) {
    serve_within(LIMIT, listener, health).await;
}

async fn serve_within(limit: Duration, listener: TcpListener, health: watch::Receiver<Health>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let health = health.clone();
                    connections.spawn(async move {
                        // One that is slow is left: there is nobody to tell it to.
                        let _ = timeout(limit, converse(stream, &health)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection for the health endpoints was lost");
                    tokio::time::sleep(REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(mut stream: TcpStream, health: &watch::Receiver<Health>) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(HEAD_BYTES_MAX);
    let parsed = loop {
        let parsed = request::parse(&head);
        if !matches!(parsed, Parsed::Unfinished) {
            break parsed;
        }
        let room = (HEAD_BYTES_MAX - head.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    let answer = answer(&parsed, health);
    let Answer { status, words } = answer;
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{allow}Connection: close\r\n\r\n{words}",
        words.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    // A connection that is closed over unread bytes is reset, and the answer is lost with it.
    let mut dregs = (&mut stream).take(DREGS_BYTES_MAX);
    tokio::io::copy(&mut dregs, &mut tokio::io::sink()).await?;
    Ok(())
}

fn answer(parsed: &Parsed, health: &watch::Receiver<Health>) -> Answer {
    let say = |status, words: &str| Answer { status, words: format!("{words}\n") };
    let path = match parsed {
        Parsed::Get(path) => path.as_str(),
        Parsed::OtherMethod => return say("405 Method Not Allowed", "only GET is supported"),
        Parsed::TooLarge => {
            return say("431 Request Header Fields Too Large", "the request is too large");
        }
        Parsed::Malformed | Parsed::Unfinished => {
            return say("400 Bad Request", "not an HTTP/1 request");
        }
    };
    // Whoever told it is gone, and the actors with it.
    let stopped = health.has_changed().is_err();
    let health = health.borrow();
    let how = match path {
        "/livez" if stopped => Err("the node has stopped"),
        "/readyz" if stopped => Err("the node has stopped"),
        "/livez" => health.live.as_ref().map(|_| ()).map_err(String::as_str),
        "/readyz" => {
            health.live.as_ref().and(health.ready.as_ref()).map(|_| ()).map_err(String::as_str)
        }
        _ => return say("404 Not Found", "not found: try /livez or /readyz"),
    };
    match how {
        Ok(()) => say("200 OK", "ok"),
        Err(words) => say("503 Service Unavailable", words),
    }
}
