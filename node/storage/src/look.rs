//! What stands where a result is to go, without a trace of having looked.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{Access, access};

use crate::folder_sink::{FolderTarget, Mode};
use crate::sink::{ObjectWriter, Sink, SinkError};
use crate::staging;
use crate::target::{self, Content};

/// What a job would find at its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// An earlier result, which the job would replace.
    Earlier,
}

/// Looks at a target as the opening of a sink does, and refuses what that would refuse, but makes,
/// changes and locks nothing.
///
/// # Errors
/// As [`crate::FolderSink::open`].
pub fn look(wanted: &FolderTarget<'_>) -> Result<Standing, SinkError> {
    let found = target::existing(wanted.out, wanted.from)?;
    let absolute = match found {
        Some(real) => real,
        None => std::path::absolute(wanted.out)
            .map_err(|error| SinkError::from_io(wanted.out, error))?,
    };
    let above = existing_above(&absolute, wanted.out)?;
    access(above, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| SinkError::from_io(&absolute, error.into()))?;
    if absolute.parent() == Some(above) {
        staging::refuse_busy(&absolute)?;
    }
    let out = || wanted.out.display().to_string();
    match (target::content(&absolute, wanted.is_ours)?, wanted.mode) {
        (Content::Nothing, _) => Ok(Standing::Nothing),
        (Content::Ours, Mode::Overwrite) => Ok(Standing::Earlier),
        (Content::Foreign(name), Mode::Overwrite) => Err(SinkError::Foreign { out: out(), name }),
        (Content::Ours | Content::Foreign(_), Mode::Error) => Err(SinkError::Taken { out: out() }),
    }
}

/// The nearest folder above a target that is there.
fn existing_above<'a>(absolute: &'a Path, out: &Path) -> Result<&'a Path, SinkError> {
    let unfit = |why| SinkError::Unfit { out: out.display().to_string(), why };
    let mut above = absolute.ancestors().skip(1);
    let found = above.find(|folder| fs::symlink_metadata(folder).is_ok());
    match found {
        Some(folder) if folder.is_dir() => Ok(folder),
        Some(_) => Err(unfit("is inside something that is not a folder: choose another target")),
        None => Err(unfit("does not end with the name of a folder: add one")),
    }
}

/// The target of a job that is only looked at: it takes nothing and gives nothing.
#[derive(Debug)]
pub struct NoSink {
    uri: String,
}

impl NoSink {
    /// In the place of the target `uri`.
    pub fn of(uri: &str) -> Self {
        Self { uri: uri.to_owned() }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Earlier => "an earlier result, which would be replaced",
        })
    }
}

#[async_trait]
impl Sink for NoSink {
    fn uri(&self) -> &str {
        &self.uri
    }

    async fn put(&self, _: &str, _: Bytes) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn create(&self, _: &str) -> Result<Box<dyn ObjectWriter>, SinkError> {
        Err(SinkError::Closed)
    }

    async fn size(&self, _: &str) -> Result<u64, SinkError> {
        Err(SinkError::Closed)
    }

    async fn get(&self, _: &str) -> Result<Bytes, SinkError> {
        Err(SinkError::Closed)
    }

    async fn get_range(&self, _: &str, _: Range<u64>) -> Result<Bytes, SinkError> {
        Err(SinkError::Closed)
    }

    async fn promote(&self, _: &str, _: &str) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn remove(&self, _: &str) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn remove_below(&self, _: &str) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn begin(&self, _: &[String]) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn commit(&self, _: Bytes) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }

    async fn abort(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{FolderTarget, Mode, SinkError, Standing, look};
    use crate::FolderSink;

    fn target<'a>(out: &'a Path, from: &'a Path, mode: Mode) -> FolderTarget<'a> {
        let is_ours = |name: &str| name.starts_with("part");
        FolderTarget { out, from: Some(from), job: "job", mode, is_ours, resume: None }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_look_leaves_no_trace_and_tells_an_earlier_result() {
        let folder = tempfile::tempdir().unwrap();
        let (out, from) = (folder.path().join("deep/out"), folder.path().join("in"));
        fs::create_dir(&from).unwrap();
        let seen = |mode| look(&target(&out, &from, mode));
        assert_eq!(seen(Mode::Error).unwrap(), Standing::Nothing);
        assert_eq!(names(folder.path()), ["in"]);
        fs::create_dir_all(&out).unwrap();
        assert_eq!(seen(Mode::Error).unwrap(), Standing::Nothing);
        fs::write(out.join("part"), b"").unwrap();
        assert!(matches!(seen(Mode::Error), Err(SinkError::Taken { .. })));
        assert_eq!(seen(Mode::Overwrite).unwrap(), Standing::Earlier);
        fs::write(out.join("thesis"), b"").unwrap();
        assert!(matches!(seen(Mode::Overwrite), Err(SinkError::Foreign { .. })));
        assert_eq!(names(&folder.path().join("deep")), ["out"]);
        assert_eq!(names(&out), ["part", "thesis"]);
    }

    #[test]
    fn a_target_that_another_run_builds_is_busy_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let (out, from) = (folder.path().join("out"), folder.path().join("in"));
        let wanted = target(&out, &from, Mode::Error);
        let sink = FolderSink::open(&wanted).unwrap();
        let before = names(folder.path());
        for _ in 0..2 {
            let error = look(&wanted).unwrap_err();
            assert!(matches!(&error, SinkError::Busy { .. }), "{error}");
            assert!(error.to_string().contains("job job"), "{error}");
        }
        assert_eq!(names(folder.path()), before);
        drop(sink);
        assert_eq!(look(&wanted).unwrap(), Standing::Nothing);
    }

    #[test]
    fn a_place_that_is_no_folder_is_unfit() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("in");
        fs::write(folder.path().join("file"), b"").unwrap();
        for out in ["file", "file/out", "file/deep/out", ""] {
            let out = if out.is_empty() { "".into() } else { folder.path().join(out) };
            let error = look(&target(&out, &from, Mode::Error)).unwrap_err();
            assert!(matches!(&error, SinkError::Unfit { .. }), "{}: {error}", out.display());
        }
    }
}
