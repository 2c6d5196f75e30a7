//! How a built result takes the place of the target: a list of steps, and one function that does a
//! step.
//!
//! Wherever the list is cut off, the target is absent, the earlier result, or the new one, each
//! whole. The target changes in one rename: of a folder onto nothing or an empty folder (which
//! fails in the kernel if there is something), or an exchange of two folders.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::sink::{SUCCESS, SinkError};
use crate::staging::Staging;

/// One step of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Every file and folder of the result reaches the disk.
    SyncTree,
    /// The marker is written and reaches the disk.
    WriteSuccess,
    /// The result takes the place of nothing, or of an empty folder.
    Rename,
    /// The result and the earlier one change places.
    Exchange,
    /// The earlier result steps aside: only where folders cannot be exchanged.
    MoveAside,
    /// The change of place reaches the disk.
    SyncParent,
    /// The staging folder goes, and the earlier result with it.
    RemoveStaging,
}

/// Steps for a target that holds nothing, or an earlier result that is replaced.
pub(super) fn plan(replaces: bool, can_exchange: bool) -> Vec<Step> {
    let swap: &[Step] = match (replaces, can_exchange) {
        (false, _) => &[Step::Rename],
        (true, true) => &[Step::Exchange],
        (true, false) => &[Step::MoveAside, Step::SyncParent, Step::Rename],
    };
    let mut steps = vec![Step::SyncTree, Step::WriteSuccess];
    steps.extend(swap);
    steps.extend([Step::SyncParent, Step::RemoveStaging]);
    steps
}

/// Does one step of publishing what `staging` holds as `out`.
pub(super) fn perform(
    step: Step,
    staging: &Staging,
    out: &Path,
    success: &[u8],
) -> Result<(), SinkError> {
    let built = staging.out();
    match step {
        Step::SyncTree => sync_tree(&built),
        Step::WriteSuccess => {
            let marker = built.join(SUCCESS);
            let write = || {
                let mut file = File::create(&marker)?;
                file.write_all(success)?;
                file.sync_all()
            };
            write().map_err(|error| SinkError::from_io(&marker, error))?;
            sync_folder(&built)
        }
        Step::Rename => fs::rename(&built, out).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory => SinkError::Taken { out: out.display().to_string() },
            _ => SinkError::from_io(out, error),
        }),
        Step::Exchange => renameat_with(CWD, &built, CWD, out, RenameFlags::EXCHANGE)
            .map_err(|error| SinkError::from_io(out, error.into())),
        Step::MoveAside => {
            fs::rename(out, staging.old()).map_err(|error| SinkError::from_io(out, error))
        }
        Step::SyncParent => sync_folder(out.parent().unwrap_or(out)),
        Step::RemoveStaging => staging.remove(),
    }
}

/// Whether the file system under `staging` can exchange two folders.
pub(super) fn can_exchange(staging: &Staging) -> Result<bool, SinkError> {
    let (left, right) = (staging.tmp().join("left"), staging.tmp().join("right"));
    let mut exchanged = Ok(());
    for folder in [&left, &right] {
        fs::create_dir(folder).map_err(|error| SinkError::from_io(folder, error))?;
    }
    for _ in 0..2 {
        exchanged =
            exchanged.and_then(|()| renameat_with(CWD, &left, CWD, &right, RenameFlags::EXCHANGE));
    }
    for folder in [&left, &right] {
        fs::remove_dir(folder).map_err(|error| SinkError::from_io(folder, error))?;
    }
    match exchanged {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(SinkError::from_io(&left, error.into())),
    }
}

/// Makes the entries of a folder durable. Some file systems take no sync of a folder, and say so.
pub(super) fn sync_folder(folder: &Path) -> Result<(), SinkError> {
    match File::open(folder).and_then(|opened| opened.sync_all()) {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        synced => synced.map_err(|error| SinkError::from_io(folder, error)),
    }
}

fn sync_tree(folder: &Path) -> Result<(), SinkError> {
    let trouble = |error| SinkError::from_io(folder, error);
    for entry in fs::read_dir(folder).map_err(trouble)? {
        let entry = entry.map_err(trouble)?;
        let path = entry.path();
        if entry.file_type().map_err(trouble)?.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|error| SinkError::from_io(&path, error))?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Step, can_exchange, perform, plan};
    use crate::sink::SinkError;
    use crate::staging::Staging;

    /// What a reader sees: nothing, or the contents of all files, which must agree.
    fn seen(out: &Path) -> Option<String> {
        let text = fs::read_to_string(out.join("features/part")).ok()?;
        assert_eq!(fs::read_to_string(out.join("report")).unwrap(), text, "a mixture");
        assert_eq!(fs::read_to_string(out.join("_SUCCESS")).unwrap(), text, "a mixture");
        Some(text)
    }

    fn build(folder: &Path, text: &str) {
        fs::create_dir_all(folder.join("features")).unwrap();
        fs::write(folder.join("features/part"), text).unwrap();
        fs::write(folder.join("report"), text).unwrap();
    }

    /// Dies after each step in turn, then lets the next run clean up and finish.
    fn die_after_each_step(earlier: Option<&str>, exchange: bool) {
        let steps = plan(earlier.is_some(), exchange);
        for done in 0..=steps.len() {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out");
            if let Some(text) = earlier {
                build(&out, text);
                fs::write(out.join("_SUCCESS"), text).unwrap();
            }
            let staging = Staging::open(&out, "dead", None).unwrap();
            build(&staging.out(), "new");
            for step in &steps[..done] {
                perform(*step, &staging, &out, b"new").unwrap();
            }
            staging.die();
            let moved =
                steps[..done].contains(&Step::Rename) || steps[..done].contains(&Step::Exchange);
            let aside = steps[..done].contains(&Step::MoveAside);
            let wanted = if moved { Some("new") } else { earlier.filter(|_| !aside) };
            assert_eq!(seen(&out).as_deref(), wanted, "after {:?}", &steps[..done]);

            let next = Staging::open(&out, "next", None).unwrap();
            let kept = if moved { Some("new") } else { earlier };
            assert_eq!(seen(&out).as_deref(), kept, "recovered after {:?}", &steps[..done]);
            build(&next.out(), "next");
            for step in plan(kept.is_some(), exchange) {
                perform(step, &next, &out, b"next").unwrap();
            }
            drop(next);
            assert_eq!(seen(&out).as_deref(), Some("next"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left");
        }
    }

    #[test]
    fn wherever_a_first_publish_dies_nothing_or_everything_is_seen() {
        die_after_each_step(None, true);
    }

    #[test]
    fn wherever_a_replacement_dies_the_earlier_or_the_new_result_is_seen() {
        die_after_each_step(Some("earlier"), true);
    }

    #[test]
    fn without_exchange_a_replacement_loses_nothing_either() {
        die_after_each_step(Some("earlier"), false);
    }

    #[test]
    fn a_result_that_appeared_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let staging = Staging::open(&out, "late", None).unwrap();
        build(&out, "first");
        let error = perform(Step::Rename, &staging, &out, b"").unwrap_err();
        assert!(matches!(error, SinkError::Taken { .. }), "{error}");
        assert_eq!(fs::read_to_string(out.join("report")).unwrap(), "first");
    }

    #[test]
    fn whether_folders_can_be_exchanged_is_found_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(&folder.path().join("out"), "job", None).unwrap();
        can_exchange(&staging).unwrap();
        assert_eq!(fs::read_dir(staging.tmp()).unwrap().count(), 0);
    }
}
