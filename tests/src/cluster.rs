//! A cluster of real processes on loopback, over the store: started, killed, stopped and woken as a
//! machine room would.
//!
//! A wait has a limit after which the test fails with the tails of all logs; nothing else here
//! depends on how long anything takes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;
use crate::link::Link;
use crate::sandbox::Ended;
use crate::store::{Job, Visible};

/// Looks for anything before it is given up: minutes, on a machine that does much else.
const LOOKS_MAX: u32 = 1_500;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Lines of each log in the words of a failure.
const TAIL_LINES: usize = 25;

/// One node's process, running or not.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    port: u16,
    child: Option<Child>,
    /// Times it was started: each has a log of its own.
    starts: u32,
    /// What it finds in its environment in place of what the others find there.
    environment: Vec<(&'static str, String)>,
}

impl NodeProcess {
    fn new(name: String, port: u16) -> Self {
        Self { name, port, child: None, starts: 0, environment: Vec::new() }
    }
}

/// Processes that make up one cluster, and the store that they work on.
#[derive(Debug)]
pub struct Cluster {
    /// The store, and the folder in which everything lies.
    pub job: Job,
    nodes: Vec<NodeProcess>,
    /// By the positions of those that others reach by one.
    links: BTreeMap<usize, Link>,
    token: String,
    /// What every node finds in its environment beside what the store needs.
    environment: BTreeMap<&'static str, String>,
}

impl Cluster {
    /// A cluster of one node.
    pub fn found(program: &str) -> Self {
        Self::found_with(program, "")
    }

    /// A cluster of one node with further flags for `init`.
    pub fn found_with(program: &str, flags: &str) -> Self {
        Self::found_in(program, flags, BTreeMap::new())
    }

    fn found_in(program: &str, flags: &str, environment: BTreeMap<&'static str, String>) -> Self {
        let job = Job::new(program);
        let (nodes, links, token) = (Vec::new(), BTreeMap::new(), String::new());
        let mut cluster = Self { job, nodes, links, token, environment };
        let port = free_port();
        cluster.nodes.push(NodeProcess::new("n1".to_owned(), port));
        let line = format!(
            "init --data-dir n1 --listen 127.0.0.1:{port} --http off --threads 1 --uses 64 {flags}"
        );
        cluster.launch(0, &line);
        let said = cluster.job.sandbox.path("n1-1.out");
        cluster.until("the first node prints its token", || {
            fs::read_to_string(&said).is_ok_and(|text| token_in(&text).is_some())
        });
        let said = fs::read_to_string(&said).expect("it was there");
        cluster.token = token_in(&said).expect("it was there");
        cluster.until_ready(1);
        cluster
    }

    /// A cluster of so many nodes, all of them ready.
    pub fn of(program: &str, nodes: usize) -> Self {
        Self::of_in(program, nodes, &[])
    }

    /// The same, with this in the environment of each of them.
    pub fn of_in(program: &str, nodes: usize, environment: &[(&'static str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let mut cluster = Self::found_in(program, "", environment.collect());
        for _ in 1..nodes {
            cluster.join();
        }
        cluster.until_ready(nodes);
        cluster
    }

    /// Starts one more node; its position.
    pub fn join(&mut self) -> usize {
        self.join_at(free_port(), "")
    }

    /// The same, of one that others can be kept from.
    pub fn join_behind_a_link(&mut self) -> usize {
        let port = free_port();
        let link = Link::to(port);
        let at = self.join_at(port, &format!("--advertise {}", link.address()));
        self.links.insert(at, link);
        at
    }

    /// The same, of one that finds something else in its environment than the others.
    pub fn join_in(&mut self, environment: &[(&'static str, &str)]) -> usize {
        let named = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        let mut node = NodeProcess::new(self.next_name(), free_port());
        node.environment = environment.iter().map(named).collect();
        self.join_as(node, "")
    }

    fn join_at(&mut self, port: u16, flags: &str) -> usize {
        self.join_as(NodeProcess::new(self.next_name(), port), flags)
    }

    fn next_name(&self) -> String {
        format!("n{}", self.nodes.len() + 1)
    }

    fn join_as(&mut self, node: NodeProcess, flags: &str) -> usize {
        let (at, name, port) = (self.nodes.len(), node.name.clone(), node.port);
        self.nodes.push(node);
        let (token, first) = (self.token.clone(), self.addresses());
        let line = format!(
            "join {first} --token {token} --data-dir {name} --listen 127.0.0.1:{port} --http off \
             --threads 1 {flags}"
        );
        self.launch(at, &line);
        // Ids are given in the order of requests: a node's follows from its position.
        let identity = self.data_dir(at).join("identity.json");
        self.until(&format!("{name} is let in"), || identity.is_file());
        at
    }

    /// Starts a node again that has ended.
    pub fn restart(&mut self, at: usize) {
        self.restart_with(at, "--http off");
    }

    /// The same with further flags for `start`.
    pub fn restart_with(&mut self, at: usize, flags: &str) {
        let line = format!("start --data-dir {} --threads 1 {flags}", self.nodes[at].name);
        self.launch(at, &line);
    }

    /// Starts a node on a copy of another's folder, at an address of its own; its position. The
    /// cluster knows no other node by it.
    pub fn start_copy(&mut self, of: usize, edit: impl FnOnce(&Path)) -> usize {
        let (at, port) = (self.nodes.len(), free_port());
        let name = format!("copy-{at}");
        let (from, to) = (self.data_dir(of), self.job.sandbox.path(&name));
        copy_folder(&from, &to);
        edit(&to);
        self.nodes.push(NodeProcess::new(name.clone(), port));
        let line =
            format!("start --data-dir {name} --listen 127.0.0.1:{port} --http off --threads 1");
        self.launch(at, &line);
        at
    }

    /// Has a folder become that of a node, which is not started, and waits for what comes of it.
    pub fn enroll(&self, folder: &str, token: &str, addresses: &str) -> Ended {
        Ended::of(self.enrolment(folder, token, addresses))
    }

    /// What [`Self::enroll`] runs.
    pub fn enrolment(&self, folder: &str, token: &str, addresses: &str) -> Command {
        let port = free_port();
        let line = format!(
            "join {addresses} --token {token} --data-dir {folder} --listen 127.0.0.1:{port} \
             --no-start"
        );
        self.job.command(line.split_whitespace())
    }

    fn launch(&mut self, at: usize, line: &str) {
        let node = &mut self.nodes[at];
        node.starts += 1;
        let file =
            |end: &str| self.job.sandbox.path(&format!("{}-{}.{end}", node.name, node.starts));
        let (out, log) = (file("out"), file("log"));
        let words = line.split_whitespace().chain(["-v"]);
        let mut command = self.job.command(words);
        command.envs(&self.environment);
        command.envs(node.environment.iter().cloned());
        command.stdin(Stdio::null());
        command.stdout(File::create(out).expect("a file"));
        command.stderr(File::create(log).expect("a file"));
        node.child = Some(command.spawn().expect("the program starts"));
    }

    /// The token with which nodes join.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Addresses of all nodes, as `--host` takes them.
    pub fn addresses(&self) -> String {
        let known = self.nodes.iter().filter(|node| node.starts > 0);
        let addresses: Vec<_> = known.map(|node| format!("127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    /// Address of a node.
    pub fn address(&self, at: usize) -> String {
        format!("127.0.0.1:{}", self.nodes[at].port)
    }

    /// Folder of a node.
    pub fn data_dir(&self, at: usize) -> PathBuf {
        self.job.sandbox.path(&self.nodes[at].name)
    }

    /// Everything that a node logged in all its lives.
    pub fn log(&self, at: usize) -> String {
        let node = &self.nodes[at];
        let logs = (1..=node.starts).map(|start| {
            let path = self.job.sandbox.path(&format!("{}-{start}.log", node.name));
            fs::read_to_string(path).unwrap_or_default()
        });
        logs.collect()
    }

    /// Runs a client's command to its end.
    pub fn client(&self, line: &str) -> Ended {
        let (line, hosts) = (line.to_owned(), self.addresses());
        let words = line.split_whitespace().chain(["--host", &hosts]);
        Ended::of(self.job.command(words))
    }

    /// Starts a client's command with its output thrown away.
    pub fn start_client(&self, line: &str) -> Child {
        self.job.start(&format!("{line} --host {}", self.addresses()))
    }

    /// Starts a client's command whose words are kept; the name is that of the files they go to.
    pub fn begin(&self, name: &str, line: &str) -> Client {
        let hosts = self.addresses();
        let words = line.split_whitespace().chain(["--host", &hosts]);
        let file = |end: &str| self.job.sandbox.path(&format!("{name}.{end}"));
        Client::start(self.job.command(words), file("said"), file("err"))
    }

    /// What `fruitnode status` says, if anybody answers.
    pub fn status(&self) -> Option<Value> {
        let ended = self.client("status -o json --timeout 5s");
        (ended.code == Some(0)).then(|| serde_json::from_str(&ended.stdout).expect("JSON"))
    }

    /// What `fruitnode job status` says.
    pub fn job_status(&self, id: &str) -> Option<Value> {
        let ended = self.client(&format!("job status {id} -o json --timeout 5s"));
        (ended.code == Some(0)).then(|| serde_json::from_str(&ended.stdout).expect("JSON"))
    }

    /// What the cluster says of the node at a position.
    pub fn node(&self, at: usize) -> Option<Value> {
        let status = self.status()?;
        let nodes = status["nodes"].as_array()?.iter();
        nodes.into_iter().find(|node| node["node"] == at as u64 + 1).cloned()
    }

    /// Waits until the cluster says so of a node.
    pub fn until_node(&self, at: usize, key: &str, value: &str) {
        let what = format!("{key} of {} is {value}", self.nodes[at].name);
        self.until(&what, || self.node(at).is_some_and(|node| node[key] == value));
    }

    /// Digests of a whole result.
    ///
    /// # Panics
    /// When there is none below the prefix.
    pub fn whole(&self, prefix: &str) -> BTreeMap<String, String> {
        match self.job.visible(prefix) {
            Visible::Whole(digests) => digests,
            other => panic!("{prefix}: {other:?}\n{}", self.tails()),
        }
    }

    /// Every attempt of a job that succeeded, in the order of their ends, as it is told beside the
    /// result.
    ///
    /// # Panics
    /// When nothing is told there.
    pub fn attempts(&self, id: &str) -> Vec<Value> {
        let story = self.job.store.object(&format!("{id}/_run/{id}/attempts.jsonl"));
        let story = story.unwrap_or_else(|| panic!("{id} told no story\n{}", self.tails())).body;
        let lines = std::str::from_utf8(&story).expect("text").lines();
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits until a job has ended; in which phase.
    pub fn ended(&self, id: &str) -> String {
        let phase = RefCell::new(String::new());
        self.until(&format!("job {id} ends"), || {
            let status = self.job_status(id).unwrap_or_default();
            status["phase"].as_str().unwrap_or_default().clone_into(&mut phase.borrow_mut());
            ["succeeded", "failed", "cancelled"].contains(&phase.borrow().as_str())
        });
        phase.into_inner()
    }

    /// Waits until so many nodes are ready.
    pub fn until_ready(&self, nodes: usize) {
        self.until(&format!("{nodes} nodes are ready"), || {
            let ready = |node: &Value| node["state"] == "ready";
            let count = |status: Value| {
                status["nodes"].as_array().map_or(0, |all| all.iter().filter(|n| ready(n)).count())
            };
            self.status().map(count) == Some(nodes)
        });
    }

    /// Waits until so many nodes vote.
    pub fn until_voters(&self, voters: usize) {
        self.until(&format!("{voters} nodes vote"), || {
            let votes = |node: &Value| node["role"] == "voter";
            let count = |status: Value| {
                status["nodes"].as_array().map_or(0, |all| all.iter().filter(|n| votes(n)).count())
            };
            self.status().map(count) == Some(voters)
        });
    }

    /// Position of the node that is the coordinator, if there is one.
    pub fn leader(&self) -> Option<usize> {
        let leader = self.status()?["coordinator"].as_u64().filter(|id| *id > 0)?;
        Some(leader as usize - 1)
    }

    /// Kills a node as a power cut would.
    pub fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.nodes[at].child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it was killed");
        }
    }

    /// Asks a node to stop, as the system does.
    pub fn ask_to_stop(&self, at: usize) {
        kill_process(pid(self.nodes[at].child.as_ref().expect("it runs")), Signal::TERM)
            .expect("it runs");
    }

    /// Waits until a node's process has ended; its exit code.
    pub fn end(&mut self, at: usize) -> Option<i32> {
        let mut child = self.nodes[at].child.take().expect("it was started");
        for _ in 0..LOOKS_MAX {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.code();
            }
            sleep(LOOK);
        }
        // Whoever fails leaves no process behind.
        self.nodes[at].child = Some(child);
        panic!("{} does not end\n{}", self.nodes[at].name, self.tails());
    }

    /// Asks a node to stop, as the system does; its exit code.
    pub fn terminate(&mut self, at: usize) -> Option<i32> {
        self.ask_to_stop(at);
        self.end(at)
    }

    /// Stops a node where it stands, as a hang would.
    pub fn freeze(&self, at: usize) {
        kill_process(pid(self.nodes[at].child.as_ref().expect("it runs")), Signal::STOP)
            .expect("it runs");
    }

    /// Lets a node go on.
    pub fn thaw(&self, at: usize) {
        kill_process(pid(self.nodes[at].child.as_ref().expect("it runs")), Signal::CONT)
            .expect("it runs");
    }

    /// Keeps others from a node that joined behind a link: what they ask of it waits.
    pub fn shut_off(&self, at: usize) {
        self.links[&at].shut();
    }

    /// Lets them come again.
    pub fn let_in(&self, at: usize) {
        self.links[&at].open();
    }

    /// Whether a node's process lives.
    pub fn lives(&mut self, at: usize) -> bool {
        let child = self.nodes[at].child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("a child").is_none())
    }

    /// Nodes that there were ever, each of which has a position.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Positions of the nodes whose processes were started and not killed.
    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].child.is_some()).collect()
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// When it is not so for [`LOOKS_MAX`] looks.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_so() {
                return;
            }
            sleep(LOOK);
        }
        panic!("it did not happen that {what}\n{}", self.tails());
    }

    /// Last lines of all logs.
    pub fn tails(&self) -> String {
        let tail = |at: usize| {
            let log = self.log(at);
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
            format!("== {} ==\n{tail}\n", self.nodes[at].name)
        };
        (0..self.nodes.len()).map(tail).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for at in 0..self.nodes.len() {
            self.kill(at);
        }
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("there is room for a copy");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a readable entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a kind of file").is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("there is room for a copy")),
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The first word of a text that is a token.
fn token_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|word| word.starts_with("FN1.")).map(str::to_owned)
}
