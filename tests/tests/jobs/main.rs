//! The program on one machine: jobs over folders, and every command that needs no cluster.

mod command_line;
mod config;
mod dry_run;
mod full_disk;
mod hub;
mod job;
mod killed;
mod model;
mod pull;
mod resumed;
mod same_bits;
mod transform;
mod wrong_uses;
