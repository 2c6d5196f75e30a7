//! Hands commands to the log in the order in which they were given, many in one entry of the disk,
//! again while the log is busy, and not at all once this node no longer leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fruitnode_coordinator::command::Command;
use tokio::sync::mpsc;

use crate::actors::spawn::spawn;
use crate::consensus::{Consensus, ProposeError};

/// Commands that go to the log together: one wait for the disk serves them all.
const BATCH_COMMANDS_MAX: usize = 256;

/// Before the log is asked again.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Where commands are left. Cheap to clone; giving one never waits.
#[derive(Debug, Clone)]
pub struct Proposer {
    queue: mpsc::UnboundedSender<Command>,
    waiting: Arc<AtomicUsize>,
}

impl Proposer {
    /// Starts handing commands on. It stops when every handle is gone.
    ///
    /// The queue has no bound of its own: what fills it is bounded, leases by the slots of the
    /// cluster and reports by the leases.
    pub fn start(consensus: Consensus) -> Self {
        let (queue, mut given) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        spawn("proposer", async move {
            let mut batch = Vec::new();
            while given.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
                let count = batch.len();
                hand_on(&consensus, std::mem::take(&mut batch)).await;
                left.fetch_sub(count, Ordering::AcqRel);
            }
        });
        Self { queue, waiting }
    }

    /// Leaves a command.
    pub fn give(&self, command: Command) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.queue.send(command).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Whether everything that was given has been applied or has been dropped.
    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }
}

async fn hand_on(consensus: &Consensus, commands: Vec<Command>) {
    loop {
        match consensus.propose_all(commands.clone()).await {
            Ok(_) => return,
            // Commands change nothing the second time, so that all may be given again.
            Err(ProposeError::Busy | ProposeError::Lost) => tokio::time::sleep(BUSY_WAIT).await,
            Err(error @ ProposeError::Refused(_)) => {
                tracing::error!(%error, commands = commands.len(), "commands are refused");
                return;
            }
            Err(error @ (ProposeError::NotLeader { .. } | ProposeError::Stopped)) => {
                // Whoever reported does so again to the next coordinator.
                tracing::debug!(%error, commands = commands.len(), "commands are dropped");
                return;
            }
        }
    }
}
