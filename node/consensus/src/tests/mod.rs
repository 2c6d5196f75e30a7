//! The thread, alone and with others: three voters in one process, with a network that can be cut.

mod alone;
mod bounded;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::members::Process;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::voters::VoterChange;
use fruitnode_replica::{LogStore, MemoryLog, Replica, Role, Status};

use super::store::RedbLog;
use super::{Consensus, ConsensusOptions, Event, Outbox, pieces, start};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

/// A tick that never comes: whatever happens then, happens by messages alone.
const NEVER: Duration = Duration::from_secs(100_000);

/// A tick that comes soon, but not so soon that a busy machine deposes a leader.
const SOON: Duration = Duration::from_millis(50);

/// Carries messages between threads of this process, until links are cut.
#[derive(Clone, Default)]
struct Net(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    nodes: BTreeMap<NodeId, Consensus>,
    cut: BTreeSet<NodeId>,
    // Of a hundred messages so many are lost, drawn from a seed.
    loss: u64,
    drawn: u64,
    installed: u64,
}

impl Net {
    fn join(&self, id: NodeId, consensus: &Consensus) {
        self.0.lock().unwrap().nodes.insert(id, consensus.clone());
    }

    fn cut(&self, id: NodeId) {
        self.0.lock().unwrap().cut.insert(id);
    }

    fn heal(&self) {
        self.0.lock().unwrap().cut.clear();
    }

    fn lose(&self, loss: u64) {
        self.0.lock().unwrap().loss = loss;
    }

    fn leave(&self, id: NodeId) {
        self.0.lock().unwrap().nodes.remove(&id);
    }

    fn installed(&self) -> u64 {
        self.0.lock().unwrap().installed
    }
}

struct Wire {
    from: NodeId,
    net: Net,
}

impl Wire {
    fn other(&self, to: NodeId) -> Option<Consensus> {
        let mut wires = self.net.0.lock().unwrap();
        wires.drawn = wires.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lost = (wires.drawn >> 33) % 100 < wires.loss;
        let cut = wires.cut.contains(&self.from) || wires.cut.contains(&to);
        if lost || cut { None } else { wires.nodes.get(&to).cloned() }
    }
}

impl Outbox for Wire {
    fn send(&self, to: NodeId, messages: Vec<Vec<u8>>) {
        if let Some(other) = self.other(to) {
            other.deliver(self.from, Process::default(), messages);
        }
    }

    fn install(&self, to: NodeId, message: Vec<u8>) {
        let other = self.other(to);
        let mut joined = pieces::Joined::default();
        pieces::split(&message).for_each(|piece| joined.add(piece).unwrap());
        if let Some(other) = &other {
            other.deliver(self.from, Process::default(), vec![joined.finish()]);
        }
        let mut wires = self.net.0.lock().unwrap();
        wires.installed += u64::from(other.is_some());
        if let Some(sender) = wires.nodes.get(&self.from) {
            sender.snapshot_sent(to, other.is_some());
        }
    }
}

/// Starts a voter-to-be on this store; how much log is kept is small.
fn begin<S>(net: &Net, id: NodeId, store: S, tick: Duration) -> (Consensus, mpsc::Receiver<Event>)
where
    S: LogStore + Send + 'static,
{
    let mut options = ConsensusOptions::new(id, store);
    (options.replica.compact_entries, options.replica.keep_entries) = (40, 10);
    options.tick = tick;
    let wire = Wire { from: id, net: net.clone() };
    let (consensus, events) = start(options, Box::new(wire)).unwrap();
    net.join(id, &consensus);
    (consensus, events)
}

/// The log of a cluster with one voter.
fn founded<S: LogStore>(mut store: S, id: NodeId) -> S {
    Replica::found(&mut store, id, &ClusterState::default()).unwrap();
    store
}

/// Three voters, of which the first leads.
async fn three<S>(net: &Net, stores: [S; 3]) -> [(Consensus, mpsc::Receiver<Event>); 3]
where
    S: LogStore + Send + 'static,
{
    let [one, two, three] = stores;
    let one = begin(net, ONE, founded(one, ONE), SOON);
    let (two, three) = (begin(net, TWO, two, SOON), begin(net, THREE, three, SOON));
    until(&one.0, |status| status.role == Role::Leader).await;
    let learn = VoterChange { add_learners: vec![TWO, THREE], ..VoterChange::default() };
    one.0.change_voters(learn).await.unwrap();
    let promote = VoterChange { promote: vec![TWO, THREE], ..VoterChange::default() };
    while one.0.change_voters(promote.clone()).await.is_err() {
        // The first change is not left yet.
        tokio::time::sleep(SOON).await;
    }
    for voter in [&one, &two, &three] {
        until(&voter.0, |status| status.voters.len() == 3 && !status.changing).await;
    }
    [one, two, three]
}

async fn until(consensus: &Consensus, reached: impl Fn(&Status) -> bool) -> Status {
    let mut status = consensus.status();
    status.wait_for(|status| reached(status)).await.expect("a thread that runs").clone()
}

/// A command that can be counted in the state.
fn offer(node: u64) -> Command {
    Command::AddNode {
        node: NodeId(node),
        incarnation: 1,
        starts: 0,
        address: "127.0.0.1:1".to_owned(),
        release: "0".to_owned(),
        slots: 1,
        compute_class: "cpu".to_owned(),
        fit_class: "f".to_owned(),
    }
}

/// A command that changes nothing.
fn nothing(bytes: usize) -> Command {
    Command::CancelJob { job: JobId("j".repeat(bytes)) }
}

/// Nodes that were offered, as this replica knows.
async fn offered(consensus: &Consensus) -> Vec<u64> {
    consensus.read(|state| state.nodes().map(|(id, _)| id.0).collect()).await.unwrap()
}

/// A log in a folder that goes with the test.
fn disk(folder: &tempfile::TempDir, id: NodeId) -> RedbLog {
    let path: PathBuf = folder.path().join(format!("{id}.redb"));
    if path.exists() { RedbLog::open(&path, "s") } else { RedbLog::create(&path, "s") }.unwrap()
}

fn memory() -> MemoryLog {
    MemoryLog::new()
}
