//! The object store: what is put stays, whatever the reply says.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::{Attempt, Digest};

use crate::dice::Dice;
use crate::plan::Plan;

/// An object: its bytes as a digest, and the attempt that made them, which no byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) digest: Digest,
    pub(crate) made_by: Attempt,
}

/// What became of a request that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// It is done, and the caller cannot know.
    ReplyLost,
    Failed,
}

#[derive(Debug, Default)]
pub(crate) struct Objects {
    objects: BTreeMap<String, Object>,
}

impl Objects {
    pub(crate) fn put(&mut self, key: &str, object: Object, plan: &Plan, dice: &mut Dice) -> Put {
        let (fails, lost) = (dice.chance(plan.store_fails), dice.chance(plan.reply_lost));
        if fails {
            return Put::Failed;
        }
        self.objects.insert(key.to_owned(), object);
        if lost { Put::ReplyLost } else { Put::Done }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Object> {
        self.objects.get(key).copied()
    }

    /// Objects whose keys begin so, in the order of their keys.
    pub(crate) fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, Object)> + 'a {
        let from = self.objects.range(prefix.to_owned()..);
        let within = from.take_while(move |(key, _)| key.starts_with(prefix));
        within.map(|(key, object)| (key.as_str(), *object))
    }
}
