//! How often each kind of thing happened, and how long it took.

/// What a leader is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A member attends.
    Greeting,
    /// A member says what became of an attempt.
    Report,
    /// A member says that it lives, and how far it is.
    Beat,
    /// Time goes by.
    Tick,
}

/// Every kind, in the order of the table.
pub(crate) const KINDS: [Kind; 4] = [Kind::Greeting, Kind::Report, Kind::Beat, Kind::Tick];

/// Time by kinds.
#[derive(Debug, Default)]
pub(crate) struct Book {
    sums: [Sum; KINDS.len()],
}

#[derive(Debug, Default)]
struct Sum {
    events: u64,
    ns: u64,
    /// Of each time, nanoseconds for an event.
    each: Vec<u32>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Report => "report",
            Self::Beat => "beat",
            Self::Tick => "tick",
        }
    }
}

impl Book {
    /// It happened, and was so many events: what the leader and the state were told because of it.
    pub(crate) fn note(&mut self, kind: Kind, events: u64, ns: u64) {
        let sum = &mut self.sums[kind as usize];
        sum.events += events;
        sum.ns += ns;
        sum.each.push(u32::try_from(ns / events.max(1)).unwrap_or(u32::MAX));
    }

    pub(crate) fn events(&self, kind: Kind) -> u64 {
        self.sums[kind as usize].events
    }

    /// Nanoseconds for an event.
    pub(crate) fn mean(&self, kind: Kind) -> f64 {
        let Sum { events, ns, .. } = &self.sums[kind as usize];
        *ns as f64 / (*events).max(1) as f64
    }

    /// Nanoseconds for an event, half of the time.
    pub(crate) fn median(&self, kind: Kind) -> f64 {
        let mut each = self.sums[kind as usize].each.clone();
        each.sort_unstable();
        each.get(each.len() / 2).copied().map_or(0.0, f64::from)
    }
}
