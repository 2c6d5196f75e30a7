//! Whole nodes in one process, over real sockets on loopback.

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use fruitnode_mesh::client::Contact;
use fruitnode_mesh::credentials::Credentials;
use fruitnode_mesh::error::MeshError;
use fruitnode_mesh::token::Token;
use fruitnode_proto::v1;
use fruitnode_storage::S3Options;

use super::found::Founded;
use super::{FoundOptions, JoinOptions, MemberError, RunOptions, found, join, run};
use crate::actors::spawn::spawn;
use crate::tasks::NodeOptions;

/// Longest wait for anything, on a machine that does much else.
const WAIT: Duration = Duration::from_secs(120);

struct Node {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), MemberError>>,
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Starts a node, and waits until it listens: that is once it knows that nobody else is it.
async fn start(dir: super::DataDir, address: &str) -> Node {
    let one = NonZeroUsize::MIN;
    let options = RunOptions {
        listen: None,
        advertise: None,
        ask: Vec::new(),
        http: None,
        slots: 2,
        node: NodeOptions { threads: one, batch: one },
        storage: S3Options::default(),
        drain: Duration::from_secs(20),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let running = spawn("node", async move { Box::pin(run(dir, options, None, stopped)).await });
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WAIT, listens).await.unwrap();
    Node { address: address.to_owned(), stop: Some(stop), running }
}

impl Node {
    async fn stop(mut self) {
        drop(self.stop.take());
        timeout(WAIT, self.running).await.unwrap().unwrap().unwrap();
    }
}

async fn first(above: &Path) -> (Node, Token, Credentials) {
    let address = free_address();
    let Founded { dir, token, client_dirs, .. } = found(&FoundOptions {
        data_dir: above.join("n1"),
        listen: address.clone(),
        advertise: address.clone(),
        name: "orchard".to_owned(),
        voters: 3,
        token_uses: 8,
        token_life: Duration::from_secs(3_600),
        certificate_life: Duration::from_secs(3_600),
        client_dir: None,
    })
    .unwrap();
    let person = Credentials::load(&client_dirs[0], "client").unwrap();
    (start(dir, &address).await, token, person)
}

async fn further(above: &Path, name: &str, at: &str, token: &Token) -> Node {
    let address = free_address();
    let options = JoinOptions {
        addresses: vec![at.to_owned()],
        token: token.clone(),
        data_dir: above.join(name),
        listen: address.clone(),
        advertise: address.clone(),
    };
    start(join(&options).await.unwrap(), &address).await
}

async fn status(
    addresses: &[String],
    person: &Credentials,
) -> Result<v1::ClusterStatus, MeshError> {
    let contact = Contact::connect(addresses, person).await?;
    contact.with_limit(Duration::from_secs(5)).status().await
}

/// Waits until the cluster is so; what it says then.
async fn until(
    what: &str,
    addresses: &[String],
    person: &Credentials,
    is_so: impl Fn(&v1::ClusterStatus) -> bool,
) -> v1::ClusterStatus {
    let mut last = None;
    let waiting = async {
        loop {
            match status(addresses, person).await {
                Ok(status) if is_so(&status) => return status,
                said => last = Some(said),
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = timeout(WAIT, waiting).await;
    waited.unwrap_or_else(|_| panic!("not so: {what}: {last:?}"))
}

fn with(status: &v1::ClusterStatus, state: &str, role: &str) -> usize {
    let is = |node: &&v1::NodeStatus| node.state == state && (role.is_empty() || node.role == role);
    status.nodes.iter().filter(is).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_join_vote_and_survive_their_coordinator() {
    let above = TempDir::new().unwrap();
    let (one, token, person) = first(above.path()).await;
    let alone = [one.address.clone()];
    until("the first node", &alone, &person, |status| with(status, "ready", "voter") == 1).await;
    let two = further(above.path(), "n2", &one.address, &token).await;
    // Any node lets others in.
    let three = further(above.path(), "n3", &two.address, &token).await;
    let addresses: Vec<_> = [&one, &two, &three].iter().map(|node| node.address.clone()).collect();
    let whole =
        until("three voters", &addresses, &person, |status| with(status, "ready", "voter") == 3);
    assert_eq!(whole.await.leader, 1);

    one.stop().await;
    let left = &addresses[1..];
    let without = until("another coordinator", left, &person, |status| {
        status.leader != 1 && with(status, "ready", "") == 2
    });
    assert!(without.await.term > 1);

    three.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_whose_answer_was_lost_asks_again_and_is_the_same_node() {
    let above = tempfile::tempdir().unwrap();
    let (node, _, person) = first(above.path()).await;
    let contact = Contact::connect(std::slice::from_ref(&node.address), &person).await.unwrap();
    let request = v1::CreateTokenRequest { uses: 1, ttl_ms: 3_600_000 };
    let token: Token = contact.create_token(request).await.unwrap().token.parse().unwrap();
    let join_in = |name: &str| JoinOptions {
        addresses: vec![node.address.clone()],
        token: token.clone(),
        data_dir: above.path().join(name),
        listen: free_address(),
        advertise: free_address(),
    };
    let whole = join(&join_in("whole")).await.unwrap();
    // What there is after the coordinator let it in, and before it heard so.
    let cut_short = above.path().join("cut-short");
    std::fs::create_dir(&cut_short).unwrap();
    std::fs::copy(whole.file("node.key"), cut_short.join("joining.key")).unwrap();
    let again = join(&join_in("cut-short")).await.unwrap();
    let [one, two] = [&whole, &again].map(|dir| dir.identity().unwrap());
    assert_eq!((one.node, &one.storage), (two.node, &two.storage));
    assert!(!again.file("joining.key").exists());
    // Anybody else finds the token used up.
    let refused = join(&join_in("another")).await.unwrap_err().to_string();
    assert!(refused.contains("no uses left"), "{refused}");
    node.stop().await;
}
