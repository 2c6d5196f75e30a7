//! What people do with the members of a cluster, and when.

use crate::dice::Dice;
use crate::time::Time;

/// Operations of a run in which people have much to do.
pub(crate) const OPERATIONS_MAX: u64 = 12;

/// What people do with the members of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Drain,
    Undo,
    Leave,
    /// A process is told to end, and hands over what it does.
    Stop,
}

impl Operation {
    /// In half of all runs none; in others some, each a moment or half a minute after the last.
    pub(crate) fn draw(dice: &mut Dice, calm_at: Time) -> Vec<(Time, Self)> {
        let count = if dice.chance(500) { dice.between(1, OPERATIONS_MAX) } else { 0 };
        let mut at = dice.between(5_000, calm_at);
        let mut draw = |_| {
            let longest = dice.pick(&[500, 3_000, 20_000, 30_000]);
            at += dice.between(10, longest);
            (at, dice.pick(&[Self::Drain, Self::Undo, Self::Undo, Self::Leave, Self::Stop]))
        };
        (0..count).map(&mut draw).collect()
    }
}
