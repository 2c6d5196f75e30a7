//! How moments come together: who holds which, which are lost and made again, and what becomes of
//! those whose holders cannot reach each other.
//!
//! A merge that no node can do, as far as fetches have shown who reaches whom, is not tried for
//! ever. The side that is cheaper to make is made again from accepted features, on the node that
//! holds the other one; if even that does not bring them together, both are made again as one, on
//! any node that reaches the store. Each partition is made again once for this, counted through
//! the whole job; beyond, the root itself is made from features. So a reduction ends whoever can
//! reach whom, after at most three failed fetches for each merge.

use std::collections::BTreeSet;

use crate::effect::{Effect, Outbox};
use crate::ids::{NodeId, PartitionId};
use crate::job::Job;
use crate::lineage::Around;
use crate::phase::Phase;
use crate::slots::Class;
use crate::task::{Holding, Task, TaskKind};
use crate::tree::TreeNode;

/// Attempts at one merge, or at the fit, that cannot get at the moments they need, before these are
/// made again where they are needed.
pub(crate) const MERGE_TURNS_MAX: u8 = 3;

/// In place of a count of turns: one side was made again already, and that was of no use.
const ONE_SIDE_WAS_MADE: u8 = MERGE_TURNS_MAX + 1;

impl Job {
    /// Moments have come to be held. What they were made of is no longer needed.
    pub(crate) fn hold(&mut self, tree_node: TreeNode, holding: Holding, out: &mut Outbox) {
        if self.is_covered(tree_node) || self.is_below_a_rebuild(tree_node) {
            self.release(tree_node, holding.node, out);
            return;
        }
        self.release_below(tree_node, out);
        self.stop_rebuilds(tree_node);
        for partition in self.plan().leaves(tree_node) {
            self.uncovered.remove(&PartitionId(partition));
            self.ready.remove(&Task::Remake(PartitionId(partition)));
        }
        self.held.insert(tree_node, holding);
        self.turns.remove(&Task::Merge(tree_node));
        if let Some(parent) = self.plan().parent(tree_node) {
            self.offer(Task::Merge(parent));
            out.unsettled.push(Task::Merge(parent));
        }
    }

    /// An attempt got what it needed from wherever it lay.
    pub(crate) fn fetched(&self, task: Task, node: NodeId, around: &mut Around<'_>) {
        for holder in self.holders(task) {
            around.reach.open(node, holder);
        }
    }

    /// An attempt could not get at the moments that it needs.
    pub(crate) fn miss_moments(
        &mut self,
        (task, node): (Task, NodeId),
        unreached: Option<NodeId>,
        around: &mut Around<'_>,
        out: &mut Outbox,
    ) {
        // One that came anew meanwhile has lost them: it was not behind a wall, but away.
        let holds = |holder: &NodeId| self.holders(task).contains(holder);
        let there = |holder: &NodeId| around.nodes.contains_key(holder);
        if let Some(holder) = unreached.filter(|holder| there(holder) && holds(holder)) {
            around.reach.failed(node, holder, &self.id, around.now_ms);
        }
        // What was lost meanwhile is made again anyway.
        if self.is_due(task) {
            let turns = self.turns.entry(task).or_default();
            *turns = turns.saturating_add(1);
            self.settle(task, around, out);
        }
    }

    /// Looks at the merges that have become possible.
    pub(crate) fn settle_all(&mut self, around: &Around<'_>, out: &mut Outbox) {
        for task in std::mem::take(&mut out.unsettled) {
            self.settle(task, around, out);
        }
    }

    pub(crate) fn lose_moments(&mut self, tree_node: TreeNode) {
        self.held.remove(&tree_node);
        let plan = self.plan();
        if let Some(parent) = plan.parent(tree_node) {
            self.ready.remove(&Task::Merge(parent));
        }
        for partition in plan.leaves(tree_node).map(PartitionId) {
            self.uncovered.insert(partition);
            self.offer(Task::Remake(partition));
        }
    }

    /// Nobody needs moments any more. Some may be in the making: the node that held the root may
    /// have been lost while another one fitted.
    pub(crate) fn end_reduction(&mut self, out: &mut Outbox) {
        let is_reduction = |task: &Task| task.kind().is_reduction();
        let leased: BTreeSet<Task> =
            self.granted.keys().map(|(task, _)| *task).filter(is_reduction).collect();
        leased.into_iter().for_each(|task| self.withdraw(task, out));
        self.ready.remove_reductions();
        self.failures.retain(|task, _| !is_reduction(task));
        self.spared.retain(|task, _| !is_reduction(task));
        self.faults.waits.retain(|task, _| !is_reduction(task));
        self.turns.clear();
        self.rebuilds.clear();
        self.uncovered.clear();
        self.release_all(out);
    }

    pub(crate) fn release_all(&mut self, out: &mut Outbox) {
        for (tree_node, held) in self.held.take() {
            self.release(tree_node, held.node, out);
        }
    }

    /// Whether what was lost is made again now: during extraction the memory is better spent on
    /// new moments.
    pub(crate) fn reduces_now(&self) -> bool {
        matches!(self.phase, Phase::Reducing | Phase::Fitting)
    }

    /// Whether a partition is made again together with others.
    pub(crate) fn is_rebuilt(&self, partition: PartitionId) -> bool {
        let leaf = TreeNode::leaf(partition.0);
        self.rebuilds.contains_key(&leaf) || self.is_below_a_rebuild(leaf)
    }

    /// Who holds the moments that are held next to a place in the tree.
    pub(crate) fn neighbour_of(&self, tree_node: TreeNode) -> Option<NodeId> {
        let plan = self.plan();
        let mut at = Some(tree_node);
        while let Some(node) = at {
            if let Some(held) = plan.sibling(node).and_then(|sibling| self.held.get(&sibling)) {
                return Some(held.node);
            }
            at = plan.parent(node);
        }
        None
    }

    /// Whoever holds what a task needs.
    pub(crate) fn holders(&self, task: Task) -> Vec<NodeId> {
        let plan = self.plan();
        let needed = match task {
            Task::Merge(tree_node) => plan.children(tree_node).map(|(left, right)| [left, right]),
            Task::Fit => plan.root().map(|root| [root, root]),
            _ => None,
        };
        let held = needed.into_iter().flatten().filter_map(|needed| self.held.get(&needed));
        held.map(|held| held.node).collect()
    }

    /// Decides what becomes of a task that waits for moments which nobody may be able to bring
    /// together.
    pub(crate) fn settle(&mut self, task: Task, around: &Around<'_>, out: &mut Outbox) {
        if self.ended() || !self.ready.contains(&task) {
            return;
        }
        let [left, right] = self.holders(task)[..] else { return };
        let turns = self.turns.get(&task).copied().unwrap_or(0);
        match task {
            Task::Merge(tree_node) if !self.can_be_merged(task, [left, right], turns, around) => {
                self.bring_together(tree_node, around, out);
            }
            Task::Fit if !self.can_be_fitted(left, turns, around) => {
                self.bring_to_the_fit(around, out);
            }
            _ => {}
        }
    }

    /// Whether anybody is known, or may be hoped, to reach both.
    fn can_be_merged(
        &self,
        task: Task,
        holders: [NodeId; 2],
        turns: u8,
        around: &Around<'_>,
    ) -> bool {
        let (reach, now_ms) = (&around.reach, around.now_ms);
        let [left, right] = holders;
        let suits = |class: &Class| self.fits(TaskKind::Merge, class);
        // One that failed at it is passed over for as long as there are others, which may not
        // reach what it holds.
        let passed_over = |node| {
            self.avoids(task, node)
                && !self.able(task, around.slots).all(|able| self.avoids(task, able))
        };
        let here = |node: NodeId| {
            around.slots.of(node).is_some_and(|(class, _)| suits(class)) && !passed_over(node)
        };
        // A node that holds both merges them, unless it drains: then somebody has to fetch both.
        if left == right && here(left) {
            return true;
        }
        if turns >= MERGE_TURNS_MAX {
            return false;
        }
        let classes = around.slots.classes().filter(|(class, _)| suits(class));
        let mut nodes = classes.flat_map(|(_, offers)| offers.nodes.iter().copied()).peekable();
        nodes.peek().is_none()
            || here(left) && reach.may_fetch(left, right, now_ms)
            || here(right) && reach.may_fetch(right, left, now_ms)
            || reach.third(nodes, holders, now_ms).is_some()
    }

    /// Whether the root is where it can be fitted, or may be fetched by somebody who can.
    fn can_be_fitted(&self, holder: NodeId, turns: u8, around: &Around<'_>) -> bool {
        let mut fitters = self.fitters(around).peekable();
        if fitters.peek().is_none() {
            return true;
        }
        let reaches = |node: NodeId| around.reach.may_fetch(node, holder, around.now_ms);
        // Whoever holds it is waited for, if it may fit and is busy. Not for ever, if others come
        // before it, because something is wrong with it.
        fitters.any(|node| match node == holder {
            true => turns < MERGE_TURNS_MAX || self.is_sound(node),
            false => turns < MERGE_TURNS_MAX && reaches(node),
        })
    }

    /// Whether nothing speaks against a fit on this node.
    fn is_sound(&self, node: NodeId) -> bool {
        self.faults.trusts(node) && !self.avoids(Task::Fit, node)
    }

    /// Nodes that may fit and can write the fit.
    fn fitters(&self, around: &Around<'_>) -> impl Iterator<Item = NodeId> {
        let able = self.able(Task::Fit, around.slots);
        able.filter(|node| !self.faults.sets_aside(*node, around.now_ms))
    }

    /// Has one side made again where the other one is; both on one node, if that was done before.
    fn bring_together(&mut self, into: TreeNode, around: &Around<'_>, out: &mut Outbox) {
        let Some((left, right)) = self.plan().children(into) else { return };
        let holder = |side: TreeNode| self.held.get(&side).map(|held| held.node);
        let stays = |node: &NodeId| {
            around.slots.of(*node).is_some()
                && !self.faults.sets_aside(*node, around.now_ms)
                && !self.avoids(Task::Merge(into), *node)
        };
        let leaves = |side: TreeNode| self.plan().leaves(side).len();
        // The right one if they are alike: whoever holds the left one merges.
        let sides = match leaves(left) < leaves(right) {
            true => [(left, right), (right, left)],
            false => [(right, left), (left, right)],
        };
        let to_stay =
            |(side, other): (TreeNode, TreeNode)| Some((side, holder(other).filter(stays)?));
        let one_side = sides.into_iter().find_map(to_stay);
        let turns = self.turns.insert(Task::Merge(into), ONE_SIDE_WAS_MADE);
        match one_side.filter(|_| turns < Some(ONE_SIDE_WAS_MADE)) {
            Some((side, on)) => self.rebuild(side, Some(on), out),
            None => self.rebuild(into, None, out),
        }
    }

    /// Has the root made again where it can be fitted.
    fn bring_to_the_fit(&mut self, around: &Around<'_>, out: &mut Outbox) {
        let sound = self.fitters(around).find(|node| self.is_sound(*node));
        let on = sound.or_else(|| self.fitters(around).next());
        self.turns.remove(&Task::Fit);
        if let Some(root) = self.plan().root() {
            self.rebuild(root, on, out);
        }
        self.advance();
    }

    /// Has everything below a place in the tree made again as one, rather than fetched: of the
    /// whole tree, when so much was made again that this costs no more.
    fn rebuild(&mut self, tree_node: TreeNode, on: Option<NodeId>, out: &mut Outbox) {
        let leaves = |at: TreeNode| self.plan().leaves(at).len() as u32;
        let all = self.partitions.len() as u32;
        let (mut at, mut on) = (tree_node, on);
        if self.rebuilt.saturating_add(leaves(at)) > all
            && let Some(root) = self.plan().root().filter(|_| self.all_extracted())
        {
            (at, on) = (root, on.filter(|_| tree_node == root));
        }
        self.rebuilt = self.rebuilt.saturating_add(leaves(at));
        self.withdraw_below(at, out);
        self.release_below(at, out);
        if let Some(held) = self.held.remove(&at) {
            self.release(at, held.node, out);
        }
        self.stop_rebuilds(at);
        if let Some(parent) = self.plan().parent(at) {
            self.ready.remove(&Task::Merge(parent));
        }
        for partition in self.plan().leaves(at).map(PartitionId) {
            self.uncovered.insert(partition);
            self.ready.remove(&Task::Remake(partition));
        }
        self.rebuilds.insert(at, on);
        self.offer(Task::Rebuild(at));
    }

    /// Calls back whoever makes a part of what is made again as one.
    fn withdraw_below(&mut self, tree_node: TreeNode, out: &mut Outbox) {
        let plan = self.plan();
        let leaves = plan.leaves(tree_node);
        let is_below = |task: Task| match task {
            Task::Merge(at) | Task::Rebuild(at) => {
                let of = plan.leaves(at);
                leaves.start <= of.start && of.end <= leaves.end
            }
            Task::Remake(partition) => leaves.contains(&partition.0),
            _ => false,
        };
        let leased: BTreeSet<Task> =
            self.granted.keys().map(|(task, _)| *task).filter(|task| is_below(*task)).collect();
        leased.into_iter().for_each(|task| self.withdraw(task, out));
    }

    /// What lies at a place in the tree or below it is not made again for itself.
    fn stop_rebuilds(&mut self, tree_node: TreeNode) {
        let leaves = self.plan().leaves(tree_node);
        let plan = self.plan();
        let below = |at: &TreeNode| {
            let of = plan.leaves(*at);
            leaves.start <= of.start && of.end <= leaves.end
        };
        let stopped: Vec<_> = self.rebuilds.keys().copied().filter(below).collect();
        for at in stopped {
            self.rebuilds.remove(&at);
            self.ready.remove(&Task::Rebuild(at));
        }
    }

    /// Whether this node of the tree, or one above it, is held.
    fn is_covered(&self, tree_node: TreeNode) -> bool {
        self.held.contains_key(&tree_node)
            || self.above(tree_node, |at| self.held.contains_key(&at))
    }

    /// Whether a node of the tree above this one is to be made again as one.
    fn is_below_a_rebuild(&self, tree_node: TreeNode) -> bool {
        !self.rebuilds.is_empty() && self.above(tree_node, |at| self.rebuilds.contains_key(&at))
    }

    fn above(&self, tree_node: TreeNode, is: impl Fn(TreeNode) -> bool) -> bool {
        let plan = self.plan();
        let mut at = plan.parent(tree_node);
        while let Some(node) = at {
            if is(node) {
                return true;
            }
            at = plan.parent(node);
        }
        false
    }

    fn release_below(&mut self, tree_node: TreeNode, out: &mut Outbox) {
        self.ready.remove(&Task::Merge(tree_node));
        let Some((left, right)) = self.plan().children(tree_node) else {
            return;
        };
        for child in [left, right] {
            match self.held.remove(&child) {
                Some(held) => self.release(child, held.node, out),
                None => self.release_below(child, out),
            }
        }
    }

    fn release(&self, tree_node: TreeNode, node: NodeId, out: &mut Outbox) {
        out.effects.push(Effect::Release { job: self.id.clone(), tree_node, node });
    }
}
