//! Real processes on loopback do one job together, and publish the bytes that one node publishes
//! alone.

use std::collections::BTreeMap;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::{MODIFIED_S, Visible};

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// What one node publishes alone.
fn alone(cluster: &Cluster) -> BTreeMap<String, String> {
    let line = format!("run {FLAGS} --to s3://fruit/alone --threads 2");
    cluster.job.run(&line).done();
    whole(cluster, "alone/")
}

fn whole(cluster: &Cluster, prefix: &str) -> BTreeMap<String, String> {
    match cluster.job.visible(prefix) {
        Visible::Whole(digests) => digests,
        other => panic!("{prefix}: {other:?}\n{}", cluster.tails()),
    }
}

#[test]
fn any_number_of_nodes_publishes_the_bytes_of_one() {
    let mut cluster = Cluster::found(PROGRAM);
    cluster.job.draw(5);
    let expected = alone(&cluster);
    for nodes in [1, 2, 3, 5] {
        while cluster.running().len() < nodes {
            cluster.join();
        }
        cluster.until_ready(nodes);
        let line = format!("job submit {FLAGS} --to s3://fruit/of-{nodes} --id of-{nodes}");
        let ended = cluster.client(&line);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
        let prefix = format!("of-{nodes}/");
        assert_eq!(whole(&cluster, &prefix), expected, "{nodes} nodes");
        let orphans = cluster.job.orphans(&prefix);
        let story = |key: &String| key.ends_with("/attempts.jsonl");
        let left: Vec<_> = orphans.into_iter().filter(|key| !story(key)).collect();
        assert_eq!(left, Vec::<String>::new(), "{nodes} nodes");
    }
}

#[test]
fn photographs_that_come_later_get_the_scores_that_one_node_gives_them() {
    let cluster = Cluster::of(PROGRAM, 2);
    cluster.job.draw(3);
    alone(&cluster);
    let flags = "--model s3://fruit/alone/model --from s3://fruit/in/ --rows-per-part 4";
    cluster.job.run(&format!("transform {flags} --to s3://fruit/scores --threads 2")).done();
    let expected = whole(&cluster, "scores/");
    for (name, flags) in [
        ("of-two", flags.to_owned()),
        // The whole result names its model as well.
        ("by-result", flags.replace("alone/model", "alone/")),
    ] {
        let line = format!("job transform {flags} --to s3://fruit/{name} --id {name}");
        let ended = cluster.client(&line);
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
        assert_eq!(whole(&cluster, &format!("{name}/")), expected, "{name}");
    }
    // The model is read where it lies by every node: a folder of one machine is none.
    let line = "job transform --model model --from s3://fruit/in/ --to s3://fruit/none";
    let refused = cluster.client(line);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--model") && refused.stderr.contains("--shared"));
}

#[test]
fn bad_photographs_are_counted_over_all_nodes() {
    let cluster = Cluster::of(PROGRAM, 3);
    cluster.job.draw(2);
    for at in 0..6 {
        cluster.job.store.put(&format!("in/{at}/bad.jpg"), "", MODIFIED_S as i64);
    }
    let submit = |limit: &str, id: &str| {
        let line = "job submit --from s3://fruit/in/ --rows-per-part 1 --pca off";
        cluster.client(&format!("{line} --to s3://fruit/{id} --id {id} --max-bad {limit}"))
    };
    // No node meets more than the others let it.
    let refused = submit("5", "five");
    assert_eq!(refused.code, Some(7), "{}\n{}", refused.stderr, cluster.tails());
    assert!(refused.stderr.contains("6 of 22 photographs cannot be used"), "{}", refused.stderr);
    assert_eq!(cluster.job_status("five").expect("an answer")["code"], "too_many_bad");
    assert_eq!(cluster.job.visible("five/"), Visible::Nothing);
    let endured = submit("6", "six");
    assert_eq!(endured.code, Some(0), "{}\n{}", endured.stderr, cluster.tails());
}
