//! The `fruitnode` program, as a library that tests can reach: its `main`, and how long a lease
//! lasts. Whatever else is here is the program's own, so that the compiler tells what is unused.
//!
//! Layers, each using only what stands right of it:
//! `cli -> {local, member} -> actors -> tasks`. What they stand on are crates of their own, in the
//! folders beside this one: `result`, `storage`, `vision`, `pca`, `mesh`, `consensus` and `env`.

mod actors;
mod cli;
mod config;
mod http;
mod local;
mod member;
mod tasks;
mod verified;

pub use actors::patience::LEASE_TICKS;
pub use cli::main;
