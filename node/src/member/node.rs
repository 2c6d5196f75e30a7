//! A node that runs: everything is started here, in the order in which it is needed, and stopped in
//! the other.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use fruitnode_consensus::LogFailure;
use fruitnode_consensus::store::RedbLog;
use fruitnode_coordinator::control::message::Hello;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_env::{Moment, secret_bytes, wall_ms};
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::credentials::{Credentials, NODE};
use fruitnode_mesh::roster::RosterBook;
use fruitnode_mesh::server;
use fruitnode_mesh::tls::Tls;
use fruitnode_pca as pca;
use fruitnode_proto::v1;
use fruitnode_result::story::Story;
use fruitnode_storage::S3Options;

use crate::actors::attend::{self, AttendParts, Standing};
use crate::actors::spawn::spawn;
use crate::actors::worker;
use crate::http::Health;
use crate::member::data_dir::{DataDir, NodeFile, ROSTER};
use crate::member::handler::NodeHandler;
use crate::member::leaderless::Leaderless;
use crate::member::moments::PeerMoments;
use crate::member::ports::{self, Ports};
use crate::member::shared::{Shared, VotingSlot};
use crate::member::{MemberError, alone, elsewhere, renewal, voting};
use crate::tasks::{COMPUTE_CLASS, NodeContext, NodeOptions};

/// How a node runs. Nothing here changes a byte of a result.
#[derive(Debug, Clone)]
pub(crate) struct RunOptions {
    /// Where it listens, if not where it did.
    pub listen: Option<String>,
    /// Where others reach it, if not where they did.
    pub advertise: Option<String>,
    /// Nodes that may know where the cluster is, when none that this one knows answers.
    pub ask: Vec<String>,
    /// Where its health is told, if anywhere and if it has no ports yet.
    pub http: Option<SocketAddr>,
    /// Leases that it takes at a time.
    pub slots: u32,
    /// How it computes.
    pub node: NodeOptions,
    /// How it reaches S3.
    pub storage: S3Options,
    /// How long it may take to hand its work over when it stops.
    pub drain: Duration,
}

/// Runs a node until it is told to stop, or cannot go on. One that has its ports already was made
/// by this very process, so that nobody else can be it.
///
/// # Errors
/// When the folder, the port or the log cannot be had, or the cluster refuses the node.
pub(crate) async fn run(
    dir: DataDir,
    options: RunOptions,
    ports: Option<Ports>,
    stop: impl Future<Output = ()>,
) -> Result<(), MemberError> {
    let mut file = dir.identity()?;
    let me = NodeId(file.node);
    let earlier = file.advertise.clone();
    settle(&mut file, &options)?;
    let authority = Authority::open(dir.path())?;
    let credentials = Credentials::load(dir.path(), NODE)?;
    let credentials = renewal::at_start(&dir, credentials, authority.as_ref())?;
    let roster = last_roster(&dir, &file, authority.is_some())?;
    let log = match file.voter && authority.is_some() {
        true => Some(RedbLog::open(&dir.log(), &file.storage)?),
        false => None,
    };
    let tls = Tls::new(&credentials)?;
    if ports.is_none() {
        alone::check(&tls, me, [earlier, file.advertise.clone()]).await?;
    }
    count_start(&dir, &mut file)?;
    let ports = ports::open(ports, &file.listen, options.http).await?;

    let book = RosterBook::new(roster);
    let peers = Peers::new(tls.clone(), book.clone());
    let story = Arc::new(Story::begin(Moment::now(), wall_ms()));
    let context = NodeContext::start(me, options.node, Arc::clone(&story))
        .map_err(MemberError::Threads)?
        .with_peers(Arc::new(PeerMoments(peers.clone())))
        .with_storage(options.storage.clone());
    let context = Arc::new(context);
    let (failed, has_failed) = watch::channel(None);
    let slot = VotingSlot::default();
    let process = Process {
        starts: file.starts,
        // Never 0, which means "whichever".
        incarnation: u64::from_le_bytes(secret_bytes()) | 1,
    };
    let shared = Arc::new(Shared {
        me,
        process,
        file,
        dir,
        tls: tls.clone(),
        book: book.clone(),
        peers: peers.clone(),
        voting: slot,
        context: Arc::clone(&context),
        storage: options.storage.clone(),
        failed,
    });
    let (leases, inbox) = mpsc::channel(worker::MAILBOX_MESSAGES_MAX);
    let (reports, told) = mpsc::channel(worker::MAILBOX_REPORTS_MAX);
    worker::start(Arc::clone(&context), reports, inbox);
    let (leave, leaving) = watch::channel(false);
    let standing = attend::start(AttendParts {
        hello: hello(&shared, options.slots),
        coordinators: Arc::new(peers.clone()),
        book: book.clone(),
        worker: leases,
        reports: told,
        story,
        running: Arc::clone(&context.running),
        leave: leaving,
    });
    let (end, ended) = watch::channel(false);
    let voter = authority.zip(log);
    let (votes, inbox) = voting::mailbox();
    let taking_part =
        voting::run(Arc::clone(&shared), (votes.clone(), inbox), voter, standing.clone());
    let taking_part = spawn("voting", taking_part);
    let leaderless = Leaderless::watch(standing.clone());
    let told = (standing.clone(), leaderless.clone());
    let handler = Arc::new(NodeHandler::new(Arc::clone(&shared), told, votes.clone()));
    let serving =
        spawn("server", server::serve(ports.mesh, tls, book.clone(), handler, ended.clone()));
    spawn("roster", keep_roster(Arc::clone(&shared)));
    let cast_out =
        spawn("belonging", belong(Arc::clone(&shared), options.ask, standing.clone(), leaderless));
    if let Some(listener) = ports.health {
        spawn("health", crate::http::serve(listener, health(standing.clone())));
    }
    tracing::info!(node = %me, address = %ports.address, "the node is running");

    let parts = (taking_part, cast_out);
    let outcome = told_to_end(stop, has_failed, standing.clone(), parts).await;
    if outcome.is_ok() {
        leave.send_replace(true);
        drain(&shared, standing, options.drain).await;
    }
    end.send_replace(true);
    votes.stop().await;
    let outcome = wind_up(&shared, outcome);
    // Streams that are still open end with the process.
    serving.abort();
    outcome
}

/// Leaves behind in the folder only what is of use there.
fn wind_up(shared: &Shared, outcome: Result<(), MemberError>) -> Result<(), MemberError> {
    if let Err(MemberError::LogFailed(LogFailure { behind: true, .. })) = &outcome {
        shared.dir.set_log_aside()?;
    }
    voting::at_the_end(shared, &outcome)?;
    in_good_order(&shared.dir, outcome)
}

/// A cluster that refuses a node which was told to leave it does what it was asked for.
fn in_good_order(dir: &DataDir, outcome: Result<(), MemberError>) -> Result<(), MemberError> {
    match outcome {
        Err(MemberError::Refused(words)) if dir.is_leaving()? => {
            tracing::info!(words, "the node has left its cluster");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Waits until the node is told to stop, or cannot go on.
async fn told_to_end(
    stop: impl Future<Output = ()>,
    mut has_failed: watch::Receiver<Option<LogFailure>>,
    mut standing: watch::Receiver<Standing>,
    (taking_part, cast_out): (JoinHandle<Result<(), MemberError>>, JoinHandle<MemberError>),
) -> Result<(), MemberError> {
    tokio::select! {
        () = stop => Ok(()),
        Ok(failure) = async { has_failed.wait_for(Option::is_some).await.map(|it| it.clone()) } => {
            failure.map_or(Ok(()), |failure| Err(MemberError::LogFailed(failure)))
        }
        Ok(Err(error)) = taking_part => Err(error),
        Ok(refused) = cast_out => Err(refused),
        standing = standing.wait_for(|standing| matches!(standing, Standing::Refused { .. })) => {
            match standing.as_deref() {
                Ok(Standing::Refused { words }) => Err(MemberError::Refused(words.clone())),
                _ => Ok(()),
            }
        }
    }
}

/// Hands over what the node does: leadership first, then its leases, for as long as it may take.
async fn drain(shared: &Shared, mut standing: watch::Receiver<Standing>, patience: Duration) {
    if let Some(voting) = shared.voting.get() {
        let status = voting.consensus.status().borrow().clone();
        let heir = status.matched.iter().filter(|(node, _)| **node != shared.me);
        let heir = heir.filter(|(node, _)| status.voters.contains(node));
        if let Some((heir, _)) = heir.max_by_key(|(_, matched)| **matched) {
            voting.consensus.transfer(*heir);
        }
    }
    let left = standing.wait_for(|standing| matches!(standing, Standing::Left));
    if timeout(patience, left).await.is_err() {
        tracing::warn!("stopping before all work was handed over: the rest will be done again");
    }
}

fn hello(shared: &Shared, slots: u32) -> Hello {
    let file = &shared.file;
    Hello {
        incarnation: shared.process.incarnation,
        starts: shared.process.starts,
        slots,
        compute_class: COMPUTE_CLASS.to_owned(),
        fit_class: pca::fit_class(),
        address: file.advertise.clone(),
        storage: file.storage.clone(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Takes new addresses, which are kept for the next start too.
fn settle(file: &mut NodeFile, options: &RunOptions) -> Result<(), MemberError> {
    if let Some(listen) = &options.listen {
        file.listen.clone_from(listen);
    }
    if let Some(advertise) = &options.advertise {
        super::join::check_address(advertise)?;
        file.advertise.clone_from(advertise);
    }
    Ok(())
}

/// Counts this start, durably before the cluster hears of it: after it is known that no other
/// process is the node, and after the log, which gives the room that it reserved on a full disk.
fn count_start(dir: &DataDir, file: &mut NodeFile) -> Result<(), MemberError> {
    file.starts += 1;
    dir.set_staying()?;
    Ok(dir.set_identity(file)?)
}

/// Sees to it that the cluster knows the node, and the node the cluster; why it does not, if so.
async fn belong(
    shared: Arc<Shared>,
    ask: Vec<String>,
    standing: watch::Receiver<Standing>,
    leaderless: Leaderless,
) -> MemberError {
    tokio::select! {
        refused = renewal::keep(Arc::clone(&shared), standing) => refused,
        refused = elsewhere::seek(Arc::clone(&shared), ask, leaderless) => refused,
    }
}

/// Who there was when the node ended. What it cannot do without must be there still.
fn last_roster(dir: &DataDir, file: &NodeFile, can_sign: bool) -> Result<v1::Roster, MemberError> {
    let roster = dir.read(ROSTER)?.unwrap_or_default();
    let roster = v1::Roster::decode(&*roster).unwrap_or_default();
    let alone = roster.voters.iter().all(|voter| *voter == file.node);
    check_log(dir, file, alone)?;
    if file.voter && !can_sign && alone && !roster.voters.is_empty() {
        return Err(MemberError::NoAuthority { node: file.node, file: dir.authority_key() });
    }
    Ok(roster)
}

/// A node that had a log must have it still.
fn check_log(dir: &DataDir, file: &NodeFile, alone: bool) -> Result<(), MemberError> {
    if file.voter && !dir.log().is_file() {
        let (node, folder) = (file.node, dir.path().display().to_string());
        let way_on = match alone {
            true => {
                "it was the only voter of its cluster. Restore its data directory from a copy, or \
                 recover from a backup (`fruitnode recover --unsafe --from BACKUP`)"
                    .to_owned()
            }
            false => format!(
                "remove it from another node (`fruitnode node remove {node}`), empty its \
                 --data-dir and join again"
            ),
        };
        return Err(MemberError::Wiped { node, folder, way_on });
    }
    Ok(())
}

/// Writes down who there is whenever that changes, for the next start.
async fn keep_roster(shared: Arc<Shared>) {
    let mut watch = shared.book.watch();
    while watch.changed().await.is_ok() {
        let roster = v1::Roster::from(&**watch.borrow_and_update());
        if let Err(error) = shared.dir.write(ROSTER, &roster.encode_to_vec()) {
            tracing::warn!(%error, "cannot save the list of nodes");
        }
    }
}

/// What is told of the node's health.
fn health(mut standing: watch::Receiver<Standing>) -> watch::Receiver<Health> {
    let of = |standing: &Standing| {
        let ready = match standing {
            Standing::Attending { .. } => Ok(()),
            Standing::Looking { words } => Err(format!("no coordinator: {words}")),
            Standing::Refused { words } => Err(words.clone()),
            Standing::Left => Err("the node is leaving".to_owned()),
        };
        Health { live: Ok(()), ready }
    };
    let (tell, told) = watch::channel(of(&standing.borrow()));
    spawn("health-watch", async move {
        while standing.changed().await.is_ok() {
            tell.send_replace(of(&standing.borrow_and_update()));
        }
    });
    told
}
