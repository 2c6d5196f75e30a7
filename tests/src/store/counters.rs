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

    /// As JSON; reads and pages as sums by the first part of their keys.
    pub fn json(&self) -> Value {
        let mut folders: BTreeMap<&str, Folder> = BTreeMap::new();
        for (key, gets) in &self.gets {
            let folder = folders.entry(first_part(key)).or_default();
            folder.keys_read += 1;
            folder.gets_asked += gets.asked;
            folder.gets_whole += gets.whole;
            folder.gets_of_one_key_max = folder.gets_of_one_key_max.max(gets.asked);
        }
        for (page, times) in &self.pages {
            let folder = folders.entry(first_part(page)).or_default();
            folder.pages += times;
            folder.pages_asked_again += times - 1;
        }
        let folders: BTreeMap<&str, Value> =
            folders.into_iter().map(|(name, folder)| (name, folder.json())).collect();
        json!({
            "requests": self.requests,
            "operations": self.operations,
            "folders": folders,
            "keys_listed": self.keys_listed,
            "writes": self.writes,
            "faults": self.faults,
        })
    }
}

/// Sums below one first part of keys.
#[derive(Debug, Default)]
struct Folder {
    keys_read: u64,
    gets_asked: u64,
    gets_whole: u64,
    gets_of_one_key_max: u64,
    pages: u64,
    pages_asked_again: u64,
}

impl Folder {
    fn json(&self) -> Value {
        json!({
            "keys_read": self.keys_read,
            "gets_asked": self.gets_asked,
            "gets_whole": self.gets_whole,
            "gets_of_one_key_max": self.gets_of_one_key_max,
            "pages": self.pages,
            "pages_asked_again": self.pages_asked_again,
        })
    }
}

fn first_part(key: &str) -> &str {
    key.split_once('/').map_or(key, |(first, _)| first)
}
