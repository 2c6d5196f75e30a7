//! The program at work on a store: a sandbox beside it, and nothing of the caller's credentials.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::server::Store;
use crate::sandbox::{Ended, Sandbox, files, sha256};

/// When every drawn photograph was modified: whole seconds, since S3 keeps no others.
pub const MODIFIED_S: u64 = 1_600_000_000;

/// Name of the marker of a result.
const SUCCESS: &str = "_SUCCESS";

/// A folder and a store, both of which go with the test.
#[derive(Debug)]
pub struct Job {
    /// The folder.
    pub sandbox: Sandbox,
    /// The store; its bucket is `fruit`.
    pub store: Store,
}

/// What a reader finds who looks for the marker first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// No marker: no result.
    Nothing,
    /// A marker, and everything it names holds what it says: names and digests, itself included.
    Whole(BTreeMap<String, String>),
    /// A marker that names what is not there or differs, while the marker stayed the same.
    Broken(String),
}

impl Job {
    /// `program` is `env!("CARGO_BIN_EXE_under-test")`, which only a test knows.
    pub fn new(program: &str) -> Self {
        Self { sandbox: Sandbox::new(program), store: Store::new() }
    }

    /// Draws photographs into the folder `in`, and puts them below `in/` in the bucket too.
    pub fn draw(&self, per_kind: u32) -> PathBuf {
        let folder = self.sandbox.draw("in", per_kind);
        for file in files(&folder) {
            let file = File::options().write(true).open(file).expect("drawn before");
            let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
            file.set_modified(modified).expect("it may be changed");
        }
        self.store.put_folder("in/", &folder).expect("readable files");
        folder
    }

    /// The program with arguments, let into the store.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.sandbox.command(args);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.envs(self.store.environment());
        command
    }

    /// Runs the program to its end; the arguments are split at spaces.
    pub fn run(&self, line: &str) -> Ended {
        Ended::of(self.command(line.split_whitespace()))
    }

    /// Starts the program with its output thrown away.
    pub fn start(&self, line: &str) -> Child {
        let mut command = self.command(line.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Bytes of every published object below a prefix, by name.
    pub fn published(&self, prefix: &str) -> BTreeMap<String, Bytes> {
        let names = self.store.keys(prefix).into_iter().filter_map(|key| {
            let name = key.strip_prefix(prefix)?.to_owned();
            let body = self.store.object(&key)?.body;
            (!name.starts_with("_run/")).then_some((name, body))
        });
        names.collect()
    }

    /// The same as digests, as [`Sandbox::digests`] gives those of a folder.
    pub fn digests(&self, prefix: &str) -> BTreeMap<String, String> {
        let published = self.published(prefix).into_iter();
        published.map(|(name, bytes)| (name, sha256(&bytes))).collect()
    }

    /// What a reader sees below a prefix at this moment.
    pub fn visible(&self, prefix: &str) -> Visible {
        let marker = || self.store.object(&format!("{prefix}{SUCCESS}"));
        loop {
            let Some(before) = marker() else {
                return Visible::Nothing;
            };
            let seen = self.seen(prefix, &before.body);
            // Whoever reads looks at the marker again: only if it stayed was it one result.
            if marker().is_some_and(|after| after.etag == before.etag) {
                return match seen {
                    Ok(digests) => Visible::Whole(digests),
                    Err(words) => Visible::Broken(words),
                };
            }
        }
    }

    fn seen(&self, prefix: &str, marker: &Bytes) -> Result<BTreeMap<String, String>, String> {
        let text = String::from_utf8(marker.to_vec()).map_err(|error| error.to_string())?;
        let mut digests = BTreeMap::from([(SUCCESS.to_owned(), sha256(marker))]);
        for line in text.lines() {
            let (digest, name) = line.split_once("  ").ok_or_else(|| format!("line `{line}`"))?;
            let object = self.store.object(&format!("{prefix}{name}"));
            let object = object.ok_or_else(|| format!("{name} is not there"))?;
            if sha256(&object.body) != digest {
                return Err(format!("{name} differs"));
            }
            digests.insert(name.to_owned(), digest.to_owned());
        }
        // A folder of parts is read whole: one part too many would be a mixture of two results.
        match self.published(prefix).keys().find(|name| !digests.contains_key(*name)) {
            Some(name) => Err(format!("{name} is not named by the marker")),
            None => Ok(digests),
        }
    }

    /// Keys below a prefix that a run may not leave when it has ended: neither published nor its
    /// story; and every unfinished upload.
    pub fn orphans(&self, prefix: &str) -> Vec<String> {
        let keys = self.store.keys(&format!("{prefix}_run/"));
        const STORY: [&str; 4] = ["/run.json", "/run.html", "/attempts.jsonl", "/committed"];
        let story = |key: &String| STORY.iter().any(|name| key.ends_with(name));
        let left = keys.into_iter().filter(|key| !story(key));
        left.chain(self.store.unfinished_uploads()).collect()
    }

    /// Removes everything below a prefix.
    pub fn empty(&self, prefix: &str) {
        for key in self.store.keys(prefix) {
            self.store.remove(&key);
        }
    }
}
