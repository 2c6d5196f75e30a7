//! Certificates of nodes end and are made anew, on real processes with certificates of seconds: the
//! cluster outlives them, at work and after having been off for longer than they are good.

use std::time::{SystemTime, UNIX_EPOCH};

use fruitnode_tests::cluster::Cluster;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Lives of certificates that the cluster has to see the end of.
const LIVES: usize = 3;

/// Jobs after which it should have.
const JOBS_MAX: usize = 200;

fn cluster(nodes: usize, life: &str) -> Cluster {
    let mut cluster = Cluster::found_with(PROGRAM, &format!("--brief --certificate-life {life}"));
    for _ in 1..nodes {
        cluster.join();
    }
    cluster.until_ready(nodes);
    cluster.until_voters(3);
    cluster.job.draw(5);
    cluster
}

#[allow(clippy::disallowed_methods, reason = "certificates end by the clock of the machine")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    u64::try_from(since.as_millis()).expect("a date of this age")
}

/// When the certificate of a node ends, as `node list` says, milliseconds since 1970.
fn ends_ms(cluster: &Cluster, at: usize) -> u64 {
    let said = || {
        let list = cluster.client("node list -o json").done().json();
        list["nodes"][at]["certificate_ends_unix_ms"].as_u64()
    };
    // A node says so with its first beat, a moment after it is ready.
    cluster.until("the node says when its certificate ends", || said().is_some());
    said().expect("it was said")
}

fn submit(cluster: &Cluster, id: &str) {
    let ended = cluster.client(&format!("job submit {FLAGS} --to s3://fruit/{id} --id {id}"));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, cluster.tails());
}

/// Lines of a node's logs that say this.
fn says(cluster: &Cluster, at: usize, words: &str) -> usize {
    cluster.log(at).lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_cluster_at_work_outlives_its_certificates() {
    let mut cluster = cluster(3, "24s");
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");
    let first: Vec<_> = (0..3).map(|at| ends_ms(&cluster, at)).collect();
    let renewed = |cluster: &Cluster, at| says(cluster, at, "renewed the certificate of this node");
    let mut jobs = 0;
    while (0..3).any(|at| renewed(&cluster, at) < LIVES) {
        assert!(jobs < JOBS_MAX, "certificates are not renewed\n{}", cluster.tails());
        let id = format!("job-{jobs}");
        submit(&cluster, &id);
        assert_eq!(cluster.whole(&format!("{id}/")), expected, "{id}");
        // One node after the other goes and comes back with what it has on disk.
        let at = jobs % 3;
        assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails());
        cluster.restart(at);
        cluster.until_ready(3);
        jobs += 1;
    }
    for (at, first) in first.iter().enumerate() {
        assert!(*first < now_ms(), "the first certificates are good still");
        assert!(ends_ms(&cluster, at) > *first, "{}", cluster.tails());
        for trouble in ["is lost", "rejected a call", "cannot renew", "has expired"] {
            assert_eq!(says(&cluster, at, trouble), 0, "{trouble}\n{}", cluster.log(at));
        }
    }
}

#[test]
fn nodes_that_were_off_for_longer_than_their_certificates_come_back() {
    let mut cluster = cluster(4, "20s");
    let member = (0..4).find(|at| cluster.node(*at).is_some_and(|node| node["role"] == "member"));
    let member = member.expect("three of four vote");
    let leader = cluster.leader().expect("a coordinator");
    let voter = (0..4).find(|at| ![member, leader].contains(at)).expect("four nodes");
    let end = |cluster: &mut Cluster, nodes: &[usize]| {
        let ends = nodes.iter().map(|at| ends_ms(cluster, *at)).max().expect("some nodes");
        nodes.iter().for_each(|at| cluster.kill(*at));
        cluster.until("their certificates have ended", || now_ms() > ends);
        nodes.iter().for_each(|at| cluster.restart(*at));
        cluster.until_ready(4);
    };
    end(&mut cluster, &[member, voter]);
    assert_eq!(says(&cluster, voter, "signed a new one"), 1, "{}", cluster.log(voter));
    assert!(
        says(&cluster, member, "renewed the certificate of this node") > 0,
        "{}",
        cluster.log(member)
    );
    submit(&cluster, "two");
    // As after a long holiday: nobody has a certificate that is good.
    end(&mut cluster, &[0, 1, 2, 3]);
    submit(&cluster, "four");
    assert_eq!(cluster.whole("four/"), cluster.whole("two/"));

    // Who was removed meanwhile is told so, though nobody can hear who it is.
    let ends = ends_ms(&cluster, member);
    cluster.kill(member);
    cluster.client(&format!("node remove n{} --yes", member + 1)).done();
    cluster.until("its certificate has ended", || now_ms() > ends);
    cluster.restart(member);
    let code = cluster.end(member);
    let log = cluster.log(member);
    assert!(!matches!(code, Some(0 | 101) | None), "it ended with {code:?}\n{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains("join again")), "{log}");
}
