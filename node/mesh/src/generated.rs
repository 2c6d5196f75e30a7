//! Clients and servers as `build.rs` makes them; their messages are those of `fruitnode_proto`.
#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::too_many_lines)]

tonic::include_proto!("fruitnode.v1");
