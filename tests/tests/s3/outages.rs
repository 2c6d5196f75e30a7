//! A store that is not there for a while, in each of the ways in which one is not there, ends no
//! job: it waits, says so, and goes on to the same result, with few requests more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::front::{Front, Way};
use fruitnode_tests::store::{Counters, Hold, Job, Visible, Which};
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

const FLAGS: &str = "--from s3://fruit/in/ --to s3://fruit/out --rows-per-part 8 --pca 3";

/// Looks, of 100 ms each, before something that should happen is missed.
const LOOKS_MAX: u32 = 1_200;

/// What is said when a store has not answered for three seconds.
const WAITS: &str = "has not answered for";

/// A job behind a front, and what a job alone publishes there and asks for.
struct Behind {
    job: Job,
    front: Front,
    expected: BTreeMap<String, String>,
    alone: Counters,
}

impl Behind {
    fn of(front: Front) -> Self {
        let job = Job::new(PROGRAM);
        job.draw(5);
        front.lead_to(&job.store.url());
        let mut behind = Self { job, front, expected: BTreeMap::new(), alone: Counters::default() };
        let run = behind.start("run", "calm");
        behind.ended_well(run, "calm");
        behind.expected = behind.whole();
        behind.alone = behind.job.store.counters();
        behind.job.empty("out/");
        behind
    }

    fn command(&self, line: &str, log: &str) -> Command {
        let mut command = self.job.command(line.split_whitespace());
        command.envs(self.front.environment());
        let log = File::create(self.job.sandbox.path(log)).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    fn start(&self, command: &str, log: &str) -> Child {
        let line = format!("{command} {FLAGS} --threads 2");
        self.command(&line, log).spawn().expect("the program starts")
    }

    fn log(&self, log: &str) -> String {
        fs::read_to_string(self.job.sandbox.path(log)).expect("it was begun")
    }

    fn ended_well(&self, mut run: Child, log: &str) {
        let ended = run.wait().expect("a child");
        assert!(ended.success(), "{}", self.log(log));
    }

    fn whole(&self) -> BTreeMap<String, String> {
        match self.job.visible("out/") {
            Visible::Whole(digests) => digests,
            other => panic!("{other:?}"),
        }
    }

    fn until(&self, log: &str, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_so() {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("{what}: it never came to that\n{}", self.log(log));
    }

    /// Shuts the way at each of these moments of a job until the job says that it waits.
    fn outlives(&self, way: Way, moments: &[Hold]) {
        for (at, moment) in moments.iter().enumerate() {
            let log = format!("{way:?}-{at}");
            self.job.store.forget();
            self.job.store.hold(moment.clone().first());
            let run = self.start("run", &log);
            self.until(&log, "it is held", || self.job.store.held() == 1);
            let before = self.front.taken();
            self.front.turn(way);
            self.job.store.let_go();
            self.until(&log, "it says that it waits", || self.log(&log).contains(WAITS));
            let asked = self.front.taken() - before;
            assert!(asked < 60, "{asked} connections in an outage of some seconds");
            self.front.turn(Way::Open);
            self.ended_well(run, &log);
            assert_eq!(self.whole(), self.expected, "{log}");
            assert_eq!(self.job.orphans("out/"), Vec::<String>::new(), "{log}");
            let said = self.log(&log);
            assert_eq!(said.matches(WAITS).count(), 1, "once for each outage: {said}");
            assert!(said.contains("answers again after"), "{said}");
            let requests = self.job.store.counters().requests;
            let most = self.alone.requests + 100;
            assert!(requests < most, "{requests} requests, {} alone", self.alone.requests);
            self.job.empty("out/");
        }
    }
}

/// In the middle of listing, reading, writing and publishing.
fn moments() -> [Hold; 4] {
    [
        Hold::of("ListObjectsV2", 3),
        Hold::of("GetObject", 9).below("in/"),
        Hold::of("PutObject", 12),
        Hold::of("CopyObject", 3),
    ]
}

#[test]
fn refused_connections_are_waited_for() {
    Behind::of(Front::plain()).outlives(Way::Refused, &moments());
}

#[test]
fn handshakes_that_are_ended_are_no_fault_of_a_certificate() {
    Behind::of(Front::secured()).outlives(Way::Ended, &moments()[1..3]);
    // One that does not verify is one, and is not waited for.
    let behind = Behind::of(Front::secured());
    let line = format!("run {FLAGS}");
    let mut run = behind.command(&line, "untrusted").env("SSL_CERT_FILE", "/dev/null").spawn();
    let ended = run.as_mut().expect("the program starts").wait().expect("a child");
    assert_eq!(ended.code(), Some(4), "{}", behind.log("untrusted"));
    assert!(behind.log("untrusted").contains("no secure connection"));
}

#[test]
fn a_store_that_takes_connections_and_says_nothing_is_waited_for() {
    Behind::of(Front::plain()).outlives(Way::Stalled, &moments()[1..2]);
}

#[test]
fn a_third_of_all_requests_may_be_told_to_slow_down() {
    let behind = Behind::of(Front::plain());
    behind.job.store.forget();
    behind.job.store.switch(|switches| switches.slow_down = Which::Percent(33));
    let run = behind.start("run", "slow");
    behind.ended_well(run, "slow");
    assert_eq!(behind.whole(), behind.expected);
    let Counters { requests, faults, .. } = behind.job.store.counters();
    assert!(faults > behind.alone.requests / 4, "{faults} refused of {requests}");
    // Each that was refused was sent again, and none for another reason.
    let most = behind.alone.requests + faults + 20;
    assert!(requests <= most, "{requests} requests, {faults} refused, {most} at most");
}

#[test]
fn with_32_descriptors_a_job_ends_with_as_many_requests() {
    let behind = Behind::of(Front::plain());
    behind.job.store.forget();
    // A hard limit, which nobody can raise.
    let program = format!("ulimit -n 32; exec {PROGRAM} run {FLAGS} --threads 2");
    let mut command = behind.command("run", "narrow");
    let mut narrow = Command::new("sh");
    narrow.args(["-c", &program]).current_dir(command.get_current_dir().expect("it has one"));
    narrow.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let log = File::create(behind.job.sandbox.path("narrow")).expect("a file");
    narrow.env("PATH", "/usr/bin:/bin").stdout(Stdio::null()).stderr(log);
    command.env_clear();
    behind.ended_well(narrow.spawn().expect("a shell"), "narrow");
    assert_eq!(behind.whole(), behind.expected);
    let requests = behind.job.store.counters().requests;
    assert!(requests <= behind.alone.requests + 20, "{requests}, {} alone", behind.alone.requests);
}

#[test]
fn a_run_that_waits_can_be_interrupted() {
    let behind = Behind::of(Front::plain());
    for (log, way) in [("refused", Way::Refused), ("stalled", Way::Stalled)] {
        behind.job.store.hold(Hold::of("GetObject", 9).below("in/").first());
        behind.job.store.forget();
        let mut run = behind.start("run", log);
        behind.until(log, "it is held", || behind.job.store.held() == 1);
        behind.front.turn(way);
        behind.job.store.let_go();
        if way == Way::Refused {
            behind.until(log, "it says that it waits", || behind.log(log).contains(WAITS));
        }
        let id = i32::try_from(run.id()).ok().and_then(Pid::from_raw).expect("it runs");
        kill_process(id, Signal::INT).expect("it runs");
        assert_eq!(run.wait().expect("a child").code(), Some(130), "{}", behind.log(log));
        behind.front.turn(Way::Open);
        behind.job.empty("out/");
    }
}

#[test]
fn a_run_that_is_told_to_gives_up_and_the_next_one_resumes() {
    let behind = Behind::of(Front::plain());
    behind.job.store.hold(Hold::of("GetObject", 19).below("in/").first());
    behind.job.store.forget();
    let mut run = behind.start("run --give-up-after 1s", "given up");
    behind.until("given up", "it is held", || behind.job.store.held() == 1);
    behind.front.turn(Way::Refused);
    behind.job.store.let_go();
    assert_eq!(run.wait().expect("a child").code(), Some(1), "{}", behind.log("given up"));
    assert!(behind.log("given up").contains("--give-up-after"), "{}", behind.log("given up"));
    behind.front.turn(Way::Open);
    behind.ended_well(behind.start("run", "again"), "again");
    assert_eq!(behind.whole(), behind.expected);
}

#[test]
fn a_cluster_outlives_an_outage_that_all_of_its_nodes_meet() {
    let front = Front::plain();
    let url = front.url();
    let cluster = Cluster::of_in(PROGRAM, 3, &[("AWS_ENDPOINT_URL", &url)]);
    front.lead_to(&cluster.job.store.url());
    cluster.job.draw(5);
    cluster.job.run(&format!("run {FLAGS} --threads 2").replace("/out", "/alone")).done();
    let expected = cluster.whole("alone/");
    cluster.job.store.hold(Hold::of("GetObject", 9).below("in/").first());
    cluster.job.store.forget();
    let line = format!("job submit {FLAGS} --id outage --detach");
    assert_eq!(cluster.client(&line).code, Some(0), "{}", cluster.tails());
    cluster.until("a read is held", || cluster.job.store.held() == 1);
    front.turn(Way::Refused);
    cluster.job.store.let_go();
    cluster.until("a node says that it waits", || {
        cluster.running().into_iter().any(|at| cluster.log(at).contains(WAITS))
    });
    front.turn(Way::Open);
    assert_eq!(cluster.ended("outage"), "succeeded", "{}", cluster.tails());
    assert_eq!(cluster.whole("out/"), expected);
}
