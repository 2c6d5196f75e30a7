//! What a target folder shows before, during and after a job.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::runtime;
use crate::{FolderSink, FolderTarget, Mode, SUCCESS, Sink, SinkError};

fn is_ours(name: &str) -> bool {
    name == SUCCESS || name.starts_with("features/") || name.starts_with("_run/")
}

fn open(out: &Path, mode: Mode) -> Result<FolderSink, SinkError> {
    FolderSink::open(&FolderTarget { out, from: None, job: "job-1", mode, is_ours, resume: None })
}

fn open_beside(out: &Path, from: &Path) -> Result<FolderSink, SinkError> {
    let mode = Mode::Overwrite;
    FolderSink::open(&FolderTarget {
        out,
        from: Some(from),
        job: "job-1",
        mode,
        is_ours,
        resume: None,
    })
}

fn refusal(opened: Result<FolderSink, SinkError>) -> String {
    opened.unwrap_err().to_string()
}

async fn publish(sink: &FolderSink, text: &'static str) -> Result<(), SinkError> {
    sink.put("_run/job-1/a0", Bytes::from(text)).await?;
    sink.begin(&["features/part-0".to_owned()]).await?;
    sink.promote("_run/job-1/a0", "features/part-0").await?;
    sink.remove("_run/job-1/a0").await?;
    sink.commit(Bytes::from(text)).await
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn room() -> (tempfile::TempDir, PathBuf) {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    (room, out)
}

#[test]
fn a_result_appears_whole_and_leaves_nothing_beside_it() {
    let (room, _) = room();
    let out = room.path().join("new/deep/out");
    let sink = open(&out, Mode::Error).unwrap();
    assert!(!out.exists());
    runtime().block_on(publish(&sink, "text")).unwrap();
    assert_eq!(fs::read_to_string(out.join("features/part-0")).unwrap(), "text");
    assert_eq!(fs::read_to_string(out.join(SUCCESS)).unwrap(), "text");
    assert_eq!(names(out.parent().unwrap()), ["out"]);
    assert!(matches!(runtime().block_on(sink.get("features/part-0")), Err(SinkError::Closed)));
}

#[test]
fn a_first_result_is_kept_unless_overwriting_is_asked_for() {
    let (_room, out) = room();
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o750)).unwrap();
    runtime().block_on(publish(&open(&out, Mode::Error).unwrap(), "first")).unwrap();
    assert!(refusal(open(&out, Mode::Error)).contains("--overwrite"));
    runtime().block_on(publish(&open(&out, Mode::Overwrite).unwrap(), "second")).unwrap();
    assert_eq!(fs::read_to_string(out.join("features/part-0")).unwrap(), "second");
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o777, 0o750, "permissions are kept");
}

#[test]
fn overwriting_refuses_what_is_not_a_result_and_names_it() {
    let (_room, out) = room();
    fs::create_dir_all(out.join("photos")).unwrap();
    fs::write(out.join("photos/cat.jpg"), "").unwrap();
    assert!(refusal(open(&out, Mode::Overwrite)).contains("`photos/cat.jpg`"));
    fs::remove_dir_all(out.join("photos")).unwrap();
    let sink = open(&out, Mode::Overwrite).unwrap();
    symlink("nowhere", out.join(SUCCESS)).unwrap();
    let error = runtime().block_on(publish(&sink, "late")).unwrap_err();
    assert!(matches!(error, SinkError::Foreign { .. }), "looked at again at the end: {error}");
    assert_eq!(names(&out), [SUCCESS]);
}

#[test]
fn a_target_that_cannot_become_a_result_is_refused_in_words() {
    let (room, out) = room();
    let from = out.join("photos");
    fs::create_dir_all(&from).unwrap();
    assert!(
        refusal(open_beside(&out, &from)).contains("contains the folder the photographs come from")
    );
    assert!(refusal(open_beside(&from, &from)).contains("is the folder the photographs come from"));
    symlink(&from, room.path().join("link")).unwrap();
    assert!(refusal(open_beside(&room.path().join("link"), &from)).contains("is the folder"));
    open_beside(&from.join("results"), &from).unwrap();
    let file = room.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(open(&file, Mode::Overwrite)).contains("is not a folder"));
    assert!(refusal(open(&file.join("out"), Mode::Error)).contains("inside"));
    assert!(refusal(open(Path::new("/"), Mode::Overwrite)).contains("mount point"));
    assert!(refusal(open(Path::new(""), Mode::Error)).contains("is empty"));
    symlink("nowhere", room.path().join("lost")).unwrap();
    assert!(refusal(open(&room.path().join("lost"), Mode::Error)).contains("broken symbolic link"));
    assert_eq!(names(room.path()), ["file", "link", "lost", "out"]);
}

#[test]
fn a_target_behind_a_link_is_replaced_where_it_lies() {
    let (room, out) = room();
    fs::create_dir(room.path().join("real")).unwrap();
    symlink("real", &out).unwrap();
    runtime().block_on(publish(&open(&out, Mode::Error).unwrap(), "text")).unwrap();
    assert!(fs::symlink_metadata(&out).unwrap().is_symlink());
    assert!(room.path().join("real").join(SUCCESS).exists());
}

#[test]
fn an_aborted_or_forgotten_job_leaves_nothing() {
    let (room, out) = room();
    let sink = open(&out, Mode::Error).unwrap();
    runtime().block_on(async {
        sink.put("_run/story", Bytes::from("x")).await.unwrap();
        sink.abort().await.unwrap();
        sink.abort().await.unwrap();
        assert!(matches!(sink.commit(Bytes::new()).await, Err(SinkError::Closed)));
    });
    drop(open(&out, Mode::Error).unwrap());
    assert!(names(room.path()).is_empty());
}

#[test]
fn nothing_public_is_written_unannounced_and_nothing_announced_is_left_out() {
    let (_room, out) = room();
    let sink = open(&out, Mode::Error).unwrap();
    runtime().block_on(async {
        let put = sink.put("features/a", Bytes::new()).await.unwrap_err();
        assert!(matches!(put, SinkError::NotBegun { .. }), "{put}");
        sink.begin(&["features/a".to_owned(), "features/b".to_owned()]).await.unwrap();
        let put = sink.put("features/c", Bytes::new()).await.unwrap_err();
        assert!(matches!(put, SinkError::NotAnnounced { .. }), "{put}");
        sink.put("features/a", Bytes::new()).await.unwrap();
        let missing = sink.commit(Bytes::new()).await.unwrap_err().to_string();
        assert!(missing.contains("`features/b`"), "{missing}");
        sink.begin(&["features/b".to_owned()]).await.unwrap();
        sink.put("features/b", Bytes::new()).await.unwrap();
        let more = sink.commit(Bytes::new()).await.unwrap_err().to_string();
        assert!(more.contains("`features/a`"), "{more}");
        sink.remove("features/a").await.unwrap();
        sink.commit(Bytes::new()).await.unwrap();
    });
    assert_eq!(names(&out.join("features")), ["b"]);
}

#[test]
fn an_object_appears_when_it_is_finished_and_not_before() {
    let (_room, out) = room();
    let sink = open(&out, Mode::Error).unwrap();
    runtime().block_on(async {
        let mut writer = sink.create("_run/table").await.unwrap();
        writer.write(Bytes::from("one,")).await.unwrap();
        assert!(matches!(sink.size("_run/table").await, Err(SinkError::Missing { .. })));
        writer.write(Bytes::from("two")).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 7);
        assert_eq!(sink.get("_run/table").await.unwrap(), "one,two");
        assert_eq!(sink.get_range("_run/table", 4..7).await.unwrap(), "two");
        assert!(sink.get_range("_run/table", 4..8).await.is_err());
        assert!(sink.get_range("_run/table", 0..u64::MAX).await.is_err());
        drop(sink.create("_run/broken").await.unwrap());
        sink.begin(&[]).await.unwrap();
        sink.commit(Bytes::new()).await.unwrap();
    });
    assert_eq!(names(&out.join("_run")), ["table"]);
}

#[test]
fn promoting_twice_or_over_another_object_gives_the_same_bytes() {
    let (_room, out) = room();
    let sink = open(&out, Mode::Error).unwrap();
    runtime().block_on(async {
        sink.begin(&["features/a".to_owned()]).await.unwrap();
        sink.put("features/a", Bytes::from("stale")).await.unwrap();
        sink.put("_run/a", Bytes::from("winner")).await.unwrap();
        for _ in 0..2 {
            sink.promote("_run/a", "features/a").await.unwrap();
            assert_eq!(sink.get("features/a").await.unwrap(), "winner");
        }
        let missing = sink.promote("_run/b", "features/a").await.unwrap_err();
        assert!(matches!(missing, SinkError::Missing { .. }), "{missing}");
        sink.commit(Bytes::new()).await.unwrap();
    });
    let [a, b] = ["features/a", "_run/a"].map(|name| fs::metadata(out.join(name)).unwrap().ino());
    assert_eq!(a, b, "promotion moves no bytes");
}
