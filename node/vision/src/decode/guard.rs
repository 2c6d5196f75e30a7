//! Turns a panic inside a decoder into an error of the one photograph, without a word on stderr.
//!
//! The panic hook is installed once for the process and asks a thread-local flag, so that panics
//! of every other thread and of every other piece of code are reported as before.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::error::DecodeError;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `decode`; a panic in it becomes [`DecodeError::DecoderPanic`].
///
/// Nothing that `decode` borrowed mutably may be used after a panic: callers pass shared data.
pub(super) fn quiet<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                previous(info);
            }
        }));
    });
    let before = SILENT.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(decode));
    SILENT.set(before);
    match outcome {
        Ok(result) => result,
        Err(payload) => Err(DecodeError::DecoderPanic { reason: words_of(payload.as_ref()) }),
    }
}

fn words_of(payload: &(dyn Any + Send)) -> String {
    if let Some(words) = payload.downcast_ref::<&str>() {
        (*words).to_owned()
    } else if let Some(words) = payload.downcast_ref::<String>() {
        words.clone()
    } else {
        "a panic without words".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, SILENT, quiet};

    #[test]
    fn a_panic_becomes_an_error_and_the_flag_is_put_back() {
        let error = quiet::<()>(|| panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(error, DecodeError::DecoderPanic { reason: "index 7 out of range".to_owned() });
        assert_eq!(error.code(), "decoder_panic");
        assert!(!SILENT.get(), "later panics of this thread must be reported again");
    }

    #[test]
    fn values_and_errors_pass_through() {
        assert_eq!(quiet(|| Ok(5)), Ok(5));
        assert_eq!(quiet::<()>(|| Err(DecodeError::Empty)), Err(DecodeError::Empty));
    }
}
