//! Places for connections, with whoever sits there: it is told when its place goes to another.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use fruitnode_env::Moment;

use super::seats::Seats;

/// Between two lines of the log about a full room: whoever fills it decides how often it is.
const WARNED_EVERY: Duration = Duration::from_secs(10);

/// Places of one kind. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Room {
    /// What the places are for, for the log.
    name: &'static str,
    shared: Arc<Mutex<Seated>>,
}

#[derive(Debug)]
struct Seated {
    seats: Seats,
    /// Dropped to tell who has lost its place.
    holds: BTreeMap<u64, oneshot::Sender<()>>,
    warned: Option<Moment>,
}

/// A place in a room, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Room,
    number: u64,
    hold: Option<oneshot::Receiver<()>>,
}

impl Room {
    pub(super) fn new(name: &'static str, seats_max: usize) -> Self {
        let seats = Seats::new(seats_max);
        let seated = Seated { seats, holds: BTreeMap::new(), warned: None };
        Self { name, shared: Arc::new(Mutex::new(seated)) }
    }

    /// A place, at the cost of somebody else where all are taken.
    pub(super) fn enter(&self, from: SocketAddr) -> Seat {
        let (hold, held) = oneshot::channel();
        let mut seated = self.seated();
        let (number, ousted) = seated.seats.take(from.ip());
        if let Some(ousted) = ousted {
            seated.holds.remove(&ousted);
            self.warn(&mut seated, from.ip());
        }
        seated.holds.insert(number, hold);
        Seat { room: self.clone(), number, hold: Some(held) }
    }

    fn warn(&self, seated: &mut Seated, newcomer: IpAddr) {
        if seated.warned.is_some_and(|warned| warned.elapsed() < WARNED_EVERY) {
            return;
        }
        seated.warned = Some(Moment::now());
        tracing::warn!(
            room = self.name,
            %newcomer,
            "too many connections: closing the oldest one of the address that has the most"
        );
    }

    fn seated(&self) -> MutexGuard<'_, Seated> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Ready once the place has gone to somebody else.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(hold) = &mut self.hold else { return Poll::Ready(()) };
        if Pin::new(hold).poll(context).is_pending() {
            return Poll::Pending;
        }
        // It must not be asked again.
        self.hold = None;
        Poll::Ready(())
    }

    /// The same, for who has nothing else to poll.
    pub(super) async fn lost(&mut self) {
        std::future::poll_fn(|context| self.poll_lost(context)).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.room.seated();
        seated.seats.leave(self.number);
        seated.holds.remove(&self.number);
    }
}
