//! A photograph that may endanger the node is decoded alone: in a child process, under fixed
//! limits, one at a time.
//!
//! The child is this program with a hidden subcommand. It takes the file on standard input and
//! gives the pixels, or what is wrong with the file, on standard output; shrunk there to the size
//! that the network takes, so that the node never holds a huge picture. A child that dies or takes
//! too long is tried once more: a photograph is convicted by two deaths and not by one.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::model::profile::Filter;
use crate::pipeline::decode::{CODES, DecodeError, Limits, Rgb, decode};
use crate::pipeline::resize::{ResizeWorkspace, resize};

/// The hidden subcommand.
pub const DECODE_ONE: &str = "decode-one";

/// For tests of this mechanism: what the child does instead of decoding (`abort`, `loop` or
/// `allocate`). No other process looks at it.
pub const MISBEHAVE: &str = "FRUITNODE_TEST_DECODER";

/// Memory, estimated from a file's headers, above which it is decoded alone: a baseline photograph
/// of 30 million pixels. Each compute thread may hold as much.
pub const ALONE_BYTES: u64 = 96 << 20;

/// Address space of the child.
const CHILD_BYTES: u64 = 1536 << 20;

/// Processor time of the child in seconds.
const CHILD_CPU_S: u64 = 10;

/// Wall time of the child: more than its processor time, for machines that are busy.
const CHILD_WALL: Duration = Duration::from_secs(15);

/// This very program, even if its file was replaced since.
const ITSELF: &str = "/proc/self/exe";

const MAGIC: &[u8; 4] = b"FRG1";
const HEAD_BYTES: usize = 13;
const GOOD: u8 = 0;
const BAD: u8 = 1;

/// Attempts of which each must fail before the photograph is convicted.
const ATTEMPTS: usize = 2;

/// Signals of people and service managers, which say nothing of the photograph: SIGHUP, SIGINT,
/// SIGTERM.
const FOREIGN_SIGNALS: [i32; 3] = [1, 2, 15];

/// What the system sends at the limit of processor time.
const SIGXCPU: i32 = 24;

/// Children at work: one huge photograph at a time, whatever the number of threads.
static ALONE: Mutex<()> = Mutex::new(());

/// Why a photograph gave no pixels.
#[derive(Debug, thiserror::Error)]
pub enum SuspectError {
    /// The content's fault: a row of the quarantine.
    #[error(transparent)]
    Photograph(#[from] DecodeError),
    /// The world's fault: another attempt.
    #[error("no process to decode a large photograph in; free memory and processes")]
    World(#[from] io::Error),
}

/// How a child ended that gave no answer.
enum Death {
    Crash,
    Time,
}

/// What is asked of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Bounds on the photograph.
    pub limits: Limits,
    /// Size and filter to shrink it with, if it is decoded alone.
    pub shrink: Option<Shrink>,
}

/// How a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrink {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Resampling filter.
    pub filter: Filter,
}

impl Order {
    /// As arguments of the child.
    fn words(&self) -> Vec<String> {
        let Limits { file_bytes, side, pixels, memory_bytes } = self.limits;
        let mut words = vec![
            file_bytes.to_string(),
            side.to_string(),
            pixels.to_string(),
            memory_bytes.to_string(),
        ];
        if let Some(Shrink { width, height, filter }) = self.shrink {
            words.extend([width.to_string(), height.to_string(), filter.name().to_owned()]);
        }
        words
    }

    /// From the arguments of the child; nothing if they are none.
    pub fn parse(words: &[String]) -> Option<Self> {
        let [file_bytes, side, pixels, memory_bytes, shrink @ ..] = words else { return None };
        let limits = Limits {
            file_bytes: file_bytes.parse().ok()?,
            side: side.parse().ok()?,
            pixels: pixels.parse().ok()?,
            memory_bytes: memory_bytes.parse().ok()?,
        };
        let shrink = match shrink {
            [] => None,
            [width, height, filter] => Some(Shrink {
                width: width.parse().ok().filter(|width| *width > 0)?,
                height: height.parse().ok().filter(|height| *height > 0)?,
                filter: Filter::named(filter)?,
            }),
            _ => return None,
        };
        Some(Self { limits, shrink })
    }
}

/// Decodes here what needs little memory, and the rest alone, where it is shrunk as well.
///
/// # Errors
/// As [`decode_alone`].
pub fn decode_guarded(bytes: &[u8], order: &Order) -> Result<Rgb, SuspectError> {
    let limits = &order.limits;
    let here = Limits { memory_bytes: limits.memory_bytes.min(ALONE_BYTES), ..*limits };
    match decode(bytes, &here) {
        Err(DecodeError::DecoderMemory { needed, .. }) if needed <= limits.memory_bytes => {
            decode_alone(Path::new(ITSELF), bytes, order)
        }
        Err(DecodeError::DecoderMemory { needed, .. }) => {
            Err(DecodeError::DecoderMemory { needed, max: limits.memory_bytes }.into())
        }
        other => Ok(other?),
    }
}

/// Decodes in a child process; `program` is fruitnode. The pixels and the codes are those of
/// [`decode`], and `decoder_crashed` or `decoder_time` for what kills the decoder twice.
///
/// # Errors
/// The photograph's fault, or that no child could be run.
pub fn decode_alone(program: &Path, bytes: &[u8], order: &Order) -> Result<Rgb, SuspectError> {
    let _turn = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut death = Death::Crash;
    for _ in 0..ATTEMPTS {
        match attempt(program, bytes, order)? {
            Ok(answer) => return Ok(answer?),
            Err(found) => death = found,
        }
    }
    Err(SuspectError::Photograph(match death {
        Death::Crash => DecodeError::DecoderCrashed,
        Death::Time => DecodeError::DecoderTime,
    }))
}

/// The child: limits itself, reads the file, answers.
///
/// # Errors
/// When a limit cannot be set, or a pipe is closed.
pub fn serve(order: &Order) -> io::Result<()> {
    let limits = &order.limits;
    let both = |amount| Rlimit { current: Some(amount), maximum: Some(amount) };
    setrlimit(Resource::As, both(CHILD_BYTES))?;
    // The harder limit kills what survives the softer one.
    let cpu = Rlimit { current: Some(CHILD_CPU_S), maximum: Some(CHILD_CPU_S + 1) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Core, both(0))?;
    misbehave();
    let mut bytes = Vec::new();
    io::stdin().take(limits.file_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    let answer = decode(&bytes, limits).map(|rgb| match order.shrink {
        None => rgb,
        Some(Shrink { width, height, filter }) => {
            let mut shrunk = Rgb::default();
            resize(&rgb, width, height, filter, &mut ResizeWorkspace::default(), &mut shrunk);
            shrunk
        }
    });
    let mut out = io::stdout().lock();
    match answer {
        Ok(rgb) => {
            out.write_all(&head(GOOD, rgb.width, rgb.height))?;
            out.write_all(&rgb.pixels)?;
        }
        Err(error) => {
            let (code, words) = (error.code(), error.to_string());
            out.write_all(&head(BAD, code.len() as u32, words.len() as u32))?;
            out.write_all(code.as_bytes())?;
            out.write_all(words.as_bytes())?;
        }
    }
    out.flush()
}

fn misbehave() {
    match std::env::var(MISBEHAVE).as_deref() {
        Ok("abort") => std::process::abort(),
        Ok("loop") => loop {
            std::hint::spin_loop();
        },
        Ok("allocate") => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; 64 << 20]);
                std::hint::black_box(&held);
            }
        }
        _ => {}
    }
}

/// One child. The outer error is the world's, the inner one a death.
fn attempt(
    program: &Path,
    bytes: &[u8],
    order: &Order,
) -> io::Result<Result<Result<Rgb, DecodeError>, Death>> {
    let mut command = Command::new(program);
    command.arg(DECODE_ONE).args(order.words()).env_clear();
    if let Some(misbehaviour) = std::env::var_os(MISBEHAVE) {
        command.env(MISBEHAVE, misbehaviour);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A Ctrl-C is for the node alone, which then says what becomes of the job.
    let mut child = command.process_group(0).spawn()?;
    let pixels = match order.shrink {
        Some(Shrink { width, height, .. }) => u64::from(width) * u64::from(height),
        None => order.limits.pixels,
    };
    // Words of an error are short, and may be longer than a tiny picture.
    let answer_max = pixels.saturating_mul(3).saturating_add(HEAD_BYTES as u64).max(1 << 16);
    let (answer, late) = converse(&mut child, bytes, answer_max);
    let status = child.wait()?;
    match answer.ok().and_then(parse) {
        Some(parsed) if status.success() => Ok(Ok(parsed)),
        _ => judge(status, late).map(Err),
    }
}

/// Feeds the child and reads what it says, for as long as it may live.
fn converse(child: &mut Child, bytes: &[u8], answer_max: u64) -> (io::Result<Vec<u8>>, bool) {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    thread::scope(|scope| {
        let (done, answered) = mpsc::channel();
        // A child that refuses a file early does not read it to the end: no error.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(bytes)));
        let reader = scope.spawn(move || {
            let mut answer = Vec::new();
            let read = match stdout {
                Some(stdout) => stdout.take(answer_max).read_to_end(&mut answer),
                None => Ok(0),
            };
            let _ = done.send(());
            read.map(|_| answer)
        });
        let late = answered.recv_timeout(CHILD_WALL).is_err();
        if late {
            // An error means that it ended in this very moment.
            let _ = child.kill();
        }
        let answer = reader.join();
        (answer.unwrap_or_else(|_| Err(io::Error::other("the reader panicked"))), late)
    })
}

fn judge(status: ExitStatus, late: bool) -> io::Result<Death> {
    match status.signal() {
        _ if late => Ok(Death::Time),
        Some(SIGXCPU) => Ok(Death::Time),
        Some(signal) if FOREIGN_SIGNALS.contains(&signal) => {
            Err(io::Error::new(io::ErrorKind::Interrupted, "the decoder's process was stopped"))
        }
        Some(_) => Ok(Death::Crash),
        // It ended by itself without an answer: no decoder does that, a strange program does.
        None => Err(io::Error::other(format!("the decoder's process gave no answer ({status})"))),
    }
}

fn head(kind: u8, first: u32, second: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(MAGIC);
    head[4] = kind;
    head[5..9].copy_from_slice(&first.to_le_bytes());
    head[9..].copy_from_slice(&second.to_le_bytes());
    head
}

/// The answer, or nothing if it is none.
fn parse(mut answer: Vec<u8>) -> Option<Result<Rgb, DecodeError>> {
    let head = answer.get(..HEAD_BYTES)?;
    let first = u32::from_le_bytes(head[5..9].try_into().ok()?);
    let second = u32::from_le_bytes(head[9..].try_into().ok()?);
    if &head[..4] != MAGIC {
        return None;
    }
    let kind = head[4];
    // In place: the pixels may be many.
    answer.drain(..HEAD_BYTES);
    let body = answer;
    match kind {
        GOOD => {
            let expected = u64::from(first) * u64::from(second) * 3;
            let whole = body.len() as u64 == expected;
            whole.then_some(Ok(Rgb { width: first, height: second, pixels: body }))
        }
        BAD => {
            let (code, words) = body.split_at_checked(first as usize)?;
            let code =
                CODES.iter().map(|(code, _)| *code).find(|known| known.as_bytes() == code)?;
            let words = String::from_utf8(words.to_vec()).ok()?;
            (words.len() == second as usize).then_some(Err(DecodeError::FoundAlone { code, words }))
        }
        _ => None,
    }
}
