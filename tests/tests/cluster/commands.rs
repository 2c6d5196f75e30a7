//! The cluster's commands against a real node: what people see, and what programs get.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::sandbox::{Ended, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

/// Looks at something that takes its time, before the test fails.
const LOOKS_MAX: usize = 600;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A node in its own process, alone in its cluster.
struct Alone {
    sandbox: Sandbox,
    port: u16,
    http: u16,
    node: Option<Child>,
}

impl Alone {
    fn new() -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
        Self { sandbox, port: free_port(), http: free_port(), node: None }
    }

    fn init(&self, flags: &str) -> Ended {
        let line =
            format!("init --data-dir n1 --listen 127.0.0.1:{} --no-start {flags}", self.port);
        self.sandbox.run(&line)
    }

    /// Starts the node, and waits until it is ready.
    fn start(&mut self) {
        let words = format!("start --data-dir n1 --http 127.0.0.1:{} --threads 1", self.http);
        let mut command = self.sandbox.command(words.split_whitespace());
        let log = fs::File::create(self.sandbox.path("log")).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.node = Some(command.spawn().expect("the program starts"));
        self.until("the node is ready", || get(self.http, "/readyz").contains(" 200 "));
    }

    /// Has the node stop in good order.
    fn stop(&mut self) -> Option<i32> {
        let mut node = self.node.take().expect("it runs");
        kill_process(Pid::from_child(&node), Signal::TERM).expect("it runs");
        node.wait().expect("a child").code()
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_so() {
                return;
            }
            sleep(LOOK);
        }
        let log = fs::read_to_string(self.sandbox.path("log")).unwrap_or_default();
        panic!("it did not happen that {what}:\n{log}");
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(node) = &mut self.node {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// A port of loopback that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The answer of a node's health endpoint; nothing where nobody answers.
fn get(port: u16, path: &str) -> String {
    let mut answer = String::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return answer };
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_cluster_of_one_node_is_founded_asked_stopped_and_started_again() {
    let mut alone = Alone::new();
    let said = alone.init("--cluster orchard --uses 2 -o json").done().json();
    let token = said["token"].as_str().expect("as the command says").to_owned();
    assert!(said["join"].as_str().expect("as the command says").contains(&token));
    assert!(alone.init("").refused(6).contains("fruitnode start"));
    let certificate = alone.sandbox.path(".config/fruitnode/client");
    let mode = fs::metadata(certificate.join("client.key"))
        .expect("as the command says")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Nobody runs yet.
    let words = alone.sandbox.run("status").refused(3);
    assert!(words.contains(&alone.port.to_string()), "{words}");

    alone.start();
    let status = alone.sandbox.run("status -o json").done().json();
    assert_eq!(status["name"], "orchard");
    assert_eq!(status["coordinator"], 1);
    assert_eq!(status["nodes"][0]["role"], "voter");
    let text = alone.sandbox.run("status").done().stdout;
    assert!(text.starts_with("HEALTHY  cluster orchard"), "{text}");
    assert!(text.contains("join 2 more") && text.contains("no job is running"), "{text}");
    assert!(get(alone.http, "/livez").contains(" 200 "));

    assert!(alone.sandbox.run("node list").done().stdout.contains("n1"));
    assert!(alone.sandbox.run("node show 1").done().stdout.contains("ready"));
    assert!(alone.sandbox.run("node show n9").refused(5).contains("n9"));
    alone.sandbox.run("node drain n1").done();
    let draining = alone.sandbox.run("node show n1 -o json").done().json();
    assert_eq!(draining["node"]["state"], "draining");
    alone.sandbox.run("node drain n1 --undo").done();
    // What would stop the cluster is refused before anybody is asked whether it is meant.
    for line in ["node remove n1", "node remove n1 --yes"] {
        assert!(alone.sandbox.run(line).refused(6).contains("only voter"), "{line}");
    }

    assert!(alone.sandbox.run("job list").done().stdout.contains("there are no jobs"));
    for line in ["job status nope", "job cancel nope", "job watch nope"] {
        assert!(alone.sandbox.run(line).refused(5).contains("nope"), "{line}");
    }
    assert_eq!(alone.stop(), Some(0));
    alone.sandbox.run("status --timeout 2s").refused(3);
    alone.start();
    assert_eq!(alone.sandbox.run("status -o json").done().json()["name"], "orchard");
    assert_eq!(alone.sandbox.run("status").done().stderr, "");
    let log = fs::read_to_string(alone.sandbox.path("log")).expect("as the command says");
    // What happened is told unasked.
    for says in ["the node is running", "this node is now the coordinator", "attending"] {
        assert!(log.contains(says), "{says}: {log}");
    }
    assert!(!log.contains(token.rsplit('.').next().expect("as the command says")), "{log}");
}

#[test]
fn a_port_that_is_taken_costs_no_folder_and_no_use_of_a_token() {
    let mut alone = Alone::new();
    alone.init("").done();
    alone.start();
    let made = alone.sandbox.run("token create --uses 1 -o json").done().json();
    let token = made["token"].as_str().expect("as the command says").to_owned();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = other.local_addr().expect("it is bound");
    let free = free_port();
    let join = format!("join 127.0.0.1:{} --token {token}", alone.port);
    for line in [
        format!("{join} --data-dir n2 --listen {taken} --http off"),
        format!("{join} --data-dir n2 --listen 127.0.0.1:{free} --http {taken}"),
        format!("init --data-dir n2 --listen {taken} --http off"),
        format!("init --data-dir n2 --listen 127.0.0.1:{free} --http {taken}"),
    ] {
        let words = alone.sandbox.run(&line).refused(6);
        assert!(words.contains(&format!("cannot listen on {taken}")), "{line}: {words}");
        assert!(!alone.sandbox.path("n2").exists(), "{line}");
    }
    let tokens = alone.sandbox.run("token list -o json").done().json();
    let tokens = tokens["tokens"].as_array().expect("as the command says").clone();
    let left = tokens.iter().find(|known| token.contains(known["id"].as_str().unwrap()));
    assert_eq!(left.expect("it is listed")["uses_left"], 1);
    // A folder that is a node's already is told of first: its own process may have the port.
    let line = format!("init --data-dir n1 --listen 127.0.0.1:{} --http off", alone.port);
    assert!(alone.sandbox.run(&line).refused(6).contains("fruitnode start"));
}

#[test]
fn tokens_and_certificates_are_made_listed_and_taken_back() {
    let mut alone = Alone::new();
    let first = alone.init("-o json").done().json()["token"]
        .as_str()
        .expect("as the command says")
        .to_owned();
    alone.start();
    let made = alone.sandbox.run("token create --uses 1 --ttl 15m -o json").done().json();
    let id = made["info"]["id"].as_str().expect("as the command says").to_owned();
    assert!(made["token"].as_str().expect("as the command says").starts_with("FN1."));
    let listed = alone.sandbox.run("token list").done().stdout;
    assert!(listed.contains(&id) && listed.contains("valid for 14 min"), "{listed}");
    assert!(!listed.contains("FN1."), "{listed}");
    alone.sandbox.run(&format!("token revoke {id}")).done();
    assert!(alone.sandbox.run(&format!("token revoke {id}")).refused(5).contains(&id));
    let known = alone.sandbox.run("token list -o json").done().json();
    assert_eq!(known["tokens"].as_array().expect("as the command says").len(), 1);
    let revoked = made["token"].as_str().expect("as the command says");
    let join = format!("join 127.0.0.1:{} --data-dir n2 --no-start --token", alone.port);
    let words = alone.sandbox.run(&format!("{join} {revoked}")).refused(4);
    assert!(words.contains("fruitnode token create"), "{words}");

    alone.sandbox.run("client create maria --to maria").done();
    alone.sandbox.run("status --certs-dir maria").done();
    alone.sandbox.run("client create maria --to other").refused(6);
    alone.sandbox.run("client create paul --to maria").refused(6);
    alone.sandbox.run("client revoke maria").done();
    alone.until("the certificate is refused", || {
        alone.sandbox.run("status --certs-dir maria").code == Some(4)
    });
    alone.sandbox.run("client revoke nobody").refused(5);
    let people = alone.sandbox.run("client list -o json").done().json();
    let state = |at: usize| {
        let person = &people["clients"][at];
        [&person["name"], &person["state"]].map(|word| word.as_str().unwrap_or_default().to_owned())
    };
    assert_eq!([state(0), state(1)], [["admin", "good"], ["maria", "revoked"]]);
    assert_eq!(people["clients"].as_array().map(Vec::len), Some(2), "{people}");

    alone.sandbox.run("backup --to b").done();
    assert!(alone.sandbox.run("backup --to b").refused(6).contains('b'));
    let mode =
        fs::metadata(alone.sandbox.path("b")).expect("as the command says").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let saved = fs::read(alone.sandbox.path("b")).expect("as the command says");
    let secret = first.rsplit('.').next().expect("as the command says").as_bytes();
    assert!(!saved.windows(secret.len()).any(|window| window == secret));
    assert!(alone.sandbox.run("recover --unsafe --yes --data-dir n1").refused(6).contains("n1"));
    alone.stop();
    assert!(alone.sandbox.run("recover --unsafe --data-dir n1").refused(2).contains("fruits"));
    let words = alone.sandbox.run("recover --unsafe --yes --data-dir n1 --from b").done();
    assert!(words.stderr.contains("WARNING") && words.stdout.contains("n1 is now the only voter"));
    alone.start();
    alone.sandbox.run("status").done();
}

#[test]
fn what_would_end_the_cluster_or_burden_it_is_refused_and_it_works_on() {
    let mut alone = Alone::new();
    alone.init("").done();
    alone.start();
    let words = alone.sandbox.run("client revoke admin").refused(6);
    assert!(words.contains("the last valid one"), "{words}");
    let words = alone.sandbox.run("leave --yes --data-dir n1").refused(6);
    assert!(words.contains("n1 is the only voter"), "{words}");
    let long = "x".repeat(4_096);
    // A source has its one form by then, with a slash at its end.
    for (flag, bytes, places) in [
        ("--from", 4_108, format!("--from s3://fruit/{long} --to s3://fruit/out")),
        ("--to", 4_107, format!("--from s3://fruit/in --to s3://fruit/{long}")),
    ] {
        let words = alone.sandbox.run(&format!("job submit {places}")).refused(2);
        assert!(words.contains(&format!("{flag} has {bytes} bytes: at most 4096")), "{words}");
    }
    assert!(alone.sandbox.run("job list").done().stdout.contains("there are no jobs"));
    // It was not even told to take nothing more.
    let node = alone.sandbox.run("node show n1 -o json").done().json();
    assert_eq!(node["node"]["state"], "ready");

    let said = alone.sandbox.run("demo here --cluster --per-kind 3").done().stdout;
    assert!(said.contains("Look at:") && said.contains("fruitnode job submit --from"), "{said}");
    alone.sandbox.run("verify here/result").done();
    // However the source is spelt: to the cluster it is told from the root on.
    alone.sandbox.run("run --from ./here/photographs/ --to alone --rows-per-part 40").done();
    assert_eq!(alone.sandbox.digests("here/result"), alone.sandbox.digests("alone"));
    let jobs = alone.sandbox.run("job list -o json").done().json();
    assert_eq!(jobs["jobs"][0]["phase"], "succeeded", "{jobs}");
}
