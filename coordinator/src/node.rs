//! What the log knows of a process that works for the cluster.

/// A member that takes leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Leases that it takes at a time.
    pub slots: u32,
    /// Slots that are taken.
    pub used: u32,
    /// What its features' bits depend on.
    pub compute_class: String,
    /// What its fits' bits depend on.
    pub fit_class: String,
    /// Its process: another one holds nothing of what this one held.
    pub incarnation: u64,
}
