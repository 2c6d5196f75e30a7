//! A node that finds nobody of those it knows. While it was off they may all have left, and the
//! cluster lives on nodes that it has never heard of: somebody has to say where one of them is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::member::leaderless::Leaderless;
use crate::member::shared::Shared;
use crate::member::{MemberError, renewal};

/// Between two looks at whether the node attends.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the node looks for a coordinator by itself before it asks: an election takes as long.
const ASK_AFTER_MS: u64 = 2_000;

/// Looks between two times that it asks.
const ASK_EVERY: u32 = 5;

/// How long a node looks before it is told of what may have happened: none of the elections, nor of
/// the restarts of a node, takes so long.
pub(crate) const ELSEWHERE_MS: u64 = 30_000;

/// Asks whom the person named who started the node, for as long as it attends at nobody; why the
/// cluster does not know it, if it does not.
pub(super) async fn seek(
    shared: Arc<Shared>,
    ask: Vec<String>,
    leaderless: Leaderless,
) -> MemberError {
    let (mut looks, mut told) = (0, false);
    loop {
        sleep(LOOK_EVERY).await;
        let ms = leaderless.ms();
        if ms < ASK_AFTER_MS {
            (looks, told) = (0, false);
            continue;
        }
        if !ask.is_empty() && looks % ASK_EVERY == 0 {
            match renewal::readmit(&shared, &ask).await {
                Ok(()) => tracing::info!(?ask, "learned the current members of the cluster"),
                Err(refused @ MemberError::Refused(_)) => return refused,
                Err(error) => tracing::warn!(%error, "cannot learn the current members of the \
                                                      cluster"),
            }
        }
        looks += 1;
        if ms >= ELSEWHERE_MS && !told {
            told = true;
            tracing::warn!(
                "none of the nodes known here leads to a coordinator. If they left the cluster \
                 while this node was off, stop it and start it with --ask HOST:PORT of a running \
                 node"
            );
        }
    }
}
