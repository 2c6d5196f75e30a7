//! The `fruitnode` program, as a library that tests can reach.
//!
//! Layers, each using only what stands right of it:
//! `cli -> {local, member} -> actors -> tasks`. What they stand on are crates of their own, in the
//! folders beside this one: `result`, `storage`, `vision`, `pca`, `mesh`, `consensus` and `env`.

pub mod actors;
pub mod cli;
pub mod config;
pub mod http;
pub mod local;
pub mod member;
pub mod tasks;
pub mod verified;
