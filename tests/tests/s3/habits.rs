//! Servers with habits of their own, objects that nobody can read, and buckets as people have them:
//! a job ends as it should with every one of them, and each key in one row.

use std::collections::BTreeMap;

use fruitnode_result::{read_features_part, read_quarantine_part};
use fruitnode_tests::sandbox::Ended;
use fruitnode_tests::store::{Habits, Job, Unreadable, Versions};

const LINE: &str = "run --from s3://fruit/in/ --to s3://fruit/out --pca 3 --max-bad 5%";

fn job(per_kind: u32) -> Job {
    let job = Job::new(env!("CARGO_BIN_EXE_under-test"));
    job.draw(per_kind);
    job
}

/// Codes and words of the quarantine by path, and how many photographs have features.
fn rows(job: &Job) -> (BTreeMap<String, (String, String)>, usize) {
    let published = job.published("out/");
    let parts = |folder: &'static str| {
        published.iter().filter(move |(name, _)| name.starts_with(folder)).map(|(_, part)| part)
    };
    let bad = parts("_quarantine/").flat_map(|part| read_quarantine_part(part).expect("a part"));
    let bad = bad.map(|row| (row.subject.path, (row.code, row.detail))).collect();
    let good = parts("features/").map(|part| read_features_part(part).expect("a part"));
    (bad, good.map(|part| part.subjects.len()).sum())
}

fn is_clean(job: &Job) {
    assert_eq!(job.orphans("out/"), Vec::<String>::new());
    assert!(job.store.object("out/_run/lock").is_none(), "a lock is left");
}

/// The program without anything to sign with.
fn unsigned(job: &Job, line: &str) -> Ended {
    let mut command = job.command(line.split_whitespace());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    Ended::of(command)
}

#[test]
fn an_object_that_can_never_be_read_is_a_row_with_the_servers_words() {
    let job = job(5);
    let keys = job.store.keys("in/");
    let key = keys[3].trim_start_matches("in/").to_owned();
    let leaked: &'static str = key.clone().leak();
    let kms = "User: arn:aws:iam::123:user/ana is not authorized to perform: kms:Decrypt on \
               resource: arn:aws:kms:eu-west-3:123:key/1234abcd";
    let sse = "The object was stored using a form of Server Side Encryption. The correct \
               parameters must be provided to retrieve the object.";
    for (status, code, words, expected, says) in [
        (403, "AccessDenied", kms, "encrypted", "perform: kms:Decrypt"),
        (400, "KMS.DisabledException", "the key is disabled", "encrypted", "KMS.Disabled"),
        (400, "InvalidRequest", sse, "encrypted", "Server Side Encryption"),
        (403, "AllAccessDisabled", "All access is disabled", "refused", "All access is disabled"),
        (405, "MethodNotAllowed", "not allowed against this resource", "refused", "MethodNot"),
        (403, "InvalidObjectState", "in the archive", "archived", "restore"),
    ] {
        let broken = Unreadable { key: leaked, status: Some(status), code, words };
        job.store.switch(|switches| switches.habits.unreadable = vec![broken]);
        let ended = job.run(&format!("{LINE} --mode overwrite --threads 2"));
        assert_eq!(ended.code, Some(0), "{code}: {}", ended.stderr);
        let (bad, good) = rows(&job);
        assert_eq!((bad.len(), bad.len() + good), (1, keys.len()), "{code}");
        let (found, detail) = &bad[&key];
        assert_eq!(found, expected, "{code}: {detail}");
        assert!(detail.contains(says) && !detail.contains("arn:"), "{code}: {detail}");
        is_clean(&job);
    }
}

#[test]
fn versions_in_any_form_are_the_same_version() {
    let job = job(2);
    job.run(&format!("{LINE} --threads 2")).done();
    let expected = job.digests("out/");
    let all = [Versions::Quoted, Versions::Bare, Versions::Weak, Versions::Rewritten];
    for bare_conditions in [false, true] {
        for (listed, answered) in all.into_iter().flat_map(|a| all.map(|b| (a, b))) {
            let case = format!("{listed:?}, {answered:?}, {bare_conditions}");
            let public = bare_conditions;
            let habits = Habits { listed, answered, bare_conditions, public, ..Habits::default() };
            job.store.switch(|switches| switches.habits = habits);
            let flags = if public { "--no-sign-request" } else { "" };
            let ended = job.run(&format!("{LINE} --mode overwrite --threads 2 {flags}"));
            assert_eq!(ended.code, Some(0), "{case}: {}", ended.stderr);
            assert!(
                !ended.stderr.contains("ignores conditional writes"),
                "{case}: {}",
                ended.stderr
            );
            assert_eq!(rows(&job).0.len(), 0, "{case}");
            assert_eq!(job.digests("out/"), expected, "{case}");
            is_clean(&job);
        }
    }
}

#[test]
fn who_asks_pays_if_that_is_said() {
    let job = job(1);
    job.store.switch(|switches| switches.habits.requester_pays = true);
    let refused = job.run(LINE).refused(4);
    assert!(refused.contains("--request-payer"), "{refused}");
    job.run(&format!("{LINE} --request-payer")).done();
    is_clean(&job);
}

#[test]
fn what_is_open_to_everybody_needs_no_credentials() {
    let job = job(1);
    job.store.switch(|switches| switches.habits.public = true);
    let line = "run --from s3://fruit/in/ --to out --pca 3";
    let refused = unsigned(&job, line).refused(4);
    assert!(refused.contains("--no-sign-request"), "{refused}");
    unsigned(&job, &format!("{line} --no-sign-request")).done();
    assert!(job.sandbox.path("out/_SUCCESS").exists());
}

#[test]
fn a_bucket_that_takes_nothing_unencrypted_takes_a_result_that_asks_for_it() {
    let job = job(1);
    job.store.switch(|switches| switches.habits.encrypted_only = true);
    let refused = job.run(LINE).refused(4);
    assert!(refused.contains("--sse"), "{refused}");
    for (number, flags) in
        ["--sse AES256", "--sse aws:kms", "--sse-kms-key-id k"].iter().enumerate()
    {
        let line = LINE.replace("fruit/out", &format!("fruit/out-{number}"));
        job.run(&format!("{line} {flags}")).done();
        assert!(job.store.object(&format!("out-{number}/_SUCCESS")).is_some(), "{flags}");
    }
}

#[test]
fn leftovers_and_earlier_results_are_the_same_on_s3_as_in_a_folder() {
    let job = job(2);
    let line = |from: &str, to: &str| {
        format!("run --from {from} --to {to} --pca 3 --threads 2 -o json --exclude *_thumb.*")
    };
    job.run(&line("s3://fruit/in/", "s3://fruit/in/earlier")).done();
    let photographs = job.store.keys("in/").into_iter().filter(|key| key.ends_with(".jpg"));
    let photograph = photographs.clone().next().expect("one");
    let body = job.store.object(&photograph).expect("it is there").body;
    let count = photographs.count();
    for key in [".ipynb_checkpoints/a.jpg", "@eaDir/a.jpg", "b/._a.jpg", "b/a_thumb.jpg"] {
        job.store.put(&format!("in/{key}"), body.clone(), 1);
    }
    for key in job.store.keys("in/") {
        let path = job.sandbox.path(&key.replacen("in/", "copy/", 1));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the disk is well");
        let body = job.store.object(&key).expect("it is there").body;
        std::fs::write(path, body).expect("the disk is well");
    }
    let both = [("s3://fruit/in/", "s3://fruit/out"), ("copy", "s3://fruit/out-2")];
    let told = both.map(|(from, to)| job.run(&line(from, to)).done().json());
    for told in &told {
        assert_eq!(told["photographs"].as_u64(), Some(count as u64), "{told}");
    }
    // Three hidden ones, one excluded, and the pictures of the earlier result.
    assert_eq!(told[0]["passed_over"].as_u64(), Some(4 + 3), "{}", told[0]);
    assert_eq!(told[0]["passed_over"], told[1]["passed_over"]);
}
