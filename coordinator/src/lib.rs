//! Every decision of a fruitnode cluster, as pure functions over plain data.
//!
//! [`state::ClusterState::apply`] takes one [`command::Command`] of the log and says, as
//! [`effect::Effect`]s, what the leader must do; [`schedule::grants`] proposes the next leases.
//! The rest are the parts of these two: what a task is ([`task`]), how a job moves ([`lineage`]),
//! what a failure means ([`retry`]), and in which order moments are added ([`tree`]).
//!
//! Architecture invariant: nothing here reads a clock, a file, a socket or a random source, and
//! nothing is async. The crate's dependency tree is checked by `tests/tests/rules/layering.rs`.

mod apply;
pub(crate) mod attendance;
mod by_node;
pub mod codec;
pub mod command;
pub mod control;
pub mod effect;
pub mod failure;
pub mod ids;
pub mod inputs;
pub mod invariants;
pub mod job;
pub mod leases;
mod lineage;
pub mod max_bad;
pub mod members;
pub mod node;
mod packed_story;
pub mod partition;
pub mod phase;
pub mod reach;
mod ready_tasks;
mod reduction;
pub mod retry;
mod room;
pub mod schedule;
mod slots;
pub mod spec;
pub mod state;
pub mod status;
pub mod store_faults;
pub mod story;
pub mod task;
pub mod tree;
pub mod voters;
