//! Messages of a stream from the other side, and when a stream has to end before its time.

use std::future::Future;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tonic::Streaming;

use crate::error::{MeshError, Refusal, RefusalKind};
use crate::roster::{Roster, RosterBook};
use crate::status;

/// Resolves when a stream has to end, with the reason.
pub(super) type Ending = Pin<Box<dyn Future<Output = Refusal> + Send>>;

/// What becomes of a status: on the caller's side the reason below HTTP/2 is looked up.
pub(super) type Explain = Box<dyn Fn(tonic::Status) -> MeshError + Send + Sync>;

/// Messages of a stream from the other side, in order.
pub struct Inbound<T>(Source<T>);

enum Source<T> {
    Wire { messages: Box<Streaming<T>>, ending: Ending, explain: Explain, over: bool },
    Here(Pin<Box<dyn Stream<Item = Result<T, MeshError>> + Send>>),
}

impl<T> Inbound<T> {
    /// Messages of this process, whatever they come by.
    pub fn from_stream(
        messages: impl Stream<Item = Result<T, MeshError>> + Send + 'static,
    ) -> Self {
        Self(Source::Here(Box::pin(messages)))
    }

    pub(super) fn from_wire(messages: Streaming<T>, ending: Ending, explain: Explain) -> Self {
        let messages = Box::new(messages);
        Self(Source::Wire { messages, ending, explain, over: false })
    }

    /// The next message; `None` when the other side has said all. After an error or the end there
    /// is nothing more. A call that is dropped loses no message.
    pub async fn next(&mut self) -> Result<Option<T>, MeshError> {
        let (messages, ending, explain, over) = match &mut self.0 {
            Source::Here(messages) => return messages.next().await.transpose(),
            Source::Wire { over: true, .. } => return Ok(None),
            Source::Wire { messages, ending, explain, over } => (messages, ending, explain, over),
        };
        let next = tokio::select! {
            biased;
            refusal = ending => Err(refusal.into()),
            next = messages.message() => next.map_err(explain),
        };
        *over = !matches!(next, Ok(Some(_)));
        next
    }
}

/// Ends when the roster says so, or the node stops.
pub(super) fn ending(
    standing: impl Fn(&Roster) -> Result<(), Refusal> + Send + Sync + 'static,
    book: &RosterBook,
    mut stop: watch::Receiver<bool>,
) -> Ending {
    let mut roster = book.watch();
    Box::pin(async move {
        let cut_off = async {
            loop {
                let now = roster.borrow_and_update().clone();
                if let Err(refusal) = standing(&now) {
                    return refusal;
                }
                if roster.changed().await.is_err() {
                    // Nobody can change it any more.
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            refusal = cut_off => refusal,
            () = stopped(&mut stop) => {
                let words = "the node is stopping: ask another one";
                Refusal::new(RefusalKind::Unavailable, words)
            }
        }
    })
}

/// Never ends before its time.
pub(super) fn endless() -> Ending {
    Box::pin(std::future::pending())
}

/// Resolves when the sign is given; never if nobody can give it any more.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}

/// What went wrong, as the called side sees it: of the caller nothing more is known than that.
pub(super) fn of_caller(status: tonic::Status) -> MeshError {
    status::refusal(&status).into()
}
