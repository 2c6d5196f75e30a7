//! The threads that do the computing: photographs, moments, fits. As many as the user allows, and
//! none of them ever waits for the disk or the network.
//!
//! The reactor's threads stay free for I/O and heartbeats, whatever these do.

use std::io;
use std::num::NonZeroUsize;
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

/// Jobs that wait for a thread, per thread. Callers are bounded by what they hold in memory, so
/// that this only smooths the flow.
const QUEUE_PER_THREAD: usize = 64;

type Work<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Compute threads, each with scratch space of type `S` that lives as long as the thread.
#[derive(Debug, Clone)]
pub(crate) struct ComputePool<S> {
    queue: Sender<Work<S>>,
    threads: NonZeroUsize,
}

/// The work panicked, or the pool is gone.
#[derive(Debug, thiserror::Error)]
#[error("a compute thread did not answer; this is a bug in fruitnode, please report it")]
pub(crate) struct NoAnswer;

impl<S: Default + 'static> ComputePool<S> {
    /// Starts the threads. They end when the last handle is dropped.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let (queue, work): (Sender<Work<S>>, Receiver<Work<S>>) =
            crossbeam_channel::bounded(threads.get() * QUEUE_PER_THREAD);
        for number in 0..threads.get() {
            let work = work.clone();
            thread::Builder::new().name(format!("compute-{number}")).spawn(move || {
                let mut scratch = S::default();
                for job in work {
                    let job = std::panic::AssertUnwindSafe(|| job(&mut scratch));
                    if std::panic::catch_unwind(job).is_err() {
                        // What a panic left half-written must not meet the next photograph.
                        scratch = S::default();
                    }
                }
            })?;
        }
        Ok(Self { queue, threads })
    }

    /// Number of threads.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Has a thread do this, and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`] when the work panicked.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, NoAnswer>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let mut job: Work<S> = Box::new(move |scratch| {
            let _ = reply.send(work(scratch));
        });
        // A full queue is waited for without holding a reactor thread.
        while let Err(error) = self.queue.try_send(job) {
            if error.is_disconnected() {
                return Err(NoAnswer);
            }
            job = error.into_inner();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        answer.await.map_err(|_| NoAnswer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    #[test]
    fn a_panic_costs_one_answer_and_no_thread() {
        let pool: ComputePool<Vec<u8>> = ComputePool::start(NonZeroUsize::MIN).expect("one thread");
        block_on(async {
            let lost = pool
                .run(|scratch: &mut Vec<u8>| {
                    scratch.push(1);
                    panic!("on purpose");
                })
                .await;
            let lost: Result<(), NoAnswer> = lost;
            assert!(lost.is_err());
            let left = pool.run(|scratch| scratch.len()).await.expect("the thread lives");
            assert_eq!(left, 0, "scratch space is made anew after a panic");
        });
    }

    #[test]
    fn more_work_than_the_queue_holds_is_all_done() {
        let pool: ComputePool<()> =
            ComputePool::start(NonZeroUsize::new(2).expect("not 0")).expect("two threads");
        let sum: u64 = block_on(async {
            let answers = (0..500u64).map(|n| pool.run(move |()| n));
            let mut sum = 0;
            for answer in answers {
                sum += answer.await.expect("an answer");
            }
            sum
        });
        assert_eq!(sum, 499 * 500 / 2);
    }
}
