//! What a command takes of this machine: threads, kernels, and the signals that end it.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use fruitnode_vision::model::Kernel;

use crate::actors::spawn::spawn;
use crate::cli::args::MachineArgs;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// Compute threads for which one thread of the reactor waits. Fewer hand less to each other: a
/// request to S3 costs a quarter of a millisecond, a photograph two on its compute thread.
const COMPUTE_PER_REACTOR_THREAD: usize = 4;

/// The kernels that were asked for.
pub(super) fn kernel(machine: &MachineArgs) -> Result<Option<Kernel>, CliError> {
    let kernel = machine.kernel.as_deref().map(str::parse).transpose();
    kernel.map_err(|error| CliError::new(Exit::Usage, "bad_flag", format!("--kernel: {error}")))
}

/// Compute threads: as many as asked for, or as there are processors.
pub(super) fn threads(machine: &MachineArgs) -> NonZeroUsize {
    machine.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// The threads that wait for files, the network and signals.
pub(super) fn reactor(threads: NonZeroUsize) -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(threads.get().div_ceil(COMPUTE_PER_REACTOR_THREAD))
        .thread_name("reactor")
        .enable_all()
        .build()
        .map_err(|error| CliError::of(Exit::Failed, "no_threads", &error))
}

/// Returns at Ctrl-C or SIGTERM. A second one ends the process where it stands.
pub(super) async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    spawn("second-signal", async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(i32::from(Exit::Interrupted as u8));
    });
}
