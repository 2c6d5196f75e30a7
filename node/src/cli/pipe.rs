//! What a command does when whoever reads its output has gone (`fruitnode status | head -1`), and
//! which of its panics people need not see.

use std::any::Any;
use std::panic;
use std::thread;

use fruitnode_consensus::store::CHECK_THREAD;

/// What shells say of a program that SIGPIPE ended, which is how others end then.
const ENDED_BY_SIGPIPE: i32 = 128 + 13;

/// Ends the process without a word where printing fails because nobody reads any more. `println!`
/// cannot return that, and Rust ignores the signal.
pub(super) fn end_quietly() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if nobody_reads(panic.payload()) {
            std::process::exit(ENDED_BY_SIGPIPE);
        }
        // What is wrong with the log is told in words.
        if thread::current().name() == Some(CHECK_THREAD) {
            return;
        }
        before(panic);
    }));
}

fn nobody_reads(payload: &(dyn Any + Send)) -> bool {
    let words = payload.downcast_ref::<String>();
    words.is_some_and(|words| {
        words.starts_with("failed printing to std") && words.contains("Broken pipe")
    })
}
