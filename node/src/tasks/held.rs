//! Moments that this node holds in memory, and how many it may.
//!
//! At 1,280 columns one of them takes 6.6 MB, more than the features they sum up; so they are never
//! written, and are made again from accepted features when they are lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fruitnode_coordinator::ids::{Digest, JobId};
use fruitnode_coordinator::moments::Moments;
use fruitnode_coordinator::tree::{ReducePlan, TreeNode};

type Key = (JobId, TreeNode);

/// The moments in this node's memory.
#[derive(Debug, Default)]
pub struct HeldMoments {
    held: Mutex<BTreeMap<Key, (Digest, Arc<Moments>)>>,
}

impl HeldMoments {
    /// Holds a partition's moments if there is room, and says whether it does. Those that find no
    /// room are the youngest; they are made again when the older ones have merged.
    pub fn hold_leaf(
        &self,
        job: &JobId,
        plan: ReducePlan,
        leaf: TreeNode,
        digest: Digest,
        moments: Moments,
    ) -> bool {
        let mut held = self.lock();
        let limit = plan.depth() as usize + 2;
        if held.keys().filter(|(of, _)| of == job).count() >= limit {
            return false;
        }
        held.insert((job.clone(), leaf), (digest, Arc::new(moments)));
        true
    }

    /// Holds merged or remade moments: these take the place of others, or were asked for.
    pub fn hold(&self, job: &JobId, node: TreeNode, digest: Digest, moments: Moments) {
        self.lock().insert((job.clone(), node), (digest, Arc::new(moments)));
    }

    /// The moments at a node of the tree, if they are held and are those that are meant.
    pub fn get(&self, job: &JobId, node: TreeNode, digest: Digest) -> Option<Arc<Moments>> {
        let held = self.lock();
        let (known, moments) = held.get(&(job.clone(), node))?;
        (*known == digest).then(|| Arc::clone(moments))
    }

    /// Lets go of moments that have been merged.
    pub fn release(&self, job: &JobId, node: TreeNode) {
        self.lock().remove(&(job.clone(), node));
    }

    /// Lets go of everything that belongs to a job.
    pub fn forget(&self, job: &JobId) {
        self.lock().retain(|(of, _), _| of != job);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, (Digest, Arc<Moments>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
