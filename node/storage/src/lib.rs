//! Where photographs come from and results go.
//!
//! Two traits, [`Source`] and [`Sink`], with a folder or S3 behind each; the listing in between is
//! kept as a [`manifest`], so that nothing ever holds all keys. Nothing here decides: what an error
//! means for a photograph or a job is said by total functions of the error. [`hub`] fetches weights
//! that are named and not at hand.

mod disk;
mod files;
mod folder;
mod folder_sink;
mod folder_writer;
pub mod hub;
mod joint;
pub mod label;
mod look;
pub mod manifest;
mod names;
mod picked;
mod place;
mod publish;
mod resume;
mod s3;
mod select;
mod sink;
mod source;
mod staging;
mod tally;
mod target;
mod walk;
mod whole;

#[cfg(test)]
mod tests;

pub use folder::FolderSource;
pub use folder_sink::{FolderSink, FolderTarget, Mode};
pub use label::{LabelError, LabelRule};
pub use look::{NoSink, Standing, look};
pub use picked::Picked;
pub use place::{Place, PlaceError};
pub use resume::Resume;
pub use s3::{
    Encryption, Outage, S3Error, S3Object, S3Options, S3Result, S3Sink, S3Source, S3Target,
    look_s3, outages, use_all_descriptors,
};
pub use select::{DEFAULT_PATTERN, Pattern, PatternError, Selection, Window};
pub use sink::{Access, ObjectWriter, SUCCESS, Sink, SinkError};
pub use source::{Entry, GetError, KeyRange, ListError, ListSummary, Problem, Source, Survey};
pub use tally::conclude;
pub use whole::list_whole;
