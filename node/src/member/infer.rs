//! `Infer`: photographs in, rows out, in order, on the node that is asked. A client that sends
//! faster than the node computes is made to wait.

use std::sync::Arc;

use fruitnode_proto::v1;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::actors::spawn::spawn;
use crate::failure::Failure;
use crate::mesh::error::{Refusal, RefusalKind};
use crate::mesh::handler::{Inbound, Outbound};
use crate::tasks::NodeContext;
use crate::tasks::infer::{InferWords, Inference};

/// Rows that wait for the client.
const ROWS_WAITING_MAX: usize = 16;

/// Answers a stream of photographs.
pub(super) async fn infer(
    context: Arc<NodeContext>,
    mut inbound: Inbound<v1::InferRequest>,
) -> Result<Outbound<v1::InferReply>, Refusal> {
    let ended = |error: crate::mesh::error::MeshError| {
        Refusal::new(RefusalKind::Unavailable, error.to_string())
    };
    let first = inbound.next().await.map_err(ended)?.ok_or_else(|| {
        Refusal::new(RefusalKind::Invalid, "the first message says what to do with photographs")
    })?;
    let words = words(first.options.clone().unwrap_or_default());
    let opened = Handle::current().spawn_blocking(move || Inference::open(&words)).await;
    let inference = opened.map_err(Refusal::failed)?.map_err(refused)?;
    let inference = Arc::new(inference);
    // Two per thread: one in work, one ready.
    let ahead = context.pool.threads().get() * 2;
    let (out, rows) = mpsc::channel(ROWS_WAITING_MAX);
    spawn("infer", async move {
        let first = Some(first.photograph).filter(|photograph| !photograph.is_empty());
        let photographs = stream::iter(first.map(Ok)).chain(later(inbound));
        let mut replies = Box::pin(
            photographs
                .map(|photograph| answer(Arc::clone(&context), Arc::clone(&inference), photograph))
                .buffered(ahead),
        );
        while let Some(reply) = replies.next().await {
            let failed = reply.is_err();
            if out.send(reply).await.is_err() || failed {
                return;
            }
        }
    });
    Ok(rows)
}

/// The photographs after the first message.
fn later(
    inbound: Inbound<v1::InferRequest>,
) -> impl stream::Stream<Item = Result<Vec<u8>, Refusal>> {
    stream::unfold(Some(inbound), |inbound| async move {
        let mut inbound = inbound?;
        match inbound.next().await {
            Ok(Some(request)) => Some((Ok(request.photograph), Some(inbound))),
            Ok(None) => None,
            Err(error) => {
                Some((Err(Refusal::new(RefusalKind::Unavailable, error.to_string())), None))
            }
        }
    })
}

async fn answer(
    context: Arc<NodeContext>,
    inference: Arc<Inference>,
    photograph: Result<Vec<u8>, Refusal>,
) -> Result<v1::InferReply, Refusal> {
    match inference.row(&context, photograph?).await.map_err(refused)? {
        Ok(row) => Ok(v1::InferReply { row, ..v1::InferReply::default() }),
        Err(error) => {
            let (code, detail) = (error.code().to_owned(), error.to_string());
            Ok(v1::InferReply { row: Vec::new(), code, detail })
        }
    }
}

fn words(options: v1::InferOptions) -> InferWords {
    let v1::InferOptions { pooling, size, resize, preprocess, model } = options;
    InferWords { pooling, size, resize, preprocess, model }
}

fn refused(failure: Failure) -> Refusal {
    Refusal::new(RefusalKind::Invalid, failure.words)
}
