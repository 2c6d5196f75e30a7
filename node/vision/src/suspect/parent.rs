//! The node's side: one child that is given files, heard for as long as it may live, and judged by
//! how it ended.

use std::io::{self, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::decode::{DecodeError, Rgb};
use crate::suspect::order::{DECODE_ONE, MISBEHAVE, Order, Shrink};
use crate::suspect::wire::{read_answer, write_file};

/// Wall time of the child for each file. Its processor time is limited to seconds, by which a file
/// is judged: a child that took so long without having used it up had no processor, or was stopped,
/// and that is no fault of the file.
const CHILD_WALL: Duration = Duration::from_secs(300);

/// Signals of people and service managers, which say nothing of the photograph: SIGHUP, SIGINT,
/// SIGTERM.
const FOREIGN_SIGNALS: [i32; 3] = [1, 2, 15];

/// What the system sends at the limit of processor time.
const SIGXCPU: i32 = 24;

/// How a child ended that did not answer for every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    Crash,
    Time,
}

/// What one child said, and how it died if it did.
pub(super) struct Talk {
    /// Of the first files, in their order.
    pub(super) answers: Vec<Result<Rgb, DecodeError>>,
    pub(super) death: Option<Death>,
}

/// Has one child decode files; `step` is called for each answer. An error is the world's.
pub(super) fn converse(
    program: &Path,
    files: &[&[u8]],
    order: &Order,
    step: &dyn Fn(),
) -> io::Result<Talk> {
    let mut command = Command::new(program);
    command.arg(DECODE_ONE).args(order.words()).env_clear();
    if let Some(misbehaviour) = std::env::var_os(MISBEHAVE) {
        command.env(MISBEHAVE, misbehaviour);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A Ctrl-C is for the node alone, which then says what becomes of the job.
    let mut child = command.process_group(0).spawn()?;
    let pixels_max = match order.shrink {
        Some(Shrink { width, height, .. }) => u64::from(width) * u64::from(height),
        None => order.limits.pixels,
    };
    let (mut answers, late) = hear(&mut child, files, pixels_max, step);
    let status = child.wait()?;
    if answers.len() == files.len() && status.success() {
        return Ok(Talk { answers, death: None });
    }
    // What it said last before it ended otherwise than it should is not believed.
    answers.truncate(files.len().saturating_sub(1));
    Ok(Talk { answers, death: Some(judge(status, late)?) })
}

/// Feeds the child and takes its answers, for as long as it may live; whether it was too late.
fn hear(
    child: &mut Child,
    files: &[&[u8]],
    pixels_max: u64,
    step: &dyn Fn(),
) -> (Vec<Result<Rgb, DecodeError>>, bool) {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    thread::scope(|scope| {
        let (say, answered) = mpsc::channel();
        scope.spawn(move || {
            let Some(mut stdin) = stdin else { return };
            // A child that died reads nothing more: that it died is seen elsewhere.
            let _ = files.iter().try_for_each(|file| write_file(&mut stdin, file));
        });
        scope.spawn(move || {
            let Some(stdout) = stdout else { return };
            let mut stdout = BufReader::new(stdout);
            let mut next = || read_answer(&mut stdout, pixels_max);
            files.iter().map_while(|_| next()).try_for_each(|answer| say.send(answer).ok());
        });
        let mut answers = Vec::with_capacity(files.len());
        while answers.len() < files.len() {
            match answered.recv_timeout(CHILD_WALL) {
                Ok(answer) => answers.push(answer),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // An error means that it ended in this very moment.
                    let _ = child.kill();
                    return (answers, true);
                }
            }
            step();
        }
        (answers, false)
    })
}

fn judge(status: ExitStatus, late: bool) -> io::Result<Death> {
    match status.signal() {
        _ if late => {
            let words = "the decoder process did not get enough CPU time";
            Err(io::Error::new(io::ErrorKind::TimedOut, words))
        }
        Some(SIGXCPU) => Ok(Death::Time),
        Some(signal) if FOREIGN_SIGNALS.contains(&signal) => {
            Err(io::Error::new(io::ErrorKind::Interrupted, "the decoder process was stopped"))
        }
        Some(_) => Ok(Death::Crash),
        // It ended by itself without an answer: no decoder does that, a strange program does.
        None => Err(io::Error::other(format!("the decoder process did not answer ({status})"))),
    }
}
