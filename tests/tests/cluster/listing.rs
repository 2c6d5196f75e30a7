//! A source is cut into ranges that several nodes list, and a node that dies costs its ranges
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::store::Hold;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 16 --pca 3";

/// Keys in a page: few, so that few photographs make many pages.
const PAGE_KEYS: usize = 2;

/// Ranges whose leases are held in the moment before they would end: the first ten.
const FIRST_TEN: &str = "killed/_run/killed/work/range-00";

/// An attempt at a range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    range: u64,
    node: u64,
    outcome: String,
}

/// Three nodes, photographs in many pages, and what one node publishes of them.
fn prepared() -> (Cluster, BTreeMap<String, String>) {
    let cluster = Cluster::of(PROGRAM, 3);
    cluster.until_voters(3);
    let photographs = cluster.job.draw(3);
    for copy in ["second", "third"] {
        cluster.job.store.put_folder(&format!("in/{copy}/"), &photographs).expect("readable files");
    }
    cluster.job.store.switch(|switches| switches.page_keys_max = PAGE_KEYS);
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    cluster.job.store.forget();
    (cluster, expected)
}

fn ranges(told: &[Value]) -> Vec<Attempt> {
    let of_ranges = told.iter().filter(|line| line["stage"] == "list-range");
    of_ranges
        .map(|line| Attempt {
            range: line["range"].as_u64().expect("a range has a number"),
            node: line["node"].as_u64().expect("a node has a number"),
            outcome: line["outcome"].as_str().expect("words").to_owned(),
        })
        .collect()
}

fn accepted(told: &[Value], stage: &str) -> usize {
    let of_stage = told.iter().filter(|line| line["stage"] == stage);
    of_stage.filter(|line| line["outcome"] == "accepted").count()
}

/// Pages of photographs that were asked for, with the times. A look at one key, to cut the listing
/// into ranges, is no page.
fn pages(cluster: &Cluster) -> Vec<(String, u64)> {
    let pages = cluster.job.store.counters().pages.into_iter();
    pages.filter(|(page, _)| page.starts_with("in/") && !page.ends_with("at most 1")).collect()
}

#[test]
fn several_nodes_list_the_ranges_of_a_source_and_ask_for_each_page_once() {
    let (cluster, expected) = prepared();
    let ended = cluster.client(&format!("job submit {FLAGS} --to s3://fruit/three --id three"));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
    assert_eq!(cluster.whole("three/"), expected);

    let pages = pages(&cluster);
    let again: Vec<_> = pages.iter().filter(|(_, times)| *times != 1).collect();
    assert!(again.is_empty(), "{again:?}");
    let told = cluster.attempts("three");
    assert_eq!((accepted(&told, "list"), accepted(&told, "gather")), (1, 1));
    let ranges = ranges(&told);
    let numbers: Vec<u64> = ranges.iter().map(|attempt| attempt.range).collect();
    let once: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(once.len(), numbers.len(), "a range was listed twice: {numbers:?}");
    assert!(once.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    assert!(pages.len() > numbers.len(), "{} pages of {} ranges", pages.len(), numbers.len());
    let nodes: BTreeSet<u64> = ranges.iter().map(|attempt| attempt.node).collect();
    assert_eq!(nodes, BTreeSet::from([1, 2, 3]), "{ranges:?}");
    let explained = cluster.client("job explain three").stdout;
    assert!(explained.contains("list-range") && explained.contains("gather"), "{explained}");
    let left = cluster.job.store.keys("three/_run/three/work/");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_node_that_is_killed_while_it_lists_costs_its_ranges_alone() {
    let (mut cluster, expected) = prepared();
    cluster.job.store.hold(Hold::of("PutObject", 1).below(FIRST_TEN));
    let line = format!("job submit {FLAGS} --to s3://fruit/killed --id killed --detach");
    assert_eq!(cluster.client(&line).code, Some(0), "{}", cluster.tails());
    // All others are accepted by then, whoever listed them.
    let listing = |key: &str| {
        let status = cluster.job_status("killed").unwrap_or_default();
        status["listing"][key].as_u64().unwrap_or_default()
    };
    cluster.until("all ranges are listed but ten", || {
        let done = listing("ranges_listed");
        done > 0 && done + 10 == listing("ranges") && cluster.job.store.held() == 10
    });
    assert!(listing("photographs") > 0);
    let victim = (cluster.leader().expect("a coordinator") + 1) % 3;
    cluster.kill(victim);
    cluster.job.store.let_go();
    assert_eq!(cluster.ended("killed"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("killed/"), expected);

    let told = cluster.attempts("killed");
    assert_eq!((accepted(&told, "list"), accepted(&told, "gather")), (1, 1));
    let attempts = ranges(&told);
    let (won, lost): (Vec<_>, Vec<_>) =
        attempts.iter().partition(|attempt| attempt.outcome == "accepted");
    let once: BTreeSet<u64> = won.iter().map(|attempt| attempt.range).collect();
    assert_eq!(once.len(), won.len(), "a range was accepted twice: {won:?}");
    assert!(!lost.is_empty(), "the node that died listed nothing: {attempts:?}");
    for attempt in lost {
        let of_victim = (attempt.node, attempt.outcome.as_str());
        assert_eq!(of_victim, (victim as u64 + 1, "node_lost"), "{attempt:?}");
        assert!(attempt.range < 10, "{attempt:?} had ended before");
    }
}
