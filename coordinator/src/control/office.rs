//! When a node takes the leader's office, when it loses it, and which effects are its to carry out.

use crate::effect::Effect;
use crate::ids::NodeId;
use crate::status::{Applied, Role, Status};

/// What a replica's node has to know of its office.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The node leads, and its state holds everything that was committed before: whoever carries
    /// out derives from the state what is outstanding, and takes [`News::Applied`] from here on.
    Leading {
        /// Term of the office.
        term: u64,
    },
    /// The node does not lead. Nothing is carried out here.
    Following {
        /// Who does, as far as is known.
        leader: Option<NodeId>,
        /// Newest term that is known here.
        term: u64,
    },
    /// Commands were applied while the node leads.
    Applied {
        /// Term of the office, which every effect carries into the world.
        term: u64,
        /// The last index that is applied here.
        index: u64,
        /// What is to be done, in the order of the log; never empty.
        effects: Vec<Effect>,
    },
}

/// Follows a replica.
#[derive(Debug, Clone, Default)]
pub struct Office {
    /// The term for which `Leading` was told.
    leading: Option<u64>,
    /// What `Following` said last.
    told: Option<(Option<NodeId>, u64)>,
}

impl Office {
    /// Entries were applied, after which the replica stands so. A leader leads for the world once
    /// an entry of its own term is applied: then its state holds everything that was committed
    /// before. What earlier entries ask for is derived from it.
    pub fn applied(&mut self, status: &Status, entries: Vec<Applied>) -> Vec<News> {
        let leads = status.role == Role::Leader;
        let (mut news, mut effects, mut last) = (Vec::new(), Vec::new(), 0);
        for entry in entries {
            last = entry.index;
            if leads && entry.term == status.term && self.leading != Some(status.term) {
                self.leading = Some(status.term);
                self.told = None;
                news.push(News::Leading { term: status.term });
            } else if leads && self.leading == Some(status.term) {
                effects.extend(entry.effects);
            }
        }
        if !effects.is_empty() {
            news.push(News::Applied { term: status.term, index: last, effects });
        }
        news
    }

    /// The replica stands so: whether that ends the office, or tells of another leader.
    pub fn stands(&mut self, status: &Status) -> Option<News> {
        if self.leading.is_some_and(|term| status.role != Role::Leader || status.term != term) {
            self.leading = None;
        }
        let following = (other_leader(status), status.term);
        if status.role == Role::Leader || self.told == Some(following) {
            return None;
        }
        self.told = Some(following);
        Some(News::Following { leader: following.0, term: following.1 })
    }

    /// Where things stand, for whoever missed something.
    pub fn summary(&self, status: &Status) -> News {
        match self.leading {
            Some(term) => News::Leading { term },
            None => News::Following { leader: other_leader(status), term: status.term },
        }
    }
}

fn other_leader(status: &Status) -> Option<NodeId> {
    status.leader.filter(|leader| *leader != status.id)
}
