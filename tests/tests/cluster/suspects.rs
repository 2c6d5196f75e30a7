//! A photograph that kills whoever decodes it: one node dies of it, the next one is careful, and
//! the job ends with that photograph in quarantine.

use fruitnode_result::read_quarantine_part;
use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::sandbox::files;
use fruitnode_tests::store::MODIFIED_S;
use fruitnode_vision::suspect::MISBEHAVE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// The job, but for where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// Whoever decodes a photograph with this in its bytes is ended by the system.
const DEADLY: &str = "DEADLY-PHOTOGRAPH";

#[test]
fn a_photograph_that_kills_a_node_kills_no_other_and_is_quarantined() {
    let misbehaviour = format!("abort-at:{DEADLY}");
    let mut cluster = Cluster::of_in(PROGRAM, 3, &[(MISBEHAVE, &misbehaviour)]);
    cluster.until_voters(3);
    let folder = cluster.job.draw(5);
    let mut bytes = std::fs::read(&files(&folder)[9]).expect("it was drawn");
    bytes.extend(DEADLY.as_bytes());
    let key = "in/Apple/deadly.jpg";
    cluster.job.store.put(key, bytes, MODIFIED_S as i64);
    // Whoever does not fall over it finds it good, and all its neighbours are what they are here.
    cluster.job.run(&format!("run {FLAGS} --to s3://fruit/alone --threads 2")).done();
    let expected = cluster.whole("alone/");

    let line = format!("job submit {FLAGS} --to s3://fruit/out --id deadly --detach");
    assert_eq!(cluster.client(&line).code, Some(0), "{}", cluster.tails());
    assert_eq!(cluster.ended("deadly"), "succeeded", "{}", cluster.tails());
    let living = (0..3).filter(|at| cluster.lives(*at)).count();
    assert_eq!(living, 2, "one node died of it\n{}", cluster.tails());

    let published = cluster.job.published("out/");
    let quarantine: Vec<_> =
        published.iter().filter(|(name, _)| name.starts_with("_quarantine/")).collect();
    let [(name, part)] = &quarantine[..] else { panic!("{quarantine:?}") };
    let rows = read_quarantine_part(part).expect("a part");
    let told: Vec<_> = rows.iter().map(|row| (&*row.subject.path, &*row.code)).collect();
    assert_eq!(told, [("Apple/deadly.jpg", "decoder_crashed")]);

    let found = cluster.whole("out/");
    let its_own = name.replace("_quarantine/", "features/");
    let features = |name: &&String| name.starts_with("features/");
    assert!(expected.keys().filter(features).eq(found.keys().filter(features)));
    for name in expected.keys().filter(features) {
        let same = expected[name] == found[name];
        assert_eq!(same, *name != its_own, "{name}");
    }
    let status = cluster.job_status("deadly").expect("an answer");
    let photographs = status["photographs"].as_u64().expect("a number");
    assert_eq!(
        (status["good"].as_u64(), status["quarantined"].as_u64()),
        (Some(photographs - 1), Some(1))
    );
}
