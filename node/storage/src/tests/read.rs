//! What a conditional read of a file gives when the world has moved on.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{is_root, runtime};
use crate::{
    DEFAULT_PATTERN, Entry, FolderSource, GetError, Pattern, Problem, Selection, Source, list_whole,
};

const MAX: u64 = 1_000;

fn listed(root: &Path) -> (FolderSource, Entry) {
    fs::write(root.join("1.jpg"), "first").unwrap();
    let source = FolderSource::open(root, &[]).unwrap();
    let selection = Selection::recursive(Pattern::parse(DEFAULT_PATTERN).unwrap());
    let (blocks, mut received) = mpsc::channel(4);
    runtime().block_on(list_whole(&source, &selection, blocks)).unwrap();
    let entry = received.blocking_recv().unwrap().remove(0);
    (source, entry)
}

fn get(source: &FolderSource, entry: &Entry) -> Result<Bytes, GetError> {
    runtime().block_on(source.get(entry, MAX))
}

fn code(source: &FolderSource, entry: &Entry) -> &'static str {
    let error = get(source, entry).unwrap_err();
    assert!(error.is_content(), "{error}");
    error.code()
}

#[test]
fn the_listed_version_is_read_whole() {
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    assert_eq!(get(&source, &entry).unwrap(), "first");
    assert_eq!(entry.size, 5);
}

#[test]
fn another_version_of_the_same_size_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    File::options()
        .write(true)
        .open(root.path().join("1.jpg"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert_eq!(code(&source, &entry), "changed");
}

#[test]
fn another_file_of_the_same_size_and_time_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    let path = root.path().join("1.jpg");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(root.path().join("new"), "other").unwrap();
    File::options()
        .write(true)
        .open(root.path().join("new"))
        .unwrap()
        .set_modified(modified)
        .unwrap();
    fs::rename(root.path().join("new"), &path).unwrap();
    assert_eq!(code(&source, &entry), "changed");
}

#[test]
fn a_pipe_or_folder_in_the_place_of_a_file_blocks_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    let path = root.path().join("1.jpg");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(code(&source, &entry), "changed");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(code(&source, &entry), "changed");
}

#[test]
fn a_file_that_is_gone_is_a_row_and_a_source_that_is_gone_is_another_attempt() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("from");
    fs::create_dir(&folder).unwrap();
    let (source, entry) = listed(&folder);
    fs::remove_file(folder.join("1.jpg")).unwrap();
    assert_eq!(code(&source, &entry), "gone");
    fs::rename(&folder, root.path().join("unmounted")).unwrap();
    assert!(!get(&source, &entry).unwrap_err().is_content());
    fs::create_dir(&folder).unwrap();
    assert!(
        !get(&source, &entry).unwrap_err().is_content(),
        "an empty mount point is not the source"
    );
}

#[test]
fn what_is_too_large_or_known_to_be_bad_is_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    let large = Entry { size: MAX + 1, ..entry.clone() };
    assert_eq!(code(&source, &large), "file_too_large");
    let bad = Entry { problem: Some(Problem::NameNotUtf8), ..entry };
    assert_eq!(code(&source, &bad), "name_not_utf8");
}

#[test]
fn no_key_leads_out_of_the_source() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("from");
    fs::create_dir(&folder).unwrap();
    let (source, entry) = listed(&folder);
    fs::copy(folder.join("1.jpg"), root.path().join("secret")).unwrap();
    let secret = root.path().join("secret").display().to_string();
    for key in ["../secret", "./1.jpg", "x/../1.jpg", "", "/", "1.jpg/", "a\0b", &secret] {
        let hostile = Entry { key: key.to_owned(), ..entry.clone() };
        assert_eq!(code(&source, &hostile), "gone", "{key:?}");
    }
}

#[test]
fn a_file_without_rights_is_a_row() {
    if is_root("reading a file without rights") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (source, entry) = listed(root.path());
    fs::set_permissions(root.path().join("1.jpg"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(code(&source, &entry), "denied");
}
