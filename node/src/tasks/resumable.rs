//! What a `run` can take over from others that ended early: finished partitions, each under a key
//! that says what its rows were made from, so that nothing but the same rows is ever taken over.

use std::collections::BTreeMap;

use fruitnode_result::digest::sha256;
use fruitnode_storage::Resume;
use fruitnode_vision::{Limits, Preprocess};

use crate::tasks::Settings;
use crate::tasks::features::COMPUTE_CLASS;
use crate::tasks::objects::{self, Finished};
use crate::tasks::options::JobOptions;

/// Hexadecimal digits of a key: 128 bits.
const KEY_DIGITS: usize = 32;

/// Finished partitions that were taken over, by the keys of their rows.
#[derive(Debug, Default)]
pub(crate) struct Resumable {
    finished: BTreeMap<String, Finished>,
}

impl Resumable {
    /// Of the names that a sink took over.
    pub(crate) fn of(names: &[String]) -> Self {
        Self { finished: names.iter().filter_map(|name| Finished::parse(name)).collect() }
    }

    /// The finished partition whose rows have this key.
    pub(super) fn get(&self, key: &str) -> Option<&Finished> {
        self.finished.get(key)
    }

    /// Whether there is nothing to resume from.
    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty()
    }
}

/// What a job takes over of others: all whose rows are made in the same way.
pub(super) fn resume_of(
    settings: &Settings,
    (weights, limits): (&str, Limits),
    preprocess: &Preprocess,
) -> Resume {
    // Whoever adds an option says here whether rows depend on it. Which photographs there are is
    // said by the key of each partition.
    let JobOptions {
        version: _,
        pattern: _,
        recursive: _,
        limit: _,
        label_from,
        weights: _,
        weights_sha256: _,
        pooling,
        // These four are settled in the preparation.
        size: _,
        resize: _,
        preprocess: _,
        model_sha256: _,
        pca,
        standardize: _,
        like: _,
        mode: _,
        max_bad: _,
        modified_after: _,
        modified_before: _,
        model,
        exclude: _,
        hidden: _,
        // These two are settled in the limits.
        max_megapixels: _,
        max_file_mib: _,
        shared: _,
    } = &settings.options;
    // Small pictures are made where there will be scores to show.
    let shown = pca != "off" || model.is_some();
    let facts = format!(
        "{} {COMPUTE_CLASS} {weights} {:?} {label_from:?} {pooling} {shown} {limits:?} {:?}",
        env!("CARGO_PKG_VERSION"),
        settings.from,
        preprocess.describe(),
    );
    let checkpoint = format!("rows-{}", key_of(facts.as_bytes()));
    Resume { checkpoint, is_kept: objects::is_resumed }
}

/// The key of rows that are made from these facts.
pub(super) fn key_of(facts: &[u8]) -> String {
    let mut key = sha256(facts).hex();
    key.truncate(KEY_DIGITS);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_finished_partitions_can_be_resumed_from() {
        let names = ["_run/a/work/earlier/b/features-00000-a1.parquet".to_owned()];
        assert!(Resumable::of(&names).is_empty());
        let names = ["_run/a/work/earlier/b/done-00000-a1-0123.json".to_owned()];
        assert!(!Resumable::of(&names).is_empty());
    }
}
