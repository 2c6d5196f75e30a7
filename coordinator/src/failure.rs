//! Why an attempt, or a command, failed: what decides what follows, and words for people.

use crate::retry::FailureReason;

/// The reason that decides what follows, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the coordinator decides by.
    pub reason: FailureReason,
    /// What happened and what to do.
    pub words: String,
}

impl Failure {
    /// A failure with the words of an error and of all its causes.
    pub fn of(reason: FailureReason, error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors repeat their cause in their own words.
            if !words.contains(&text) {
                words.push_str(": ");
                words.push_str(&text);
            }
            cause = error.source();
        }
        Self { reason, words }
    }

    /// A failure in words of our own.
    pub fn new(reason: FailureReason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into() }
    }
}
