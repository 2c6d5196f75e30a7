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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::ids::JobId;

    const ME: NodeId = NodeId(1);

    /// What may happen to a replica.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// It is elected, in a term of its own, or follows somebody in a later one.
        Leads,
        Follows(u64),
        /// Entries were applied: of the present term, or of an earlier one.
        Applied(bool),
        /// It has nothing to do, and shows where it stands.
        Stands,
        /// Whoever listens has no room from now on, and is told where things stand when it has.
        Full(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Leads),
            (1..3_u64).prop_map(Step::Follows),
            any::<bool>().prop_map(Step::Applied),
            any::<bool>().prop_map(Step::Applied),
            Just(Step::Stands),
            any::<bool>().prop_map(Step::Full),
        ]
    }

    fn entry(index: u64, term: u64) -> Applied {
        let effects = vec![Effect::Abandon { job: JobId("j".to_owned()) }];
        Applied { index, term, command: None, effects }
    }

    proptest! {
        #[test]
        fn effects_are_told_of_the_term_that_whoever_listens_was_told_to_lead_in(
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut status = Status {
                id: ME,
                role: Role::Follower,
                serves: false,
                leader: None,
                term: 1,
                committed: 0,
                applied: 0,
                voters: vec![ME],
                learners: Vec::new(),
                changing: false,
                matched: BTreeMap::new(),
                recent_active: BTreeSet::new(),
            };
            let (mut office, mut full, mut tenure) = (Office::default(), false, None);
            for (index, step) in (1..).zip(steps) {
                let mut news = Vec::new();
                match step {
                    Step::Leads => {
                        status.term += 1;
                        (status.role, status.leader) = (Role::Leader, Some(ME));
                    }
                    Step::Follows(node) => {
                        status.term += 1;
                        (status.role, status.leader) = (Role::Follower, Some(NodeId(1 + node)));
                    }
                    Step::Applied(own) => {
                        let first = entry(2 * index, status.term - u64::from(!own));
                        let entries = vec![first, entry(2 * index + 1, status.term)];
                        news = office.applied(&status, entries);
                    }
                    Step::Stands => news.extend(office.stands(&status)),
                    Step::Full(now) => {
                        if full && !now {
                            news.push(office.summary(&status));
                        }
                        full = now;
                    }
                }
                for news in news.into_iter().filter(|_| !full) {
                    match news {
                        News::Leading { term } => tenure = Some(term),
                        News::Following { .. } => tenure = None,
                        News::Applied { term, .. } => prop_assert_eq!(tenure, Some(term)),
                    }
                }
            }
        }
    }
}
