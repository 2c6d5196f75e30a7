//! What goes wrong on S3 ends in one line that names the thing and says what to do.

use std::net::TcpListener;

use fruitnode_tests::sandbox::Ended;
use fruitnode_tests::store::{Denial, GUEST_ACCESS_KEY, GUEST_SECRET_KEY, Job, Right, Switches};

const LINE: &str = "run --from s3://fruit/in/ --to s3://fruit/out --pca 2 --threads 2";

fn job() -> Job {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(1);
    job
}

/// One line of error, which holds all of these; and no other but a warning.
#[track_caller]
fn says(ended: Ended, code: i32, all: &[&str]) {
    let words = ended.refused(code);
    let lines: Vec<_> = words.lines().collect();
    let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 1, "{words}");
    assert!(!words.contains("panicked"), "{words}");
    for part in all {
        assert!(errors[0].contains(part), "`{part}` is missing: {words}");
    }
}

/// The program with some of its environment changed.
fn with(job: &Job, line: &str, settings: &[(&str, &str)]) -> Ended {
    let mut command = job.command(line.split_whitespace());
    for (name, value) in settings {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    Ended::of(command)
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let job = job();
    let line = LINE.replace("s3://fruit/in/", "s3://no-such-bucket/in/");
    says(job.run(&line), 5, &["no-such-bucket", "check"]);
    let line = LINE.replace("s3://fruit/out", "s3://no-such-bucket/out");
    says(job.run(&line), 5, &["no-such-bucket", "check"]);
    says(job.run(&LINE.replace("/in/", "/nothing/")), 5, &["s3://fruit/nothing/"]);
    says(job.run(&LINE.replace("//fruit/in/", "//Fruit_1/in/")), 2, &["Fruit_1"]);
    says(job.run(&LINE.replace("s3://fruit/in/", "gs://fruit/in/")), 2, &["gs"]);
}

#[test]
fn a_right_that_is_missing_is_named_with_what_it_is_missing_on() {
    let job = job();
    let table = [
        (Right::ListBucket, "in/", "s3:ListBucket", "fruit"),
        (Right::ListBucket, "out/", "s3:ListBucket", "fruit"),
        (Right::GetObject, "out/", "s3:GetObject", "s3://fruit/out/"),
        (Right::PutObject, "out/", "s3:PutObject", "s3://fruit/out/"),
        (Right::DeleteObject, "out/", "s3:DeleteObject", "s3://fruit/out/"),
    ];
    for (right, below, name, place) in table {
        job.store.switch(|switches| switches.guest_denials = vec![Denial::below(right, below)]);
        let guest =
            [("AWS_ACCESS_KEY_ID", GUEST_ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", GUEST_SECRET_KEY)];
        says(with(&job, LINE, &guest), 4, &[name, place]);
        job.empty("out/");
    }
    // Photographs that may not be read are rows; a job without any other fails.
    job.store.switch(|switches| switches.denials = vec![Denial::below(Right::GetObject, "in/")]);
    let ended = job.run(LINE);
    assert_ne!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stderr.lines().filter(|line| line.starts_with("error")).count() == 1);
}

#[test]
fn another_region_is_named() {
    let job = job();
    let line = format!("{LINE} --region eu-central-1");
    says(job.run(&line), 4, &["us-east-1", "--region"]);
    job.store.switch(|switches| switches.moved_to = Some("ap-south-1".to_owned()));
    says(job.run(LINE), 4, &["ap-south-1", "--region"]);
}

#[test]
fn credentials_that_are_wrong_or_missing_are_told_apart() {
    let job = job();
    says(with(&job, LINE, &[("AWS_SECRET_ACCESS_KEY", "guessed")]), 4, &["SignatureDoesNotMatch"]);
    says(with(&job, LINE, &[("AWS_ACCESS_KEY_ID", "AKIANOBODY")]), 4, &["InvalidAccessKeyId"]);
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    says(with(&job, LINE, &none), 4, &["no S3 credentials", "--profile"]);
    let line = format!("{LINE} --profile orchard");
    says(with(&job, &line, &none), 2, &["--profile orchard"]);
}

#[test]
fn a_wrong_clock_is_told() {
    let job = job();
    job.store.switch(|switches| *switches = Switches { clock_skewed: true, ..Switches::default() });
    says(job.run(LINE), 4, &["clock", "set the clock"]);
}

#[test]
fn an_endpoint_that_is_none_or_does_not_answer_is_named() {
    let job = job();
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let with_endpoint = |endpoint: &str| job.run(&format!("{LINE} --endpoint {endpoint}"));
    says(with_endpoint(&format!("http://{address}")), 1, &[&address, "--endpoint"]);
    says(with_endpoint("not-a-url"), 2, &["not-a-url", "https://"]);
    says(with_endpoint("ftp://127.0.0.1"), 2, &["ftp://127.0.0.1"]);
    says(with_endpoint("http://s3.example.org"), 2, &["http://s3.example.org", "https://"]);
    // The store speaks no TLS.
    let secure = job.store.url().replace("http://", "https://");
    says(with_endpoint(&secure), 4, &["secure", "--endpoint"]);
}

#[test]
fn nothing_is_left_in_the_bucket_by_what_was_refused() {
    let job = job();
    job.store.switch(|switches| switches.denials = vec![Denial::below(Right::ListBucket, "in/")]);
    says(job.run(LINE), 4, &["s3:ListBucket"]);
    assert_eq!(job.store.keys("out/"), Vec::<String>::new());
    job.store.switch(|switches| switches.denials = Vec::new());
    says(job.run(&LINE.replace("/in/", "/nothing/")), 5, &["s3://fruit/nothing/"]);
    assert_eq!(job.store.keys("out/"), Vec::<String>::new());
}
