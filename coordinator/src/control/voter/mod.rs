//! Whether this process takes part in the log: when it begins to, because it was admitted or is a
//! voter that starts; when it ceases to, because it has no vote any more; and to which opening of
//! the log a message belongs.
//!
//! A node that has lost its vote lets go of the authority's key, and may be given it again at any
//! moment: its log is closed and opened then, any number of times, while streams of other voters
//! stay open. So an opening has a number, messages go to whichever opening there is when they
//! come, and an admission is answered only when the log is open.

use crate::control::Reached;
use crate::control::member::Standing;
use crate::ids::NodeId;

/// Ticks for which a voter that starts looks for a leader that greets it before it takes part:
/// another process may be this node.
const GREETING_TICKS_MAX: u64 = 30;

/// Ticks for which the leader must have said that the node has no vote: 10 s at ten a second.
const DISMISSED_TICKS: u64 = 100;

/// One opening of the log in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening(pub u64);

/// What the machine takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The process starts.
    Start {
        /// Whether the node has a log, and the authority's key.
        votes: bool,
        /// Whether nobody else votes, so that nobody could greet it.
        alone: bool,
    },
    /// A tick of 100 ms.
    Tick {
        /// Whether the authority's key lies on the node.
        holds_key: bool,
        /// Whether the roster at hand names voters, and this node is none of them.
        unlisted: bool,
    },
    /// The leader gives the node what it needs, and waits for the answer.
    Admit,
    /// The log is open, or cannot be opened.
    Opened {
        /// Whether it is.
        open: bool,
    },
    /// The log is closed.
    Closed,
    /// The process is about to end.
    Stop,
}

/// What the machine wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Open the log and take part ([`Input::Opened`]).
    Open(Opening),
    /// Cease to take part and close the log ([`Input::Closed`]).
    Close,
    /// Remove the authority's key.
    RemoveKey,
    /// Answer everybody who admitted the node: whether it takes part.
    Answer(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    /// A voter that looks for a leader first, until this tick.
    Waiting(u64),
    Opening,
    Taking(Opening),
    Closing,
    Over,
}

/// The machine.
#[derive(Debug)]
pub struct Voter {
    me: NodeId,
    part: Part,
    tick: u64,
    openings: u64,
    /// Since when the leader has said that the node has no vote.
    dismissed: Option<u64>,
    /// Whether somebody waits for an answer to an admission.
    asked: bool,
    out: Vec<Output>,
    reached: Reached,
}

impl Voter {
    /// That of a node whose process has not started.
    pub fn new(me: NodeId) -> Self {
        Self {
            me,
            part: Part::None,
            tick: 0,
            openings: 0,
            dismissed: None,
            asked: false,
            out: Vec::new(),
            reached: Reached::default(),
        }
    }

    /// Takes one input, while the node stands so.
    pub fn step(&mut self, standing: &Standing, input: Input) -> Vec<Output> {
        match input {
            Input::Start { votes: false, .. } => {}
            Input::Start { alone: true, .. } => self.open(),
            Input::Start { .. } => self.part = Part::Waiting(self.tick + GREETING_TICKS_MAX),
            Input::Tick { holds_key, unlisted } => self.tick(standing, holds_key, unlisted),
            Input::Admit => self.admit(),
            Input::Opened { open } => self.opened(open),
            Input::Closed => self.closed(),
            Input::Stop => {
                self.answer(false);
                if matches!(self.part, Part::Taking(_)) {
                    self.out.push(Output::Close);
                }
                self.part = Part::Over;
            }
        }
        std::mem::take(&mut self.out)
    }

    /// The opening to which a message belongs that comes now; it is dropped where there is none.
    pub fn takes_messages(&self) -> Option<Opening> {
        match self.part {
            Part::Taking(opening) => Some(opening),
            _ => None,
        }
    }

    /// Branches that were taken so far.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    fn open(&mut self) {
        self.openings += 1;
        self.part = Part::Opening;
        self.out.push(Output::Open(Opening(self.openings)));
    }

    fn tick(&mut self, standing: &Standing, holds_key: bool, unlisted: bool) {
        self.tick += 1;
        if let Part::Waiting(until) = self.part {
            let greeted = matches!(standing, Standing::Attending { .. });
            if standing.is_final() {
                self.reached.at("voter: the cluster refuses the node before it takes part");
                self.part = Part::Over;
            } else if greeted || self.tick >= until {
                self.reached.at(match greeted {
                    true => "voter: takes part once greeted",
                    false => "voter: takes part though nobody greets",
                });
                self.open();
            }
            return;
        }
        let attends = matches!(standing, Standing::Attending { leader } if *leader != self.me);
        if !(attends && unlisted) {
            self.dismissed = None;
            return;
        }
        let since = *self.dismissed.get_or_insert(self.tick);
        if self.tick < since + DISMISSED_TICKS {
            return;
        }
        match self.part {
            Part::Taking(_) => {
                self.reached.at("voter: dismissed");
                self.part = Part::Closing;
                self.out.push(Output::Close);
            }
            Part::None if holds_key => self.out.push(Output::RemoveKey),
            Part::None | Part::Waiting(_) | Part::Opening | Part::Closing | Part::Over => {}
        }
    }

    fn admit(&mut self) {
        // What was said of it before is out of date.
        self.dismissed = None;
        self.asked = true;
        match self.part {
            Part::Taking(_) => {
                self.reached.at("voter: admitted while it takes part");
                self.answer(true);
            }
            Part::None | Part::Waiting(_) => {
                self.reached.at("voter: admitted");
                self.open();
            }
            Part::Closing => self.reached.at("voter: admitted while its log is being closed"),
            Part::Opening => self.reached.at("voter: admitted while its log is being opened"),
            Part::Over => self.answer(false),
        }
    }

    fn opened(&mut self, open: bool) {
        if self.part != Part::Opening {
            return;
        }
        self.part = if open { Part::Taking(Opening(self.openings)) } else { Part::None };
        self.answer(open);
    }

    fn closed(&mut self) {
        if self.part != Part::Closing {
            return;
        }
        self.part = Part::None;
        if self.asked {
            self.reached.at("voter: opens its log again for who waits");
            self.open();
        } else {
            self.out.push(Output::RemoveKey);
        }
    }

    fn answer(&mut self, takes_part: bool) {
        if std::mem::take(&mut self.asked) {
            self.out.push(Output::Answer(takes_part));
        }
    }
}

#[cfg(test)]
mod tests;
