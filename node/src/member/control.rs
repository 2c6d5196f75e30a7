//! What people ask of the cluster, answered by the coordinator.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use fruitnode_coordinator::codec::{self, wire};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_env::wall_ms;
use fruitnode_mesh::PIECE_BYTES_MAX;
use fruitnode_mesh::error::{Refusal, RefusalKind};
use fruitnode_mesh::handler::Outbound;
use fruitnode_mesh::identity::Certified;
use fruitnode_mesh::token::Token;
use fruitnode_proto::v1;

use crate::actors::attend::Standing;
use crate::actors::spawn::spawn;
use crate::member::enrolment::propose;
use crate::member::partial::{self, Known};
use crate::member::shared::{Shared, Voting};
use crate::member::views::{self, Beside};
use crate::tasks::{COMPUTE_CLASS, Settings};

/// Between two looks at a job that is watched.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// Answers that wait for a client.
const ANSWERS_WAITING_MAX: usize = 16;

/// Longest life of a token.
const TOKEN_LIFE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// Longest place of photographs or of a result: S3 keys have 1,024 bytes, paths of Linux 4,096.
const PLACE_BYTES_MAX: usize = 4_096;

/// Most bytes of a job's further options.
const OPTIONS_BYTES_MAX: usize = 64 << 10;

/// Most nodes that one token lets in.
const TOKEN_USES_MAX: u32 = 10_000;

pub(super) fn not_found(what: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::NotFound, what)
}

fn invalid(words: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Invalid, words)
}

pub(super) fn no_job(job: &JobId) -> Refusal {
    not_found(format!("there is no job {job}: `fruitnode job list` shows all jobs"))
}

/// The cluster as the coordinator sees it.
pub(super) async fn status(voting: &Voting, me: NodeId) -> Result<v1::ClusterStatus, Refusal> {
    let status = voting.consensus.status().borrow().clone();
    let beside = Beside {
        me: me.0,
        now_ms: wall_ms(),
        leader: status.leader,
        term: status.term,
        voters: status.voters,
        learners: status.learners,
        told: voting.leader.told().await,
        silent_ms: silent_ms(voting).await,
        committed: status.committed,
        matched: status.matched,
    };
    let read = voting.consensus.read(move |state| views::cluster(state, &beside));
    read.await.map_err(|_| Refusal::stopping())
}

/// The cluster as this node knows it by itself: by its log, if it votes, else by the roster that it
/// was last told.
pub(super) async fn partial(
    shared: &Shared,
    standing: Standing,
    leaderless_ms: u64,
) -> v1::ClusterStatus {
    let (attends, looking) = match standing {
        Standing::Attending { leader } => (Some(leader), String::new()),
        Standing::Looking { words } | Standing::Refused { words } => (None, words),
        Standing::Left => (None, String::new()),
    };
    let known = Known {
        me: shared.me,
        now_ms: wall_ms(),
        cluster: shared.tls.cluster(),
        roster: shared.book.now(),
        leader: attends,
        attends,
        looking,
        leaderless_ms,
        ..Known::default()
    };
    // The log of a node that votes no longer is out of date.
    let voting = shared.voting.get().filter(|_| known.roster.voters.contains(&shared.me));
    let Some(voting) = voting else { return partial::cluster(&known, None) };
    let status = voting.consensus.status().borrow().clone();
    let by_log = Known {
        leader: status.leader,
        term: status.term,
        voters: status.voters,
        learners: status.learners,
        silent_ms: silent_ms(&voting).await,
        ..known.clone()
    };
    let read = voting.consensus.read(move |state| partial::cluster(&by_log, Some(state))).await;
    read.unwrap_or_else(|_| partial::cluster(&known, None))
}

/// How long the others in the log have not been heard, milliseconds.
async fn silent_ms(voting: &Voting) -> BTreeMap<NodeId, u64> {
    let silences = voting.consensus.silences().await.unwrap_or_default().into_iter();
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    silences.map(|(node, span)| (node, ms(span))).collect()
}

/// Refuses tokens that let in too many, or for too long.
///
/// # Errors
/// In words.
pub(crate) fn check_token(uses: u32, life_ms: u64) -> Result<(), String> {
    if uses == 0 || uses > TOKEN_USES_MAX {
        return Err(format!("a token can have 1 to {TOKEN_USES_MAX} uses"));
    }
    if life_ms == 0 || life_ms > TOKEN_LIFE_MS_MAX {
        return Err(
            "a token can be valid for at most 7 days: create another one when it has expired"
                .to_owned(),
        );
    }
    Ok(())
}

/// Makes a token. Only the hash of its secret goes to the log.
pub(super) async fn create_token(
    voting: &Voting,
    request: v1::CreateTokenRequest,
) -> Result<v1::CreateTokenReply, Refusal> {
    check_token(request.uses, request.ttl_ms).map_err(invalid)?;
    let token = Token::create(voting.authority.pin());
    let (id, uses) = (token.id.clone(), request.uses);
    // Of a cluster that has seen a clock far ahead once, the token must not be born too late.
    let now_ms = voting.consensus.read(|state| state.now_ms()).await;
    let now_ms = now_ms.map_err(|_| Refusal::stopping())?.max(wall_ms());
    let expires_ms = now_ms.saturating_add(request.ttl_ms);
    let hash = Digest(token.hash());
    propose(voting, Command::CreateToken { id: id.clone(), hash, uses, expires_ms }).await?;
    let info = v1::TokenInfo { id, uses_left: uses, expires_ms, expired: false };
    Ok(v1::CreateTokenReply { token: token.to_string(), info: Some(info) })
}

/// Tokens that are known.
pub(super) async fn list_tokens(voting: &Voting) -> Result<v1::TokenList, Refusal> {
    voting.consensus.read(views::tokens).await.map_err(|_| Refusal::stopping())
}

/// Takes a token back.
pub(super) async fn revoke_token(voting: &Voting, id: String) -> Result<(), Refusal> {
    let known = id.clone();
    let known =
        voting.consensus.read(move |state| state.membership().tokens().any(|(id, _)| id == known));
    if !known.await.map_err(|_| Refusal::stopping())? {
        let words = format!("there is no token {id}: `fruitnode token list` shows all tokens");
        return Err(not_found(words));
    }
    propose(voting, Command::RevokeToken { id }).await.map(drop)
}

/// Makes a person's certificate.
pub(super) async fn create_client(
    voting: &Voting,
    request: v1::CreateClientRequest,
) -> Result<v1::CreateClientReply, Refusal> {
    let name = request.name;
    let known = name.clone();
    let known = voting.consensus.read(move |state| views::has_client(state, &known));
    if known.await.map_err(|_| Refusal::stopping())? {
        let words = format!(
            "there already is a certificate for {name}: choose another name, or revoke it with \
             `fruitnode client revoke {name}`"
        );
        return Err(Refusal::new(RefusalKind::Conflict, words));
    }
    let certificates = voting
        .authority
        .sign_person(&name, &request.request)
        .map_err(|error| invalid(error.to_string()))?;
    let own = Certified::read(&certificates[0]).map_err(Refusal::failed)?;
    let (serial, expires_ms) = (own.serial.clone(), own.not_after_ms);
    let (mine, known) = (serial.clone(), name.clone());
    propose(voting, Command::RegisterClient { name, serial, expires_ms }).await?;
    // Another may have been registered under the name in between: what is in no list could not be
    // taken back.
    let registered = voting.consensus.read(move |state| views::is_registered(state, &mine));
    if !registered.await.map_err(|_| Refusal::stopping())? {
        let words = format!("another certificate for {known} was created at the same time");
        return Err(Refusal::new(RefusalKind::Conflict, words));
    }
    voting.leader.tell_roster().await;
    Ok(v1::CreateClientReply { certificates })
}

/// People's certificates.
pub(super) async fn list_clients(voting: &Voting) -> Result<v1::ClientList, Refusal> {
    voting.consensus.read(views::clients).await.map_err(|_| Refusal::stopping())
}

/// Takes a person's certificate back.
pub(super) async fn revoke_client(voting: &Voting, name: String) -> Result<(), Refusal> {
    let known = name.clone();
    let known = voting.consensus.read(move |state| views::has_client(state, &known));
    if !known.await.map_err(|_| Refusal::stopping())? {
        return Err(not_found(format!(
            "there is no certificate for {name}: `fruitnode client list` shows all certificates"
        )));
    }
    let own = name.clone();
    let last = voting.consensus.read(move |state| views::is_only_client(state, &own));
    if last.await.map_err(|_| Refusal::stopping())? {
        let words = format!(
            "the certificate of {name} is the last valid one, and without one nobody could manage \
             the cluster: create another one first (`fruitnode client create NAME --to DIR`)"
        );
        return Err(Refusal::new(RefusalKind::Conflict, words));
    }
    propose(voting, Command::RevokeClient { name }).await?;
    voting.leader.tell_roster().await;
    Ok(())
}

/// A member, unless it is removed already.
async fn member(voting: &Voting, node: NodeId) -> Result<(), Refusal> {
    let known = voting
        .consensus
        .read(move |state| state.membership().member(node).map(|member| member.removed));
    match known.await.map_err(|_| Refusal::stopping())? {
        Some(false) => Ok(()),
        Some(true) => Err(not_found(format!("{node} has already been removed"))),
        None => Err(not_found(format!(
            "there is no node {node}: `fruitnode node list` shows all nodes"
        ))),
    }
}

/// Gives a member nothing new, or lets it take leases again.
pub(super) async fn drain(voting: &Voting, request: v1::DrainRequest) -> Result<(), Refusal> {
    let node = NodeId(request.node);
    member(voting, node).await?;
    let leaves =
        voting.consensus.read(move |state| state.membership().leaving().any(|at| at == node));
    if request.undo && leaves.await.map_err(|_| Refusal::stopping())? {
        let words = format!(
            "{node} is leaving for good, and that cannot be undone: join it again once it has left"
        );
        return Err(Refusal::new(RefusalKind::Conflict, words));
    }
    propose(voting, Command::DrainNode { node, undo: request.undo, leaving: false }).await.map(drop)
}

/// Has a member leave for good. It is removed once it has no vote: until then it may be needed for
/// that very decision. A cluster cannot lose the last node that could decide.
pub(super) async fn remove(voting: &Voting, node: NodeId) -> Result<(), Refusal> {
    member(voting, node).await?;
    propose(voting, Command::DrainNode { node, undo: false, leaving: true }).await?;
    let stays =
        voting.consensus.read(move |state| state.membership().staying().any(|id| id == node));
    if stays.await.map_err(|_| Refusal::stopping())? {
        let words = format!(
            "{node} is the last node, and a cluster cannot lose its last node: join another node \
             first, or just stop this one with Ctrl-C and start it again later"
        );
        return Err(Refusal::new(RefusalKind::Conflict, words));
    }
    Ok(())
}

/// Takes a job. The same one again is the same job.
pub(super) async fn submit(
    voting: &Voting,
    request: v1::SubmitRequest,
) -> Result<v1::JobStatus, Refusal> {
    let job = JobId(request.job);
    check_id(&job)?;
    let spec = wire::spec_from_proto(request.spec.ok_or_else(|| invalid("a job needs a `spec`"))?);
    check_lengths(&spec).map_err(invalid)?;
    let settings = Settings::of_spec(&spec).map_err(|error| invalid(error.to_string()))?;
    // A client of an older release says it in the options alone.
    let spec = JobSpec { max_bad: settings.max_bad, ..spec };
    let (id, asked) = (job.clone(), spec.clone());
    let known = voting.consensus.read(move |state| match state.job(&id) {
        Some(known) => {
            let asked = of_classes(asked, &known.spec().compute_class, &known.spec().fit_class);
            (Some((known.spec() == &asked, views::job(known, &[]))), String::new())
        }
        None => (None, views::prevailing_fit_class(state)),
    });
    let (known, fit_class) = known.await.map_err(|_| Refusal::stopping())?;
    match known {
        Some((true, status)) => return Ok(status),
        Some((false, _)) => {
            let words = format!("there already is a different job {job}: choose another --id");
            return Err(Refusal::new(RefusalKind::Conflict, words));
        }
        None => {}
    }
    let spec = of_classes(spec, COMPUTE_CLASS, &fit_class);
    propose(voting, Command::SubmitJob { job: job.clone(), spec }).await?;
    job_status(voting, &job).await
}

/// What a job says of itself stays in the log's state and goes into every list of jobs.
fn check_lengths(spec: &JobSpec) -> Result<(), String> {
    for (flag, place) in [("--from", &spec.from), ("--to", &spec.to)] {
        if place.len() > PLACE_BYTES_MAX {
            return Err(format!(
                "{flag} has {} bytes: at most {PLACE_BYTES_MAX} are allowed",
                place.len()
            ));
        }
    }
    let options = spec.options.len();
    if options > OPTIONS_BYTES_MAX {
        return Err(format!(
            "the options have {options} bytes: at most {OPTIONS_BYTES_MAX} are allowed"
        ));
    }
    Ok(())
}

/// Whoever submits leaves open which classes compute; what is said is kept.
fn of_classes(mut spec: JobSpec, compute: &str, fit: &str) -> JobSpec {
    for (said, class) in [(&mut spec.compute_class, compute), (&mut spec.fit_class, fit)] {
        if said.is_empty() {
            class.clone_into(said);
        }
    }
    spec
}

/// Names of jobs are parts of names of objects.
fn check_id(job: &JobId) -> Result<(), Refusal> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let JobId(id) = job;
    if id.is_empty() || id.len() > 64 || !id.chars().all(fits) || id.starts_with('.') {
        return Err(invalid(
            "the ID of a job consists of 1 to 64 letters, digits, `-`, `_` and `.`, and starts \
             with a letter or a digit",
        ));
    }
    Ok(())
}

/// One job.
pub(super) async fn job_status(voting: &Voting, job: &JobId) -> Result<v1::JobStatus, Refusal> {
    let (id, overdue) = (job.clone(), voting.leader.told().await.overdue);
    let read = voting
        .consensus
        .read(move |state| state.job(&id).map(|job| views::waiting(state, job, &overdue)));
    read.await.map_err(|_| Refusal::stopping())?.ok_or_else(|| no_job(job))
}

/// All jobs that are remembered.
pub(super) async fn list_jobs(voting: &Voting) -> Result<v1::JobList, Refusal> {
    let overdue = voting.leader.told().await.overdue;
    let read = voting
        .consensus
        .read(move |state| state.jobs().map(|job| views::waiting(state, job, &overdue)).collect());
    Ok(v1::JobList { jobs: read.await.map_err(|_| Refusal::stopping())? })
}

/// Ends a job.
pub(super) async fn cancel(voting: &Voting, job: JobId) -> Result<(), Refusal> {
    job_status(voting, &job).await?;
    propose(voting, Command::CancelJob { job }).await.map(drop)
}

/// A job now, and whenever it changes, to its end.
pub(super) async fn watch(voting: Voting, job: JobId) -> Result<Outbound<v1::JobStatus>, Refusal> {
    let first = job_status(&voting, &job).await?;
    let (out, stream) = mpsc::channel(ANSWERS_WAITING_MAX);
    spawn("job-watch", async move {
        let (mut last, mut next) = (v1::JobStatus::default(), Ok(first));
        loop {
            match next {
                Ok(status) => {
                    let over = status.ended_ms > 0;
                    if status != last && out.send(Ok(status.clone())).await.is_err() || over {
                        return;
                    }
                    last = status;
                }
                Err(refusal) => {
                    let _ = out.send(Err(refusal)).await;
                    return;
                }
            }
            tokio::select! {
                () = out.closed() => return,
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
            next = match voting.consensus.confirm().await {
                Ok(_) => job_status(&voting, &job).await,
                // The client asks the successor.
                Err(_) => Err(Refusal::not_leader(None)),
            };
        }
    });
    Ok(stream)
}

/// The state, as a snapshot holds it, in pieces. No secret is in it.
pub(super) async fn backup(voting: &Voting) -> Result<Outbound<v1::Piece>, Refusal> {
    let bytes =
        voting.consensus.read(codec::encode_state).await.map_err(|_| Refusal::stopping())?;
    Ok(pieces(bytes))
}

/// Bytes in pieces, as fast as they are taken.
pub(super) fn pieces(bytes: Vec<u8>) -> Outbound<v1::Piece> {
    let (out, stream) = mpsc::channel(2);
    spawn("pieces", async move {
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            if out
                .send(Ok(v1::Piece { bytes: piece.to_vec(), ..v1::Piece::default() }))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    stream
}
