//! What was asked of a store, and what it answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Everything since the store began, or since it was told to forget.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Signed requests of any kind.
    pub requests: u64,
    /// The same by operation, such as `GetObject`.
    pub operations: BTreeMap<String, u64>,
    /// Reads by key.
    pub gets: BTreeMap<String, Gets>,
    /// Pages of listings that were answered: prefix, start and size, each as it was asked for.
    pub pages: BTreeMap<String, u64>,
    /// Keys in these pages.
    pub keys_listed: u64,
    /// Writes that were carried out: each object, part or removal.
    pub writes: u64,
    /// Replies that were lost, bodies that were cut, and requests told to slow down.
    pub faults: u64,
}

/// Reads of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gets {
    /// How often it was asked for.
    pub asked: u64,
    /// How often bytes were sent, and not cut.
    pub whole: u64,
}

impl Counters {
    /// Requests of one kind.
    pub fn of(&self, operation: &str) -> u64 {
        self.operations.get(operation).copied().unwrap_or_default()
    }

    /// As JSON; of reads and pages the sums, and how many were repeated.
    pub fn json(&self) -> Value {
        let asked: u64 = self.gets.values().map(|gets| gets.asked).sum();
        let whole: u64 = self.gets.values().map(|gets| gets.whole).sum();
        let most = self.gets.values().map(|gets| gets.asked).max().unwrap_or_default();
        let pages: u64 = self.pages.values().sum();
        json!({
            "requests": self.requests,
            "operations": self.operations,
            "keys_read": self.gets.len(),
            "gets_asked": asked,
            "gets_whole": whole,
            "gets_of_one_key_max": most,
            "pages": pages,
            "pages_asked_again": pages - self.pages.len() as u64,
            "keys_listed": self.keys_listed,
            "writes": self.writes,
            "faults": self.faults,
        })
    }
}
