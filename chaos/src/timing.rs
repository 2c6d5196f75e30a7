//! Has what is untimely happen: shapes a run so that there are such moments, and acts when they
//! come.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::leader::{Happening, Output};
use fruitnode_coordinator::control::message::{Order, ToMember};
use fruitnode_coordinator::ids::{JobId, NodeId};

use crate::dice::Dice;
use crate::events::{Event, Wire, Wish};
use crate::node::{Node, Voting};
use crate::operation::Operation;
use crate::plan::Plan;
use crate::time::Time;
use crate::untimely::Untimely;
use crate::within::Within;
use crate::world::World;

/// How long the leader's actor may take to turn to its mailbox, at least, milliseconds.
const MAIL_SLOW: Time = 300;

/// The same of a member's: less than it takes a silent leader for lost.
const INBOX_SLOW: Time = 2_500;

/// Leases that do not come to an end by themselves, per thousand: so many that nobody is free to
/// take one over. Nothing else counts against them, or jobs would end by it.
const HANGS: u64 = 500;

/// When all members are there and vote, as many as shall.
const IDLE_FROM: Time = 12_000;

/// Within this a voter that was drained has let go.
const LET_GO_MAX: Time = 30_000;

/// Members that leave for ever in a run in which that matters.
const LEAVES: u64 = 3;

/// What a turn of the leader's actor came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    took_members: bool,
    granted: bool,
    elected: bool,
    removed: bool,
}

impl Untimely {
    /// Shapes a run so that there are such moments.
    pub(crate) fn shape(self, plan: &mut Plan, dice: &mut Dice) {
        plan.untimely = self;
        let within = &mut plan.within;
        match self {
            Self::Never | Self::CancelAtElection => {}
            Self::CancelAtGrant => within.mail_max = within.mail_max.max(MAIL_SLOW),
            Self::HandOver => (within.mail_max, within.inbox_max) = (MAIL_SLOW, INBOX_SLOW),
            Self::EndAtGiveUp => {
                (plan.task_hangs, plan.slots) = (HANGS, 1);
                (plan.task_fails, plan.store_fails) = (0, 0);
            }
            Self::CancelAtRemoval => leave(plan, dice),
            Self::PowerCut => cut_power(plan, dice),
            Self::ElectAtRemoval => {
                within.mail_max = within.mail_max.max(MAIL_SLOW);
                leave(plan, dice);
            }
        }
    }
}

/// Has some leave for ever, where somebody is there whom the store lets in.
fn leave(plan: &mut Plan, dice: &mut Dice) {
    if plan.refused.is_empty() {
        let first = (plan.calm_at / 4).max(5_000);
        let more = (0..LEAVES).map(|_| (dice.between(first, plan.calm_at), Operation::Leave));
        plan.operations.extend(more);
        plan.operations.sort_by_key(|(at, _)| *at);
    }
}

/// Has nothing happen but that some are drained and, when those have long let go, all die at once;
/// the jobs come afterwards.
fn cut_power(plan: &mut Plan, dice: &mut Dice) {
    plan.still();
    plan.within = Within::default();
    plan.walls.clear();
    plan.refused.clear();
    plan.outages.clear();
    plan.leave_dead = false;
    plan.joins = vec![0; plan.joins.len()];
    let drains = dice.between(1, plan.nodes - 1);
    let at = |nth| IDLE_FROM + nth * 200;
    plan.operations = (0..drains).map(|nth| (at(nth), Operation::Drain)).collect();
    let cut = at(drains) + LET_GO_MAX;
    plan.power_cut_at = Some(cut);
    plan.calm_at = cut + LET_GO_MAX;
    for job in &mut plan.jobs {
        (job.submit_at, job.cancel_at) = (cut + 1_000, None);
    }
}

impl Turn {
    /// What a turn wants done, and whether it took members in.
    pub(crate) fn of(outputs: &[Output], took_members: bool) -> Self {
        let mut turn = Self { took_members, ..Self::default() };
        for output in outputs {
            match output {
                Output::Propose { command: Command::Grant { .. }, .. } => turn.granted = true,
                Output::Tell(Happening::Elected { .. }) => turn.elected = true,
                Output::Tell(Happening::Removed(_)) => turn.removed = true,
                _ => {}
            }
        }
        turn
    }
}

impl World {
    /// The leader's actor has had its turn.
    pub(crate) fn see_to_moments(&mut self, id: NodeId, turn: Turn) {
        if self.calm {
            return;
        }
        match self.plan.untimely {
            Untimely::CancelAtGrant if turn.granted && self.latest.chance(50) => {
                self.somebody_cancels(id);
            }
            Untimely::CancelAtElection if turn.elected => self.somebody_cancels(id),
            Untimely::CancelAtElection if turn.granted && self.latest.chance(50) => {
                self.somebody_stops(id, 1);
            }
            Untimely::CancelAtRemoval if turn.removed => self.somebody_cancels(id),
            Untimely::HandOver if turn.took_members && self.latest.chance(200) => {
                self.hand_over(id);
            }
            _ => {}
        }
    }

    /// Somebody has a member leave for ever.
    pub(crate) fn leave_untimely(&mut self) {
        if self.plan.untimely != Untimely::ElectAtRemoval || self.calm {
            return;
        }
        let serves = |node: &Node| node.voting().is_some_and(Voting::serves);
        let leader = self.nodes.iter().find(|(_, node)| serves(node)).map(|(id, _)| *id);
        if let Some(leader) = leader {
            self.somebody_stops(leader, 1_000);
        }
    }

    /// What hangs may come to its end before the word arrives that it is given up.
    pub(crate) fn end_untimely(&mut self, wire: Wire, said: &ToMember) {
        let ToMember::Order { order, .. } = said else { return };
        let Order::GiveUp(name) = &**order else { return };
        // In the calm, too: nothing is given up before it has hung for as long as most runs take.
        if self.plan.untimely != Untimely::EndAtGiveUp {
            return;
        }
        if let Some((node, life)) = self.wires.get(&wire).map(|stream| stream.member) {
            self.count("end of what is given up");
            self.schedule(0, Event::Work { node, life, name: name.clone() });
        }
    }

    /// A client gives up a job that is not over, and happens to ask whoever leads.
    fn somebody_cancels(&mut self, id: NodeId) {
        let Some(voting) = self.node(id).voting() else { return };
        let live: Vec<JobId> =
            voting.replica.state().live_jobs().map(|job| job.id().clone()).collect();
        let Some(job) = self.plan.jobs.iter().position(|plan| live.contains(&plan.id)) else {
            return;
        };
        let (now, delay_max) = (self.now, self.plan.delay_max.max(2));
        self.plan.jobs[job].cancel_at.get_or_insert(now);
        let id_of_job = self.plan.jobs[job].id.clone();
        self.note(format_args!("a client gives up {id_of_job}"));
        self.count("job given up at a bad moment");
        let (wish, after) = (Wish::Cancel, self.latest.between(1, delay_max));
        self.schedule(after, Event::Asked { to: id, job, wish });
        self.schedule(1_000, Event::Ask { job, wish });
    }

    /// A process is told to end, and is started again.
    fn somebody_stops(&mut self, id: NodeId, longest: Time) {
        let (life, after) = (self.node(id).life, self.latest.between(1, longest));
        self.note(format_args!("somebody stops {id}, which leads"));
        self.count("leader stopped at a bad moment");
        self.schedule(after, Event::End(id, life, true));
    }

    fn hand_over(&mut self, id: NodeId) {
        let Some(status) = self.node(id).status() else { return };
        let others: Vec<_> = status.voters.into_iter().filter(|voter| *voter != id).collect();
        if others.is_empty() {
            return;
        }
        let to = self.latest.pick(&others);
        self.note(format_args!("{id} hands over to {to}"));
        self.count("office handed over at a bad moment");
        if let Some(voting) = self.node(id).voting_mut() {
            voting.replica.transfer(to);
        }
        self.wake(id);
    }
}
