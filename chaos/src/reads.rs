//! What a coordinator tells people: never less than what was agreed on before they asked.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_replica::Confirmed;

use crate::bug::Bug;
use crate::world::World;

/// Ticks between two questions to a node that believes that it leads.
const ASK_EVERY: u64 = 5;

impl World {
    /// Asks a node that leads, as far as it knows, what the state is.
    pub(crate) fn ask_to_read(&mut self, id: NodeId) {
        let serves = self.node(id).voting().is_some_and(|voting| voting.serves());
        if !serves || !(self.now / 100).is_multiple_of(ASK_EVERY) {
            return;
        }
        let at_once = self.has(Bug::ReadAtOnce);
        let newest = self.checks.newest();
        self.questions += 1;
        let number = self.questions;
        let Some(voting) = self.node(id).voting_mut() else { return };
        voting.questions.insert(number, newest);
        if at_once {
            let index = voting.replica.status().committed;
            self.answer_read(id, Confirmed { number, index });
        } else {
            voting.replica.confirm(number);
        }
    }

    /// READ: what is told includes every entry that anybody had applied when it was asked.
    pub(crate) fn answer_read(&mut self, id: NodeId, Confirmed { number, index }: Confirmed) {
        let voting = self.node(id).voting_mut();
        let newest = voting.and_then(|voting| voting.questions.remove(&number));
        let Some(newest) = newest else {
            self.violate(format!("READ: {id} answers what nobody asked this process"));
            return;
        };
        self.count("question answered");
        if index < newest {
            let words = format!("READ: {id} tells of {index}, after {newest} was applied");
            self.violate(words);
        }
    }
}
