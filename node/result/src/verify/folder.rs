//! The one way in which a published file is read: whole, once, and against its digest. What does
//! not match its digest is never looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, copy};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::Digest;

use super::published::Published;
use super::verdict::Check;
use crate::Success;
use crate::digest::sha256;
use crate::names::{self, Name, SUCCESS};

/// A published result under examination.
pub(super) struct Folder<'a> {
    pub(super) published: &'a dyn Published,
    pub(super) success: Success,
    pub(super) digests: Check,
    /// Sizes of the files that were read and match their digests.
    pub(super) sizes: BTreeMap<String, u64>,
    /// Names that were read or tried.
    seen: BTreeSet<String>,
}

impl<'a> Folder<'a> {
    /// Before any file was read.
    pub(super) fn new(published: &'a dyn Published, success: Success) -> Self {
        Self {
            published,
            success,
            digests: Check::new("digests"),
            sizes: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// The bytes of a file, if it can be read and matches its digest.
    pub(super) fn load(&mut self, name: &str) -> Option<Bytes> {
        if !self.success.files.contains_key(name) {
            return None;
        }
        match self.published.read(name) {
            Ok(bytes) => {
                let intact = self.judge(name, sha256(&bytes), bytes.len() as u64);
                intact.then(|| Bytes::from(bytes))
            }
            Err(error) => {
                self.unreadable(name, &error);
                None
            }
        }
    }

    /// Compares the digest that a file was found to have.
    pub(super) fn judge(&mut self, name: &str, found: Digest, size: u64) -> bool {
        self.seen.insert(name.to_owned());
        let Some(expected) = self.success.files.get(name) else {
            return false;
        };
        let intact = *expected == found;
        self.digests.expect(intact, || {
            format!(
                "{name}: its SHA-256 is {found}, but {SUCCESS} says {expected}: it was changed or \
                 truncated after publishing: copy it again or run the job again"
            )
        });
        if intact {
            self.sizes.insert(name.to_owned(), size);
        }
        intact
    }

    pub(super) fn unreadable(&mut self, name: &str, error: &std::io::Error) {
        self.seen.insert(name.to_owned());
        self.digests
            .fail(format!("{name}: cannot be read: {error}: copy it again or run the job again"));
    }

    /// Numbers of the parts that `_SUCCESS` names, ascending.
    pub(super) fn parts(&self, of: impl Fn(Name) -> Option<u32>) -> Vec<u32> {
        let named = self.success.files.keys();
        let mut parts: Vec<u32> = named.filter_map(|name| of(names::published(name)?)).collect();
        parts.sort_unstable();
        parts
    }

    /// Reads what no check has asked for, for its digest alone.
    pub(super) fn read_rest(&mut self) {
        let names: Vec<_> = self.success.files.keys().cloned().collect();
        for name in names {
            if !self.seen.contains(&name) {
                match digest_of(self.published, &name) {
                    Ok((found, size)) => drop(self.judge(&name, found, size)),
                    Err(error) => self.unreadable(&name, &error),
                }
            }
        }
    }
}

fn digest_of(published: &dyn Published, name: &str) -> std::io::Result<(Digest, u64)> {
    let mut hash = Hasher(Sha256::new());
    let mut stream = published.open(name)?;
    let size = copy(&mut stream as &mut dyn Read, &mut hash)?;
    Ok((Digest(hash.0.finalize().into()), size))
}

struct Hasher(Sha256);

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
