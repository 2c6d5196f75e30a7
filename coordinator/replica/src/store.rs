//! What a voter keeps durably, as a trait: a disk in `node`, memory in tests and the simulator.

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Position in the log, from 1.
    pub index: u64,
    /// Term in which a leader put it there.
    pub term: u64,
    /// The whole entry in raft's form; opaque to the store.
    pub bytes: Vec<u8>,
}

/// What a voter promised. Losing it may elect two leaders in one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vote {
    /// Newest term that the voter knows of.
    pub term: u64,
    /// Whom it voted for in that term; 0 for nobody.
    pub vote: u64,
    /// Entries up to this one are known to be committed.
    pub commit: u64,
}

/// The state after an entry, in place of that entry and all before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Index of the last entry that it includes.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// Who votes, in raft's form; opaque to the store.
    pub conf: Vec<u8>,
    /// The state, as `codec::encode_state` writes it.
    pub state: Vec<u8>,
}

/// A log that survives its process.
///
/// Each method that writes is one transaction: after a crash all of it is there or nothing, and
/// once it has returned all of it is. After an error the replica writes nothing more.
pub trait LogStore {
    /// Why the store cannot be used.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The last vote; zeros in a new store.
    fn vote(&self) -> Result<Vote, Self::Error>;

    /// The newest snapshot. `None` in a new store alone.
    fn snapshot(&self) -> Result<Option<Snapshot>, Self::Error>;

    /// Index of the last entry, that of the snapshot if there is none after it, or 0.
    fn last(&self) -> Result<u64, Self::Error>;

    /// Index of the first entry that is present; one more than that of the snapshot if there is
    /// none. Entries that the snapshot includes may be present.
    fn first(&self) -> Result<u64, Self::Error>;

    /// Entries of `from..to`, which lie within `first..=last`: as many as fit into `bytes_max`,
    /// but at least one, if the range holds any.
    fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<LogEntry>, Self::Error>;

    /// Term of an entry that is present, or of the one that the snapshot ends with.
    fn term(&self, index: u64) -> Result<Option<u64>, Self::Error>;

    /// Removes the entries at and after the first of `entries`, appends these and replaces the
    /// vote, if there is one. Where nothing but its commit is new, that becomes durable with
    /// [`LogStore::keep_commit`], or whatever is written next.
    fn append(&mut self, entries: &[LogEntry], vote: Option<Vote>) -> Result<(), Self::Error>;

    /// Makes the commit of the vote durable.
    fn keep_commit(&mut self) -> Result<(), Self::Error>;

    /// The snapshot of another replaces every entry and the own snapshot.
    fn install(&mut self, snapshot: &Snapshot, vote: Option<Vote>) -> Result<(), Self::Error>;

    /// Keeps an own snapshot and removes the entries up to and including `remove_to`, which is
    /// not beyond the snapshot.
    fn compact(&mut self, snapshot: &Snapshot, remove_to: u64) -> Result<(), Self::Error>;
}
