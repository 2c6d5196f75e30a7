//! The child's side: it limits itself, takes files, and says what is in them.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::decode::{Rgb, decode};
use crate::resize::{ResizeWorkspace, resize};
use crate::suspect::order::{MISBEHAVE, Order, Shrink};
use crate::suspect::wire::{read_file, write_answer};

/// Address space of the child.
const CHILD_BYTES: u64 = 1536 << 20;

/// Processor time of the child in seconds.
const CHILD_CPU_S: u64 = 10;

/// The child: limits itself, and answers for each file until there are no more.
///
/// # Errors
/// When a limit cannot be set, or a pipe is closed.
pub fn serve(order: &Order) -> io::Result<()> {
    let both = |amount| Rlimit { current: Some(amount), maximum: Some(amount) };
    setrlimit(Resource::As, both(CHILD_BYTES))?;
    // The harder limit kills what survives the softer one.
    let cpu = Rlimit { current: Some(CHILD_CPU_S), maximum: Some(CHILD_CPU_S + 1) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Core, both(0))?;
    misbehave();
    let mut workspace = ResizeWorkspace::default();
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    while let Some(bytes) = read_file(&mut input, order.limits.file_bytes)? {
        misbehave_at(&bytes);
        let answer = decode(&bytes, &order.limits).map(|rgb| match order.shrink {
            None => rgb,
            Some(Shrink { width, height, filter }) => {
                let mut shrunk = Rgb::default();
                resize(&rgb, width, height, filter, &mut workspace, &mut shrunk);
                shrunk
            }
        });
        write_answer(&mut out, &answer)?;
    }
    Ok(())
}

/// What a test has any process do that is to decode this photograph.
pub(super) fn misbehave_at(bytes: &[u8]) {
    let Some((what, word)) = misbehaviour().and_then(|words| words.split_once("-at:")) else {
        return;
    };
    if bytes.windows(word.len().max(1)).any(|window| window == word.as_bytes()) {
        suffer(what);
    }
}

fn misbehave() {
    if let Some(what) = misbehaviour() {
        suffer(what);
    }
}

fn misbehaviour() -> Option<&'static str> {
    static SAID: OnceLock<Option<String>> = OnceLock::new();
    SAID.get_or_init(|| std::env::var(MISBEHAVE).ok()).as_deref()
}

fn suffer(what: &str) {
    match what {
        "abort" => std::process::abort(),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "allocate" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1_u8; 64 << 20]);
                std::hint::black_box(&held);
            }
        }
        _ => {}
    }
}
