//! What tasks would compute, as digests of what they would read: a mix-up anywhere changes the
//! digest of the result.

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::{Attempt, Digest, PartitionId, RangeId};
use fruitnode_coordinator::partition;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::task::{Cut, RangePart, TaskResult};
use fruitnode_coordinator::tree::{ReducePlan, TreeNode};

use crate::plan::JobPlan;

fn digest(what: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

pub(crate) fn features(spec: &JobSpec, partition: PartitionId) -> Digest {
    digest("features", &[spec.from.as_bytes(), &partition.0.to_le_bytes()])
}

pub(crate) fn quarantine(spec: &JobSpec, partition: PartitionId) -> Option<Digest> {
    let bad = partition.0.is_multiple_of(3);
    bad.then(|| digest("quarantine", &[spec.from.as_bytes(), &partition.0.to_le_bytes()]))
}

pub(crate) fn leaf(features: &Digest) -> Digest {
    digest("moments", &[&features.0])
}

pub(crate) fn merged(left: &Digest, right: &Digest) -> Digest {
    digest("merge", &[&left.0, &right.0])
}

pub(crate) fn fit(root: Option<&Digest>) -> Digest {
    match root {
        Some(root) => digest("fit", &[&root.0]),
        None => digest("a given fit", &[]),
    }
}

pub(crate) fn scores(features: &Digest, fit: &Digest) -> Digest {
    digest("scores", &[&features.0, &fit.0])
}

pub(crate) fn csv(scores: &Digest) -> Digest {
    digest("csv", &[&scores.0])
}

/// Of a source that is not cut.
pub(crate) fn manifest(spec: &JobSpec) -> Digest {
    digest("manifest", &[spec.from.as_bytes()])
}

pub(crate) fn survey(spec: &JobSpec, attempt: Attempt) -> Digest {
    digest("survey", &[spec.from.as_bytes(), &attempt.0.to_le_bytes()])
}

/// The source changes all the time: each attempt at a range lists something else.
pub(crate) fn range_part(spec: &JobSpec, range: RangeId, attempt: Attempt) -> Digest {
    digest("range", &[spec.from.as_bytes(), &range.0.to_le_bytes(), &attempt.0.to_le_bytes()])
}

/// What is gathered of a survey and of these parts, in order.
pub(crate) fn gathered(cut: &Cut, parts: impl Iterator<Item = Digest>) -> Digest {
    let all: Vec<u8> = parts.flat_map(|part| part.0).collect();
    digest("gathered", &[&cut.digest.0, &all])
}

pub(crate) fn success(parts: &[(Digest, Option<Digest>)]) -> Digest {
    let mut all = Vec::new();
    for (features, scores) in parts {
        all.extend(features.0);
        all.extend(scores.map(|scores| scores.0).unwrap_or_default());
    }
    digest("success", &[&all])
}

/// What a survey says: the source's name tells into how many ranges it is cut.
pub(crate) fn surveyed(spec: &JobSpec, attempt: Attempt) -> (Digest, TaskResult) {
    match number(spec, 1) {
        0 => (manifest(spec), listed(spec, manifest(spec))),
        ranges => {
            let digest = survey(spec, attempt);
            let keys = keys(spec) - u64::from(ranges) * keys_of_range(spec);
            (digest, TaskResult::Cut { ranges, keys, digest })
        }
    }
}

/// What the lease of a range says.
pub(crate) fn range_listed(spec: &JobSpec, digest: Digest) -> TaskResult {
    TaskResult::RangeListed { keys: keys_of_range(spec), digest }
}

/// What a whole listing says.
pub(crate) fn listed(spec: &JobSpec, digest: Digest) -> TaskResult {
    let keys = keys(spec);
    let partitions = partition::count(keys, spec.rows_per_part).unwrap_or(1);
    TaskResult::Listed { keys, bytes: keys * 1_000, partitions, digest }
}

/// Digest of the listing that a job must go on from, given what won for its ranges.
pub(crate) fn listing(spec: &JobSpec, won: Option<(Cut, Vec<RangePart>)>) -> Digest {
    won.map_or_else(
        || manifest(spec),
        |(cut, parts)| gathered(&cut, parts.iter().map(|part| part.digest)),
    )
}

/// The source's name tells how many partitions there are.
fn keys(spec: &JobSpec) -> u64 {
    u64::from(number(spec, 0)) * u64::from(spec.rows_per_part)
}

/// Each has its share, and the survey the rest.
fn keys_of_range(spec: &JobSpec) -> u64 {
    keys(spec) / u64::from(number(spec, 1) + 1)
}

/// A number at the end of the source's name, counted from the last.
fn number(spec: &JobSpec, at: usize) -> u32 {
    spec.from.rsplit('-').nth(at).and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// The moments of a node of the tree, as they must be whoever makes them.
pub(crate) fn moments(spec: &JobSpec, plan: ReducePlan, node: TreeNode) -> Digest {
    match plan.children(node) {
        None => leaf(&features(spec, PartitionId(plan.leaves(node).start))),
        Some((left, right)) => merged(&moments(spec, plan, left), &moments(spec, plan, right)),
    }
}

/// What every run of the job publishes.
pub(crate) fn outcome(job: &JobPlan) -> Digest {
    let plan = ReducePlan::new(job.partitions);
    let root = plan.root().map(|root| moments(&job.spec, plan, root));
    let fitted = fit(root.as_ref().filter(|_| job.spec.reduces()));
    let part = |partition| {
        let features = features(&job.spec, PartitionId(partition));
        (features, job.spec.pca.then(|| scores(&features, &fitted)))
    };
    success(&(0..job.partitions).map(part).collect::<Vec<_>>())
}
