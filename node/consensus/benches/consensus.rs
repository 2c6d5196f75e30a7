//! Commands per second through the durable log, and what they leave on the disk.
//!
//! `cargo bench --workspace --bench consensus -- --commands 20000 --callers 64 --history 1000000`
//! Voters are threads of this process, each with a log of its own in a folder below `--dir`.
//! Callers propose side by side, each one command after another. `--partitions` are those of each
//! job whose commands are applied; `--history` commands are written fifty at a time: jobs from
//! their submission to their publishing, one after another and overlapping a little, in a cluster
//! that remembers as many ended jobs as it can. So every snapshot holds a job of that size.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::task::JoinSet;

use fruitnode_consensus::store::RedbLog;
use fruitnode_consensus::{Consensus, ConsensusOptions, Outbox, start};
use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId};
use fruitnode_coordinator::job::Counts;
use fruitnode_coordinator::members::Process;
use fruitnode_coordinator::phase::Phase;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::{ClusterState, ENDED_JOBS_MAX};
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::voters::VoterChange;
use fruitnode_replica::{LogStore, Replica, Role, Status};

/// What to measure.
struct Plan {
    commands: u64,
    callers: u64,
    partitions: u32,
    history: u64,
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let plan = plan(std::env::args().skip(1))?;
    let folder = plan.folder.join(format!("fruitnode-bench-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(&plan, &folder));
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(plan: &Plan, folder: &Path) -> anyhow::Result<()> {
    for voters in [1, 3] {
        let folder = folder.join(voters.to_string());
        fs::create_dir(&folder)?;
        let cluster = Cluster::start(&folder, voters).await?;
        for callers in [1, plan.callers] {
            let commands = if callers == 1 { plan.commands / 20 } else { plan.commands };
            let took = propose(&cluster.leader, commands.max(1), callers).await?;
            println!("{voters} voters, {callers} callers: {:.0} commands/s", took);
        }
        cluster.stop().await;
    }
    job(plan.partitions);
    history(plan, folder).await
}

/// Commands per second that are durable and applied, proposed by so many callers side by side.
async fn propose(leader: &Consensus, commands: u64, callers: u64) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let leader = leader.clone();
        let count = commands / callers;
        tasks.spawn(async move {
            for at in 0..count {
                leader.propose(accept(caller * count + at)).await?;
            }
            Ok::<_, anyhow::Error>(count)
        });
    }
    let mut done = 0;
    while let Some(ended) = tasks.join_next().await {
        done += ended??;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}

/// The most frequent command, of a job that nobody knows.
fn accept(at: u64) -> Command {
    let (task, attempt) = (Task::Extract(PartitionId(at as u32)), Attempt(at as u32));
    accepted(&JobId("3f9a0c52b1d84e67".to_owned()), task, attempt, at as u32 + 1)
}

/// What a worker says of a task that it has done, of a job of so many partitions.
fn accepted(job: &JobId, task: Task, attempt: Attempt, partitions: u32) -> Command {
    let digest = Digest([9; 32]);
    let result = match task {
        Task::List | Task::ListRange(_) | Task::Gather => TaskResult::Listed {
            keys: u64::from(partitions) * 1_024,
            bytes: u64::from(partitions) << 22,
            partitions,
            digest,
        },
        Task::Extract(_) => TaskResult::Extracted {
            good: 1_000,
            bad: 24,
            features: Digest([1; 32]),
            quarantine: Some(Digest([2; 32])),
            moments: Some(Digest([3; 32])),
            gets: 1_024,
            inferences: 1_000,
        },
        Task::Merge(_) | Task::Remake(_) | Task::Rebuild(_) => TaskResult::Held { digest },
        Task::Fit => TaskResult::Fitted { digest, components: 200 },
        Task::Project(_) => {
            let (scores, csv) = (Digest([4; 32]), Digest([5; 32]));
            TaskResult::Projected { rows: 1_000, scores, csv }
        }
        Task::Publish => TaskResult::Published { digest },
    };
    let facts = AttemptFacts {
        began_ms: BEGAN_MS,
        took_ms: 2_500,
        bytes: 4_000_000,
        fetch_ms: 9_000,
        compute_ms: 9_500,
        write_ms: 120,
        unreached: None,
    };
    Command::Accept { job: job.clone(), task, attempt, result, facts }
}

/// The first job that the history tells of, by `apply` alone, and the state when it is greatest.
fn job(partitions: u32) {
    let mut work = Work::new(partitions);
    while work.end.is_none() {
        work.turn();
    }
    let (each, applied) = (work.each_us(), work.applied);
    println!("{partitions} partitions: {each:.2} us per command applied ({applied} commands)");
    let bytes = codec::encode_state(&work.state).len() as u64;
    println!("{partitions} partitions: snapshot of {:.2} MiB before the end", mib(bytes));
}

/// What a cluster writes to its log that has one job after another, and the state after that.
struct Work {
    state: ClusterState,
    /// Of each job.
    partitions: u32,
    /// Jobs submitted so far.
    jobs: u64,
    /// Commands that are applied here and written nowhere yet.
    unwritten: Vec<Command>,
    /// What ends a job. It is kept back until the next one extracts, so that one of full size is
    /// there at any time.
    end: Option<Command>,
    /// Commands of jobs, and the time that `apply` took for them.
    applied: u64,
    took: Duration,
}

impl Work {
    /// A cluster with nodes and as many ended jobs as are remembered.
    fn new(partitions: u32) -> Self {
        let mut work = Self {
            state: ClusterState::default(),
            partitions,
            jobs: 0,
            unwritten: Vec::new(),
            end: None,
            applied: 0,
            took: Duration::ZERO,
        };
        work.apply((1..=8).map(offer).collect());
        for at in 0..ENDED_JOBS_MAX {
            let job = JobId(format!("ended-{at:010}"));
            work.apply(vec![submit(&job), Command::CancelJob { job }]);
        }
        (work.applied, work.took) = (0, Duration::ZERO);
        work
    }

    /// A turn of the leader: all that can be granted is, and then all of that is done.
    fn turn(&mut self) {
        if self.state.live_jobs().any(|job| *job.phase() == Phase::Extracting) {
            let end = self.end.take();
            self.apply(end.into_iter().collect());
        }
        if self.state.live_jobs().all(|job| *job.phase() == Phase::Publishing) {
            self.jobs += 1;
            self.apply(vec![submit(&JobId(format!("bench-{:010}", self.jobs)))]);
        }
        let granted = schedule::grants(&self.state);
        let mut done = Vec::new();
        for grant in &granted {
            let Command::Grant { job, task, attempt, .. } = grant else { continue };
            let accept = accepted(job, *task, *attempt, self.partitions);
            match task {
                Task::Publish => self.end = Some(accept),
                _ => done.push(accept),
            }
        }
        self.apply(granted);
        self.apply(done);
    }

    fn apply(&mut self, commands: Vec<Command>) {
        let begin = Instant::now();
        for command in &commands {
            let index = self.state.applied() + 1;
            self.state.apply(index, BEGAN_MS + index, command);
        }
        self.took += begin.elapsed();
        self.applied += commands.len() as u64;
        self.unwritten.extend(commands);
    }

    /// Microseconds of `apply` for each command.
    fn each_us(&self) -> f64 {
        self.took.as_secs_f64() * 1e6 / self.applied as f64
    }
}

/// Jobs that are not over, and how far each is.
fn progress(state: &ClusterState) -> Vec<(JobId, Counts)> {
    state.live_jobs().map(|job| (job.id().clone(), *job.counts())).collect()
}

fn offer(node: u64) -> Command {
    Command::AddNode {
        node: NodeId(node),
        incarnation: 1,
        starts: 0,
        address: "127.0.0.1:1".to_owned(),
        release: "bench".to_owned(),
        slots: 4,
        compute_class: "cpu".to_owned(),
        fit_class: "f".to_owned(),
    }
}

fn submit(job: &JobId) -> Command {
    let spec = JobSpec {
        from: "s3://bucket/Training".to_owned(),
        to: format!("s3://bucket/Results/{job}"),
        rows_per_part: 1_024,
        pca: true,
        given_fit: false,
        compute_class: "cpu".to_owned(),
        fit_class: "f".to_owned(),
        max_bad: None,
        options: vec![b' '; 500],
    };
    Command::SubmitJob { job: job.clone(), spec }
}

/// Writes a long history, and prints what it leaves on the disk.
async fn history(plan: &Plan, folder: &Path) -> anyhow::Result<()> {
    const BATCH: u64 = 50;
    const SNAPSHOT_EVERY: u64 = 5_000;
    const LOOK_EVERY: u64 = 50_000;
    let folder = folder.join("history");
    fs::create_dir(&folder)?;
    let cluster = Cluster::start(&folder, 1).await?;
    let path = folder.join("n1.redb");
    let largest = Largest::watch(&path);
    let mut work = Work::new(plan.partitions);
    let (mut written, mut snapshot, begin) = (0, 0, Instant::now());
    while written < plan.history {
        while (work.unwritten.len() as u64) < BATCH {
            work.turn();
        }
        let batch = work.unwritten.drain(..BATCH as usize).collect();
        cluster.leader.propose_all(batch).await?;
        written += BATCH;
        if written.is_multiple_of(SNAPSHOT_EVERY) {
            let bytes = cluster.leader.read(|state| codec::encode_state(state).len() as u64);
            snapshot = snapshot.max(bytes.await?);
        }
        if written.is_multiple_of(LOOK_EVERY) {
            let (seconds, log) = (begin.elapsed().as_secs_f64(), mib(largest.log()));
            println!("{written} commands in {seconds:.0} s: largest file {log:.1} MiB");
        }
    }
    cluster.leader.propose_all(std::mem::take(&mut work.unwritten)).await?;
    let kept = cluster.leader.read(progress).await?;
    ensure!(kept == progress(&work.state), "the log was not applied as it was written: {kept:?}");
    cluster.stop().await;
    let (log, all) = largest.end();
    println!("{} jobs of {} partitions, {written} commands:", work.jobs, plan.partitions);
    println!("  {:.2} us per command applied, by `apply` alone", work.each_us());
    println!("  largest log {:.1} MiB; with its reserve {:.1} MiB", mib(log), mib(all));
    println!("  largest state that a snapshot could hold {:.2} MiB", mib(snapshot));
    let begin = Instant::now();
    let opened = RedbLog::open(&path, STORAGE)?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let last = opened.snapshot()?.map_or(0, |snapshot| snapshot.state.len() as u64);
    drop(opened);
    let bytes = fs::metadata(&path)?.len();
    println!("  last snapshot on the disk {:.2} MiB", mib(last));
    println!("  closed: {:.1} MiB; opened and checked in {took:.0} ms", mib(bytes));
    Ok(())
}

/// The most bytes that a log took at any time. A thread looks all the while: a file that has grown
/// is made smaller before whoever proposed hears of it.
struct Largest {
    seen: Arc<Seen>,
    thread: thread::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    log: AtomicU64,
    /// With the files beside it.
    all: AtomicU64,
    over: AtomicBool,
}

impl Largest {
    fn watch(path: &Path) -> Self {
        let (seen, path) = (Arc::new(Seen::default()), path.to_owned());
        let told = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            while !told.over.load(Ordering::Acquire) {
                // A file that comes or goes meanwhile is seen the next time.
                let bytes = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
                let files = path.parent().and_then(|folder| fs::read_dir(folder).ok());
                let files = files.into_iter().flatten().flatten();
                let all = files.map(|file| bytes(&file.path())).sum();
                told.all.fetch_max(all, Ordering::AcqRel);
                told.log.fetch_max(bytes(&path), Ordering::AcqRel);
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { seen, thread }
    }

    /// Bytes of the log alone, so far.
    fn log(&self) -> u64 {
        self.seen.log.load(Ordering::Acquire)
    }

    /// Bytes of the log alone, and with the files beside it.
    fn end(self) -> (u64, u64) {
        let Self { seen, thread } = self;
        seen.over.store(true, Ordering::Release);
        // A thread that looks at files has nothing to panic at.
        let _ = thread.join();
        (seen.log.load(Ordering::Acquire), seen.all.load(Ordering::Acquire))
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const STORAGE: &str = "bench";

/// Milliseconds since 1970-01-01 UTC.
const BEGAN_MS: u64 = 1_800_000_000_000;

/// Voters in this process.
struct Cluster {
    leader: Consensus,
    all: Vec<Consensus>,
}

#[derive(Clone, Default)]
struct Wires(Arc<Mutex<BTreeMap<NodeId, Consensus>>>);

struct Wire {
    from: NodeId,
    wires: Wires,
}

impl Outbox for Wire {
    fn send(&self, to: NodeId, messages: Vec<Vec<u8>>) {
        let other = self.wires.0.lock().ok().and_then(|wires| wires.get(&to).cloned());
        if let Some(other) = other {
            other.deliver(self.from, Process::default(), messages);
        }
    }

    fn install(&self, to: NodeId, message: Vec<u8>) {
        self.send(to, vec![message]);
        let own = self.wires.0.lock().ok().and_then(|wires| wires.get(&self.from).cloned());
        if let Some(own) = own {
            own.snapshot_sent(to, true);
        }
    }
}

impl Cluster {
    async fn start(folder: &Path, voters: u64) -> anyhow::Result<Self> {
        let (wires, mut all) = (Wires::default(), Vec::new());
        for id in (1..=voters).map(NodeId) {
            let path = folder.join(format!("{id}.redb"));
            let mut log = RedbLog::create(&path, STORAGE)?;
            if id.0 == 1 {
                Replica::found(&mut log, id, &ClusterState::default())?;
            }
            let outbox = Box::new(Wire { from: id, wires: wires.clone() });
            let (consensus, _events) = start(ConsensusOptions::new(id, log), outbox)?;
            if let Ok(mut wires) = wires.0.lock() {
                wires.insert(id, consensus.clone());
            }
            all.push(consensus);
        }
        let leader = all[0].clone();
        leader.status().wait_for(|status| status.role == Role::Leader).await?;
        let others: Vec<_> = (2..=voters).map(NodeId).collect();
        if !others.is_empty() {
            let add_learners = others.clone();
            leader.change_voters(VoterChange { add_learners, ..VoterChange::default() }).await?;
            let promote = VoterChange { promote: others, ..VoterChange::default() };
            while leader.change_voters(promote.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let whole = |status: &Status| status.voters.len() as u64 == voters && !status.changing;
            leader.status().wait_for(whole).await?;
        }
        Ok(Self { leader, all })
    }

    async fn stop(self) {
        for consensus in &self.all {
            consensus.stop().await;
        }
    }
}

/// Reads the arguments; `--bench` is what cargo adds.
fn plan(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Plan> {
    let mut plan = Plan {
        commands: 20_000,
        callers: 64,
        partitions: 10_000,
        history: 100_000,
        folder: std::env::temp_dir(),
    };
    while let Some(flag) = arguments.next() {
        if flag == "--bench" {
            continue;
        }
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--commands" => plan.commands = value.parse()?,
            "--callers" => plan.callers = value.parse()?,
            "--partitions" => plan.partitions = value.parse()?,
            "--history" => plan.history = value.parse()?,
            "--dir" => plan.folder = value.into(),
            _ => bail!("unknown flag {flag}: --commands --callers --partitions --history --dir"),
        }
    }
    Ok(plan)
}
