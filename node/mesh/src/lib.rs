//! The mesh: identities, mutual TLS, and the gRPC servers and clients of the cluster.
//!
//! Whoever calls is who its certificate says ([`identity`]); certificates come from the cluster's
//! own authority ([`authority`]), and the first one of a node is had for a [`token`]. What a call
//! may be used for stands in one table (`permitted`). The rest of the node sees plain types: it
//! answers calls as a [`handler::Handler`] and makes them through [`client`].
//!
//! Architecture invariant: tonic and rcgen are named nowhere else.

pub mod authority;
pub mod client;
pub mod credentials;
pub mod error;
mod generated;
pub mod handler;
pub mod identity;
mod inbound;
mod pem;
mod permitted;
mod request;
pub mod roster;
pub mod server;
mod source;
mod status;
mod strangers;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod token;

pub use request::{RequestError, request_key};
pub use source::source_of;
pub use strangers::shown;

/// Largest message either side takes or sends, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Largest piece of something that is sent in pieces, in bytes.
pub const PIECE_BYTES_MAX: usize = 1 << 20;
