//! What goes wrong within one node: mailboxes that are full, processes that take their time to end,
//! and folders that were mixed up.

use crate::dice::Dice;
use crate::time::Time;

/// How long an actor may take to turn to its mailbox, milliseconds.
const MAIL_MAX: Time = 20;

/// News that a mailbox has room for, in production.
const NEWS_MAX: usize = 1_024;

/// Rates are per thousand, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Within {
    /// How long the leader's actor may take to turn to its mailbox.
    pub(crate) mail_max: Time,
    /// The same of the member's, for what comes on streams; 0 is at once.
    pub(crate) inbox_max: Time,
    /// News of the office that the leader's mailbox has room for.
    pub(crate) news_max: usize,
    /// How often it hears that a proposal is lost before it hears why.
    pub(crate) lost_first: u64,
    /// How long a process may take to end that was let go.
    pub(crate) end_max: Time,
    /// How often whoever leads is meant when a process is stopped.
    pub(crate) pause_leader: u64,
    /// How often a node is stopped when it has just been made able to vote.
    pub(crate) pause_admitted: u64,
    /// How often a task that hangs goes on about when it is given up.
    pub(crate) hang_ends: u64,
    /// What people mix up, and when.
    pub(crate) mistakes: Vec<(Time, Mistake)>,
}

/// What is not as it was when a node is started anew, until somebody notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Its folder is an old copy.
    OldCopy,
    /// Another store is mounted.
    OtherStore,
}

impl Default for Within {
    /// Nothing goes wrong.
    fn default() -> Self {
        Self {
            mail_max: MAIL_MAX,
            inbox_max: 0,
            news_max: NEWS_MAX,
            lost_first: 0,
            end_max: 0,
            pause_leader: 0,
            pause_admitted: 0,
            hang_ends: 0,
            mistakes: Vec::new(),
        }
    }
}

impl Within {
    pub(crate) fn draw(dice: &mut Dice, calm_at: Time) -> Self {
        let mistakes = if dice.chance(300) { dice.between(1, 3) } else { 0 };
        let mistake = |dice: &mut Dice| {
            let at = dice.between(5_000, calm_at);
            (at, dice.pick(&[Mistake::OldCopy, Mistake::OtherStore]))
        };
        Self {
            mail_max: dice.pick(&[MAIL_MAX, MAIL_MAX, 300, 2_000]),
            inbox_max: dice.pick(&[0, 0, MAIL_MAX, 500]),
            news_max: dice.pick(&[NEWS_MAX, NEWS_MAX, NEWS_MAX, 2]),
            lost_first: dice.pick(&[0, 500]),
            end_max: dice.pick(&[0, 300]),
            pause_leader: dice.pick(&[0, 700]),
            pause_admitted: dice.pick(&[0, 0, 300]),
            hang_ends: dice.pick(&[0, 500]),
            mistakes: (0..mistakes).map(|_| mistake(dice)).collect(),
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn still(&mut self) {
        self.mail_max = self.mail_max.min(MAIL_MAX);
        self.inbox_max = self.inbox_max.min(MAIL_MAX);
        self.news_max = NEWS_MAX;
        (self.pause_leader, self.pause_admitted, self.hang_ends) = (0, 0, 0);
        self.mistakes.clear();
    }
}
