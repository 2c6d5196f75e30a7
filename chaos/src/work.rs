//! What tasks would compute, as digests of what they would read: a mix-up anywhere changes the
//! digest of the result.

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::{Digest, PartitionId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::partition;
use fruitnode_coordinator::task::TaskResult;
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

pub(crate) fn manifest(spec: &JobSpec) -> Digest {
    digest("manifest", &[spec.from.as_bytes()])
}

pub(crate) fn success(parts: &[(Digest, Option<Digest>)]) -> Digest {
    let mut all = Vec::new();
    for (features, scores) in parts {
        all.extend(features.0);
        all.extend(scores.map(|scores| scores.0).unwrap_or_default());
    }
    digest("success", &[&all])
}

/// What a listing says: the source's name tells how many partitions there are.
pub(crate) fn listed(spec: &JobSpec) -> TaskResult {
    let partitions: u64 =
        spec.from.rsplit('-').next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let keys = partitions * u64::from(spec.rows_per_part);
    let partitions = partition::count(keys, spec.rows_per_part).unwrap_or(1);
    TaskResult::Listed { keys, bytes: keys * 1_000, partitions, digest: manifest(spec) }
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
