//! What stands at a target already, and what that means for a job: pure, told what was listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::folder_sink::Mode;
use crate::sink::{SUCCESS, is_private};

/// Version of the form of [`Announced`].
const VERSION: u32 = 1;

/// Names below a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    /// The `ETag` of the marker, if it is there; empty where listings hold none.
    pub(super) success: Option<String>,
    /// Public names but the marker, all of them part of a result, with their `ETag`s.
    pub(super) public: BTreeMap<String, String>,
    /// Names under `_run/`.
    pub(super) private: Vec<String>,
    /// The first name that is no part of a result. Nothing behind it was looked at.
    pub(super) foreign: Option<String>,
}

/// What a job is about to do to the public names, written down before the first of them changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    schema_version: u32,
    /// Names that were there.
    pub(super) old: BTreeSet<String>,
    /// Their `ETag`s, and that of the marker. Whoever goes on with the publication touches these
    /// versions and no later ones.
    #[serde(default)]
    pub(super) etags: BTreeMap<String, String>,
    /// Names of the new result.
    pub(super) new: BTreeSet<String>,
}

/// What may become of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds nothing.
    Free,
    /// It holds a result, which is replaced at the end.
    Replace,
    /// It holds what a publication left that died: all public names may go.
    Debris,
    /// It holds something, and the job may not replace it.
    Taken,
    /// It holds something that must stay.
    Foreign(String),
}

impl Content {
    /// Takes in a name below the target. False if nothing more needs to be looked at.
    pub(super) fn meet(
        &mut self,
        name: &str,
        (size, etag): (u64, Option<&str>),
        is_ours: fn(&str) -> bool,
    ) -> bool {
        let etag = etag.unwrap_or_default().to_owned();
        if is_private(name) {
            self.private.push(name.to_owned());
        } else if name == SUCCESS {
            self.success = Some(etag);
        } else if size == 0 && (name.is_empty() || name.ends_with('/') && is_ours(name)) {
            // Consoles mark a folder by an empty object; it hides nothing and may stay.
        } else if is_ours(name) {
            self.public.insert(name.to_owned(), etag);
        } else {
            self.foreign = Some(name.to_owned());
            return false;
        }
        true
    }

    /// The version of a public name that was listed, the marker's included.
    pub(super) fn etag(&self, name: &str) -> Option<&String> {
        if name == SUCCESS { self.success.as_ref() } else { self.public.get(name) }
    }

    /// What may become of the target, after what dead jobs have `announced`.
    pub(super) fn judge(&self, mode: Mode, announced: &[Announced]) -> Verdict {
        match (&self.foreign, mode) {
            (Some(name), Mode::Overwrite) => return Verdict::Foreign(name.clone()),
            (Some(_), Mode::Error) => return Verdict::Taken,
            (None, _) => {}
        }
        if self.public.is_empty() && self.success.is_none() {
            return Verdict::Free;
        }
        let covered = |name: &String| {
            announced.iter().any(|said| said.old.contains(name) || said.new.contains(name))
        };
        if self.success.is_none() && self.public.keys().all(covered) {
            return Verdict::Debris;
        }
        match mode {
            Mode::Overwrite => Verdict::Replace,
            Mode::Error => Verdict::Taken,
        }
    }

    /// Names that belong to jobs other than `job` and that nobody needs: their work, and what their
    /// members told each other. Their stories stay.
    pub(super) fn dead(&self, job: &str) -> Vec<String> {
        let dead = |name: &&String| match parts(name) {
            Some((of, rest)) => {
                of != job && (is_work(rest) || [ANNOUNCED, TARGET, COMMITTED].contains(&rest))
            }
            None => false,
        };
        self.private.iter().filter(dead).cloned().collect()
    }

    /// Those among [`Self::dead`] that bytes can be copied from to public names.
    pub(super) fn sources(&self, job: &str) -> Vec<String> {
        let source =
            |name: &&String| parts(name).is_some_and(|(of, rest)| of != job && is_work(rest));
        self.private.iter().filter(source).cloned().collect()
    }

    /// Names of what jobs other than `job` announced.
    pub(super) fn announcements(&self, job: &str) -> Vec<String> {
        let said =
            |name: &&String| parts(name).is_some_and(|(of, rest)| of != job && rest == ANNOUNCED);
        self.private.iter().filter(said).cloned().collect()
    }
}

const ANNOUNCED: &str = "announced";
const TARGET: &str = "target";
const COMMITTED: &str = "committed";

/// Where a job announces.
pub(super) fn announced_name(job: &str) -> String {
    format!("_run/{job}/{ANNOUNCED}")
}

/// Where the first member of a job says what its target is like.
pub(super) fn target_name(job: &str) -> String {
    format!("_run/{job}/{TARGET}")
}

/// Where a job says which marker is its own, before it writes it.
pub(super) fn committed_name(job: &str) -> String {
    format!("_run/{job}/{COMMITTED}")
}

/// Whether the rest of a private name is that of a job's work.
fn is_work(rest: &str) -> bool {
    rest.starts_with("work/")
}

/// The job that a private name belongs to, and the rest of it.
fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("_run/")?.split_once('/')
}

impl Announced {
    /// Of versions that are there, the marker's among them, and names to come.
    pub(super) fn new(etags: BTreeMap<String, String>, new: BTreeSet<String>) -> Self {
        let old = etags.keys().filter(|name| *name != SUCCESS).cloned().collect();
        Self { schema_version: VERSION, old, etags, new }
    }

    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are always JSON")
    }

    /// From bytes; nothing if they are none of this release's.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|said: &Self| said.schema_version == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Announced, Content, Verdict};
    use crate::folder_sink::Mode;

    fn is_ours(name: &str) -> bool {
        ["pca.csv", "features/", "features/a", "features/b"].contains(&name)
    }

    fn content(names: &[&str]) -> Content {
        let mut content = Content::default();
        for name in names {
            let size = u64::from(!name.is_empty() && !name.ends_with('/'));
            if !content.meet(name, (size, Some("e")), is_ours) {
                break;
            }
        }
        content
    }

    fn announced(old: &[&str], new: &[&str]) -> Announced {
        let etags = old.iter().map(|name| ((*name).to_owned(), "e".to_owned())).collect();
        Announced::new(etags, new.iter().map(|name| (*name).to_owned()).collect())
    }

    fn verdicts(names: &[&str], said: &[Announced]) -> [Verdict; 2] {
        let content = content(names);
        [Mode::Error, Mode::Overwrite].map(|mode| content.judge(mode, said))
    }

    #[test]
    fn stories_and_folder_markers_leave_a_target_free() {
        let names = ["", "_run/j/run.json", "_run/lock", "features/"];
        assert_eq!(verdicts(&names, &[]), [Verdict::Free, Verdict::Free]);
    }

    #[test]
    fn a_result_is_refused_or_replaced_whatever_was_announced() {
        let names = ["_SUCCESS", "features/a", "pca.csv"];
        let said = [announced(&[], &["features/a", "pca.csv"])];
        assert_eq!(verdicts(&names, &said), [Verdict::Taken, Verdict::Replace]);
        assert_eq!(verdicts(&["_SUCCESS"], &[]), [Verdict::Taken, Verdict::Replace]);
    }

    #[test]
    fn what_a_publication_left_that_died_is_debris_and_nothing_else_is() {
        let said = [announced(&["features/b"], &["features/a", "pca.csv"])];
        let debris = [Verdict::Debris, Verdict::Debris];
        assert_eq!(verdicts(&["features/a"], &said), debris);
        assert_eq!(verdicts(&["features/b", "pca.csv"], &said), debris);
        let kept = [Verdict::Taken, Verdict::Replace];
        assert_eq!(verdicts(&["features/a"], &[]), kept);
        let partly = [announced(&[], &["features/a"])];
        assert_eq!(verdicts(&["features/a", "features/b"], &partly), kept);
    }

    #[test]
    fn what_others_wrote_is_never_replaced() {
        for names in [&["thesis.docx"][..], &["_SUCCESS", "features/a", "x/"]] {
            let [error, overwrite] = verdicts(names, &[announced(&[], &["thesis.docx"])]);
            assert_eq!(error, Verdict::Taken);
            assert_eq!(overwrite, Verdict::Foreign((*names.last().unwrap()).to_owned()));
        }
    }

    #[test]
    fn the_work_of_dead_jobs_goes_and_their_stories_stay() {
        let content = content(&[
            "_run/dead/announced",
            "_run/dead/run.json",
            "_run/dead/work/features-0",
            "_run/lock",
            "_run/me/work/manifest",
        ]);
        assert_eq!(content.dead("me"), ["_run/dead/announced", "_run/dead/work/features-0"]);
        assert_eq!(content.sources("me"), ["_run/dead/work/features-0"]);
        assert_eq!(content.announcements("me"), ["_run/dead/announced"]);
    }

    #[test]
    fn an_announcement_comes_back_as_it_was_written() {
        let said = announced(&["a"], &["b"]);
        assert_eq!(Announced::decode(&said.encode()), Some(said));
        assert_eq!(Announced::decode(b"{}"), None);
        let empty: BTreeSet<String> = BTreeSet::new();
        assert_eq!(announced(&[], &[]).old, empty);
    }
}
