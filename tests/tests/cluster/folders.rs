//! Several nodes of one job at one folder: what one begins another ends, and nobody does it twice.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use fruitnode_storage::{Access, FolderSink, FolderTarget, Mode, SUCCESS, Sink, SinkError};
use fruitnode_tests::sandbox::files;

fn open(out: &Path, job: &str, access: Access) -> Result<FolderSink, SinkError> {
    let is_ours = |name: &str| name == SUCCESS || name.starts_with("_run/") || name == "part";
    let mode = Mode::Overwrite;
    FolderSink::open_as(&FolderTarget { out, from: None, job, mode, is_ours, resume: None }, access)
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
    let room = tempfile::tempdir().expect("the store answers");
    let out = room.path().join("out");
    for (earlier, text) in [(false, "first"), (true, "second")] {
        assert_eq!(out.exists(), earlier);
        let first = open(&out, "job", Access::Prepare);
        let first = match earlier {
            false => first.expect("the store answers"),
            // The job has ended: another one replaces it.
            true => {
                assert!(matches!(first, Err(SinkError::Lost { .. })));
                std::fs::remove_dir_all(out.join("_run")).expect("the store answers");
                open(&out, "job", Access::Prepare).expect("the store answers")
            }
        };
        first.put("_run/job/work/a", Bytes::from(text)).await.expect("the store answers");
        let (second, third) = (
            open(&out, "job", Access::Join).expect("the store answers"),
            open(&out, "job", Access::Join).expect("the store answers"),
        );
        second.begin(&["part".to_owned()]).await.expect("the store answers");
        drop(second);
        drop(first);
        let last = open(&out, "job", Access::Join).expect("the store answers");
        build(&third, text).await.expect("the store answers");
        let published = ["_SUCCESS", "_run/job/committed", "part"].map(str::to_owned);
        assert_eq!(names(&out), published.into());
        assert_eq!(std::fs::read_to_string(out.join("part")).expect("the store answers"), text);

        assert_eq!(
            last.published().await.expect("the store answers").as_deref(),
            Some(text.as_bytes())
        );
        build(&last, text).await.expect_err("it is refused");
        let late = open(&out, "job", Access::Join).expect("the store answers");
        assert_eq!(
            late.published().await.expect("the store answers").as_deref(),
            Some(text.as_bytes())
        );
        late.put("_run/job/late", Bytes::new()).await.expect_err("it is refused");
        late.abort().await.expect("the store answers");
        assert_eq!(std::fs::read_to_string(out.join("part")).expect("the store answers"), text);
        assert_eq!(
            std::fs::read_dir(room.path()).expect("the store answers").count(),
            1,
            "nothing is left beside it"
        );
    }
}

#[tokio::test]
async fn a_node_that_does_not_see_the_folder_is_told_and_one_that_leaves_lets_the_others_go_on() {
    let room = tempfile::tempdir().expect("the store answers");
    let out = room.path().join("out");
    let refused = open(&out, "job", Access::Join).expect_err("it is refused");
    assert!(matches!(refused, SinkError::Unseen { .. }), "{refused}");
    assert!(refused.to_string().contains("does not see the folder"), "{refused}");
    let first = open(&out, "job", Access::Prepare).expect("the store answers");
    first.put("_run/job/work/a", Bytes::from_static(b"a")).await.expect("the store answers");
    let again = open(&out, "job", Access::Prepare).expect("the store answers");
    drop(first);
    assert_eq!(again.get("_run/job/work/a").await.expect("the store answers"), "a");
    let busy = open(&out, "other", Access::Prepare).expect_err("it is refused");
    assert!(matches!(busy, SinkError::Busy { .. }), "{busy}");
    let busy = open(&out, "other", Access::Take).expect_err("it is refused");
    assert!(matches!(busy, SinkError::Busy { .. }), "{busy}");
    again.abort().await.expect("the store answers");
    assert_eq!(std::fs::read_dir(room.path()).expect("the store answers").count(), 0);
    // What dead nodes left goes with the next job.
    drop(open(&out, "dead", Access::Prepare).expect("the store answers"));
    drop(open(&out, "other", Access::Take).expect("the store answers"));
    assert_eq!(std::fs::read_dir(room.path()).expect("the store answers").count(), 0);
}
