//! A photograph that may endanger the node is decoded in a child process, under fixed limits: one
//! that is huge, and those that a node was at when it died or stood still.
//!
//! The child is this program with a hidden subcommand. It takes files on standard input and gives
//! the pixels of each, or what is wrong with it, on standard output; shrunk there to the size that
//! the network takes, so that the node never holds a huge picture. A child that dies or takes too
//! long is tried once more: a photograph is convicted by two deaths and not by one.
//!
//! Huge ones are decoded one at a time, each in a child of its own. Suspects go into one child
//! together, a batch at a time, and one by one only if that child dies. Of drawn photographs that
//! a node visits in 2 ms of processor time each, a child for each takes 9 ms more, a child for 16
//! of them half a millisecond more (a start costs 8 ms).

mod child;
mod order;
mod parent;
mod wire;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use parent::{Death, converse};

use crate::decode::{DecodeError, Rgb, decode};

pub use child::serve;
pub use order::{ALONE_BYTES, DECODE_ONE, MISBEHAVE, Order, Shrink};

/// This very program, even if its file was replaced since.
const ITSELF: &str = "/proc/self/exe";

/// Code of a photograph that needs more memory than it may.
const HUGE: &str = "decoder_memory";

/// Attempts of which each must fail before the photograph is convicted.
const ATTEMPTS: usize = 2;

/// Children at work: one huge photograph at a time, whatever the number of threads.
static ALONE: Mutex<()> = Mutex::new(());

/// Why a photograph gave no pixels.
#[derive(Debug, thiserror::Error)]
pub enum SuspectError {
    /// The content's fault: a row of the quarantine.
    #[error(transparent)]
    Photograph(#[from] DecodeError),
    /// The world's fault: another attempt.
    #[error(
        "cannot start a process to decode a large photograph; free memory or raise the process \
         limit"
    )]
    World(#[from] io::Error),
}

/// Decodes here what needs little memory, and the rest alone, where it is shrunk as well.
///
/// # Errors
/// As [`decode_alone`].
pub fn decode_guarded(bytes: &[u8], order: &Order) -> Result<Rgb, SuspectError> {
    child::misbehave_at(bytes);
    let limits = &order.limits;
    match decode(bytes, &order.with_little_memory().limits) {
        Err(DecodeError::DecoderMemory { needed, .. }) if needed <= limits.memory_bytes => {
            decode_alone(Path::new(ITSELF), bytes, order)
        }
        Err(DecodeError::DecoderMemory { needed, .. }) => {
            Err(DecodeError::DecoderMemory { needed, max: limits.memory_bytes }.into())
        }
        other => Ok(other?),
    }
}

/// Decodes in a child process, one photograph at a time in the whole node; `program` is fruitnode.
/// The pixels and the codes are those of [`decode`], and `decoder_crashed` or `decoder_time` for
/// what kills the decoder twice.
///
/// # Errors
/// The photograph's fault, or that no child could be run.
pub fn decode_alone(program: &Path, bytes: &[u8], order: &Order) -> Result<Rgb, SuspectError> {
    let _turn = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(judged(program, bytes, order)??)
}

/// Decodes suspects, none of them in this process; `program` is fruitnode, or this very program.
/// For each what [`decode_guarded`] gives of a photograph that is harmless. `step` is called when
/// one is done.
///
/// # Errors
/// When no child could be run.
pub fn decode_suspects(
    program: Option<&Path>,
    files: &[&[u8]],
    order: &Order,
    step: &dyn Fn(),
) -> Result<Vec<Result<Rgb, DecodeError>>, SuspectError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let program = program.unwrap_or_else(|| Path::new(ITSELF));
    let little = order.with_little_memory();
    let mut together = converse(program, files, &little, step)?.answers.into_iter();
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let answer = match together.next() {
            Some(answer) => answer,
            // The child died over this one or an earlier one: each is heard by itself.
            None => {
                let answer = judged(program, file, &little)?;
                step();
                answer
            }
        };
        all.push(match answer {
            Err(error) if error.code() == HUGE => match decode_alone(program, file, order) {
                Ok(rgb) => Ok(rgb),
                Err(SuspectError::Photograph(error)) => Err(error),
                Err(error) => return Err(error),
            },
            answer => answer,
        });
    }
    Ok(all)
}

/// Decodes in a child of its own, and in another one if that dies.
fn judged(program: &Path, bytes: &[u8], order: &Order) -> io::Result<Result<Rgb, DecodeError>> {
    let mut death = Death::Crash;
    for _ in 0..ATTEMPTS {
        let talk = converse(program, &[bytes], order, &|| {})?;
        match (talk.answers.into_iter().next(), talk.death) {
            (Some(answer), _) => return Ok(answer),
            (None, found) => death = found.unwrap_or(death),
        }
    }
    Ok(Err(match death {
        Death::Crash => DecodeError::DecoderCrashed,
        Death::Time => DecodeError::DecoderTime,
    }))
}
