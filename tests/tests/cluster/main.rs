//! Real nodes: founding, joining, jobs, deaths, partitions, and what people do with members.

mod certificates;
mod clients;
mod commands;
mod copies;
mod fairness;
mod firewall;
mod flags;
mod folders;
mod hangs;
mod jobs;
mod kills;
mod leaving;
mod listing;
mod members;
mod security;
mod status;
mod stolen_key;
mod storm;
mod streams;
mod suspects;
mod waiting;
