//! What flows out of a cluster: features of photographs from outside, rows while they are made, and
//! the story of a job.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ColorType, ImageEncoder, Rgb, RgbImage};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use fruitnode_mesh::client::Contact;
use fruitnode_mesh::credentials::Credentials;
use fruitnode_proto::v1::InferRequest;
use fruitnode_result::rows::Subject;
use fruitnode_result::{read_features_part, read_quarantine_part, read_scores_part};
use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::sandbox::{Ended, files};
use fruitnode_tests::store::Hold;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");
const EXAMPLE: &str = env!("CARGO_BIN_EXE_infer-example");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3 --size 100";

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What the example is told of photographs by a node, with these flags.
fn example(cluster: &Cluster, at: usize, flags: &[&str], photographs: &[PathBuf]) -> Ended {
    let mut example = Command::new(EXAMPLE);
    example.arg(cluster.address(at)).arg(cluster.data_dir(0).join("client"));
    example.args(flags).args(photographs);
    Ended::of(example)
}

/// What a node answers to photographs, one line of JSON for each.
fn inferred(cluster: &Cluster, at: usize, flags: &[&str], photographs: &[PathBuf]) -> Vec<Value> {
    let ended = example(cluster, at, flags, photographs);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    json_lines(&ended.stdout)
}

/// Bits of the rows of a job by the photograph's path.
type Rows = BTreeMap<String, Vec<u32>>;

/// Adds the rows of a part. No two may be alike: of those that are, nobody sees that they were
/// swapped.
fn add(rows: &mut Rows, subjects: Vec<Subject>, width: usize, values: &[f32]) {
    assert_eq!(subjects.len() * width, values.len());
    for (subject, row) in subjects.into_iter().zip(values.chunks(width)) {
        let row: Vec<_> = row.iter().map(|value| value.to_bits()).collect();
        assert!(rows.values().all(|other| *other != row), "{} has a twin", subject.path);
        assert_eq!(rows.insert(subject.path, row), None);
    }
}

/// Features, coordinates and codes of bad photographs that a job published.
fn published(cluster: &Cluster, prefix: &str) -> (Rows, Rows, BTreeMap<String, String>) {
    let (mut features, mut scores) = (Rows::new(), Rows::new());
    let mut bad = BTreeMap::new();
    for (name, bytes) in cluster.job.published(prefix) {
        if name.starts_with("features/part-") {
            let part = read_features_part(&bytes).expect("features");
            add(&mut features, part.subjects, part.dim, &part.values);
        } else if name.starts_with("pca/part-") {
            let part = read_scores_part(&bytes).expect("coordinates");
            add(&mut scores, part.subjects, part.k, &part.values);
        } else if name.starts_with("_quarantine/part-") {
            let rows = read_quarantine_part(&bytes).expect("bad photographs");
            bad.extend(rows.into_iter().map(|row| (row.subject.path, row.code)));
        }
    }
    (features, scores, bad)
}

#[test]
fn photographs_from_outside_get_the_rows_that_a_job_gives_them_in_order() {
    let cluster = Cluster::of(PROGRAM, 2);
    let folder = cluster.job.draw(2);
    let damaged = folder.join("damaged.jpg");
    fs::write(damaged, b"\xFF\xD8\xFFnot a photograph").expect("room");
    cluster.job.store.put_folder("in/", &folder).expect("readable files");
    let line = format!("job submit {FLAGS} --to s3://fruit/out --id outside --max-bad 1");
    let ended = cluster.client(&line);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    let (features, scores, bad) = published(&cluster, "out/");

    // In another order than the job's, so that rows are not right by where they stand.
    let mut photographs = files(&folder);
    photographs.reverse();
    photographs.rotate_left(5);
    assert_eq!(features.len() + 1, photographs.len());
    assert_eq!(bad.keys().collect::<Vec<_>>(), ["damaged.jpg"]);
    for (at, model) in ["s3://fruit/out/model", "s3://fruit/out"].into_iter().enumerate() {
        for (flags, expected) in [(&[][..], &features), (&["--model", model][..], &scores)] {
            let replies = inferred(&cluster, at, flags, &photographs);
            assert_eq!(replies.len(), photographs.len());
            for (reply, photograph) in replies.iter().zip(&photographs) {
                let path = photograph.strip_prefix(&folder).expect("it lies below");
                let path = path.display().to_string();
                if let Some(code) = bad.get(&path) {
                    assert_eq!(reply["code"], *code, "{reply}");
                    continue;
                }
                let row = reply["row"].as_array().unwrap_or_else(|| panic!("{reply}"));
                let bits = |value: &Value| (value.as_f64().expect("a number") as f32).to_bits();
                let row: Vec<_> = row.iter().map(bits).collect();
                assert_eq!(Some(&row), expected.get(&path), "{path} {flags:?}");
            }
        }
    }
}

#[test]
fn a_model_that_is_not_where_it_should_be_is_refused_in_words() {
    let cluster = Cluster::found(PROGRAM);
    let folder = cluster.job.draw(1);
    let photograph = &files(&folder)[..1];
    for (model, words) in [
        ("s3://fruit/none", "s3://fruit/none"),
        ("s3://fruit/in", "s3://fruit/in/model.json"),
        ("ftp://fruit/out", "is not supported"),
        ("nowhere", "name the `model` folder of a result"),
    ] {
        let said = example(&cluster, 0, &["--model", model], photograph).refused(1);
        assert!(said.contains(words), "{model}: {said}");
    }
}

/// The same pixels twice: in a file of many messages, and in a small one.
fn one_picture_in_two_sizes(folder: &Path) -> [PathBuf; 2] {
    let picture = RgbImage::from_fn(1_500, 1_500, |x, y| {
        let value = (x / 100 * 37 + y / 100 * 91) as u8;
        Rgb([value, value.wrapping_mul(3), 255 - value])
    });
    let save = |name: &str, compression| {
        let path = folder.join(name);
        let file = File::create(&path).expect("room");
        let encoder = PngEncoder::new_with_quality(file, compression, FilterType::NoFilter);
        let (width, height) = picture.dimensions();
        encoder.write_image(&picture, width, height, ColorType::Rgb8.into()).expect("room");
        path
    };
    [save("large.png", CompressionType::Uncompressed), save("small.png", CompressionType::Best)]
}

#[test]
fn photographs_of_any_size_are_answered_in_order_whoever_stops_in_the_middle_of_one() {
    let cluster = Cluster::found(PROGRAM);
    let folder = cluster.job.sandbox.path("pictures");
    fs::create_dir(&folder).expect("room");
    let [large, small] = one_picture_in_two_sizes(&folder);
    assert!(fs::metadata(&large).expect("it is there").len() > 6 << 20);
    assert!(fs::metadata(&small).expect("it is there").len() < 1 << 20);
    let over = folder.join("over.jpg");
    fs::write(&over, vec![0xFF; (64 << 20) + 1]).expect("room");
    let photographs = [large.clone(), over, small, large.clone(), large.clone()];
    let replies = inferred(&cluster, 0, &[], &photographs);
    assert_eq!(replies.len(), photographs.len());
    assert_eq!(replies[1]["code"], "file_too_large", "{}", replies[1]);
    assert!(replies[1]["why"].as_str().is_some_and(|why| why.contains("67108864")));
    assert!(replies[2]["row"].as_array().is_some_and(|row| row.len() > 100));
    for at in [0, 3, 4] {
        assert_eq!(replies[at]["row"], replies[2]["row"], "photograph {at}");
    }

    // More clients than there is room for begin a photograph, and end it in the two ways there are.
    let runtime = Runtime::new().expect("threads");
    let credentials = Credentials::load(&cluster.data_dir(0).join("client"), "client");
    let credentials = credentials.expect("a person's certificate");
    let host = [cluster.address(0)];
    let part = || InferRequest { photograph: vec![7; 1 << 20], more: true, ..Default::default() };
    let begin = async || {
        let contact = Contact::connect(&host, &credentials).await.expect("it answers");
        let (send, photographs) = mpsc::channel(1);
        // There is room for it: the node opens the stream once it has read something.
        send.send(part()).await.expect("the stream is open");
        let replies = contact.infer(photographs).await.expect("a stream");
        (contact, send, replies)
    };
    runtime.block_on(async {
        let (_contact, send, mut replies) = begin().await;
        drop(send);
        let words = replies.next().await.expect_err("half a photograph").to_string();
        assert!(words.contains("in the middle of a photograph"), "{words}");
        for _ in 0..5 {
            drop(begin().await);
        }
    });
    assert_eq!(inferred(&cluster, 0, &[], &[large])[0]["row"], replies[2]["row"]);
}

#[test]
fn whoever_watches_sees_every_row_and_the_story_tells_every_attempt() {
    let cluster = Cluster::of(PROGRAM, 3);
    let photographs = files(&cluster.job.draw(3)).len();
    // Nothing is read before the watcher is there.
    cluster.job.store.hold(Hold::of("GetObject", 1).below("in/"));
    let line = format!("job submit {FLAGS} --to s3://fruit/out --id told --detach");
    cluster.client(&line).done();
    let mut watching = cluster.job.command([
        "job",
        "watch",
        "told",
        "--rows",
        "-o",
        "json",
        "--host",
        &cluster.addresses(),
    ]);
    watching.stdout(Stdio::piped());
    let watching = watching.spawn().expect("it starts");
    let seen = |at: usize| cluster.log(at).contains("a client is watching rows");
    cluster.until("all nodes are watched", || (0..3).all(seen));
    cluster.job.store.let_go();
    let output = watching.wait_with_output().expect("a child");
    assert_eq!(output.status.code(), Some(0), "{}", cluster.tails());
    let rows = json_lines(&String::from_utf8_lossy(&output.stdout));
    let mut paths: Vec<_> = rows.iter().filter_map(|row| row["path"].as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), photographs, "{} rows", rows.len());

    let ended = cluster.client("job explain told -o json").done();
    let story: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let stages = story["stages"].as_array().expect("stages");
    let of = |name: &str| stages.iter().find(|stage| stage["stage"] == name).expect(name);
    assert_eq!(of("list")["attempts"], 1, "{story}");
    assert_eq!(of("extract")["attempts"].as_u64(), Some(photographs.div_ceil(4) as u64), "{story}");
    // Each partition's own story can be had.
    let attempts = story["attempts"].as_array().expect("attempts").iter();
    let extracts = attempts.filter(|attempt| attempt["stage"] == "extract");
    let mut partitions: Vec<_> =
        extracts.filter_map(|attempt| attempt["partition"].as_u64()).collect();
    partitions.sort_unstable();
    assert!(partitions.into_iter().eq(0..photographs.div_ceil(4) as u64), "{story}");
    // The story is written by the attempt that publishes, before it ends.
    assert_eq!(of("fit")["attempts"], 1, "{story}");

    let key = paths.iter().find(|path| !path.contains(' ')).expect("a kind of one word");
    let ended = cluster.client(&format!("job explain told {key} -o json")).done();
    let fate: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(fate["fate"]["became"], "features", "{fate}");
    assert!(fate["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty()), "{fate}");
    let ended = cluster.client("job explain told no/such.jpg -o json").done();
    assert!(ended.stdout.contains("not_listed"), "{}", ended.stdout);
}
