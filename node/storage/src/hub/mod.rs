//! Weights from elsewhere: fetched over HTTP into a cache, whole or not at all, and known there by
//! their SHA-256.
//!
//! A file is written to a part, which survives whatever ends the process and is gone on with by the
//! next pull of the same source; complete and with the right digest, it gets its final name in one
//! rename. Everything here waits on one task of one process at a time: an exclusive lock per source
//! keeps others out.

mod answer;
mod bucket;
mod cache;
mod error;
mod event;
mod fetch;
mod part;
mod pull;
mod source;
mod surroundings;

pub use cache::{Cache, Known};
pub use error::PullError;
pub use event::Event;
pub use pull::{Patience, Pulled, kept, pull};
pub use source::{Source, SourceError};
pub use surroundings::{Surroundings, Token};

/// Largest file that is fetched or read as weights, in bytes. ResNet50 and VGG16 with their
/// classifiers stay below it.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
