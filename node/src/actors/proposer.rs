//! Hands commands to the log in the order in which they were given, many in one write to the disk,
//! again while the log is busy, and not at all once this node no longer leads.

use std::time::Duration;

use tokio::sync::mpsc;

use fruitnode_consensus::{Consensus, ProposeError};
use fruitnode_coordinator::command::Command;

use crate::actors::spawn::spawn;

/// Commands that go to the log together: one wait for the disk serves them all.
const BATCH_COMMANDS_MAX: usize = 256;

/// Before the log is asked again.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Where commands are left. Giving one never waits.
#[derive(Debug)]
pub(crate) struct Proposer {
    queue: mpsc::UnboundedSender<(u64, Command)>,
}

impl Proposer {
    /// Starts handing commands on. Of each batch it is told by number whether each was applied. It
    /// stops when the handle is gone.
    ///
    /// The queue has no bound of its own: what fills it is bounded, leases by the slots of the
    /// cluster and reports by the leases.
    pub(crate) fn start(
        consensus: Consensus,
        settled: mpsc::UnboundedSender<Vec<(u64, bool)>>,
    ) -> Self {
        let (queue, mut given) = mpsc::unbounded_channel();
        spawn("proposer", async move {
            let mut batch: Vec<(u64, Command)> = Vec::new();
            while given.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
                let (numbers, commands): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut batch).into_iter().unzip();
                let applied = hand_on(&consensus, commands).await;
                if settled.send(numbers.into_iter().zip(applied).collect()).is_err() {
                    return;
                }
            }
        });
        Self { queue }
    }

    /// Leaves a command, by its number.
    pub(crate) fn give(&self, number: u64, command: Command) {
        // It ends with the log alone, and then nobody waits for anything.
        let _ = self.queue.send((number, command));
    }
}

/// Whether each was applied.
async fn hand_on(consensus: &Consensus, commands: Vec<Command>) -> Vec<bool> {
    let count = commands.len();
    match hand_all(consensus, &commands).await {
        Ok(()) => vec![true; count],
        // One that cannot be taken must not cost the others.
        Err(ProposeError::Refused(_)) if count > 1 => {
            let mut applied = Vec::with_capacity(count);
            for command in &commands {
                applied.push(hand_all(consensus, std::slice::from_ref(command)).await.is_ok());
            }
            applied
        }
        Err(_) => vec![false; count],
    }
}

async fn hand_all(consensus: &Consensus, commands: &[Command]) -> Result<(), ProposeError> {
    loop {
        match consensus.propose_all(commands.to_vec()).await {
            Ok(_) => return Ok(()),
            // Commands change nothing the second time, so that all may be given again.
            Err(ProposeError::Busy | ProposeError::Lost) => tokio::time::sleep(BUSY_WAIT).await,
            Err(error @ ProposeError::Refused(_)) => {
                tracing::error!(%error, commands = commands.len(), "commands were rejected");
                return Err(error);
            }
            Err(error @ (ProposeError::NotLeader { .. } | ProposeError::Stopped)) => {
                // Whoever reported does so again to the next coordinator.
                tracing::debug!(%error, commands = commands.len(), "commands were dropped");
                return Err(error);
            }
        }
    }
}
