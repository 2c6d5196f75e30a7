//! What an attempt does to the objects and to the memory of its node.

use fruitnode_coordinator::control::message::MomentsName;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId, RangeId};
use fruitnode_coordinator::inputs::Inputs;
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Cut, Holding, RangePart, Task, TaskResult, Winner};
use fruitnode_coordinator::tree::{ReducePlan, Step, TreeNode};

use crate::bug::Bug;
use crate::events::{Event, Life};
use crate::keys::{features_key, final_key, fit_key, listing_key, range_key, scores_key};
use crate::node::Running;
use crate::objects::{Object, Put};
use crate::time::Time;
use crate::work;
use crate::world::World;

/// Failures of one task that are made up; the coordinator gives up at four.
const FAILURES_MAX: u8 = 2;
/// Time until something is tried again.
const AGAIN: Time = 700;

impl World {
    pub(crate) fn on_work(&mut self, id: NodeId, life: Life, key: LeaseName) {
        if !self.lives(id, life) {
            return;
        }
        if self.is_kept_from_the_store(id, &key) {
            return;
        }
        let Some(running) = self.running(id, &key) else { return };
        let (fails, stage) = (running.fails.take(), running.stage);
        let (spec, inputs) = (running.lease.spec.clone(), running.lease.inputs.clone());
        if let Some(reason) = fails
            && self.may_fail(&key)
        {
            self.failed(id, &key, reason);
            return;
        }
        match (key.1, inputs) {
            (Task::List, _) => {
                let (digest, result) = work::surveyed(&spec, key.2);
                let object = Object { digest, made_by: key.2 };
                if self.put(id, &key, &listing_key(&key.0, key.2), object) {
                    self.done(id, &key, result);
                }
            }
            (Task::ListRange(range), Inputs::ListRange(cut)) => {
                let digest = work::range_part(&spec, range, key.2);
                let object = Object { digest, made_by: key.2 };
                if self.accepted(&listing_key(&key.0, cut.attempt), cut.digest)
                    && self.put(id, &key, &range_key(&key.0, range, key.2), object)
                {
                    self.done(id, &key, work::range_listed(&spec, digest));
                }
            }
            (Task::Gather, Inputs::Gather(cut, parts)) => {
                self.gather(id, &key, &spec, (&cut, &parts));
            }
            (Task::Extract(partition), _) => self.extract(id, &key, &spec, partition),
            (Task::Remake(_), Inputs::Remake(winner)) => {
                if self.accepted(&features_key(&key.0, &winner), winner.features) {
                    self.hold(id, &key, work::leaf(&winner.features));
                }
            }
            (Task::Rebuild(at), Inputs::Rebuild { partitions, winners }) => {
                self.rebuild(id, &key, (at, partitions), &winners);
            }
            (Task::Merge(_), Inputs::Merge(left, right)) => self.merge(id, &key, (left, right)),
            (Task::Fit, Inputs::Adopt) => self.fitted(id, &key, None),
            (Task::Fit, Inputs::Fit(root, holding)) => {
                if self.fetch(id, &key, root, holding) {
                    self.fitted(id, &key, Some(&holding.digest));
                }
            }
            (Task::Project(partition), Inputs::Project(winner, fit)) => {
                let fitted = self.accepted(&fit_key(&key.0, fit.attempt), fit.digest);
                if fitted && self.accepted(&features_key(&key.0, &winner), winner.features) {
                    let scores = work::scores(&winner.features, &fit.digest);
                    let object = Object { digest: scores, made_by: key.2 };
                    if self.put(id, &key, &scores_key(&key.0, partition, key.2), object) {
                        let (rows, csv) = (winner.good, work::csv(&scores));
                        self.done(id, &key, TaskResult::Projected { rows, scores, csv });
                    }
                }
            }
            (Task::Publish, Inputs::Publish { winners, .. }) => {
                self.check_published(&key.0, &winners);
                self.publish(id, &key, &spec, (stage, &winners));
            }
            (task, inputs) => self.violate(format!("INPUTS: {task} was given {inputs:?}")),
        }
    }

    fn gather(&mut self, id: NodeId, key: &LeaseName, spec: &JobSpec, won: (&Cut, &[RangePart])) {
        let (cut, parts) = won;
        if !self.accepted(&listing_key(&key.0, cut.attempt), cut.digest) {
            return;
        }
        let mut digests = Vec::new();
        for (range, part) in (0..).map(RangeId).zip(parts) {
            let won = range_key(&key.0, range, part.attempt);
            let found = format!("{}/range/{:04}/", key.0, range.0);
            let first = self.objects.list(&found).next().map(|(_, object)| object.digest);
            // The mistake.
            match first.filter(|_| self.has(Bug::GatherFound)) {
                Some(digest) => digests.push(digest),
                None if self.accepted(&won, part.digest) => digests.push(part.digest),
                None => return,
            }
        }
        let digest = work::gathered(cut, digests.into_iter());
        let object = Object { digest, made_by: key.2 };
        if self.put(id, key, &listing_key(&key.0, key.2), object) {
            self.count("listing gathered");
            self.done(id, key, work::listed(spec, digest));
        }
    }

    fn extract(&mut self, id: NodeId, key: &LeaseName, spec: &JobSpec, partition: PartitionId) {
        let features = work::features(spec, partition);
        let object = Object { digest: features, made_by: key.2 };
        let name = format!("{}/features/{:04}/{:06}", key.0, partition.0, key.2.0);
        if !self.put(id, key, &name, object) {
            return;
        }
        let moments = spec.reduces().then(|| work::leaf(&features));
        if let Some(digest) = moments {
            let name = (key.0.clone(), TreeNode::leaf(partition.0));
            self.keep(id, name, digest);
        }
        let quarantine = work::quarantine(spec, partition);
        let bad = u32::from(quarantine.is_some());
        let good = spec.rows_per_part - bad;
        let (gets, inferences) = (spec.rows_per_part, good);
        let result =
            TaskResult::Extracted { good, bad, features, quarantine, moments, gets, inferences };
        self.done(id, key, result);
    }

    fn merge(
        &mut self,
        id: NodeId,
        key: &LeaseName,
        (left, right): ((TreeNode, Holding), (TreeNode, Holding)),
    ) {
        // The left is at hand when the lease is granted; when it is sent again, it may have been
        // made anew elsewhere.
        if self.fetch(id, key, left.0, left.1) && self.fetch(id, key, right.0, right.1) {
            self.hold(id, key, work::merged(&left.1.digest, &right.1.digest));
        }
    }

    fn rebuild(&mut self, id: NodeId, key: &LeaseName, tree: (TreeNode, u32), winners: &[Winner]) {
        let (at, partitions) = tree;
        let plan = ReducePlan::new(partitions);
        let first = plan.leaves(at).start;
        let mut stack = Vec::new();
        for step in plan.steps(at) {
            let made = match step {
                Step::Leaf(partition) => {
                    let winner = &winners[(partition - first) as usize];
                    if !self.accepted(&features_key(&key.0, winner), winner.features) {
                        return;
                    }
                    work::leaf(&winner.features)
                }
                Step::Merge => {
                    let (right, left) = (stack.pop(), stack.pop());
                    let missing = "a step merges what two steps before it made";
                    work::merged(&left.expect(missing), &right.expect(missing))
                }
            };
            stack.push(made);
        }
        self.count("moments made again as one");
        if let Some(digest) = stack.pop() {
            self.hold(id, key, digest);
        }
    }

    fn hold(&mut self, id: NodeId, key: &LeaseName, digest: Digest) {
        let tree_node = match key.1 {
            Task::Merge(tree_node) | Task::Rebuild(tree_node) => tree_node,
            Task::Remake(partition) => TreeNode::leaf(partition.0),
            _ => return,
        };
        self.keep(id, (key.0.clone(), tree_node), digest);
        self.done(id, key, TaskResult::Held { digest });
    }

    fn fitted(&mut self, id: NodeId, key: &LeaseName, root: Option<&Digest>) {
        let digest = work::fit(root);
        let object = Object { digest, made_by: key.2 };
        if self.put(id, key, &fit_key(&key.0, key.2), object) {
            self.done(id, key, TaskResult::Fitted { digest, components: 2 });
        }
    }

    /// Finals are written one by one, and `_SUCCESS` last.
    fn publish(&mut self, id: NodeId, key: &LeaseName, spec: &JobSpec, at: (u32, &[Winner])) {
        let (stage, winners) = at;
        if let Some(winner) = winners.get(stage as usize) {
            if !self.copy_finals(id, key, spec, winner) {
                return;
            }
            if let Some(running) = self.running(id, key) {
                running.stage += 1;
            }
            let after = self.dice.between(1, 100);
            self.work_again(id, key, after);
            return;
        }
        let parts: Vec<_> = winners
            .iter()
            .map(|winner| (winner.features, winner.scores.map(|(_, scores, _)| scores)))
            .collect();
        let digest = work::success(&parts);
        let name = format!("{}/_SUCCESS", spec.to);
        let object = Object { digest, made_by: Attempt(0) };
        let replaced = self.objects.put(&name, object, &self.plan, &mut self.dice);
        match replaced {
            Put::Failed => self.work_again(id, key, AGAIN),
            Put::ReplyLost if self.has(Bug::LostReply) => {
                self.publish_what_is_found(&key.0, spec, winners);
                self.done(id, key, TaskResult::Published { digest });
            }
            // Read back: what lies there is what was to be put there.
            Put::ReplyLost | Put::Done => {
                if replaced == Put::ReplyLost {
                    self.count("reply of the last put lost");
                }
                self.done(id, key, TaskResult::Published { digest });
            }
        }
    }

    fn copy_finals(
        &mut self,
        id: NodeId,
        key: &LeaseName,
        spec: &JobSpec,
        winner: &Winner,
    ) -> bool {
        let features = features_key(&key.0, winner);
        if !self.accepted(&features, winner.features) {
            return false;
        }
        let partition = winner.partition;
        let features = Object { digest: winner.features, made_by: winner.features_attempt };
        if !self.put(id, key, &final_key(spec, "features", partition), features) {
            return false;
        }
        let Some((attempt, scores, _)) = winner.scores else {
            return true;
        };
        let object = Object { digest: scores, made_by: attempt };
        self.accepted(&scores_key(&key.0, partition, attempt), scores)
            && self.put(id, key, &final_key(spec, "scores", partition), object)
    }

    /// The mistake: the first object of each partition, whoever won.
    fn publish_what_is_found(&mut self, job: &JobId, spec: &JobSpec, winners: &[Winner]) {
        for winner in winners {
            let prefix = format!("{job}/features/{:04}/", winner.partition.0);
            let first = self.objects.list(&prefix).next().map(|(_, object)| object);
            if let Some(object) = first {
                let name = final_key(spec, "features", winner.partition);
                self.objects.put(&name, object, &self.plan, &mut self.dice);
            }
        }
    }

    /// Puts an object. If that fails, so does the attempt, or it is tried again.
    fn put(&mut self, id: NodeId, key: &LeaseName, name: &str, object: Object) -> bool {
        match self.objects.put(name, object, &self.plan, &mut self.dice) {
            Put::Done => true,
            // The same bytes again, by the same name.
            Put::ReplyLost => {
                self.work_again(id, key, AGAIN);
                false
            }
            Put::Failed if self.may_fail(key) => {
                self.failed(id, key, FailureReason::StorageUnavailable);
                false
            }
            Put::Failed => {
                self.work_again(id, key, AGAIN);
                false
            }
        }
    }

    /// An object that was accepted is there, with the bytes that were accepted.
    fn accepted(&mut self, name: &str, digest: Digest) -> bool {
        let found = self.objects.get(name).map(|object| object.digest);
        if found != Some(digest) {
            self.violate(format!("LOST: {name} was accepted, and is {found:?}"));
        }
        found == Some(digest)
    }

    /// Moments from where they are held. They may be gone, or out of reach.
    fn fetch(
        &mut self,
        id: NodeId,
        key: &LeaseName,
        tree_node: TreeNode,
        holding: Holding,
    ) -> bool {
        let (now, blind) = (self.now, self.has(Bug::BlindToWalls));
        let ways = [(id, holding.node), (holding.node, id)];
        let open = |(from, to)| self.reaches(from, to) && !self.plan.walls.contains(&(from, to));
        let reached = holding.node == id || ways.into_iter().all(open);
        let holder = self.node(holding.node);
        let awake = holder.up() && holder.paused_until <= now;
        let name = (key.0.clone(), tree_node);
        let held = holder.process.as_ref().and_then(|process| process.held.get(&name).copied());
        if reached && awake && held == Some(holding.digest) {
            return true;
        }
        // Not at once: whoever is gone must first be known to be.
        if let Some(running) = self.running(id, key).filter(|running| running.stage == 0) {
            running.stage = 1;
            self.work_again(id, key, AGAIN);
        } else {
            self.count("moments out of reach");
            // Asleep or dead, it is not reached either.
            let unreached = (!reached || !awake).then_some(holding.node);
            self.failed_at(id, key, unreached.filter(|_| !blind));
        }
        false
    }

    /// An attempt could not get at moments: the holder was not reached, or does not hold them.
    fn failed_at(&mut self, id: NodeId, key: &LeaseName, unreached: Option<NodeId>) {
        let reason = match unreached {
            Some(_) => FailureReason::MomentsUnreachable,
            None => FailureReason::MomentsMissing,
        };
        let facts = AttemptFacts { unreached, ..AttemptFacts::default() };
        self.failed_with(id, key, (reason, facts));
    }

    /// Whether the store refuses the node, or answers nobody: then the attempt has failed.
    fn is_kept_from_the_store(&mut self, id: NodeId, key: &LeaseName) -> bool {
        if !key.1.kind().needs_store() {
            return false;
        }
        if self.plan.refused.contains(&id) {
            self.count("node that the store refuses");
            let reason = match self.has(Bug::RefusalEndsJob) {
                true => FailureReason::InvalidJob,
                false => FailureReason::StorageRefused,
            };
            self.failed(id, key, reason);
            return true;
        }
        let now = self.now;
        let mut outages = self.plan.outages.iter();
        if outages.any(|(from, until)| (*from..*until).contains(&now)) {
            self.count("store that does not answer");
            let reason = match self.has(Bug::OutageCounts) {
                true => FailureReason::Panic,
                false => FailureReason::StorageUnavailable,
            };
            self.failed(id, key, reason);
            return true;
        }
        false
    }

    fn work_again(&mut self, id: NodeId, key: &LeaseName, after: Time) {
        let life = self.node(id).life;
        self.schedule(after, Event::Work { node: id, life, name: key.clone() });
    }

    fn running(&mut self, id: NodeId, key: &LeaseName) -> Option<&mut Running> {
        self.node(id).process.as_mut()?.running.get_mut(key)
    }

    fn keep(&mut self, id: NodeId, name: MomentsName, digest: Digest) {
        if let Some(process) = &mut self.node(id).process {
            process.held.insert(name, digest);
        }
    }

    /// Whether one more failure of the task still lets its job succeed.
    fn may_fail(&mut self, key: &LeaseName) -> bool {
        let failures = self.checks.failures.entry((key.0.clone(), key.1)).or_default();
        *failures += 1;
        *failures <= FAILURES_MAX
    }
}
