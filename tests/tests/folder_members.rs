//! Several nodes of one job at one folder: what one begins another ends, and nobody does it twice.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use fruitnode::storage::{Access, FolderSink, FolderTarget, Mode, SUCCESS, Sink, SinkError};
use fruitnode_tests::sandbox::files;

fn open(out: &Path, job: &str, access: Access) -> Result<FolderSink, SinkError> {
    let is_ours = |name: &str| name == SUCCESS || name.starts_with("_run/") || name == "part";
    let mode = Mode::Overwrite;
    FolderSink::open_as(&FolderTarget { out, from: None, job, mode, is_ours }, access)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let names = files(folder).into_iter();
    names.map(|file| file.strip_prefix(folder).expect("below it").display().to_string()).collect()
}

async fn build(sink: &FolderSink, text: &'static str) -> Result<(), SinkError> {
    sink.begin(&["part".to_owned()]).await?;
    sink.promote("_run/job/work/a", "part").await?;
    sink.commit(Bytes::from(text)).await
}

#[tokio::test]
async fn what_one_node_began_another_publishes_and_a_third_finds_done() {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    for (earlier, text) in [(false, "first"), (true, "second")] {
        assert_eq!(out.exists(), earlier);
        let first = open(&out, "job", Access::Prepare);
        let first = match earlier {
            false => first.unwrap(),
            // The job has ended: another one replaces it.
            true => {
                assert!(matches!(first, Err(SinkError::Lost { .. })));
                std::fs::remove_dir_all(out.join("_run")).unwrap();
                open(&out, "job", Access::Prepare).unwrap()
            }
        };
        first.put("_run/job/work/a", Bytes::from(text)).await.unwrap();
        let (second, third) =
            (open(&out, "job", Access::Join).unwrap(), open(&out, "job", Access::Join).unwrap());
        second.begin(&["part".to_owned()]).await.unwrap();
        drop(second);
        drop(first);
        let last = open(&out, "job", Access::Join).unwrap();
        build(&third, text).await.unwrap();
        let published = ["_SUCCESS", "_run/job/committed", "part"].map(str::to_owned);
        assert_eq!(names(&out), published.into());
        assert_eq!(std::fs::read_to_string(out.join("part")).unwrap(), text);

        assert_eq!(last.published().await.unwrap().as_deref(), Some(text.as_bytes()));
        build(&last, text).await.unwrap_err();
        let late = open(&out, "job", Access::Join).unwrap();
        assert_eq!(late.published().await.unwrap().as_deref(), Some(text.as_bytes()));
        late.put("_run/job/late", Bytes::new()).await.unwrap_err();
        late.abort().await.unwrap();
        assert_eq!(std::fs::read_to_string(out.join("part")).unwrap(), text);
        assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}

#[tokio::test]
async fn a_node_that_does_not_see_the_folder_is_told_and_one_that_leaves_lets_the_others_go_on() {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    let refused = open(&out, "job", Access::Join).unwrap_err();
    assert!(matches!(refused, SinkError::Unseen { .. }), "{refused}");
    assert!(refused.to_string().contains("does not see the folder"), "{refused}");
    let first = open(&out, "job", Access::Prepare).unwrap();
    first.put("_run/job/work/a", Bytes::from_static(b"a")).await.unwrap();
    let again = open(&out, "job", Access::Prepare).unwrap();
    drop(first);
    assert_eq!(again.get("_run/job/work/a").await.unwrap(), "a");
    let busy = open(&out, "other", Access::Prepare).unwrap_err();
    assert!(matches!(busy, SinkError::Busy { .. }), "{busy}");
    let busy = open(&out, "other", Access::Take).unwrap_err();
    assert!(matches!(busy, SinkError::Busy { .. }), "{busy}");
    again.abort().await.unwrap();
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
    // What dead nodes left goes with the next job.
    drop(open(&out, "dead", Access::Prepare).unwrap());
    drop(open(&out, "other", Access::Take).unwrap());
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 0);
}
