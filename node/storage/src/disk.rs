//! What an error of a file system says of the node that met it.

use std::error::Error;
use std::io;

use rustix::io::Errno;

use fruitnode_coordinator::retry::FailureReason;

/// What it means for a task that a call on a file or folder failed. Most errors pass: a mount comes
/// back, a file server answers again, descriptors become free, and until then the task waits. Some
/// do not, whatever is waited for: the node is set aside, as one that the store refuses.
pub(super) fn reason(source: &(dyn Error + Send + Sync + 'static)) -> FailureReason {
    match source.downcast_ref::<io::Error>().is_some_and(is_lasting) {
        true => FailureReason::StorageRefused,
        false => FailureReason::StorageUnavailable,
    }
}

fn is_lasting(error: &io::Error) -> bool {
    let disk_is_broken = [Errno::IO, Errno::NODEV, Errno::NXIO];
    disk_is_broken.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
        || matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::Unsupported
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pass_is_not_waited_for() {
        let of = |errno: Errno| {
            let error: Box<dyn Error + Send + Sync> =
                Box::new(io::Error::from_raw_os_error(errno.raw_os_error()));
            reason(&*error)
        };
        for errno in
            [Errno::IO, Errno::NXIO, Errno::ROFS, Errno::NOTDIR, Errno::ISDIR, Errno::ACCESS]
        {
            assert_eq!(of(errno), FailureReason::StorageRefused, "{errno}");
        }
        for errno in [Errno::STALE, Errno::TIMEDOUT, Errno::HOSTUNREACH, Errno::MFILE, Errno::NOENT]
        {
            assert_eq!(of(errno), FailureReason::StorageUnavailable, "{errno}");
        }
        let panicked: Box<dyn Error + Send + Sync> = "a thread ended".into();
        assert_eq!(reason(&*panicked), FailureReason::StorageUnavailable);
    }
}
