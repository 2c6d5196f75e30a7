//! The first node of a cluster: it makes the authority, the log's first state, a certificate for
//! the person who runs it, and a token for those that follow.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::Message;
use sha2::{Digest as _, Sha256};

use fruitnode_consensus::store::RedbLog;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Digest, NodeId, hex};
use fruitnode_coordinator::state::ClusterState;
use fruitnode_env::{secret_bytes, wall_ms};
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::credentials::{self, Credentials, HOSTS, NODE, NodeKey};
use fruitnode_mesh::identity::{Certified, new_cluster};
use fruitnode_mesh::request_key;
use fruitnode_mesh::roster::Roster;
use fruitnode_mesh::token::Token;
use fruitnode_replica::Replica;

use crate::member::MemberError;
use crate::member::data_dir::{DataDir, NodeFile, ROSTER, write_private};
use crate::member::join::check_address;

/// The first node.
const FIRST: NodeId = NodeId(1);

/// The person for whom a certificate is made.
pub(crate) const PERSON: &str = "admin";

/// How a cluster is to be.
#[derive(Debug, Clone)]
pub(crate) struct FoundOptions {
    /// Folder of the first node: empty, or not there yet.
    pub data_dir: PathBuf,
    /// Where the node listens.
    pub listen: String,
    /// Where others reach it.
    pub advertise: String,
    /// Name of the cluster for people.
    pub name: String,
    /// Voters: 1, 3 or 5.
    pub voters: u32,
    /// Nodes that the first token lets in.
    pub token_uses: u32,
    /// Life of the first token.
    pub token_life: Duration,
    /// Life of nodes' certificates, for as long as the cluster lives.
    pub certificate_life: Duration,
    /// Where people's certificates are looked for by default: the person's one is put there too,
    /// unless there is one already.
    pub client_dir: Option<PathBuf>,
}

/// A cluster that was founded.
#[derive(Debug)]
pub(crate) struct Founded {
    /// The folder, still held.
    pub dir: DataDir,
    /// Id of the cluster.
    pub cluster: String,
    /// What a node joins with. Shown once, kept nowhere.
    pub token: Token,
    /// Where a node joins.
    pub address: String,
    /// Folders that hold the person's certificate.
    pub client_dirs: Vec<PathBuf>,
}

/// Founds a cluster. Its first node does not run yet.
///
/// # Errors
/// When the folder holds anything, or an address is none.
pub(crate) fn found(options: &FoundOptions) -> Result<Founded, MemberError> {
    check_address(&options.advertise)?;
    let dir = DataDir::create(&options.data_dir)?;
    let cluster = new_cluster();
    let storage = hex(&secret_bytes::<8>());
    let authority = Authority::create(&cluster)?;
    let key = NodeKey::generate()?;
    let request = key.request_der()?;
    let credentials =
        key.with(authority.sign_node(FIRST, &request, options.certificate_life)?)?;
    credentials.save(dir.path(), NODE)?;
    authority.save(dir.path())?;

    let token = Token::create(authority.pin());
    let (person, certified) = person(&authority)?;
    let commands = [
        Command::FoundCluster {
            cluster: cluster.clone(),
            name: options.name.clone(),
            voters_wanted: options.voters,
            address: options.advertise.clone(),
            storage: storage.clone(),
            key: Digest(Sha256::digest(request_key(&request)?).into()),
            certificate_life_ms: options.certificate_life.as_millis() as u64,
        },
        Command::CreateToken {
            id: token.id.clone(),
            hash: Digest(token.hash()),
            uses: options.token_uses,
            expires_ms: wall_ms() + options.token_life.as_millis() as u64,
        },
        Command::RegisterClient {
            name: PERSON.to_owned(),
            serial: certified.serial,
            expires_ms: certified.not_after_ms,
        },
    ];
    let mut state = ClusterState::default();
    for (at, command) in commands.iter().enumerate() {
        state.apply(at as u64 + 1, wall_ms(), command);
    }
    let mut log = RedbLog::create(&dir.log(), &storage)?;
    Replica::found(&mut log, FIRST, &state)?;
    drop(log);

    let roster = state.membership().roster();
    let roster = Roster::listed(roster, state.applied(), vec![FIRST.0]);
    dir.write(ROSTER, &roster.encode_to_vec())?;
    let own = dir.file(credentials::PERSON);
    save_person(&person, &own, &options.advertise)?;
    let mut client_dirs = vec![own];
    let mut file = NodeFile::new(FIRST.0, &cluster, &storage, &options.listen, &options.advertise);
    file.voter = true;
    dir.finish(&file)?;
    // Not before there is a cluster for which it is good: nothing takes its place later.
    if let Some(theirs) = &options.client_dir
        && !theirs.exists()
    {
        save_person(&person, theirs, &options.advertise)?;
        client_dirs.push(theirs.clone());
    }
    let address = options.advertise.clone();
    Ok(Founded { dir, cluster, token, address, client_dirs })
}

fn person(authority: &Authority) -> Result<(Credentials, Certified), MemberError> {
    let key = NodeKey::generate()?;
    let credentials = key.with(authority.sign_person(PERSON, &key.request_der()?)?)?;
    let certified = credentials.check()?;
    Ok((credentials, certified))
}

/// Puts a person's certificate and the address of a node into a folder.
///
/// # Errors
/// As the system says.
pub(crate) fn save_person(
    person: &Credentials,
    folder: &Path,
    hosts: &str,
) -> Result<(), MemberError> {
    use std::os::unix::fs::DirBuilderExt;
    let trouble =
        |source| MemberError::DataDir(super::DataDirError::Io { path: folder.to_owned(), source });
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(trouble)?;
    person.save(folder, credentials::PERSON)?;
    Ok(write_private(&folder.join(HOSTS), format!("{hosts}\n").as_bytes())?)
}
