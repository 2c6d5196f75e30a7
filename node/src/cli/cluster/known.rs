//! What the cluster told last of where its nodes are: a person whose file `host` names nodes that
//! have all left finds the others by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use fruitnode_mesh::client::Contact;
use fruitnode_mesh::credentials::Credentials;
use fruitnode_proto::v1;

use crate::actors::spawn::spawn;
use crate::cli::args::parse;
use crate::member::data_dir::write_private;

/// File beside a person's certificate with the addresses of nodes, one to a line, as the cluster
/// told them last.
const KNOWN: &str = "known_nodes";

/// How long a command that is done waits for what the cluster tells.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// Nodes that are kept: any of them leads to the others.
const NODES_MAX: usize = 32;

/// What the cluster tells while a command is at work.
pub(super) struct Memory(JoinHandle<()>);

/// Asks the cluster, beside what the command does, and keeps what it tells in the folder of the
/// person's certificate. Whatever goes wrong with that is no matter: it was not asked for.
pub(super) fn keep(folder: PathBuf, addresses: Vec<String>, credentials: Credentials) -> Memory {
    Memory(spawn("memory", async move {
        let Ok(contact) = Box::pin(Contact::connect(&addresses, &credentials)).await else {
            return;
        };
        let Ok(status) = contact.look().await else { return };
        let mut nodes: Vec<_> = nodes(&status).collect();
        nodes.truncate(NODES_MAX);
        // A node that finds no coordinator may know nobody who is left.
        if !status.partial && !nodes.is_empty() && nodes != read(&folder) {
            let _ =
                write_private(&folder.join(KNOWN), format!("{}\n", nodes.join("\n")).as_bytes());
        }
    }))
}

impl Memory {
    /// Ends with the command.
    pub(super) async fn end(mut self) {
        if timeout(LAST_WAIT, &mut self.0).await.is_err() {
            self.0.abort();
        }
    }
}

/// Where the nodes of a cluster are reached, those left out that are removed.
pub(super) fn nodes(status: &v1::ClusterStatus) -> impl Iterator<Item = String> {
    let nodes = status.nodes.iter().filter(|node| node.state != "removed");
    nodes.map(|node| node.address.clone()).filter(|address| !address.is_empty())
}

/// Nodes that the cluster told of last. A line that is no address is passed over.
pub(super) fn read(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(KNOWN)).unwrap_or_default();
    text.lines().filter_map(|line| parse::address(line.trim()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        let text = "10.0.0.1:7400\n\nnonsense\n node-2.example:7400\n";
        std::fs::write(folder.path().join(KNOWN), text).unwrap();
        assert_eq!(read(folder.path()), ["10.0.0.1:7400", "node-2.example:7400"]);
    }
}
