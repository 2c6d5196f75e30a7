//! Protobuf messages of fruitnode: what crosses the wire and what the log persists.
//!
//! No logic. The files under `fruitnode/v1/` are the source; the types are generated at build time.

/// Package `fruitnode.v1`.
#[allow(missing_docs, clippy::large_enum_variant)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/fruitnode.v1.rs"));
}
