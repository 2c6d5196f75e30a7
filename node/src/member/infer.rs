//! `Infer`: photographs in, rows out, in order, on the node that is asked. A client that sends
//! faster than the node computes is made to wait.
//!
//! A photograph comes in one message or in several. Those that come in several are few at a time
//! on the whole node, whoever sends them: so what they hold is bounded, however many clients there
//! are. Their room is kept for as long as they are under way, which has a limit too.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_mesh::error::{MeshError, Refusal, RefusalKind};
use fruitnode_mesh::handler::{Inbound, Outbound};
use fruitnode_proto::v1;
use fruitnode_vision::{DecodeError, Limits};

use crate::actors::spawn::spawn;
use crate::tasks::NodeContext;
use crate::tasks::infer::{InferWords, Inference};

/// Rows that wait for the client.
const ROWS_WAITING_MAX: usize = 16;

/// Photographs in several messages that a node holds at a time, from their first message to their
/// reply: 128 MiB at most.
const LARGE_MAX: usize = 2;

/// How long the messages of one photograph may take.
const ARRIVAL_MAX: Duration = Duration::from_secs(120);

/// How long a client may take no reply: others wait for what it holds.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(60);

/// Room for photographs in several messages, of one node. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LargeRoom(Arc<Semaphore>);

impl Default for LargeRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_MAX)))
    }
}

impl LargeRoom {
    async fn take(&self) -> OwnedSemaphorePermit {
        let seat = Arc::clone(&self.0).acquire_owned().await;
        seat.expect("the semaphore is never closed")
    }
}

/// Answers a stream of photographs.
pub(super) async fn infer(
    context: Arc<NodeContext>,
    large: LargeRoom,
    mut inbound: Inbound<v1::InferRequest>,
) -> Result<Outbound<v1::InferReply>, Refusal> {
    let first = inbound.next().await.map_err(broken)?.ok_or_else(|| {
        Refusal::new(RefusalKind::Invalid, "the first message must contain the options")
    })?;
    let words = words(first.options.clone().unwrap_or_default());
    let words = words.at_hand(&context).await.map_err(refused)?;
    let opened = Handle::current().spawn_blocking(move || Inference::open(&words)).await;
    let inference = opened.map_err(Refusal::failed)?.map_err(refused)?;
    let inference = Arc::new(inference);
    // Two per thread: one in work, one ready.
    let ahead = context.pool.threads().get() * 2;
    let (out, rows) = mpsc::channel(ROWS_WAITING_MAX);
    spawn("infer", async move {
        let first = Some(first).filter(|first| first.more || !first.photograph.is_empty());
        let photographs = Photographs { first, inbound, large };
        let photographs = stream::try_unfold(photographs, |mut photographs| async move {
            Ok(photographs.next().await?.map(|photograph| (photograph, photographs)))
        });
        let mut replies = Box::pin(
            photographs
                .map(|photograph| answer(Arc::clone(&context), Arc::clone(&inference), photograph))
                .buffered(ahead),
        );
        while let Some(reply) = replies.next().await {
            let failed = reply.is_err();
            let sent = timeout(REPLY_WAIT_MAX, out.send(reply)).await;
            if failed || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    Ok(rows)
}

/// A photograph that is there.
enum Photograph {
    /// Its bytes, and the room that they take if there are many.
    Whole(Vec<u8>, Option<OwnedSemaphorePermit>),
    /// It had more bytes than a photograph may have, which were not kept.
    TooLarge(DecodeError),
}

/// Photographs of a stream.
struct Photographs {
    /// A message that was read already.
    first: Option<v1::InferRequest>,
    inbound: Inbound<v1::InferRequest>,
    large: LargeRoom,
}

impl Photographs {
    /// The next one; `None` when the client has said all.
    async fn next(&mut self) -> Result<Option<Photograph>, Refusal> {
        let Some(first) = self.message().await? else { return Ok(None) };
        if !first.more {
            return Ok(Some(Photograph::Whole(first.photograph, None)));
        }
        let seat = self.large.take().await;
        let rest = timeout(ARRIVAL_MAX, self.rest(first.photograph, seat)).await;
        rest.unwrap_or_else(|_| {
            let seconds = ARRIVAL_MAX.as_secs();
            let words = format!("a photograph took longer than {seconds} seconds to arrive");
            Err(Refusal::new(RefusalKind::Unavailable, words))
        })
        .map(Some)
    }

    /// What follows the first message of a photograph.
    async fn rest(
        &mut self,
        mut bytes: Vec<u8>,
        seat: OwnedSemaphorePermit,
    ) -> Result<Photograph, Refusal> {
        let max = Limits::default().file_bytes;
        let mut seen = bytes.len() as u64;
        loop {
            let words = "the stream ended in the middle of a photograph: send its last part";
            let part = self.message().await?;
            let part = part.ok_or_else(|| Refusal::new(RefusalKind::Invalid, words))?;
            seen += part.photograph.len() as u64;
            if seen > max {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&part.photograph);
            }
            if !part.more {
                break;
            }
        }
        Ok(match seen > max {
            true => Photograph::TooLarge(DecodeError::FileTooLarge { bytes: seen, max }),
            false => Photograph::Whole(bytes, Some(seat)),
        })
    }

    async fn message(&mut self) -> Result<Option<v1::InferRequest>, Refusal> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.inbound.next().await.map_err(broken),
        }
    }
}

async fn answer(
    context: Arc<NodeContext>,
    inference: Arc<Inference>,
    photograph: Result<Photograph, Refusal>,
) -> Result<v1::InferReply, Refusal> {
    let row = match photograph? {
        Photograph::Whole(bytes, _seat) => inference.row(&context, bytes).await.map_err(refused)?,
        Photograph::TooLarge(error) => Err(error),
    };
    Ok(match row {
        Ok(row) => v1::InferReply { row, ..v1::InferReply::default() },
        Err(error) => {
            let (code, detail) = (error.code().to_owned(), error.to_string());
            v1::InferReply { row: Vec::new(), code, detail }
        }
    })
}

fn words(options: v1::InferOptions) -> InferWords {
    let v1::InferOptions { pooling, size, resize, preprocess, model } = options;
    InferWords { pooling, size, resize, preprocess, model }
}

fn refused(failure: Failure) -> Refusal {
    let kind = match failure.reason {
        FailureReason::StorageUnavailable => RefusalKind::Unavailable,
        _ => RefusalKind::Invalid,
    };
    Refusal::new(kind, failure.words)
}

fn broken(error: MeshError) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, error.to_string())
}
