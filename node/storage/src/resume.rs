//! What a job takes over from earlier ones for the same target that ended before they had a
//! result: pure, told the names below the target.

use std::collections::BTreeSet;

/// Folder, in a job's own folder of work, of what was taken over.
const EARLIER: &str = "earlier/";

/// What a job takes over.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Name, in a job's folder of work, of the empty object that tells which jobs made the same
    /// rows. Every job that may be resumed writes it first.
    pub checkpoint: String,
    /// Whether a file of the work, by its own name, is of use to the next job.
    pub is_kept: fn(&str) -> bool,
}

/// A name below the target, and the one under which the next job has it.
pub(super) type Moved = (String, String);

impl Resume {
    /// Name of the checkpoint of a job, below the target.
    pub(super) fn checkpoint_of(&self, job: &str) -> String {
        format!("{}{}", work_of(job), self.checkpoint)
    }

    /// What `job` takes over of jobs that are dead, of all names below `_run/`.
    pub(super) fn taken_over<'n>(
        &self,
        job: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Vec<Moved> {
        let alike: BTreeSet<&str> = names
            .clone()
            .filter_map(work)
            .filter(|(dead, rest)| *dead != job && *rest == self.checkpoint)
            .map(|(dead, _)| dead)
            .collect();
        let moved = names.filter_map(|name| {
            let (dead, rest) = work(name)?;
            (alike.contains(dead) && self.keeps(rest)).then(|| {
                // What the dead one took over itself is already below the name of who made it.
                let to = match rest.strip_prefix(EARLIER) {
                    Some(rest) => format!("{}{EARLIER}{rest}", work_of(job)),
                    None => format!("{}{EARLIER}{dead}/{rest}", work_of(job)),
                };
                (name.to_owned(), to)
            })
        });
        moved.collect()
    }

    /// Whether something of a job's own, by its name below the target, is left for the next one.
    pub(super) fn leaves(&self, job: &str, name: &str) -> bool {
        work(name)
            .is_some_and(|(of, rest)| of == job && (rest == self.checkpoint || self.keeps(rest)))
    }

    fn keeps(&self, rest: &str) -> bool {
        let depth = if rest.starts_with(EARLIER) { 2 } else { 0 };
        let file = rest.rsplit('/').next().unwrap_or(rest);
        rest.matches('/').count() == depth && (self.is_kept)(file)
    }
}

/// Folder of the work of a job, below the target.
fn work_of(job: &str) -> String {
    format!("_run/{job}/work/")
}

/// The job that a name of some work belongs to, and the rest of it.
fn work(name: &str) -> Option<(&str, &str)> {
    let (job, rest) = name.strip_prefix("_run/")?.split_once('/')?;
    Some((job, rest.strip_prefix("work/")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resume() -> Resume {
        let is_kept = |name: &str| name.starts_with("features-");
        Resume { checkpoint: "rows-1".to_owned(), is_kept }
    }

    #[test]
    fn of_jobs_that_made_the_same_rows_what_is_of_use_is_taken_over() {
        let names = [
            "_run/a/work/rows-1",
            "_run/a/work/features-0",
            "_run/a/work/manifest",
            "_run/a/work/earlier/older/features-1",
            "_run/a/features-2",
            "_run/other/work/rows-2",
            "_run/other/work/features-0",
            "_run/me/work/rows-1",
            "_run/me/work/features-0",
            "features/features-0",
        ];
        let moved = resume().taken_over("me", names.into_iter());
        let moved: Vec<(&str, &str)> = moved.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        let expected = [
            ("_run/a/work/features-0", "_run/me/work/earlier/a/features-0"),
            ("_run/a/work/earlier/older/features-1", "_run/me/work/earlier/older/features-1"),
        ];
        assert_eq!(moved, expected);
    }

    #[test]
    fn what_a_job_leaves_is_what_the_next_one_takes_over() {
        let names = ["rows-1", "features-0", "earlier/b/features-1", "manifest", "x/features-2"];
        let names = names.map(|rest| format!("_run/a/work/{rest}"));
        let left: Vec<&str> =
            names.iter().map(|name| &name[..]).filter(|name| resume().leaves("a", name)).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        let moved = resume().taken_over("b", left.iter().copied());
        assert_eq!(moved.len(), 2, "all but the checkpoint: {moved:?}");
        assert!(!resume().leaves("b", left[0]));
    }
}
