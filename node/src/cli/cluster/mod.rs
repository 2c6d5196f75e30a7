//! The cluster's commands: from words to calls of a node, and from its answers to words.

mod departure;
mod follow;
mod founding;
mod jobs;
mod known;
mod nodes;
mod parting;
mod reach;
mod say;
mod secret;
pub(crate) mod show;
mod submit;
mod tokens;

pub(super) use follow::document;
pub(super) use founding::{init, join, start};
pub(super) use jobs::job;
pub(super) use nodes::{node, status};
pub(super) use parting::{leave, recover};
pub(super) use show::job::summary;
pub(super) use submit::succeed;
pub(super) use tokens::{backup, client, token};
