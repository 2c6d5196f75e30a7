//! `fruitnode leave` and `recover`: how a node goes, and how one goes on that was left alone.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use serde_json::json;
use tokio::time::{sleep, timeout};

use fruitnode_mesh::client::CALL_LIMIT;
use fruitnode_mesh::credentials::{Credentials, NODE, PERSON};
use fruitnode_mesh::error::MeshError;
use fruitnode_proto::v1;

use crate::cli::args::{LeaveArgs, ReachArgs, RecoverArgs, TerminalArgs};
use crate::cli::cluster::departure::{self, Departure, Standing, Went};
use crate::cli::cluster::founding::data_dir;
use crate::cli::cluster::reach::{self, Reach, holds_person, passing};
use crate::cli::cluster::say::{ask, confirm, done, somebody, tell};
use crate::cli::cluster::show::founded::word;
use crate::cli::cluster::show::node;
use crate::cli::exit::Exit;
use crate::cli::machine::reactor;
use crate::cli::message::CliError;
use crate::cli::plain::plain;
use crate::member::data_dir::{self, NodeFile, ROSTER};
use crate::member::{self, DataDirError, RestoreOptions, Restored};

/// Between two looks at a node that ends its leases.
const LOOK: Duration = Duration::from_millis(500);

/// Has the cluster give this node's work to others, and forget the node.
pub(in crate::cli) fn leave(args: &LeaveArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let folder = data_dir(&args.data)?;
    let file = identity(&folder)?;
    let id = node::id(file.node);
    let own = Credentials::load(&folder, NODE)
        .map_err(|error| CliError::of(Exit::Refused, "bad_certificate", &error))?;
    let addresses = match args.reach.host.is_empty() {
        false => args.reach.host.clone(),
        true => known(&folder, &file),
    };
    let departure = Departure { id: file.node, args: &args.departure, terminal };
    let reactor = reactor(NonZeroUsize::MIN)?;
    let begun = Box::pin(begin(args, (&file, own), &addresses, &departure));
    let (begun, drained) = reactor.block_on(begun)?;
    drop(reactor);
    if begun == Standing::Gone {
        return Ok(left(&id, &folder, file.node, terminal));
    }
    // The node itself ends once it is out, and then in good order.
    data_dir::set_leaving(&folder)
        .map_err(|error| CliError::of(Exit::Refused, "storage_refused", &error))?;
    let host = if args.reach.host.is_empty() { addresses } else { args.reach.host.clone() };
    let reach = ReachArgs { host, ..args.reach.clone() };
    // What only a person may do is done by the one whose certificate lies here, if there is one.
    if !holds_person(&reach::certs_dir(&reach)?) && !holds_person(&folder.join(PERSON)) {
        let (outcome, words) = match begun {
            Standing::Leaving => ("leaving", departure.goes_on()),
            _ => (
                "draining",
                format!(
                    "{id} has handed over its work. To remove it for good, on the machine with \
                     your client certificate: fruitnode node remove {id}"
                ),
            ),
        };
        done(terminal, json!({"outcome": outcome, "node": file.node}), &words);
        return Ok(Exit::Done);
    }
    let reach = with_certificate(reach, &folder)?;
    reach::reaching(&reach, async |reach| {
        if begun == Standing::Belongs
            && let Err(error) = departure.ask(&reach).await
        {
            // A node that stays works on. If this is not heard either, `status` says what to do.
            if drained
                && let Ok(status) = reach.contact.status().await
                && departure::standing(&status, file.node) == Some(Standing::Belongs)
            {
                let undo = v1::DrainRequest { node: file.node, undo: true };
                let _ = reach.contact.drain_node(undo).await;
            }
            return Err(error);
        }
        let reach = reach.with_all_nodes().await?;
        Ok(match Box::pin(departure.wait(&reach)).await? {
            Went::Gone => left(&id, &folder, file.node, terminal),
            Went::Going => {
                let json = json!({"outcome": "leaving", "node": file.node});
                done(terminal, json, &departure.goes_on());
                Exit::Done
            }
        })
    })
}

/// Looks where the node stands, asks whether it is meant, and has it hand its work over. Says where
/// it stood, and whether it is drained only since now.
async fn begin(
    args: &LeaveArgs,
    (file, own): (&NodeFile, Credentials),
    addresses: &[String],
    departure: &Departure<'_>,
) -> Result<(Standing, bool), CliError> {
    let (id, terminal) = (node::id(file.node), departure.terminal);
    let others = addresses.iter().filter(|address| **address != file.advertise);
    let others: Vec<String> = others.cloned().collect();
    let reach = Box::pin(Reach::connect(addresses.to_vec(), own.clone(), CALL_LIMIT)).await;
    let reach = reach.map_err(|error| unreached(&id, error))?;
    match reach.contact.look().await {
        // The cluster refuses no node that it has not removed to tell how it is.
        Err(MeshError::Denied(_)) => return Ok((Standing::Gone, false)),
        // Its own process may have ended with that: then what the others say counts.
        Err(_) if !others.is_empty() && others.len() < addresses.len() => {
            return Box::pin(begin(args, (file, own), &others, departure)).await;
        }
        Err(error) => return Err(unreached(&id, error)),
        Ok(_) => {}
    }
    let status = departure::asked(&reach, file.node).await?;
    let standing = departure::standing(&status, file.node).ok_or_else(|| {
        let words = format!("cluster {} has no node {id}", status.cluster);
        CliError::new(Exit::NotFound, "not_found", words)
    })?;
    let mut drained = false;
    match standing {
        Standing::Gone => {}
        Standing::Leaving => tell(terminal, &format!("{id} is already leaving")),
        Standing::Belongs => {
            let price = departure::price(&status, file.node, args.departure.force)?;
            let words = price.clone().map(|words| format!(" {words}.")).unwrap_or_default();
            confirm(
                &format!("Remove {id} from cluster {} for good?{words}", file.cluster),
                args.yes,
            )?;
            if let Some(words) = price.filter(|_| args.departure.force && args.yes) {
                tell(terminal, &words);
            }
            let lost = status
                .nodes
                .iter()
                .any(|at| at.node == file.node && ["lost", "joined"].contains(&at.state.as_str()));
            if lost {
                let words = "is not running, or the cluster cannot reach it: other nodes redo its \
                             unfinished work";
                tell(terminal, &format!("{id} {words}"));
                return Ok((standing, false));
            }
            let own = status.nodes.iter().find(|at| at.node == file.node);
            drained = own.is_some_and(|own| own.state != "draining");
            reach.contact.drain_node(v1::DrainRequest { node: file.node, undo: false }).await?;
            let idle = timeout(args.drain_timeout, idle(&reach, file.node)).await;
            if !idle.unwrap_or(Ok(false))? {
                tell(terminal, &format!("{id} still had leases: other nodes redo them"));
            }
        }
    }
    Ok((standing, drained))
}

/// That nobody can be told that the node is to leave.
fn unreached(id: &str, error: MeshError) -> CliError {
    if !passing(&error) {
        return error.into();
    }
    let words = format!(
        "{error}. {id} still belongs to the cluster: try again when this machine can reach one of \
         its nodes (--host HOST:PORT), or remove {id} from another machine with `fruitnode node \
         remove {id}`"
    );
    CliError::new(Exit::Unreachable, "unreachable", words)
}

/// Says that the node is gone.
fn left(id: &str, folder: &Path, node: u64, terminal: &TerminalArgs) -> Exit {
    let folder = folder.display();
    let words = format!(
        "{id} has left. Its data directory {folder} is no longer needed; empty it to join again"
    );
    done(terminal, json!({"outcome": "left", "node": node}), &words);
    Exit::Done
}

/// Whether the node's leases have all ended.
async fn idle(reach: &Reach, node: u64) -> Result<bool, MeshError> {
    loop {
        let status = reach.contact.status().await?;
        let own = status.nodes.iter().find(|known| known.node == node);
        if own.is_none_or(|own| own.granted == 0) {
            return Ok(true);
        }
        sleep(LOOK).await;
    }
}

/// The person whose certificate is found first: the one that was named, the caller's own, or the
/// one that the cluster was founded with.
fn with_certificate(reach: ReachArgs, folder: &Path) -> Result<ReachArgs, CliError> {
    let certs_dir = match holds_person(&reach::certs_dir(&reach)?) {
        true => reach.certs_dir.clone(),
        false => Some(folder.join(PERSON)),
    };
    Ok(ReachArgs { certs_dir, ..reach })
}

/// Who the node is: read without its lock, which the running node has.
fn identity(folder: &Path) -> Result<NodeFile, CliError> {
    data_dir::identity(folder).map_err(|error| match error {
        DataDirError::Io { .. } => {
            let words = format!(
                "{} is not the data directory of a node: name that of the node to remove with \
                 --data-dir",
                folder.display()
            );
            CliError::new(Exit::NotFound, "no_node", words)
        }
        error => CliError::of(Exit::Refused, "storage_refused", &error),
    })
}

/// Nodes that this one knows, itself first.
fn known(folder: &Path, file: &NodeFile) -> Vec<String> {
    let bytes = std::fs::read(folder.join(ROSTER)).unwrap_or_default();
    let roster = v1::Roster::decode(&*bytes).unwrap_or_default();
    let others = roster.members.into_iter().map(|member| member.address);
    let others = others.filter(|address| *address != file.advertise && !address.is_empty());
    std::iter::once(file.advertise.clone()).chain(others).collect()
}

/// Makes this node the only voter of what it has, or of a backup.
pub(in crate::cli) fn recover(
    args: &RecoverArgs,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    let data_dir = data_dir(&args.data)?;
    let options = RestoreOptions { data_dir, from: args.from.clone() };
    let found = member::look(&options)?;
    tell(terminal, &warning(&found, &options));
    if !args.yes {
        let words = format!("nothing was changed: the name of the cluster is {}", found.name);
        if !somebody() {
            let words = format!(
                "cannot ask for the name of the cluster without a terminal: confirm with --yes; \
                 {words}"
            );
            return Err(CliError::new(Exit::Usage, "not_confirmed", words));
        }
        if ask("Type the name of the cluster to continue: ").trim() != found.name {
            return Err(CliError::new(Exit::Interrupted, "not_confirmed", words));
        }
    }
    let restored = member::restore(&options)?;
    let id = node::id(restored.node.0);
    let mut words = format!("{id} is now the only voter of cluster {}", restored.name);
    if let Some(old) = &restored.old_log {
        words.push_str(&format!("; its old log is {}", old.display()));
    }
    words.push_str(&format!("\nnext: fruitnode start --data-dir {}", word(&options.data_dir)));
    let removed: Vec<_> = restored.removed.iter().map(|node| node.0).collect();
    let json = json!({
        "outcome": "restored",
        "name": restored.name,
        "node": restored.node.0,
        "applied": restored.applied,
        "removed": removed,
        "old_log": restored.old_log,
    });
    done(terminal, json, &words);
    Ok(Exit::Done)
}

/// What is lost, before it is.
fn warning(found: &Restored, options: &RestoreOptions) -> String {
    let (id, name) = (node::id(found.node.0), plain(&found.name));
    let source = match &options.from {
        Some(backup) => format!("the backup {}", backup.display()),
        None => format!("the log of {id}"),
    };
    let removed: Vec<_> = found.removed.iter().map(|node| node::id(node.0)).collect();
    let removed = match removed.is_empty() {
        true => "There are no other known voters.".to_owned(),
        false => format!(
            "The other voters, {}, are removed: if one of them is still running, stop it first. \
             They can only come back with `fruitnode join` and an empty --data-dir.",
            removed.join(", ")
        ),
    };
    format!(
        "WARNING: {id} becomes the only voter of cluster {name}, with the state in {source}, up to \
         entry {}.\nEverything the cluster decided after that is lost: jobs, nodes, tokens, \
         revoked certificates.\n{removed}\nIf a majority of the voters can still be started, start \
         them instead: then nothing is lost. If they have left and the cluster continues on other \
         nodes, there would be two clusters with the same name: start {id} with `fruitnode start \
         --ask HOST:PORT` of one of those nodes instead.",
        found.applied
    )
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::NodeId;

    use super::*;

    #[test]
    fn what_would_be_lost_is_said_before_it_is() {
        let found = Restored {
            name: "fruits".to_owned(),
            node: NodeId(2),
            applied: 1_234,
            removed: vec![NodeId(1), NodeId(3)],
            old_log: None,
        };
        let options = RestoreOptions { data_dir: "n2".into(), from: None };
        let words = warning(&found, &options);
        for says in
            ["WARNING", "n2", "cluster fruits", "entry 1234", "n1, n3, are removed", "--ask"]
        {
            assert!(words.contains(says), "{says}: {words}");
        }
        let options = RestoreOptions { from: Some("b.fruitnode".into()), ..options };
        let alone = Restored { removed: Vec::new(), ..found };
        let words = warning(&alone, &options);
        assert!(
            words.contains("backup b.fruitnode") && words.contains("no other known voters"),
            "{words}"
        );
    }

    #[test]
    fn a_node_that_leaves_asks_itself_first_and_then_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let error = identity(folder.path()).unwrap_err();
        assert!(error.words().contains("--data-dir"), "{error:?}");
        let file = NodeFile::new(2, "ab12cd34", "store", "0.0.0.0:7400", "b:1");
        assert_eq!(known(folder.path(), &file), ["b:1"]);
        let member = |node, address: &str| {
            let (address, key) = (address.to_owned(), Vec::new());
            v1::roster::Member { node, address, key }
        };
        let members = vec![member(1, "a:1"), member(2, "b:1")];
        let roster = v1::Roster { members, ..v1::Roster::default() };
        std::fs::write(folder.path().join(ROSTER), roster.encode_to_vec()).unwrap();
        assert_eq!(known(folder.path(), &file), ["b:1", "a:1"]);
    }
}
