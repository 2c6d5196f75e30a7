//! A node as a member of a cluster: how it becomes one, how it runs, and what it answers.
//!
//! ```text
//!                 +-- attend --> (the coordinator, wherever it is) --+
//!   worker <------+                                                  v
//!                        on voters:  leader <-- consensus <--> other voters
//! ```
//!
//! [`found`] makes a cluster of one node, [`join`](join::join) a further node; [`run`](node::run)
//! is both afterwards, and every later start. Nobody is special: a voter is a member that has a log
//! besides, and the coordinator is whichever voter leads.

mod alone;
pub(crate) mod control;
pub(crate) mod data_dir;
mod elsewhere;
mod enrolment;
mod explain;
mod found;
mod handler;
mod infer;
pub(crate) mod join;
mod leaderless;
mod moments;
pub(crate) mod node;
mod outbox;
mod partial;
pub(crate) mod ports;
mod renewal;
mod restore;
mod rows;
mod shared;
#[cfg(test)]
mod tests;
mod views;
mod voting;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use fruitnode_consensus::store::StoreError;
use fruitnode_consensus::{LogFailure, StartError};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_mesh::RequestError;
use fruitnode_mesh::authority::AuthorityError;
use fruitnode_mesh::credentials::CredentialsError;
use fruitnode_mesh::error::MeshError;
use fruitnode_mesh::tls::TlsError;

pub(crate) use data_dir::{DataDir, DataDirError};
pub(crate) use elsewhere::ELSEWHERE_MS;
pub(crate) use found::{FoundOptions, found, save_person};
pub(crate) use join::{JoinOptions, join};
pub(crate) use node::{RunOptions, run};
pub(crate) use partial::SILENT_MS;
pub(crate) use ports::Ports;
pub(crate) use restore::{RestoreOptions, Restored, look, restore};

/// Why a node cannot be set up, or cannot run.
#[derive(Debug, Error)]
pub(crate) enum MemberError {
    /// Its folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Its keys or certificates.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The cluster's authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// TLS with its certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A request for a certificate.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Its log.
    #[error(transparent)]
    Log(#[from] StoreError),
    /// Consensus.
    #[error(transparent)]
    Consensus(#[from] StartError),
    /// Another node.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// An address is none, or not one that others can reach.
    #[error("{address}: {why}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The port cannot be had.
    #[error(
        "cannot listen on {address} (choose another address, or stop the process that uses it)"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The node had a log and has none any more.
    #[error(
        "the log of node n{node} is missing from {folder}: it was wiped, and without its log the \
         node must not vote again under its old ID: {way_on}"
    )]
    Wiped {
        /// The node.
        node: u64,
        /// Its folder.
        folder: String,
        /// What to do.
        way_on: String,
    },
    /// The only node that decides cannot sign, and so not lead.
    #[error(
        "node n{node} is the only voter of its cluster, and {} is missing: without it the node \
         cannot vote, and no node can join. Restore it from a copy of the data directory; if there \
         is none, create a new cluster with `fruitnode init` and an empty \
         --data-dir", file.display()
    )]
    NoAuthority {
        /// The node.
        node: u64,
        /// What is missing.
        file: PathBuf,
    },
    /// Another process is this node.
    #[error(
        "another process is already running as node {node} at {address}: its data directory and \
         this one are copies. Stop that process first; to add a node, join with a data directory \
         of its own (`fruitnode join --data-dir`)"
    )]
    Twin {
        /// The node.
        node: NodeId,
        /// Where it answers.
        address: String,
    },
    /// The cluster does not know it, or no longer.
    #[error("the cluster rejected this node: {0}")]
    Refused(String),
    /// The log has failed while the node ran.
    #[error("the node is stopping because its log failed: {}", .0.words)]
    LogFailed(LogFailure),
    /// The system gives no thread.
    #[error("cannot start a thread for this node")]
    Threads(#[source] io::Error),
    /// What was to be restored is not there or not right.
    #[error("{0}")]
    Restore(String),
}
