//! Mistakes that can be planted, to see that the simulator finds them.

use clap::ValueEnum;

/// A mistake in the code around the coordinator, of the kind that real systems have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Bug {
    /// Messages leave before what they promise is durable.
    SendBeforePersist,
    /// Nothing is ever durable.
    SkipFsync,
    /// A client hears of success when its command is proposed, not when it is applied.
    AckEarly,
    /// A member does not let go of what is void, and the leader takes its late report for one of
    /// the attempt that is leased now.
    AcceptStale,
    /// A leader that was deposed goes on as if it led.
    DeposedLeader,
    /// A node that is gone is never declared lost.
    ForgetLost,
    /// A leader does not send again what is leased, when a member comes.
    ForgetOutstanding,
    /// A publisher that misses a reply publishes again, from what it finds instead of from the
    /// recorded winners.
    LostReply,
    /// A member that let go of moments says so once, and never again.
    DropSilently,
    /// A leader never lets a lease expire.
    NeverExpire,
    /// A leader skips a lease whose inputs were lost in the meantime, and says nothing.
    SkipUnstartable,
    /// Whoever gathers takes the first part of each range that it finds, whichever attempt at the
    /// range was accepted.
    GatherFound,
    /// A leader tells people what it knows without asking whether it still leads.
    ReadAtOnce,
    /// A stream of raft's messages belongs to the opening of the log that there was when the stream
    /// began, whatever was closed and opened since.
    StaleOpening,
    /// Nobody takes note of who cannot fetch from whom.
    BlindToWalls,
    /// What a store refuses to one node ends the job.
    RefusalEndsJob,
    /// An outage of the store uses up the attempts of a task.
    OutageCounts,
    /// A leader does not look at the clock for what waits.
    NeverWake,
    /// A member that leaves is removed at once, whether it votes or not.
    RemoveAtOnce,
    /// That a change of voters is committed becomes durable with the next entry alone, when those
    /// who have no vote any more have long stopped to answer.
    ForgetCommit,
}
