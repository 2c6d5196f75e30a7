//! Since when a node has looked for a coordinator.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use fruitnode_env::Moment;

use crate::actors::attend::Standing;
use crate::actors::spawn::spawn;

/// Since when the node attends at nobody. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leaderless(Arc<Mutex<Option<Moment>>>);

impl Leaderless {
    /// Follows where the node stands, from now on.
    pub(super) fn watch(mut standing: watch::Receiver<Standing>) -> Self {
        let since = Self(Arc::default());
        let told = since.clone();
        spawn("leaderless", async move {
            loop {
                told.take_note(&standing.borrow_and_update());
                if standing.changed().await.is_err() {
                    return;
                }
            }
        });
        since
    }

    /// For how long, milliseconds; 0 of a node that attends.
    pub(super) fn ms(&self) -> u64 {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = since.map_or(0, |since| since.elapsed().as_millis());
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    fn take_note(&self, standing: &Standing) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Standing::Attending { .. } => *since = None,
            _ => {
                since.get_or_insert_with(Moment::now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fruitnode_coordinator::ids::NodeId;

    use super::*;

    #[test]
    fn a_node_that_keeps_looking_has_looked_since_it_began_to() {
        let since = Leaderless(Arc::default());
        let looking = |words: &str| Standing::Looking { words: words.to_owned() };
        since.take_note(&looking(""));
        let first = since.0.lock().unwrap().unwrap();
        since.take_note(&looking("no voter is known"));
        let later = since.0.lock().unwrap().unwrap();
        assert_eq!(later.since(first), Duration::ZERO);
        since.take_note(&Standing::Attending { leader: NodeId(1) });
        assert_eq!(since.ms(), 0);
        assert!(since.0.lock().unwrap().is_none());
    }
}
