//! Commands per second through the durable log, and what they leave on the disk.
//!
//! `cargo bench --workspace --bench consensus -- --commands 20000 --callers 64 --history 1000000`
//! Voters are threads of this process, each with a log of its own in a folder below `--dir`.
//! Callers propose side by side, each one command after another. `--partitions` are those of the
//! job whose commands are applied, and of the snapshot; `--history` commands are written fifty at
//! a time.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use fruitnode::consensus::store::RedbLog;
use fruitnode::consensus::{Consensus, ConsensusOptions, Outbox, start};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::members::Process;
use fruitnode_coordinator::replica::{LogStore, MemoryLog, Replica, Role, Status};
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::voters::VoterChange;

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
    let (partition, attempt) = (PartitionId(at as u32), Attempt(at as u32));
    accepted(&JobId("3f9a0c52b1d84e67".to_owned()), partition, attempt)
}

fn accepted(job: &JobId, partition: PartitionId, attempt: Attempt) -> Command {
    let result = TaskResult::Extracted {
        good: 1_000,
        bad: 24,
        features: Digest([1; 32]),
        quarantine: Some(Digest([2; 32])),
        moments: Some(Digest([3; 32])),
        gets: 1_024,
        inferences: 1_000,
    };
    let facts = AttemptFacts {
        began_ms: 1_800_000_000_000,
        took_ms: 2_500,
        bytes: 4_000_000,
        fetch_ms: 9_000,
        compute_ms: 9_500,
        write_ms: 120,
    };
    Command::Accept { job: job.clone(), task: Task::Extract(partition), attempt, result, facts }
}

/// Grants and acceptances of every partition of one job, by `apply` alone.
fn job(partitions: u32) {
    let (id, mut state, mut index) = (JobId("bench".to_owned()), ClusterState::default(), 0);
    let mut apply = |state: &mut ClusterState, command: &Command| {
        index += 1;
        state.apply(index, 1_800_000_000_000 + index, command);
    };
    for node in 1..=8 {
        apply(&mut state, &offer(node));
    }
    apply(&mut state, &submit(&id));
    let mut took = Duration::ZERO;
    let mut applied = 0_u64;
    loop {
        let granted = schedule::grants(&state);
        let mut more = false;
        let begin = Instant::now();
        for grant in &granted {
            apply(&mut state, grant);
            let Command::Grant { task, attempt, .. } = grant else { continue };
            let done = match task {
                Task::List => Command::Accept {
                    job: id.clone(),
                    task: *task,
                    attempt: *attempt,
                    result: TaskResult::Listed {
                        keys: u64::from(partitions) * 1_024,
                        bytes: u64::from(partitions) << 22,
                        partitions,
                        digest: Digest([9; 32]),
                    },
                    facts: AttemptFacts::default(),
                },
                Task::Extract(partition) => accepted(&id, *partition, *attempt),
                _ => continue,
            };
            apply(&mut state, &done);
            more = true;
            applied += 2;
        }
        took += begin.elapsed();
        if !more {
            break;
        }
    }
    let each = took.as_secs_f64() * 1e6 / applied as f64;
    println!("{partitions} partitions: {each:.2} us per command applied ({applied} commands)");
    let mut log = MemoryLog::new();
    let founded = Replica::found(&mut log, NodeId(1), &state).map(|()| log.snapshot());
    if let Ok(Ok(Some(snapshot))) = founded {
        println!("{partitions} partitions: snapshot of {} bytes", snapshot.state.len());
    }
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
        to: "s3://bucket/Results".to_owned(),
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
    const LOOK_EVERY: u64 = 50_000;
    let folder = folder.join("history");
    fs::create_dir(&folder)?;
    let cluster = Cluster::start(&folder, 1).await?;
    let path = folder.join("n1.redb");
    let (mut largest, begin) = (0, Instant::now());
    for at in 0..plan.history / BATCH {
        let batch = (0..BATCH).map(|of| accept(at * BATCH + of)).collect();
        cluster.leader.propose_all(batch).await?;
        largest = largest.max(fs::metadata(&path)?.len());
        let done = (at + 1) * BATCH;
        if done.is_multiple_of(LOOK_EVERY) {
            let seconds = begin.elapsed().as_secs_f64();
            println!("{done} commands in {seconds:.0} s: largest file {:.1} MiB", mib(largest));
        }
    }
    cluster.stop().await;
    let begin = Instant::now();
    drop(RedbLog::open(&path, STORAGE)?);
    let opened = begin.elapsed().as_secs_f64() * 1e3;
    let bytes = fs::metadata(&path)?.len();
    println!("closed: {:.1} MiB; opened and checked in {opened:.0} ms", mib(bytes));
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const STORAGE: &str = "bench";

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
