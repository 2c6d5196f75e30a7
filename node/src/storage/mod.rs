//! Where photographs come from and results go.
//!
//! Two traits, [`Source`] and [`Sink`], with a folder behind each; the listing in between is kept
//! as a [`manifest`], so that nothing ever holds all keys. Nothing here decides: what an error
//! means for a photograph or a job is said by total functions of the error.

mod folder;
mod folder_sink;
mod folder_writer;
pub mod label;
mod look;
pub mod manifest;
mod names;
mod publish;
mod select;
mod sink;
mod source;
mod staging;
mod target;
mod walk;

#[cfg(test)]
mod tests;

pub use folder::FolderSource;
pub use folder_sink::{FolderSink, FolderTarget, Mode};
pub use label::{LabelError, LabelRule};
pub use look::{NoSink, Standing, look};
pub use select::{DEFAULT_PATTERN, Pattern, PatternError, Selection, Window};
pub use sink::{ObjectWriter, SUCCESS, Sink, SinkError};
pub use source::{Entry, GetError, ListError, ListSummary, Problem, Source};
