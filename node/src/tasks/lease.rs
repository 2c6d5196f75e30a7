//! What a worker is asked to do.

use fruitnode_coordinator::ids::{Attempt, JobId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::task::{Inputs, Task};

/// One attempt at one task, with everything it needs.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// What the user asked for.
    pub spec: JobSpec,
    /// The task.
    pub task: Task,
    /// The attempt; part of the name of whatever it writes.
    pub attempt: Attempt,
    /// What earlier tasks left for it.
    pub inputs: Inputs,
}
