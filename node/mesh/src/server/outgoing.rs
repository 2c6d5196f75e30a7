//! Streams to a caller, that end when the caller loses its standing or the node stops.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tonic::Status;

use crate::handler::Outbound;
use crate::inbound::Ending;

/// What a handler sends, as tonic takes it.
pub(super) struct Outgoing<T> {
    messages: Outbound<T>,
    ending: Ending,
    over: bool,
}

impl<T> Outgoing<T> {
    pub(super) fn new(messages: Outbound<T>, ending: Ending) -> Self {
        Self { messages, ending, over: false }
    }
}

impl<T> Stream for Outgoing<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(refusal) = self.ending.as_mut().poll(context) {
            self.over = true;
            // Who sends is told too, and can let go.
            self.messages.close();
            return Poll::Ready(Some(Err(refusal.into())));
        }
        let polled = self.messages.poll_recv(context);
        self.over = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled.map(|message| message.map(|message| message.map_err(Status::from)))
    }
}
