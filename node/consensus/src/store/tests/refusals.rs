//! Logs that are not opened, and writes that fail.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use fruitnode_env::skipped;
use fruitnode_replica::{LogStore, Vote};

use super::super::tables::{FORMAT, META};
use super::super::{RedbLog, StoreError};
use super::{STORAGE, content, entry, place, snapshot};

#[test]
fn a_new_log_is_empty_and_belongs_to_its_owner_alone() {
    let (_folder, path) = place();
    let log = RedbLog::create(&path, STORAGE).unwrap();
    let found = content(&log);
    assert_eq!((found.first, found.last, found.snapshot), (1, 0, None));
    for name in ["redb", "mark", "reserve"] {
        let file = fs::metadata(path.with_extension(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let reserve = fs::metadata(path.with_extension("reserve")).unwrap();
    assert!(reserve.blocks() * 512 >= 16 << 20, "room that is promised only");
    let refused = RedbLog::create(&path, STORAGE).expect_err("there is one");
    assert!(refused.to_string().contains("already exists"), "{refused}");
    let refused = RedbLog::open(&path, STORAGE).expect_err("in use");
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
}

#[test]
fn a_log_of_another_storage_or_a_newer_release_is_refused_with_what_to_do() {
    let (_folder, path) = place();
    let missing = RedbLog::open(&path, STORAGE).expect_err("nothing there");
    assert!(missing.to_string().contains("is missing"), "{missing}");
    drop(RedbLog::create(&path, STORAGE).unwrap());
    let other = RedbLog::open(&path, "77aa").expect_err("another's").to_string();
    assert!(other.contains("log.redb has the log ID `5f0c` instead of `77aa`"), "{other}");
    assert!(other.contains("wiped or replaced"), "{other}");
    assert!(other.contains("join again with an empty --data-dir"), "{other}");
    set_format(&path, FORMAT + 1);
    let newer = RedbLog::open(&path, STORAGE).expect_err("newer").to_string();
    assert!(newer.contains("has format 2") && newer.contains("upgrade this node"), "{newer}");
    set_format(&path, FORMAT);
    drop(RedbLog::open(&path, STORAGE).unwrap());
    fs::write(&path, "no log").unwrap();
    let damaged = RedbLog::open(&path, STORAGE).expect_err("no log").to_string();
    assert!(damaged.contains("log.redb is damaged"), "{damaged}");
    fs::write(&path, "").unwrap();
    let empty = RedbLog::open(&path, STORAGE).expect_err("empty").to_string();
    assert!(empty.contains("it is empty"), "{empty}");
}

fn set_format(path: &Path, format: u32) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut meta = transaction.open_table(META).unwrap();
    meta.insert("format", &format.to_le_bytes()[..]).unwrap();
    drop(meta);
    transaction.commit().unwrap();
}

#[test]
fn an_old_copy_of_the_log_is_refused() {
    let (_folder, path) = place();
    let mut log = RedbLog::create(&path, STORAGE).unwrap();
    log.install(&snapshot(1, 1, 10), None).unwrap();
    drop(log);
    let old = fs::read(&path).unwrap();
    let mut log = RedbLog::open(&path, STORAGE).unwrap();
    log.append(&[], Some(Vote { term: 2, vote: 3, commit: 1 })).unwrap();
    drop(log);
    fs::write(&path, old).unwrap();
    let refused = RedbLog::open(&path, STORAGE).expect_err("an old copy").to_string();
    assert!(
        refused.contains("older than what this node has acknowledged (write 2 of 3)"),
        "{refused}"
    );
    assert!(refused.contains("join again with an empty --data-dir"), "{refused}");
    // Without its mark it is taken for what it says it is.
    fs::remove_file(path.with_extension("mark")).unwrap();
    RedbLog::open(&path, STORAGE).unwrap();
}

#[test]
fn entries_that_do_not_follow_are_refused_and_change_nothing() {
    let (_folder, path) = place();
    let mut log = RedbLog::create(&path, STORAGE).unwrap();
    log.install(&snapshot(5, 1, 10), None).unwrap();
    log.append(&[entry(6, 1, 3), entry(7, 1, 3)], None).unwrap();
    let before = content(&log);
    for wrong in [vec![entry(9, 1, 3)], vec![entry(5, 1, 3)], vec![entry(8, 1, 3), entry(10, 1, 3)]]
    {
        assert!(matches!(log.append(&wrong, None), Err(StoreError::Gap { .. })), "{wrong:?}");
    }
    assert_eq!(content(&log), before);
}

/// A file system of its own, which goes with the test.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "fruitnode-test"]).arg(at);
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Self(at.to_owned()));
        }
        skipped::say("a full disk needs the right to mount one: run as root");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{}", self.0.display());
    }
}

#[test]
fn a_full_disk_ends_the_log_and_the_reserve_lets_it_start_and_compact() {
    let (_folder, path) = place();
    let at = path.with_file_name("disk");
    let Some(_disk) = Disk::mount(&at, 48) else { return };
    let path = at.join("log.redb");
    let mut log = RedbLog::create(&path, STORAGE).unwrap();
    log.install(&snapshot(1, 1, 10), None).unwrap();
    assert!(path.with_extension("reserve").exists(), "a reserve while there is room");
    // Somebody else fills the disk.
    let filler = at.join("filler");
    fs::write(&filler, vec![7; 29 << 20]).unwrap();
    let mut acknowledged = 1;
    let refused = loop {
        match log.append(&[entry(acknowledged + 1, 1, 100_000)], None) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(acknowledged > 1, "some were taken");
    let latched = log.append(&[], Some(Vote::default())).expect_err("it failed before");
    assert!(latched.to_string().contains("must stop"), "{latched}");
    assert!(log.last().is_err(), "reads fail as well");
    drop(log);

    let mut log = RedbLog::open(&path, STORAGE).unwrap();
    assert!(!path.with_extension("reserve").exists(), "given up");
    assert_eq!(log.last().unwrap(), acknowledged, "what was acknowledged is there");
    log.append(&[entry(acknowledged + 1, 1, 100_000)], None).unwrap();
    log.compact(&snapshot(acknowledged + 1, 1, 1_000), acknowledged + 1).unwrap();
    drop(log);
    fs::remove_file(filler).unwrap();
    let log = RedbLog::open(&path, STORAGE).unwrap();
    assert!(path.with_extension("reserve").exists(), "made again once there is room");
    assert_eq!(log.last().unwrap(), acknowledged + 1);
}

#[test]
fn a_full_disk_without_a_reserve_is_named_with_how_much_to_free() {
    let (_folder, path) = place();
    let at = path.with_file_name("disk");
    let Some(_disk) = Disk::mount(&at, 8) else { return };
    let path = at.join("log.redb");
    fs::write(at.join("filler"), vec![7; (8 << 20) - 40_000]).unwrap();
    let refused = RedbLog::create(&path, STORAGE).expect_err("no room");
    assert!(refused.to_string().contains("free 16 MiB or more"), "{refused}");
    assert!(!path.exists(), "nothing that looks like a log is left");
}
