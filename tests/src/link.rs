//! The way that others have to one node, over loopback: while it is shut they wait, and what the
//! node itself says to others goes on as before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Bytes carried at a time.
const PIECE_BYTES: usize = 16 << 10;

/// The way to one node. Dropped, it is open.
#[derive(Debug)]
pub struct Link {
    port: u16,
    gate: Arc<Gate>,
}

/// Whether anything comes through.
#[derive(Debug, Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.moved.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Link {
    /// An open way to a port of loopback, whether anybody listens there yet or not.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let gate = Arc::<Gate>::default();
        let shared = Arc::clone(&gate);
        // Waits for callers until the tests end.
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // Where nobody listens the caller's connection ends, as it would without a link.
                if let Ok(node) = TcpStream::connect(("127.0.0.1", port)) {
                    connect(&caller, &node, &shared);
                }
            }
        });
        Self { port: own, gate }
    }

    /// Where others find its beginning.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has whoever calls wait: those that are connected, and those that come.
    pub fn shut(&self) {
        self.gate.set(true);
    }

    /// Lets through what waited, and everything after it.
    pub fn open(&self) {
        self.gate.set(false);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.open();
    }
}

fn connect(caller: &TcpStream, node: &TcpStream, gate: &Arc<Gate>) {
    let both = || {
        let caller = caller.try_clone().expect("a socket can be shared");
        (caller, node.try_clone().expect("a socket can be shared"))
    };
    let ((asks, asked), (hears, answers), gate) = (both(), both(), Arc::clone(gate));
    thread::spawn(move || carry(&asks, &asked, || gate.pass()));
    thread::spawn(move || carry(&answers, &hears, || {}));
}

/// Carries bytes to the end of either connection, each piece after `pass`.
fn carry(mut from: &TcpStream, mut to: &TcpStream, pass: impl Fn()) {
    let mut piece = [0; PIECE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        pass();
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    // The other direction ends with this one. Either may have ended before.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Both ends of a connection by a link.
    fn connected() -> (Link, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::to(listener.local_addr().unwrap().port());
        let caller = TcpStream::connect(link.address()).unwrap();
        let (node, _) = listener.accept().unwrap();
        (link, caller, node)
    }

    fn heard(mut stream: &TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn who_calls_waits_while_it_is_shut_and_who_answers_does_not() {
        let (link, mut caller, mut node) = connected();
        caller.write_all(b"one").unwrap();
        assert_eq!(heard(&node, 3), b"one");
        link.shut();
        caller.write_all(b"two").unwrap();
        node.write_all(b"answer").unwrap();
        assert_eq!(heard(&caller, 6), b"answer");
        node.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(node.read(&mut [0; 3]).is_err(), "it came through");
        node.set_read_timeout(None).unwrap();
        link.open();
        assert_eq!(heard(&node, 3), b"two");
    }

    #[test]
    fn an_end_is_an_end_on_both_sides() {
        let (_link, mut caller, node) = connected();
        drop(node);
        assert!(matches!(caller.read(&mut [0]), Ok(0) | Err(_)));
        // Where nobody listens, nobody is waited for.
        let link = Link::to(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let mut caller = TcpStream::connect(link.address()).unwrap();
        assert!(matches!(caller.read(&mut [0]), Ok(0) | Err(_)));
    }
}
