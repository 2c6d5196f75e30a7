//! From flags to a node of the cluster: addresses, certificate, patience, and what its refusals
//! mean for the shell.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use fruitnode_env::Moment;
use fruitnode_mesh::client::{CALL_LIMIT, Contact};
use fruitnode_mesh::credentials::{Credentials, HOSTS, PERSON};
use fruitnode_mesh::error::MeshError;
use fruitnode_proto::v1;

use crate::cli::args::ReachArgs;
use crate::cli::args::parse;
use crate::cli::cluster::known;
use crate::cli::exit::Exit;
use crate::cli::machine::reactor;
use crate::cli::message::CliError;
use crate::config::user_folder;

/// Share of what is left of `--timeout` after which a call says why it came to nothing.
const LAST_WORD: f64 = 0.9;

/// A way into the cluster.
pub(super) struct Reach {
    pub(super) contact: Contact,
    /// Where the cluster was looked for.
    pub(super) addresses: Vec<String>,
    credentials: Credentials,
    limit: Duration,
    /// Since when, and for how long, the command may take, where that is limited.
    ends: Option<(Moment, Duration)>,
}

impl Reach {
    /// Connects to whichever of these nodes answers first.
    pub(super) async fn connect(
        addresses: Vec<String>,
        credentials: Credentials,
        limit: Duration,
    ) -> Result<Self, MeshError> {
        let contact = Contact::connect(&addresses, &credentials).await?.with_limit(limit);
        Ok(Self { contact, addresses, credentials, limit, ends: None })
    }

    /// The same with all nodes that the cluster knows: the one that was named may die while a job
    /// is watched.
    pub(super) async fn with_all_nodes(self) -> Result<Self, MeshError> {
        let status = self.contact.look().await?;
        let others = others(&status, &self.addresses);
        let addresses = self.addresses.into_iter().chain(others).collect();
        let reach = Self::connect(addresses, self.credentials, self.limit).await?;
        Ok(Self { ends: self.ends, ..reach })
    }

    /// How long the command may still take before it says what it waits for, where that is
    /// limited.
    pub(super) fn left(&self) -> Option<Duration> {
        let (began, limit) = self.ends?;
        Some(limit.saturating_sub(began.elapsed()).mul_f64(LAST_WORD))
    }
}

/// Does `work` on a connection, within `--timeout`.
pub(super) fn reaching<T>(
    args: &ReachArgs,
    work: impl AsyncFnOnce(Reach) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let folder = certs_dir(args)?;
    let credentials = credentials(&folder)?;
    let addresses = addresses(args, &folder)?;
    let reactor = reactor(NonZeroUsize::MIN)?;
    reactor.block_on(async {
        let memory = known::keep(folder.clone(), addresses.clone(), credentials.clone());
        let done = Box::pin(within(args, (addresses, credentials), work)).await;
        memory.end().await;
        done
    })
}

/// Does `work` on a connection to one of these nodes, within `--timeout`.
async fn within<T>(
    args: &ReachArgs,
    (addresses, credentials): (Vec<String>, Credentials),
    work: impl AsyncFnOnce(Reach) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let Some(limit) = args.timeout else {
        let connecting = Box::pin(Reach::connect(addresses, credentials, CALL_LIMIT));
        let reach = connecting.await.map_err(|error| nobody(args, error))?;
        return Box::pin(work(reach)).await;
    };
    let began = Moment::now();
    let words = format!("none of {} answered within {limit:?}", addresses.join(", "));
    let connecting = Box::pin(Reach::connect(addresses, credentials, limit));
    let reach = timeout(limit, connecting).await.unwrap_or_else(|_| {
        Err(MeshError::Unreachable { address: "the cluster".to_owned(), words })
    });
    let reach = reach.map_err(|error| nobody(args, error))?;
    // A call that finds no coordinator ends a little earlier, to tell that it found none.
    let left = limit.saturating_sub(began.elapsed());
    let contact = reach.contact.with_limit(left.mul_f64(LAST_WORD));
    let reach = Reach { contact, ends: Some((began, limit)), ..reach };
    timeout(left, Box::pin(work(reach))).await.unwrap_or_else(|_| {
        let words =
            format!("timed out after {limit:?} (--timeout); the request may still be carried out");
        Err(CliError::new(Exit::TimedOut, "timed_out", words))
    })
}

/// That nobody answers; what else can be done where nobody said whom to ask.
fn nobody(args: &ReachArgs, error: MeshError) -> CliError {
    if !args.host.is_empty() || !matches!(error, MeshError::Unreachable { .. }) {
        return error.into();
    }
    let words =
        format!("{error}. Start a node there, or name a running node with --host HOST:PORT");
    CliError::new(Exit::Unreachable, "unreachable", words)
}

/// The folder of the caller's certificate.
pub(super) fn certs_dir(args: &ReachArgs) -> Result<PathBuf, CliError> {
    let default = || user_folder().map(|folder| folder.join("fruitnode/client"));
    args.certs_dir.clone().or_else(default).ok_or_else(|| {
        let words = "no client certificate: set --certs-dir or HOME";
        CliError::new(Exit::Usage, "bad_flag", words)
    })
}

/// Whether a person's certificate is in this folder.
pub(super) fn holds_person(folder: &Path) -> bool {
    folder.join(format!("{PERSON}.pem")).exists()
}

/// Whether an error may be over by itself: another coordinator is elected, a node starts again.
pub(super) fn passing(error: &MeshError) -> bool {
    matches!(
        error,
        MeshError::Unreachable { .. }
            | MeshError::NotLeader { .. }
            | MeshError::NoLeader { .. }
            | MeshError::Unavailable(_)
            | MeshError::TimedOut { .. }
    )
}

impl From<MeshError> for CliError {
    fn from(error: MeshError) -> Self {
        let (exit, code) = match &error {
            MeshError::Unreachable { .. } => (Exit::Unreachable, "unreachable"),
            MeshError::NotLeader { .. } | MeshError::NoLeader { .. } => {
                (Exit::Unreachable, "no_coordinator")
            }
            MeshError::Unavailable(_) => (Exit::Unreachable, "unavailable"),
            MeshError::Denied(_) => (Exit::Refused, "denied"),
            MeshError::Tls { .. } => (Exit::Refused, "not_trusted"),
            MeshError::NotFound(_) => (Exit::NotFound, "not_found"),
            MeshError::Conflict(_) => (Exit::Conflict, "conflict"),
            MeshError::Invalid(_) => (Exit::Usage, "invalid"),
            MeshError::Exhausted(_) => (Exit::Failed, "exhausted"),
            MeshError::Failed(_) => (Exit::Failed, "failed"),
            MeshError::TimedOut { .. } => (Exit::TimedOut, "timed_out"),
        };
        Self::of(exit, code, &error)
    }
}

fn credentials(folder: &Path) -> Result<Credentials, CliError> {
    if !holds_person(folder) {
        let words = format!(
            "there is no client certificate in {}: `fruitnode init` creates one on its machine, \
             and `fruitnode client create NAME --to DIR` creates others; name its folder with \
             --certs-dir",
            folder.display()
        );
        return Err(CliError::new(Exit::Refused, "no_certificate", words));
    }
    Credentials::load(folder, PERSON)
        .map_err(|error| CliError::of(Exit::Refused, "bad_certificate", &error))
}

fn addresses(args: &ReachArgs, folder: &Path) -> Result<Vec<String>, CliError> {
    if !args.host.is_empty() {
        return Ok(args.host.clone());
    }
    let file = folder.join(HOSTS);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let words = text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty());
    let addresses: Result<Vec<_>, _> = words.map(parse::address).collect();
    // What the cluster told last is of use when nobody there is left.
    let also = known::read(folder);
    match addresses {
        Ok(addresses) if !addresses.is_empty() || !also.is_empty() => {
            let also = also.into_iter().filter(|address| !addresses.contains(address));
            let also: Vec<_> = also.collect();
            Ok(addresses.into_iter().chain(also).collect())
        }
        Ok(_) => {
            let words = format!(
                "the address of the cluster is not known: name a node with --host HOST:PORT, with \
                 FRUITNODE_HOST or in {}",
                file.display()
            );
            Err(CliError::new(Exit::Usage, "bad_flag", words))
        }
        Err(words) => {
            let words = format!("{}: {words}", file.display());
            Err(CliError::new(Exit::Usage, "bad_flag", words))
        }
    }
}

fn others(status: &v1::ClusterStatus, known: &[String]) -> Vec<String> {
    known::nodes(status).filter(|address| !known.contains(address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_a_flag_or_by_the_file_beside_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let args = ReachArgs { host: vec!["a:1".to_owned()], ..ReachArgs::default() };
        let none = ReachArgs::default();
        let found = |args| addresses(args, folder.path());
        assert_eq!(found(&args).unwrap(), ["a:1"]);
        assert!(format!("{:?}", found(&none).unwrap_err()).contains("--host"));
        std::fs::write(folder.path().join(HOSTS), "b:2, c:3\n\nd:4\n").unwrap();
        assert_eq!(found(&none).unwrap(), ["b:2", "c:3", "d:4"]);
        assert_eq!(found(&args).unwrap(), ["a:1"], "a flag counts more");
        std::fs::write(folder.path().join(HOSTS), "nonsense").unwrap();
        assert!(format!("{:?}", found(&none).unwrap_err()).contains("nonsense"));
    }

    #[test]
    fn nodes_that_the_cluster_knows_are_added_once() {
        let node = |address: &str, state: &str| v1::NodeStatus {
            address: address.to_owned(),
            state: state.to_owned(),
            ..v1::NodeStatus::default()
        };
        let nodes = vec![node("a:1", "ready"), node("b:1", "lost"), node("c:1", "removed")];
        let status = v1::ClusterStatus { nodes, ..v1::ClusterStatus::default() };
        assert_eq!(others(&status, &["a:1".to_owned()]), ["b:1"]);
    }

    #[test]
    fn what_a_node_refuses_has_the_exit_code_that_shells_know() {
        let exit = |error: MeshError| CliError::from(error).exit();
        assert_eq!(exit(MeshError::NoLeader { words: String::new() }), Exit::Unreachable);
        assert_eq!(exit(MeshError::Denied(String::new())), Exit::Refused);
        assert_eq!(exit(MeshError::NotFound(String::new())), Exit::NotFound);
        assert_eq!(exit(MeshError::Conflict(String::new())), Exit::Conflict);
        let tls = MeshError::Tls { address: String::new(), words: String::new() };
        assert!(!passing(&tls));
        assert_eq!(exit(tls), Exit::Refused);
    }
}
