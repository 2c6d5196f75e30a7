//! Who asks whether this node still leads, until a majority has said so.

use std::collections::BTreeMap;

use fruitnode_replica::Confirmed;

use super::handle::Reply;

/// Questions on their way.
#[derive(Default)]
pub(super) struct Questions {
    /// Of this turn: they go out together, as one.
    new: Vec<Reply>,
    /// The number of the last one that went out.
    number: u64,
    /// By number.
    asked: BTreeMap<u64, Vec<Reply>>,
    /// Answered, once this entry is applied.
    confirmed: Vec<(u64, Vec<Reply>)>,
}

impl Questions {
    pub(super) fn ask(&mut self, reply: Reply) {
        self.new.push(reply);
    }

    /// The number under which those of this turn go out, if there are any.
    pub(super) fn next(&mut self) -> Option<u64> {
        if self.new.is_empty() {
            return None;
        }
        self.number += 1;
        self.asked.insert(self.number, std::mem::take(&mut self.new));
        Some(self.number)
    }

    pub(super) fn answered(&mut self, answers: Vec<Confirmed>) {
        for Confirmed { number, index } in answers {
            let asked = self.asked.remove(&number);
            self.confirmed.extend(asked.map(|replies| (index, replies)));
        }
    }

    /// Those whose answer is in what is applied.
    pub(super) fn settled(&mut self, applied: u64) -> Vec<Reply> {
        let (done, waiting) = std::mem::take(&mut self.confirmed)
            .into_iter()
            .partition(|(index, _)| *index <= applied);
        self.confirmed = waiting;
        done.into_iter().flat_map(|(_, replies)| replies).collect()
    }

    /// All of them: nobody will answer any more.
    pub(super) fn give_up(&mut self) -> Vec<Reply> {
        let asked = std::mem::take(&mut self.asked).into_values().flatten();
        let confirmed = std::mem::take(&mut self.confirmed).into_iter().flat_map(|(_, it)| it);
        self.new.drain(..).chain(asked).chain(confirmed).collect()
    }
}
