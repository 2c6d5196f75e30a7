//! Weights in a bucket: `fruitnode model pull s3://…` and `--weights s3://…`, as a user meets them.

use std::fs;

use fruitnode_tests::sandbox::{Ended, sha256};
use fruitnode_tests::store::{Job, Which};

/// A store that holds weights which differ from our own by a bit.
fn job() -> (Job, Vec<u8>) {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    let mut bytes = fruitnode_vision::model::embedded().to_vec();
    *bytes.iter_mut().nth_back(1).expect("weights") ^= 1;
    job.store.put("models/w.safetensors", bytes.clone(), 0);
    (job, bytes)
}

fn run(job: &Job, line: &str) -> Ended {
    let mut command = job.command(line.split_whitespace());
    command.env("FRUITNODE_CACHE", job.sandbox.path("cache"));
    Ended::of(command)
}

#[test]
fn weights_come_from_a_bucket_once_and_whole_whatever_the_server_does() {
    let (job, bytes) = job();
    // The first answer with bytes breaks off in the middle.
    job.store.switch(|switches| switches.cut_body = Which::Nth(1));
    let line = format!("model pull s3://fruit/models/w.safetensors --sha256 {}", sha256(&bytes));
    let told = run(&job, &format!("{line} -o json")).done().json();
    assert_eq!(told["cached"], false);
    assert!(fs::read(told["file"].as_str().expect("a name")).expect("a file") == bytes);
    job.store.forget();
    let told = run(&job, &format!("{line} -o json")).done().json();
    assert_eq!((&told["cached"], job.store.counters().of("GetObject")), (&true.into(), 0));
}

#[test]
fn a_job_takes_its_weights_from_a_bucket_and_publishes_what_the_file_gives() {
    let (job, bytes) = job();
    job.draw(1);
    fs::write(job.sandbox.path("w.safetensors"), &bytes).expect("room for a file");
    let line = "run --from in --pca 2 --threads 2";
    run(&job, &format!("{line} --to a --weights w.safetensors")).done();
    run(&job, &format!("{line} --to b --weights s3://fruit/models/w.safetensors")).done();
    let digest = |to: &str, name: &str| {
        sha256(&fs::read(job.sandbox.path(to).join(name)).expect("a published file"))
    };
    for name in ["features/part-00000.parquet", "pca.csv", "model/pca.safetensors"] {
        assert_eq!(digest("a", name), digest("b", name), "{name}");
    }
    run(&job, &format!("{line} --to c --weights s3://fruit/models/w.safetensors --offline")).done();
}

#[test]
fn what_is_not_there_or_another_file_is_refused_and_not_kept() {
    let (job, _) = job();
    let digest = "ab".repeat(32);
    for (line, code, names) in [
        ("model pull s3://fruit/models/none".to_owned(), 5, "s3://fruit/models/none"),
        ("model pull s3://vegetables/w".to_owned(), 5, "vegetables"),
        (
            format!("model pull s3://fruit/models/w.safetensors --sha256 {digest}"),
            1,
            digest.as_str(),
        ),
        (
            "model pull s3://fruit/models/w.safetensors --profile none-such".to_owned(),
            2,
            "none-such",
        ),
    ] {
        let words = run(&job, &line).refused(code);
        assert!(words.contains(names), "{line}: {words}");
    }
}
