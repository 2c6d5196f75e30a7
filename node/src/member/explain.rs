//! `job explain`: of a job that runs, what the state remembers; of one that succeeded, what it
//! published beside its result; of any other, how it ended, and what the coordinator remembers.

use std::iter;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_mesh::error::{Refusal, RefusalKind};
use fruitnode_mesh::handler::Outbound;
use fruitnode_proto::v1;
use fruitnode_proto::v1::explanation::Explanation as Part;
use fruitnode_result::story::{ACCEPTED, AttemptLine};
use fruitnode_result::verify::Published;
use fruitnode_storage::{Place, S3Options, S3Result};

use crate::actors::spawn::spawn;
use crate::member::control::no_job;
use crate::member::shared::Voting;
use crate::member::views;
use crate::tasks::explain::{Fate, explain, explain_key};
use crate::verified::{ResultBucket, ResultFolder};

/// Answers that wait for a client.
const ANSWERS_WAITING_MAX: usize = 64;

/// What the state knows.
enum Known {
    Running(Vec<Part>),
    Published(Box<JobSpec>),
    /// It ended otherwise.
    Ended(v1::EndedJob),
}

/// A job's story, or that of one photograph of it.
pub(super) async fn job(
    voting: &Voting,
    storage: S3Options,
    request: v1::ExplainRequest,
) -> Result<Outbound<v1::Explanation>, Refusal> {
    let job = JobId(request.job);
    let (id, overdue) = (job.clone(), voting.leader.told().await.overdue);
    let read = voting.consensus.read(move |state| {
        let known = state.job(&id)?;
        Some(match (known.phase(), views::ended(known)) {
            (Phase::Ended(Outcome::Succeeded { .. }), _) => {
                Known::Published(Box::new(known.spec().clone()))
            }
            (_, Some(ended)) => Known::Ended(ended),
            (_, None) => Known::Running(views::story(known, &overdue)),
        })
    });
    let parts = match read.await.map_err(|_| Refusal::stopping())?.ok_or_else(|| no_job(&job))? {
        Known::Running(story) => story,
        Known::Published(spec) => published(&spec.to, storage, job, request.key).await?,
        Known::Ended(ended) => unpublished(voting, job, ended).await,
    };
    let (out, stream) = mpsc::channel(ANSWERS_WAITING_MAX);
    spawn("explanation", async move {
        for part in parts {
            if out.send(Ok(v1::Explanation { explanation: Some(part) })).await.is_err() {
                return;
            }
        }
    });
    Ok(stream)
}

/// What is still known of a job that ended without a result. Its end was applied before the state
/// told of it, so that the coordinator has heard of it by now.
async fn unpublished(voting: &Voting, job: JobId, ended: v1::EndedJob) -> Vec<Part> {
    let story = voting.leader.ended(job).await;
    let attempts_known = story.is_some() || ended.attempts == 0;
    let story = story.unwrap_or_default();
    let attempts_left_out = story.left_out;
    let ended = v1::EndedJob { attempts_known, attempts_left_out, ..ended };
    let attempts = story.records.iter().map(wire::record_to_proto).map(Part::Attempt);
    iter::once(Part::Ended(ended)).chain(attempts).collect()
}

/// Reads the story back from where the job published it.
async fn published(
    to: &str,
    storage: S3Options,
    job: JobId,
    key: String,
) -> Result<Vec<Part>, Refusal> {
    let place: Place = to.parse().map_err(Refusal::failed)?;
    let result: Arc<dyn Published + Send + Sync> = match place {
        Place::S3 { bucket, prefix } => {
            let result = S3Result::open(&bucket, &prefix, &storage).await;
            let result = result.map_err(Refusal::failed)?;
            Arc::new(ResultBucket::new(result, Handle::current()))
        }
        Place::Folder(path) => Arc::new(folder(path)?),
    };
    let reading = Handle::current().spawn_blocking(move || {
        let lines = explain(&*result, &job)?;
        let fate = match key.is_empty() {
            true => None,
            false => Some(explain_key(&*result, &key)?),
        };
        Ok::<_, crate::tasks::explain::ExplainError>((fate, lines))
    });
    let read = reading.await.map_err(Refusal::failed)?;
    let (fate, lines) =
        read.map_err(|error| Refusal::new(RefusalKind::NotFound, error.to_string()))?;
    let fate = fate.map(|fate| Part::Fate(fate_to_proto(fate)));
    Ok(fate
        .into_iter()
        .chain(lines.iter().map(|line| Part::Attempt(line_to_proto(line))))
        .collect())
}

fn folder(path: PathBuf) -> Result<ResultFolder, Refusal> {
    ResultFolder::open(&path).map_err(|error| {
        let words = format!("the coordinator cannot read {}: {error}", path.display());
        Refusal::new(RefusalKind::NotFound, words)
    })
}

fn fate_to_proto(fate: Fate) -> v1::PhotographFate {
    let of = |became: &str| v1::PhotographFate { became: became.to_owned(), ..Default::default() };
    match fate {
        Fate::Features { partition, row, label, size, .. } => v1::PhotographFate {
            partition,
            row: row as u32,
            label: label.unwrap_or_default(),
            size,
            ..of("features")
        },
        Fate::Quarantined { partition, code, detail } => {
            v1::PhotographFate { partition, code, detail, ..of("quarantined") }
        }
        Fate::NotListed => of("not_listed"),
    }
}

fn line_to_proto(line: &AttemptLine) -> v1::AttemptStory {
    use v1::task::{Task, Unit};
    let partition = line.partition.unwrap_or_default();
    let task = match line.stage.as_str() {
        "list" => Task::List(Unit {}),
        "list-range" => Task::ListRange(line.range.unwrap_or_default()),
        "gather" => Task::Gather(Unit {}),
        "extract" => Task::Extract(partition),
        "remake" => Task::Remake(partition),
        // Which node of the tree it was is told by no table.
        "rebuild" => Task::Rebuild(v1::TreeNode::default()),
        "fit" => Task::Fit(Unit {}),
        "project" => Task::Project(partition),
        "publish" => Task::Publish(Unit {}),
        // Nor is it here.
        _ => Task::Merge(v1::TreeNode::default()),
    };
    let reason = FailureReason::ALL.into_iter().find(|reason| reason.code() == line.outcome);
    let accepted = line.outcome == ACCEPTED;
    v1::AttemptStory {
        task: Some(v1::Task { task: Some(task) }),
        attempt: line.attempt,
        node: line.node,
        reason: reason.filter(|_| !accepted).map_or(0, wire::reason_to_proto),
        facts: Some(v1::AttemptFacts {
            began_ms: line.began_unix_ms,
            took_ms: line.took_ms,
            bytes: line.bytes,
            fetch_ms: line.fetch_ms,
            compute_ms: line.compute_ms,
            write_ms: line.write_ms,
            ..v1::AttemptFacts::default()
        }),
    }
}
