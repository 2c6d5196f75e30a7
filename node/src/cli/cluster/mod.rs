//! The cluster's commands: from words to calls of a node, and from its answers to words.

pub mod args;
pub mod job_args;
pub mod parse;
pub mod secret;
pub mod show;
