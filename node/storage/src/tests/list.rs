//! What a folder's listing gives, counts and refuses.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::{Strategy, prop};
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::mpsc;

use super::{is_root, runtime};
use crate::{
    DEFAULT_PATTERN, Entry, FolderSink, FolderSource, FolderTarget, ListError, ListSummary, Mode,
    Pattern, Problem, Selection, list_whole,
};

fn everything() -> Selection {
    Selection::recursive(Pattern::parse(DEFAULT_PATTERN).unwrap())
}

fn touch(root: &Path, key: &str) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, key).unwrap();
}

fn list(
    source: &FolderSource,
    selection: &Selection,
) -> Result<(Vec<Entry>, ListSummary), ListError> {
    runtime().block_on(async {
        let (blocks, mut received) = mpsc::channel(1);
        let collect = async {
            let mut entries = Vec::new();
            while let Some(block) = received.recv().await {
                entries.extend(block);
            }
            entries
        };
        let (listed, entries) = tokio::join!(list_whole(source, selection, blocks), collect);
        Ok((entries, listed?))
    })
}

fn keys(root: &Path, selection: &Selection) -> (Vec<String>, ListSummary) {
    let (entries, summary) = list(&FolderSource::open(root, &[]).unwrap(), selection).unwrap();
    (entries.into_iter().map(|entry| entry.key).collect(), summary)
}

fn refusal(root: &Path, selection: &Selection) -> String {
    list(&FolderSource::open(root, &[]).unwrap(), selection).unwrap_err().to_string()
}

#[test]
fn any_tree_is_listed_in_byte_order_of_its_keys() {
    let part = prop::sample::select(vec!["a", "a-", "a.jpg", "a0", "é", "%", " ", "b_", "A"]);
    let tree = prop::collection::btree_set(prop::collection::vec(part, 1..4), 1..40);
    let runner =
        &mut TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner
        .run(&tree.prop_map(|tree| tree.into_iter().collect::<Vec<_>>()), |tree| {
            let root = tempfile::tempdir().unwrap();
            for parts in &tree {
                touch(root.path(), &format!("{}/end.jpg", parts.join("/")));
                let file = root.path().join(parts.join("/")).with_file_name("a+.jpg");
                fs::write(file, "").unwrap();
            }
            let (keys, _) = keys(root.path(), &everything());
            let mut wanted: Vec<String> = tree
                .iter()
                .map(|parts| format!("{}/end.jpg", parts.join("/")))
                .chain(tree.iter().map(|parts| {
                    let above = parts[..parts.len() - 1].iter();
                    above.copied().chain(["a+.jpg"]).collect::<Vec<_>>().join("/")
                }))
                .collect();
            wanted.sort();
            wanted.dedup();
            assert_eq!(keys, wanted);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_does_not_match_is_counted_and_named() {
    let root = tempfile::tempdir().unwrap();
    for key in ["1.jpg", "a/2.PNG", "a/notes.txt", "b/Thumbs.db", ".hidden.jpg", "c/.x/3.webp"] {
        touch(root.path(), key);
    }
    let (keys, summary) = keys(root.path(), &everything());
    assert_eq!(keys, ["1.jpg", "a/2.PNG"]);
    assert_eq!((summary.keys, summary.skipped, summary.hidden), (2, 2, 2));
    assert_eq!(summary.skipped_examples, ["a/notes.txt", "b/Thumbs.db"]);
    assert_eq!(summary.bytes, keys.iter().map(|key| key.len() as u64).sum::<u64>());
}

#[test]
fn a_limit_takes_the_first_keys_in_order() {
    let root = tempfile::tempdir().unwrap();
    for key in ["b/1.jpg", "a/2.jpg", "a-b/3.jpg", "a/1.jpg"] {
        touch(root.path(), key);
    }
    let (keys, summary) = keys(root.path(), &Selection { limit: Some(2), ..everything() });
    assert_eq!(keys, ["a-b/3.jpg", "a/1.jpg"]);
    assert!(summary.limited);
}

#[test]
fn a_flat_listing_counts_the_folders_it_does_not_enter() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "a/1.jpg");
    let flat = Selection { recursive: false, ..everything() };
    let words = refusal(root.path(), &flat);
    assert!(words.contains("1 subfolders") && words.contains("--recursive"), "{words}");
    touch(root.path(), "2.jpg");
    let (keys, summary) = keys(root.path(), &flat);
    assert_eq!((keys, summary.subfolders), (vec!["2.jpg".to_owned()], 1));
}

#[test]
fn sources_without_a_photograph_are_refused_in_words() {
    let root = tempfile::tempdir().unwrap();
    let missing = FolderSource::open(&root.path().join("none"), &[]).unwrap_err();
    assert!(matches!(missing, ListError::Missing { .. }), "{missing}");
    fs::create_dir_all(root.path().join("empty/deep")).unwrap();
    assert!(refusal(root.path(), &everything()).contains("contains no files"));
    touch(root.path(), "notes.txt");
    let words = refusal(root.path(), &everything());
    assert!(words.contains("`notes.txt`") && words.contains("--pattern"), "{words}");
    let file = FolderSource::open(&root.path().join("notes.txt"), &[]).unwrap_err();
    assert!(matches!(file, ListError::NotAFolder { .. }), "{file}");
}

#[test]
fn links_are_followed_and_those_that_lead_nowhere_are_rows_too() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    touch(elsewhere.path(), "x.jpg");
    touch(root.path(), "real.jpg");
    symlink("real.jpg", root.path().join("file.jpg")).unwrap();
    symlink(elsewhere.path(), root.path().join("folder")).unwrap();
    symlink("nowhere", root.path().join("lost.jpg")).unwrap();
    let source = FolderSource::open(root.path(), &[]).unwrap();
    let (entries, _) = list(&source, &everything()).unwrap();
    let found: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.problem)).collect();
    let wanted = [
        ("file.jpg", None),
        ("folder/x.jpg", None),
        ("lost.jpg", Some(Problem::LinkDangling)),
        ("real.jpg", None),
    ];
    assert_eq!(found, wanted);
    assert_eq!((entries[0].size, entries[2].size), (8, 0));
}

#[test]
fn a_link_to_a_folder_above_it_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "a/b/1.jpg");
    symlink("..", root.path().join("a/b/up")).unwrap();
    let words = refusal(root.path(), &everything());
    assert!(words.contains("a/b/up is a symbolic link") && words.contains("remove"), "{words}");
}

#[test]
fn names_that_are_not_utf8_are_listed_with_their_problem() {
    let root = tempfile::tempdir().unwrap();
    let name = |bytes: &[u8]| root.path().join(OsString::from_vec(bytes.to_vec()));
    fs::write(name(b"p\xE9ch.jpg"), "").unwrap();
    fs::create_dir(name(b"f\xFF")).unwrap();
    fs::write(name(b"f\xFF/good.jpg"), "").unwrap();
    let source = FolderSource::open(root.path(), &[]).unwrap();
    let (entries, _) = list(&source, &everything()).unwrap();
    let found: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.problem)).collect();
    let bad = Some(Problem::NameNotUtf8);
    assert_eq!(found, [("f%FF/good.jpg", bad), ("p%E9ch.jpg", bad)]);
    fs::write(root.path().join("p%E9ch.jpg"), "").unwrap();
    assert!(refusal(root.path(), &everything()).contains("have the key `p%E9ch.jpg`"));
}

#[test]
fn pipes_are_counted_and_never_opened() {
    let root = tempfile::tempdir().unwrap();
    let pipe = root.path().join("pipe.jpg");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(refusal(root.path(), &everything()).contains("pipes"));
    touch(root.path(), "1.jpg");
    let (keys, summary) = keys(root.path(), &everything());
    assert_eq!((keys, summary.others), (vec!["1.jpg".to_owned()], 1));
}

#[test]
fn the_target_and_what_is_being_built_are_left_out_whatever_path_leads_there() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "1.jpg");
    touch(root.path(), "out/plots/scree.png");
    symlink("out", root.path().join("link")).unwrap();
    let other = root.path().join("other");
    let target = FolderTarget {
        out: &other,
        from: None,
        job: "j",
        mode: Mode::Error,
        is_ours: |_| true,
        resume: None,
    };
    let _sink = FolderSink::open(&target).unwrap();
    let source = FolderSource::open(root.path(), &[root.path().join("out"), other]).unwrap();
    let (entries, summary) = list(&source, &everything()).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(summary.left_out, [".other.fruitnode-j/", "link/", "out/"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_a_row_and_a_source_an_error() {
    if is_root("listing a folder without rights") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    for key in ["closed/1.jpg", "open/1.jpg", ".Trash-0/1.jpg"] {
        touch(root.path(), key);
    }
    let closed = ["closed", ".Trash-0"].map(|name| root.path().join(name));
    let close = |mode| {
        for folder in &closed {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    close(0o000);
    let source = FolderSource::open(root.path(), &[]).unwrap();
    let (entries, summary) = list(&source, &everything()).unwrap();
    let words = refusal(&closed[0], &everything());
    close(0o700);
    let rows: Vec<_> = entries.iter().map(|entry| (&*entry.key, entry.problem)).collect();
    assert_eq!(rows, [("closed/", Some(Problem::FolderDenied)), ("open/1.jpg", None)]);
    assert_eq!(summary.left_out, [".Trash-0/"]);
    assert!(words.contains("no permission to read the folder"), "{words}");
}

#[test]
fn hidden_and_excluded_names_are_counted_and_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let hidden = [".ipynb_checkpoints/1.jpg", "@eaDir/1.jpg", "__MACOSX/1.jpg", "a/._1.jpg"];
    for key in hidden.into_iter().chain(["a/1.jpg", "a/1_thumb.jpg", "old/1.jpg", "_notes.txt"]) {
        touch(root.path(), key);
    }
    let exclude = ["*_thumb.*", "old/**"].map(|text| Pattern::parse(text).unwrap()).to_vec();
    let selection = Selection { exclude, ..everything() };
    let (found, summary) = keys(root.path(), &selection);
    assert_eq!(found, ["a/1.jpg"]);
    assert_eq!((summary.hidden, summary.excluded, summary.skipped), (4, 2, 1));
    assert_eq!(summary.hidden_examples[0], ".ipynb_checkpoints/1.jpg");
    let (found, summary) = keys(root.path(), &Selection { hidden: true, ..selection });
    assert_eq!((found.len(), summary.hidden), (5, 0));
    fs::remove_dir_all(root.path().join("a")).unwrap();
    fs::remove_dir_all(root.path().join("old")).unwrap();
    let words = refusal(root.path(), &everything());
    assert!(words.contains("`--hidden`") && words.contains(".ipynb_checkpoints/1.jpg"), "{words}");
}

#[test]
fn pictures_of_an_earlier_result_are_no_photographs() {
    let root = tempfile::tempdir().unwrap();
    for key in ["1.jpg", "result/scatter.png", "result/extremes.png", "other/scatter.png"] {
        touch(root.path(), key);
    }
    let (found, _) = keys(root.path(), &everything());
    assert_eq!(found.len(), 4, "{found:?}");
    for sign in ["result/_SUCCESS", "result/report.json"] {
        touch(root.path(), sign);
    }
    let (found, summary) = keys(root.path(), &everything());
    assert_eq!((found, summary.own), (vec!["1.jpg".into(), "other/scatter.png".into()], 2));
}

#[test]
fn a_listing_ends_when_nobody_listens() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), "1.jpg");
    let source = FolderSource::open(root.path(), &[]).unwrap();
    let (blocks, received) = mpsc::channel(1);
    drop(received);
    let stopped = runtime().block_on(list_whole(&source, &everything(), blocks)).unwrap_err();
    assert!(matches!(stopped, ListError::Stopped { .. }), "{stopped}");
}
