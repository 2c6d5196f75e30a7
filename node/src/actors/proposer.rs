//! Hands commands to the log in the order in which they were given, many in one write to the disk,
//! again while the log is busy, and not at all once this node no longer leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fruitnode_coordinator::command::Command;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::actors::spawn::spawn;
use crate::consensus::{Consensus, ProposeError};

/// Commands that go to the log together: one wait for the disk serves them all.
const BATCH_COMMANDS_MAX: usize = 256;

/// Before the log is asked again.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Where commands are left. Cheap to clone; giving one never waits.
#[derive(Debug, Clone)]
pub struct Proposer {
    queue: mpsc::UnboundedSender<Given>,
    waiting: Arc<AtomicUsize>,
    idle: Arc<Notify>,
}

/// A command, and who is told whether it was applied.
#[derive(Debug)]
struct Given {
    command: Command,
    applied: Option<oneshot::Sender<bool>>,
}

impl Proposer {
    /// Starts handing commands on. It stops when every handle is gone.
    ///
    /// The queue has no bound of its own: what fills it is bounded, leases by the slots of the
    /// cluster and reports by the leases.
    pub fn start(consensus: Consensus) -> Self {
        let (queue, mut given) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let idle = Arc::new(Notify::new());
        let (left, rests) = (Arc::clone(&waiting), Arc::clone(&idle));
        spawn("proposer", async move {
            let mut batch: Vec<Given> = Vec::new();
            while given.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
                let count = batch.len();
                let batch = std::mem::take(&mut batch);
                let (commands, told): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|given| (given.command, given.applied)).unzip();
                let applied = hand_on(&consensus, commands).await;
                for (told, applied) in told.into_iter().zip(applied) {
                    let _ = told.map(|told| told.send(applied));
                }
                if left.fetch_sub(count, Ordering::AcqRel) == count {
                    rests.notify_one();
                }
            }
        });
        Self { queue, waiting, idle }
    }

    /// Leaves a command.
    pub fn give(&self, command: Command) {
        self.leave(Given { command, applied: None });
    }

    /// Leaves a command; the answer is whether it was applied.
    pub fn ask(&self, command: Command) -> oneshot::Receiver<bool> {
        let (told, answer) = oneshot::channel();
        self.leave(Given { command, applied: Some(told) });
        answer
    }

    fn leave(&self, given: Given) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.queue.send(given).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Told whenever the last of what was given has been dealt with.
    pub fn idle(&self) -> Arc<Notify> {
        Arc::clone(&self.idle)
    }

    /// Whether everything that was given has been applied or has been dropped.
    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
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
                tracing::error!(%error, commands = commands.len(), "commands are refused");
                return Err(error);
            }
            Err(error @ (ProposeError::NotLeader { .. } | ProposeError::Stopped)) => {
                // Whoever reported does so again to the next coordinator.
                tracing::debug!(%error, commands = commands.len(), "commands are dropped");
                return Err(error);
            }
        }
    }
}
