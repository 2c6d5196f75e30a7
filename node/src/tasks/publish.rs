//! The result's final names. The winners are given, by the log; every final object is a copy of
//! accepted bytes or made from them alone, so that any node may do this, any number of times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Digest;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::story::AttemptRecord;
use fruitnode_coordinator::task::{FitRecord, Listing, TaskResult, Winner};
use fruitnode_env::host_name;
use fruitnode_result as output;
use fruitnode_result::digest::sha256;
use fruitnode_result::fitted_file::FittedFile;
use fruitnode_result::html::{Example, Look, report_html};
use fruitnode_result::report::{Counts, File};
use fruitnode_result::story::{Bad, Quarantined, Warnings, attempts_jsonl, story_html};
use fruitnode_result::success::Success;
use fruitnode_result::{model, names, scree};

use crate::tasks::drawings::{draw, wider};
use crate::tasks::facts::ListingFacts;
use crate::tasks::meter::Meter;
use crate::tasks::report::report;
use crate::tasks::{JobContext, NodeContext, objects};

/// Wait before a publication that failed is taken for one: another node may be ending it.
const OTHERS_PAUSE: Duration = Duration::from_secs(1);

/// Photographs of each code of the quarantine that the page shows.
const EXAMPLES_MAX: usize = 5;

/// What is to be published, as the log has it.
pub(super) struct Wanted {
    pub(super) listing: Listing,
    pub(super) fit: Option<FitRecord>,
    pub(super) winners: Vec<Winner>,
    pub(super) story: Vec<AttemptRecord>,
}

/// Publishes the job, unless another node has: whoever comes second finds what the first one did.
pub(super) async fn publish(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    wanted: &Wanted,
) -> Result<TaskResult, Failure> {
    let published = async || -> Result<Option<TaskResult>, Failure> {
        let success = job.sink.published().await?;
        Ok(success.map(|success| TaskResult::Published { digest: sha256(&success) }))
    };
    if let Some(done) = published().await? {
        return Ok(done);
    }
    let failure = match carry_out(node, job, wanted).await {
        Ok(done) => return Ok(done),
        Err(failure) => failure,
    };
    if job.sink.is_joint() {
        // It may be that the other one was at its last step.
        sleep(OTHERS_PAUSE).await;
        if let Ok(Some(done)) = published().await {
            return Ok(done);
        }
    }
    Err(failure)
}

async fn carry_out(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    wanted: &Wanted,
) -> Result<TaskResult, Failure> {
    let (listing, fit, winners) = (wanted.listing, wanted.fit, &wanted.winners[..]);
    let (counts, mut look) = count(job, listing, winners).await?;
    let told = (counts.good, quarantined(&counts, &look));
    if counts.good == 0 {
        let words = format!("none of the {} photographs could be used", counts.listed);
        return Err(Failure::new(FailureReason::InputMissing, words));
    }
    job.sink.begin(&finals(winners, fit.is_some())).await?;
    let mut press = Press { job, files: BTreeMap::new() };
    let fitted = match fit {
        None => {
            // Of the others nothing is read here.
            look.modified_us = None;
            None
        }
        Some(fit) => {
            let object = job.get_checked(&objects::fit(&job.id, fit.attempt), fit.digest).await?;
            Some(Arc::new(FittedFile::decode(&object)?))
        }
    };
    press.parts(winners).await?;
    if let Some(fitted) = &fitted {
        press.csv(winners, fitted.view().k()).await?;
        press.model(fitted).await?;
        let drawings;
        (drawings, look) = draw(node, job, winners, fitted, listing.keys, look).await?;
        for (name, bytes) in drawings {
            press.put(name, bytes).await?;
        }
    }
    let name = objects::listing(&job.id, listing.attempt);
    let listed = ListingFacts::decode(&job.sink.get(&name).await?)?;
    let files = press.files.clone();
    let mut report = report(job, listing, &listed, counts, fitted.as_deref(), files);
    let of_fit = fitted.as_ref().map(|fitted| fitted.warnings.clone()).unwrap_or_default();
    node.story.warn(Warnings { all: report.warnings.clone(), of_fit });
    press.put(names::REPORT_HTML, report_html(&report, &look)).await?;
    report.files.clone_from(&press.files);
    press.put(names::REPORT, report.to_bytes()).await?;

    let success = Success {
        files: press.files.iter().map(|(name, file)| (name.clone(), digest_of(file))).collect(),
    }
    .to_bytes();
    let digest = sha256(&success);
    tell(node, job, &wanted.story, told).await?;
    if !job.sink.is_joint() {
        job.sink.remove_below(&objects::work_folder(&job.id)).await?;
    }
    job.sink.commit(Bytes::from(success)).await?;
    Ok(TaskResult::Published { digest })
}

/// Writes the story of the run.
async fn tell(
    node: &NodeContext,
    job: &JobContext,
    attempts: &[AttemptRecord],
    told: (u64, Quarantined),
) -> Result<(), Failure> {
    let story = node.story.file(&job.id.0, host_name(), node.pool.threads().get());
    let story = story.with_conditional_writes(job.sink.conditional_writes()).with_nodes(attempts);
    let story = if job.sink.is_joint() { story.of_all(attempts, told) } else { story };
    job.put(&objects::attempts(&job.id), attempts_jsonl(attempts)).await?;
    job.put(&objects::story_page(&job.id), story_html(&story)).await?;
    let story = serde_json::to_vec_pretty(&story).expect("all keys are strings");
    job.put(&objects::story(&job.id), story).await
}

fn quarantined(counts: &Counts, look: &Look) -> Quarantined {
    let bad = counts.bad_by_code.iter().map(|(code, count)| {
        let first = look.examples.get(code).and_then(|examples| examples.first());
        let example = first.map(|example| example.path.clone()).unwrap_or_default();
        (code.clone(), Bad { count: *count, example })
    });
    bad.collect()
}

/// Every public name of the result but `_SUCCESS`.
fn finals(winners: &[Winner], pca: bool) -> Vec<String> {
    let mut finals = vec![names::REPORT.to_owned(), names::REPORT_HTML.to_owned()];
    for winner in winners {
        let partition = winner.partition.0;
        finals.push(names::features_part(partition));
        finals.extend(winner.quarantine.map(|_| names::quarantine_part(partition)));
        if pca {
            finals.push(names::scores_part(partition));
        }
    }
    if pca {
        finals.extend(names::PCA_FILES.map(str::to_owned));
    }
    finals
}

/// Photographs by how they ended, from the accepted objects; and what the page shows of those
/// without features.
async fn count(
    job: &JobContext,
    listing: Listing,
    winners: &[Winner],
) -> Result<(Counts, Look), Failure> {
    let mut look = Look::default();
    let mut counts = Counts { listed: listing.keys, ..Counts::default() };
    for winner in winners {
        counts.good += u64::from(winner.good);
        counts.bad += u64::from(winner.bad);
        let Some(digest) = winner.quarantine else { continue };
        let name = objects::quarantine(&job.id, winner.partition, winner.features_attempt);
        let object = job.get_checked(&name, digest).await?;
        for row in output::read_quarantine_part(&object)? {
            let time = (row.subject.modified_us, row.subject.modified_us);
            look.modified_us = look.modified_us.into_iter().chain([time]).reduce(wider);
            *counts.bad_by_code.entry(row.code.clone()).or_default() += 1;
            // Rows come in key order, so that the first ones seen are the first there are.
            let examples = look.examples.entry(row.code).or_default();
            if examples.len() < EXAMPLES_MAX {
                examples.push(Example { path: row.subject.path, detail: row.detail });
            }
        }
    }
    if counts.good + counts.bad == counts.listed {
        return Ok((counts, look));
    }
    let Counts { listed, good, bad, .. } = counts;
    let words = format!("{listed} photographs were listed, but there are {good} + {bad} rows");
    Err(Failure::new(FailureReason::CertificateViolated, words))
}

/// Gives files their final names and keeps their digests.
struct Press<'a> {
    job: &'a JobContext,
    files: BTreeMap<String, File>,
}

impl Press<'_> {
    async fn parts(&mut self, winners: &[Winner]) -> Result<(), Failure> {
        let id = &self.job.id;
        for winner in winners {
            let (p, attempt) = (winner.partition, winner.features_attempt);
            let features = objects::features(id, p, attempt);
            self.promote(&features, names::features_part(p.0), winner.features).await?;
            if let Some(digest) = winner.quarantine {
                let quarantine = objects::quarantine(id, p, attempt);
                self.promote(&quarantine, names::quarantine_part(p.0), digest).await?;
            }
            if let Some((attempt, digest, _)) = winner.scores {
                let scores = objects::scores(id, p, attempt);
                self.promote(&scores, names::scores_part(p.0), digest).await?;
            }
        }
        Ok(())
    }

    async fn csv(&mut self, winners: &[Winner], k: usize) -> Result<(), Failure> {
        let mut object = self.job.sink.create(names::CSV).await?;
        let header = output::csv_header(k);
        let mut hash = Sha256::new_with_prefix(&header);
        object.write(Bytes::from(header)).await?;
        for winner in winners {
            let Some((attempt, _, digest)) = winner.scores else { continue };
            let name = objects::csv(&self.job.id, winner.partition, attempt);
            let rows = self.job.get_checked(&name, digest).await?;
            hash.update(&rows);
            object.write(rows).await?;
        }
        let bytes = object.finish().await?;
        let sha256 = Digest(hash.finalize().into()).hex();
        self.files.insert(names::CSV.to_owned(), File { bytes, sha256 });
        Ok(())
    }

    async fn model(&mut self, fitted: &FittedFile) -> Result<(), Failure> {
        let view = fitted.view();
        self.put(names::MODEL_SAFETENSORS, model::model_safetensors(&view)?).await?;
        self.put(names::MODEL_JSON, model::model_json(&view)?).await?;
        self.put(names::MODEL_NPZ, model::model_npz(&view)?).await?;
        self.put(names::MODEL_README, model::model_readme(&view)?).await?;
        self.put(names::SCREE_CSV, scree::scree_csv(&view)?).await
    }

    async fn promote(&mut self, from: &str, to: String, digest: Digest) -> Result<(), Failure> {
        self.job.sink.promote(from, &to).await?;
        Meter::here().step();
        let bytes = self.job.sink.size(&to).await?;
        self.files.insert(to, File { bytes, sha256: digest.hex() });
        Ok(())
    }

    async fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let file = File { bytes: bytes.len() as u64, sha256: sha256(&bytes).hex() };
        self.files.insert(name.to_owned(), file);
        self.job.put(name, bytes).await
    }
}

fn digest_of(file: &File) -> Digest {
    output::digest::parse_hex(&file.sha256).expect("written by this process as 64 digits")
}
