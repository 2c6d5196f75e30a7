//! The part of the command line that is about a cluster and its nodes.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use fruitnode_coordinator::ids::NodeId;

use crate::cli::args::machine::batch_default;
use crate::cli::args::parse::{self, HttpPlace};
use crate::cli::args::{Secret, StorageArgs};

pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  fruitnode init                                      only on this machine, to try it out
  fruitnode init --listen 0.0.0.0:7400 --advertise 10.0.0.1:7400
  fruitnode init --no-start && fruitnode start        as a service would do it

Exit codes: 0 stopped cleanly or left, 2 wrong flags, 4 not permitted, 6 the data directory belongs
            to a node already, or the port is in use";

pub(super) const JOIN_EXAMPLES: &str = "\
Examples:
  fruitnode join 10.0.0.1:7400 --token-file token --advertise 10.0.0.2:7400 --listen 0.0.0.0:7400
  fruitnode join 10.0.0.1:7400 --token-file - --listen 10.0.0.2:7400 < token
  fruitnode join 127.0.0.1:7400 --token FN1.… --listen 127.0.0.1:7401 --data-dir second

The token identifies the authority of its cluster, so its secret is not sent to any other server.

Exit codes: 0 stopped cleanly or left, 2 wrong flags, 3 no node can be reached, 4 the token or the
            other side was rejected, 6 the data directory belongs to a node already, or the port is
            in use";

pub(super) const RECOVER_EXAMPLES: &str = "\
Examples:
  fruitnode recover --unsafe --data-dir /var/lib/fruitnode
  fruitnode recover --unsafe --from monday.backup

Use this only if a majority of the voters is lost for good: on one of the remaining voters, with its
node stopped. It asks for the name of the cluster first.";

/// Options of `init`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// Name of the cluster.
    #[arg(long, value_name = "NAME", default_value = "fruits", value_parser = parse::name)]
    pub cluster: String,
    /// Number of voters, once there are that many nodes.
    #[arg(long, value_name = "1|3|5", default_value = "3", value_parser = parse::voters)]
    pub voters: u32,
    /// How many nodes may join with the token that is printed.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU32>,
          default_value_t = uses_default())]
    pub uses: NonZeroU32,
    /// How long that token is valid.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse::duration)]
    pub ttl: Duration,
    /// How long node certificates are valid. Cannot be changed later. Certificates renew
    /// automatically after two thirds of that time.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse::duration)]
    pub certificate_life: Duration,
    /// Accept any certificate life, even one that leaves a node no time to be off: for tests.
    #[arg(long, hide = true)]
    pub brief: bool,
    /// Create the cluster, but do not run the node; run it later with `fruitnode start`.
    #[arg(long)]
    pub no_start: bool,
    /// Where the node is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How the node runs.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `join`.
#[derive(Debug, Clone, Args)]
pub(crate) struct JoinArgs {
    /// A node of the cluster, or several separated by commas.
    #[arg(value_name = "HOST:PORT", required = true, value_delimiter = ',',
          value_parser = parse::address)]
    pub nodes: Vec<String>,
    /// Token printed by `fruitnode init` or `fruitnode token create`. Every user of this machine
    /// can see it in the process list for as long as the node runs; FRUITNODE_TOKEN is visible only
    /// to you and root.
    #[arg(long, value_name = "TOKEN", value_parser = Secret::parse)]
    pub token: Option<Secret>,
    /// File that contains the token; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Join, but do not run the node; run it later with `fruitnode start`.
    #[arg(long)]
    pub no_start: bool,
    /// Where the node is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How the node runs.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `start`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StartArgs {
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Address to listen on. [default: as before]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse::listen,
          help_heading = "Node")]
    pub listen: Option<SocketAddr>,
    /// Address at which other nodes reach this one. [default: as before]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, help_heading = "Node")]
    pub advertise: Option<String>,
    /// Nodes to contact if none of the nodes known here answers: they may all have left while this
    /// node was off.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse::address,
          help_heading = "Node")]
    pub ask: Vec<String>,
    /// How the node runs.
    #[command(flatten)]
    pub node: NodeArgs,
}

pub(super) const LEAVE_EXAMPLES: &str = "\
Examples:
  fruitnode leave                   states the consequences, and asks first
  fruitnode leave --yes --drain-timeout 10m

The node hands over its work, then its vote. The command waits for both; Ctrl-C stops the waiting,
not the leaving. Several nodes may leave at the same time, in any order.

Exit codes: 0 the node has left, 3 no coordinator, 4 not permitted, 6 no majority of voters would be
            left, 124 timed out, 130 interrupted; after 124 and 130 the node continues leaving";

/// Options of `leave`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LeaveArgs {
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
    /// How long to wait for leases to end before leaving anyway.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = parse::duration,
          help_heading = "Node")]
    pub drain_timeout: Duration,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// What is waited for, and what is put up with.
    #[command(flatten)]
    pub departure: DepartureArgs,
    /// How the cluster is reached. [default: by this node's own certificate and what it knows]
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// How a node is let go for good.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DepartureArgs {
    /// Do not wait until the node's vote has been handed over; it continues leaving on its own.
    #[arg(long)]
    pub no_wait: bool,
    /// Proceed even if that leaves no majority of voters: the cluster then stops for good, and only
    /// `fruitnode recover` brings it back.
    #[arg(long)]
    pub force: bool,
}

/// Where a node keeps what it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Data directory of the node: its keys, certificates and log. [default: /var/lib/fruitnode for
    /// root, otherwise ~/.local/share/fruitnode]
    #[arg(long, value_name = "DIR", help_heading = "Node")]
    pub data_dir: Option<PathBuf>,
}

/// Where a node keeps what it is, and where others reach it.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400",
          value_parser = parse::listen, help_heading = "Node")]
    pub listen: SocketAddr,
    /// Address at which other nodes reach this one. [default: that of --listen]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, help_heading = "Node")]
    pub advertise: Option<String>,
}

/// How a node runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// Maximum number of leases at a time.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU32>,
          default_value_t = slots_default(), help_heading = "Node")]
    pub slots: NonZeroU32,
    /// Loopback address of the health endpoints `/livez` and `/readyz`, or `off`. [default:
    /// 127.0.0.1, at the port of --listen plus 80]
    #[arg(long, value_name = "ADDRESS:PORT|off", value_parser = parse::http,
          help_heading = "Node")]
    pub http: Option<HttpPlace>,
    /// How long handing over work may take when the node is stopped.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = parse::duration,
          help_heading = "Node")]
    pub drain_timeout: Duration,
    /// Number of compute threads. [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroUsize>,
          help_heading = "Machine")]
    pub threads: Option<NonZeroUsize>,
    /// Photographs per batch of a compute thread.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroUsize>,
          default_value_t = batch_default(), help_heading = "Machine")]
    pub batch: NonZeroUsize,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// How a command reaches the cluster. Any node will do.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReachArgs {
    /// A node of the cluster, or several separated by commas. [default: those in the file `host` in
    /// --certs-dir]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse::address,
          help_heading = "Client")]
    pub host: Vec<String>,
    /// Folder with your client certificate. [default: ~/.config/fruitnode/client]
    #[arg(long, value_name = "DIR", help_heading = "Client")]
    pub certs_dir: Option<PathBuf>,
    /// Give up after this time. [default: none when waiting for a job, otherwise 30s]
    #[arg(long, value_name = "SPAN", value_parser = parse::duration, help_heading = "Client")]
    pub timeout: Option<Duration>,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Refresh every second.
    #[arg(long)]
    pub watch: bool,
    /// Exit with 1 unless the cluster is healthy; with --quiet for nothing but that.
    #[arg(long, conflicts_with = "watch")]
    pub check: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// What can be done with nodes.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum NodeCommand {
    /// List all nodes: address, state, work, speed.
    List(NodeListArgs),
    /// Show one node.
    Show(NodeShowArgs),
    /// Stop giving leases to a node, or resume.
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(NodeDrainArgs),
    /// Remove a node for good, dead or alive. It can only come back under a new ID.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(NodeRemoveArgs),
}

const DRAIN_EXAMPLES: &str = "\
Examples:
  fruitnode node drain n3           it finishes its current work; then the machine can be restarted
  fruitnode node drain n3 --undo";

const REMOVE_EXAMPLES: &str = "\
Examples:
  fruitnode node remove n3          states the consequences, and asks first
  fruitnode node remove n3 --yes

A voter stays until another node has taken its place, or the others have agreed to continue without
it. The command waits for that; Ctrl-C does not cancel it. Other nodes redo the current work of the
node: if it is alive, prefer `fruitnode leave` on its machine, which hands the work over.";

/// Options of `node list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeListArgs {
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `node show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeShowArgs {
    /// The node, such as n3.
    #[arg(value_name = "ID", value_parser = parse::node)]
    pub id: NodeId,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `node drain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeDrainArgs {
    /// The node, such as n3.
    #[arg(value_name = "ID", value_parser = parse::node)]
    pub id: NodeId,
    /// Resume giving leases to the node.
    #[arg(long)]
    pub undo: bool,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `node remove`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeRemoveArgs {
    /// The node, such as n3.
    #[arg(value_name = "ID", value_parser = parse::node)]
    pub id: NodeId,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// What is waited for, and what is put up with.
    #[command(flatten)]
    pub departure: DepartureArgs,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// What can be done with tokens.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token with which nodes can join. It is shown only once.
    #[command(after_help = TOKEN_EXAMPLES)]
    Create(TokenCreateArgs),
    /// List tokens: IDs, uses left and expiry, never the secrets.
    List(TokenListArgs),
    /// Revoke a token.
    Revoke(TokenRevokeArgs),
}

const TOKEN_EXAMPLES: &str = "\
Examples:
  fruitnode token create
  fruitnode token create --uses 1 --ttl 15m
  fruitnode token create -o json | jq -r .token > token && fruitnode join HOST:7400 \
    --token-file token";

/// Options of `token create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenCreateArgs {
    /// How many nodes may join with it.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroU32>,
          default_value_t = uses_default())]
    pub uses: NonZeroU32,
    /// How long it is valid.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse::duration)]
    pub ttl: Duration,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `token list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenListArgs {
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `token revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenRevokeArgs {
    /// ID of the token, as shown by `token list`.
    #[arg(value_name = "ID")]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// What can be done with people's certificates.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create a client certificate for a person or a program.
    #[command(after_help = CLIENT_EXAMPLES)]
    Create(ClientCreateArgs),
    /// List client certificates: name, expiry, and whether they are revoked.
    List(ClientListArgs),
    /// Revoke a client certificate; open connections are closed too.
    Revoke(ClientRevokeArgs),
}

const CLIENT_EXAMPLES: &str = "\
Examples:
  fruitnode client create maria --to maria-fruitnode
  fruitnode job list --certs-dir maria-fruitnode
  fruitnode client list
  fruitnode client revoke maria

A certificate is valid for a year: create another one, under another name, before it expires.
The folder contains a key that gives full access to the cluster: treat it like a password.";

/// Options of `client create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientCreateArgs {
    /// Name of the person or program: a-z, 0-9 and `-`.
    #[arg(value_name = "NAME", value_parser = parse::lower_name)]
    pub name: String,
    /// Folder to write it to.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `client list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientListArgs {
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `client revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientRevokeArgs {
    /// Name of the person or program.
    #[arg(value_name = "NAME", value_parser = parse::lower_name)]
    pub name: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `backup`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArgs {
    /// File to write. Only you can read it.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `recover`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecoverArgs {
    /// Confirm that you accept the loss of everything the lost voters decided and this node did not
    /// receive.
    #[arg(long = "unsafe", required = true)]
    pub aware: bool,
    /// File written by `fruitnode backup`. [default: the log of this node]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Do not ask for the name of the cluster.
    #[arg(long)]
    pub yes: bool,
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
}

fn uses_default() -> NonZeroU32 {
    NonZeroU32::new(8).expect("not 0")
}

fn slots_default() -> NonZeroU32 {
    NonZeroU32::new(2).expect("not 0")
}
