//! A further node: it makes its own key, proves with a token that it is wanted, and is given a
//! certificate, an id, and who there is.

use std::path::PathBuf;

use prost::Message;
use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::hex;
use fruitnode_mesh::client;
use fruitnode_mesh::credentials::{NODE, NodeKey};
use fruitnode_mesh::request_key;
use fruitnode_mesh::token::Token;
use fruitnode_proto::v1;

use crate::member::MemberError;
use crate::member::data_dir::{DataDir, JOINING_KEY, NodeFile, ROSTER};

/// How a node joins.
#[derive(Debug)]
pub(crate) struct JoinOptions {
    /// Nodes to ask: the first that answers decides.
    pub addresses: Vec<String>,
    /// What proves that the node is wanted.
    pub token: Token,
    /// Folder of the node: empty, not there yet, or of a try that was cut short.
    pub data_dir: PathBuf,
    /// Where the node listens.
    pub listen: String,
    /// Where others reach it.
    pub advertise: String,
}

/// Makes this machine a member. The node does not run yet.
///
/// # Errors
/// When the folder holds anything, nobody answers, or the token lets nobody in.
pub(crate) async fn join(options: &JoinOptions) -> Result<DataDir, MemberError> {
    check_address(&options.advertise)?;
    let dir = DataDir::create(&options.data_dir)?;
    // Kept before it is asked with: when the answer is lost, the next try gets it.
    let key = NodeKey::kept(&dir.file(JOINING_KEY))?;
    let request = key.request_der()?;
    let storage = storage_of(&request_key(&request)?);
    let request = v1::EnrollRequest {
        token: options.token.id.clone(),
        secret: Vec::new(),
        request,
        address: options.advertise.clone(),
        storage: storage.clone(),
    };
    let reply = client::enroll(&options.addresses, &options.token, request).await?;
    key.with(reply.certificates)?.save(dir.path(), NODE)?;
    let roster = reply.roster.unwrap_or_default();
    dir.write(ROSTER, &roster.encode_to_vec())?;
    let file =
        NodeFile::new(reply.node, &reply.cluster, &storage, &options.listen, &options.advertise);
    dir.finish(&file)?;
    tracing::info!(node = reply.node, cluster = reply.cluster, "joined");
    Ok(dir)
}

/// Id of the store of a node that joins with this public key: the same at every try.
fn storage_of(key: &[u8]) -> String {
    hex(&Sha256::digest([b"storage", key].concat())[..8])
}

/// An address that others are told has a host and a port, and is not "everywhere".
pub(super) fn check_address(address: &str) -> Result<(), MemberError> {
    let wrong = |why| Err(MemberError::Address { address: address.to_owned(), why });
    let Some((host, port)) = address.rsplit_once(':') else {
        return wrong("write an address as HOST:PORT, such as 10.0.0.5:7400");
    };
    if port.parse::<u16>().is_ok_and(|port| port > 0) {
        let nowhere = ["", "0.0.0.0", "[::]", "::", "*"];
        return match nowhere.contains(&host) {
            true => wrong(
                "other nodes cannot reach that: name an address that they can reach with \
                 --advertise",
            ),
            false => Ok(()),
        };
    }
    wrong("the port must be a number from 1 to 65535")
}

#[cfg(test)]
mod tests {
    use super::check_address;

    #[test]
    fn an_address_that_others_cannot_use_is_refused() {
        for address in ["10.0.0.5", "10.0.0.5:", "h:0", "h:x", ":7400", "0.0.0.0:7400", "[::]:1"] {
            assert!(check_address(address).is_err(), "{address}");
        }
        for address in ["10.0.0.5:7400", "node-1.example:7400", "[::1]:7400"] {
            assert!(check_address(address).is_ok(), "{address}");
        }
    }
}
