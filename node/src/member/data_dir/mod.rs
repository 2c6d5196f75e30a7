//! The folder of a node: who it is, its keys, its log, and what it last knew of the cluster.
//!
//! One process at a time works in it. Whatever is secret is readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use fruitnode_env::wall_ms;

mod setup;

/// Version of the form of `identity.json`.
const VERSION: u32 = 1;

const IDENTITY: &str = "identity.json";
const LOCK: &str = "lock";

/// File with the key of a node that has asked to be let in, until it is.
pub(super) const JOINING_KEY: &str = "joining.key";

/// File with the key of the cluster's authority.
pub(super) const AUTHORITY_KEY: &str = "authority.key";

/// File with who there is, as the node last heard.
pub(crate) const ROSTER: &str = "roster";

/// Says that the node is to leave its cluster for good, since whoever runs it wants that.
const LEAVING: &str = "leaving";

/// Why a node's folder cannot be used.
#[derive(Debug, Error)]
pub(crate) enum DataDirError {
    /// Nothing was ever set up there.
    #[error(
        "{} is not the data directory of a node: create one with `fruitnode init` or `fruitnode \
         join`, or name another with --data-dir",
        path.display()
    )]
    NotANode {
        /// The folder.
        path: PathBuf,
    },
    /// A node lives there already.
    #[error(
        "{} already belongs to node n{node} of cluster {cluster}: start that node with `fruitnode \
         start` (with `--ask HOST:PORT` if all the nodes it knew have left), or choose another \
         --data-dir",
        path.display()
    )]
    Taken {
        /// The folder.
        path: PathBuf,
        /// The node.
        node: u64,
        /// Its cluster.
        cluster: String,
    },
    /// Something else is in it.
    #[error("{} is not empty (it contains `{name}`): choose an empty or a new \
             --data-dir", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// The first thing in it.
        name: String,
    },
    /// Another process works in it.
    #[error("another process is using {}: stop it first", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// What it says cannot be read.
    #[error(
        "cannot parse {}: remove the node from another machine (`fruitnode node remove`) and join \
         again with an empty --data-dir",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a release that knows more.
    #[error("{} has version {version}: upgrade this node", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The system said no.
    #[error("cannot access {} (check its permissions, or choose another \
             --data-dir)", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl DataDirError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Who the node is. Nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeFile {
    /// Version of this form.
    pub schema_version: u32,
    /// Id of the node, the raft id too.
    pub node: u64,
    /// Id of the cluster.
    pub cluster: String,
    /// Chosen at random when the folder was set up: a folder that was wiped and refilled has
    /// another.
    pub storage: String,
    /// Where the node listens.
    pub listen: String,
    /// Where others reach it.
    pub advertise: String,
    /// Whether the node has ever had a log: one without, after that, was wiped.
    pub voter: bool,
    /// Processes that were started on this folder: by it a copy of the folder is told apart.
    #[serde(default)]
    pub starts: u64,
}

impl NodeFile {
    /// Of a node that was just given its id.
    pub(crate) fn new(
        node: u64,
        cluster: &str,
        storage: &str,
        listen: &str,
        advertise: &str,
    ) -> Self {
        Self {
            schema_version: VERSION,
            node,
            cluster: cluster.to_owned(),
            storage: storage.to_owned(),
            listen: listen.to_owned(),
            advertise: advertise.to_owned(),
            voter: false,
            starts: 0,
        }
    }
}

/// A node's folder, held by this process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Held while the process lives, however it dies.
    _lock: File,
}

impl DataDir {
    /// Opens the folder of a node.
    ///
    /// # Errors
    /// When there is none, or another process works in it.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        if !path.join(IDENTITY).is_file() {
            return Err(DataDirError::NotANode { path: path.to_owned() });
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, DataDirError> {
        let file = path.join(LOCK);
        let options = OpenOptions::new().create(true).truncate(false).write(true).clone();
        let lock = options.open(&file).map_err(DataDirError::io(&file))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(_) => Err(DataDirError::Busy { path: path.to_owned() }),
        }
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of a voter.
    pub(crate) fn log(&self) -> PathBuf {
        self.file("log.redb")
    }

    /// Gives the log another name besides, by which it can be looked at later.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn keep_log_aside(&self) -> Result<PathBuf, DataDirError> {
        let log = self.log();
        let aside = log.with_extension(format!("lost-{}.redb", wall_ms()));
        fs::hard_link(&log, &aside).map_err(DataDirError::io(&log))?;
        Ok(aside)
    }

    /// Puts the log where no later start finds it: without it the node, which had one, does not
    /// start again.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn set_log_aside(&self) -> Result<(), DataDirError> {
        self.keep_log_aside()?;
        fs::remove_file(self.log()).map_err(DataDirError::io(&self.log()))
    }

    /// The key of the cluster's authority: on voters alone.
    pub(crate) fn authority_key(&self) -> PathBuf {
        self.file(AUTHORITY_KEY)
    }

    /// Who the node is.
    ///
    /// # Errors
    /// When nobody wrote it, or nobody can read it.
    pub(crate) fn identity(&self) -> Result<NodeFile, DataDirError> {
        identity(&self.path)
    }

    /// Writes down who the node is. Last of all that sets a folder up: with it, it is one.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn set_identity(&self, file: &NodeFile) -> Result<(), DataDirError> {
        let bytes = serde_json::to_vec_pretty(file).expect("strings and numbers are always JSON");
        self.write(IDENTITY, &bytes)
    }

    /// Whether the node was told to leave for good since it was started.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn is_leaving(&self) -> Result<bool, DataDirError> {
        Ok(self.read(LEAVING)?.is_some())
    }

    /// Forgets that the node was told to leave: it is started again.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn set_staying(&self) -> Result<(), DataDirError> {
        self.remove(LEAVING)
    }

    /// Reads a file of the folder, if it is there.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io { path, source }),
        }
    }

    /// Replaces a file, whole or not at all, readable by its owner alone.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        write_private(&self.file(name), bytes)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DataDirError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(DataDirError::io(&path)),
        }
    }
}

/// Who the node of a folder is, whoever holds the folder.
///
/// # Errors
/// When nobody wrote it, or nobody can read it.
pub(crate) fn identity(folder: &Path) -> Result<NodeFile, DataDirError> {
    let path = folder.join(IDENTITY);
    let bytes = fs::read(&path).map_err(DataDirError::io(&path))?;
    let file: NodeFile = serde_json::from_slice(&bytes)
        .map_err(|source| DataDirError::Damaged { path: path.clone(), source })?;
    let version = file.schema_version;
    if version > VERSION {
        return Err(DataDirError::TooNew { path, version });
    }
    Ok(file)
}

/// Notes in a node's folder that it is to leave for good, whoever holds the folder.
///
/// # Errors
/// As the system says.
pub(crate) fn set_leaving(folder: &Path) -> Result<(), DataDirError> {
    write_private(&folder.join(LEAVING), b"")
}

/// Replaces a file, whole or not at all, readable by its owner alone.
///
/// # Errors
/// As the system says.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let new = path.with_extension("new");
    let written = (|| {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename is durable when the folder is.
        File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
    })();
    written.map_err(DataDirError::io(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn node_file() -> NodeFile {
        NodeFile::new(3, "ab12cd34", "store", "127.0.0.1:7400", "127.0.0.1:7400")
    }

    #[test]
    fn a_node_leaves_once_it_is_told_to_until_it_is_started_again() {
        let above = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&above.path().join("node")).unwrap();
        assert!(!dir.is_leaving().unwrap());
        set_leaving(dir.path()).unwrap();
        assert!(dir.is_leaving().unwrap());
        dir.set_staying().unwrap();
        dir.set_staying().unwrap();
        assert!(!dir.is_leaving().unwrap());
    }

    #[test]
    fn a_folder_is_a_node_once_it_says_who_it_is() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("node");
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("fruitnode join"), "{error}");
        let dir = DataDir::create(&path).unwrap();
        dir.set_identity(&node_file()).unwrap();
        assert_eq!(dir.identity().unwrap(), node_file());
        drop(dir);
        assert_eq!(DataDir::open(&path).unwrap().identity().unwrap(), node_file());
        let error = DataDir::create(&path).unwrap_err().to_string();
        assert!(error.contains("n3") && error.contains("fruitnode start"), "{error}");
    }

    #[test]
    fn what_is_written_is_its_owners_alone() {
        let above = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&above.path().join("node")).unwrap();
        dir.write("authority.key", b"secret").unwrap();
        let mode = fs::metadata(dir.authority_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_newer_or_damaged_identity_is_refused_in_words() {
        let above = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&above.path().join("node")).unwrap();
        dir.set_identity(&NodeFile { schema_version: 9, ..node_file() }).unwrap();
        assert!(dir.identity().unwrap_err().to_string().contains("upgrade this node"));
        dir.write(IDENTITY, b"{").unwrap();
        assert!(dir.identity().unwrap_err().to_string().contains("join again"));
    }
}
