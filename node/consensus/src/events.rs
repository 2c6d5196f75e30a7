//! What the thread tells whoever carries out, without ever waiting for it.

use tokio::sync::mpsc;

use fruitnode_coordinator::control::office::News;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::NodeId;

/// Events that may wait for their consumer.
const EVENTS_MAX: usize = 1_024;

/// What happened here.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// This node is the leader, and its state holds everything that was committed before: whoever
    /// carries out derives from the state what is outstanding, and takes [`Event::Applied`] from
    /// here on. The same term again means that effects were left out, because their consumer was
    /// slow: derive anew.
    Leading {
        /// Term of the leadership.
        term: u64,
    },
    /// This node does not lead. Nothing is carried out here.
    Following {
        /// Who does, as far as is known.
        leader: Option<NodeId>,
        /// Newest term that is known here.
        term: u64,
    },
    /// Commands were applied while this node leads.
    Applied {
        /// Term of the leadership, which every effect carries into the world.
        term: u64,
        /// The last index that is applied here.
        index: u64,
        /// What is to be done, in the order of the log; never empty.
        effects: Vec<Effect>,
    },
    /// The snapshot of another replaced the state.
    Installed,
    /// The log can no longer be written, read or trusted: the process must end, since what it
    /// acknowledged may not be durable. The last event.
    Failed(LogFailure),
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Leading { term } => Self::Leading { term },
            News::Following { leader, term } => Self::Following { leader, term },
            News::Applied { term, index, effects } => Self::Applied { term, index, effects },
        }
    }
}

/// Why the log of this node is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFailure {
    /// Why, in words.
    pub words: String,
    /// Entries that it acknowledged are gone, after a disk or a machine was set back: it must not
    /// be used by a later start either.
    pub behind: bool,
}

/// The thread's end of the events. A consumer that is slow costs it effects, never the thread its
/// time: when there is room again it is told where things stand, and derives them from the state.
pub(super) struct Events {
    sender: mpsc::Sender<Event>,
    // Room for the last event, kept from the beginning.
    last_word: Option<mpsc::OwnedPermit<Event>>,
    left_out: bool,
}

impl Events {
    /// Both ends.
    pub(super) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX + 1);
        let last_word = sender.clone().try_reserve_owned().ok();
        (Self { sender, last_word, left_out: false }, receiver)
    }

    /// Tells it, or leaves it out until [`Events::catch_up`].
    pub(super) fn tell(&mut self, event: Event) {
        if self.left_out {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(event) {
            tracing::warn!("effects are carried out too slowly: deriving them again");
            self.left_out = true;
        }
    }

    /// After something was left out: tells where things stand, if there is room.
    pub(super) fn catch_up(&mut self, standing: impl FnOnce() -> Event) {
        if self.left_out && self.sender.capacity() > 0 {
            self.left_out = self.sender.try_send(standing()).is_err();
        }
    }

    /// The last event, for which there always is room.
    pub(super) fn fail(&mut self, failure: LogFailure) {
        if let Some(room) = self.last_word.take() {
            room.send(Event::Failed(failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_consumer_is_told_where_things_stand_and_hears_the_last_word() {
        let (mut events, mut receiver) = Events::new();
        for index in 0..EVENTS_MAX as u64 + 5 {
            events.tell(Event::Applied { term: 7, index, effects: Vec::new() });
        }
        events.catch_up(|| Event::Leading { term: 7 });
        assert!(matches!(receiver.try_recv(), Ok(Event::Applied { index: 0, .. })));
        events.tell(Event::Installed);
        events.catch_up(|| Event::Leading { term: 7 });
        let failure = LogFailure { words: "the disk is gone".to_owned(), behind: false };
        events.fail(failure.clone());
        drop(events);
        let mut rest = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            rest.push(event);
        }
        let end = [Event::Leading { term: 7 }, Event::Failed(failure)];
        assert_eq!(rest.len(), EVENTS_MAX - 1 + end.len());
        assert_eq!(rest[rest.len() - 2..], end);
    }
}
