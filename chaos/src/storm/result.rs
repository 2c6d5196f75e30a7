//! What a job left in the store: whether it is the result of a lone `run`, and whether anything was
//! done again that was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Stages whose results die with the memory of a node, and are made again.
const IN_MEMORY: [&str; 2] = ["merge", "remake"];

/// Names and digests of a result, from its marker.
pub(crate) type Digests = BTreeMap<String, String>;

/// How many attempts ended in which way.
pub(crate) type Outcomes = BTreeMap<String, u64>;

/// What a marker says.
pub(crate) fn digests(marker: &[u8]) -> Digests {
    let text = String::from_utf8_lossy(marker).into_owned();
    let pair = |line: &str| {
        let (digest, name) = line.split_once("  ")?;
        Some((name.to_owned(), digest.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first difference between what a lone run published and what lies in the store, where
/// `object` gives the digest of a name and `published` are all names.
pub(crate) fn difference(
    expected: &Digests,
    found: &Digests,
    published: &BTreeSet<String>,
    mut object: impl FnMut(&str) -> Option<String>,
) -> Option<String> {
    for (name, digest) in expected {
        match found.get(name) {
            None => return Some(format!("{name} is missing from the marker")),
            Some(other) if other != digest => {
                return Some(format!("{name} has digest {other}, and {digest} from a lone run"));
            }
            Some(_) => {}
        }
        match object(name) {
            None => return Some(format!("{name} is not there")),
            Some(other) if other != *digest => {
                return Some(format!("{name} holds other bytes than the marker says"));
            }
            Some(_) => {}
        }
    }
    if let Some(name) = found.keys().find(|name| !expected.contains_key(*name)) {
        return Some(format!("{name} is in the marker, and a lone run has none"));
    }
    let stray = published.iter().find(|name| !expected.contains_key(*name));
    stray.map(|name| format!("{name} was published and is not in the marker"))
}

/// Reads a job's attempts: how they ended, and what was done again that had been accepted.
/// `patience` is how long a result may have been on its way to be accepted: a new attempt within
/// that time was granted in good faith.
pub(crate) fn attempts(
    story: &[u8],
    patience: Duration,
) -> Result<(Outcomes, Vec<String>), serde_json::Error> {
    let text = String::from_utf8_lossy(story).into_owned();
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let mut outcomes = Outcomes::new();
    let mut accepted: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in &lines {
        let (task, outcome) = (word(line, "task"), word(line, "outcome"));
        *outcomes.entry(outcome.clone()).or_default() += 1;
        if outcome != "accepted" || IN_MEMORY.contains(&word(line, "stage").as_str()) {
            continue;
        }
        let began = line["began_unix_ms"].as_u64().unwrap_or(0);
        let ended = began + line["took_ms"].as_u64().unwrap_or(0);
        if accepted.insert(task.clone(), ended).is_some() {
            wrong.push(format!("{task} was accepted twice"));
        }
    }
    for line in &lines {
        let began = line["began_unix_ms"].as_u64().unwrap_or(0);
        let Some(ended) = accepted.get(&word(line, "task")) else { continue };
        if word(line, "outcome") != "accepted" && began > ended.saturating_add(patience_ms) {
            let late_s = (began - ended) / 1_000;
            let (task, node) = (word(line, "task"), &line["node"]);
            wrong.push(format!("n{node} began {task} {late_s} s after its accepted attempt ended"));
        }
    }
    Ok((outcomes, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(task: &str, outcome: &str, began: u64) -> String {
        let stage = task.split(':').next().unwrap();
        format!(
            "{{\"stage\":\"{stage}\",\"task\":\"{task}\",\"outcome\":\"{outcome}\",\"node\":2,\
             \"began_unix_ms\":{began},\"took_ms\":100}}\n"
        )
    }

    fn wrong(lines: &[String]) -> Vec<String> {
        attempts(lines.concat().as_bytes(), Duration::from_secs(5)).unwrap().1
    }

    #[test]
    fn what_was_accepted_is_not_accepted_again_and_not_done_again() {
        let good = [
            line("extract:1", "node_lost", 1_000),
            line("extract:1", "accepted", 2_000),
            line("extract:1", "cancelled", 6_000),
            line("merge:0", "accepted", 2_000),
            line("merge:0", "accepted", 90_000),
        ];
        assert_eq!(wrong(&good), Vec::<String>::new());
        let twice = [line("fit", "accepted", 1), line("fit", "accepted", 2)];
        assert_eq!(wrong(&twice), ["fit was accepted twice"]);
        let again = [line("extract:1", "accepted", 1_000), line("extract:1", "cancelled", 9_000)];
        assert_eq!(wrong(&again), ["n2 began extract:1 7 s after its accepted attempt ended"]);
        assert!(attempts(b"no json\n", Duration::ZERO).is_err());
        let (outcomes, _) = attempts(good.concat().as_bytes(), Duration::ZERO).unwrap();
        assert_eq!(outcomes["accepted"], 3);
    }

    #[test]
    fn every_file_is_compared_by_its_bytes_and_none_may_be_beside_them() {
        let marker = format!("{}  a\n{}  b\n", sha256(b"1"), sha256(b"2"));
        let expected = digests(marker.as_bytes());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let all: BTreeSet<String> = names(&["a", "b"]);
        let bytes = |name: &str| match name {
            "a" => Some(sha256(b"1")),
            "b" => Some(sha256(b"2")),
            _ => None,
        };
        assert_eq!(difference(&expected, &expected, &all, bytes), None);
        let words =
            |found: &Digests, all: &BTreeSet<String>, bytes: &dyn Fn(&str) -> Option<String>| {
                difference(&expected, found, all, bytes).unwrap()
            };
        let other = Digests::from([("b".to_owned(), sha256(b"2"))]);
        assert!(words(&other, &all, &bytes).contains("a is missing"));
        let other = digests(format!("{}  a\n", sha256(b"3")).as_bytes());
        assert!(words(&other, &all, &bytes).contains("from a lone run"));
        assert!(words(&expected, &all, &|_| None).contains("a is not there"));
        assert!(words(&expected, &all, &|_| Some(String::new())).contains("other bytes"));
        assert!(words(&expected, &names(&["a", "b", "c"]), &bytes).contains("c was published"));
    }
}
