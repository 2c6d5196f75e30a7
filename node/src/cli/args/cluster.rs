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
  fruitnode init                                      on this machine alone, to try it
  fruitnode init --listen 0.0.0.0:7400 --advertise 10.0.0.1:7400
  fruitnode init --no-start && fruitnode start        as services do it

Exit codes: 0 stopped in good order or left, 2 wrong flags, 4 not permitted, 6 the folder is a
            node's already, or the port is taken";

pub(super) const JOIN_EXAMPLES: &str = "\
Examples:
  fruitnode join 10.0.0.1:7400 --token-file token --advertise 10.0.0.2:7400 --listen 0.0.0.0:7400
  fruitnode join 10.0.0.1:7400 --token-file - --listen 10.0.0.2:7400 < token
  fruitnode join 127.0.0.1:7400 --token FN1.… --listen 127.0.0.1:7401 --data-dir second

The token names the authority of its cluster: whoever else answers there is not told the secret.

Exit codes: 0 stopped in good order or left, 2 wrong flags, 3 nobody can be reached, 4 the token or
            the other side is refused, 6 the folder is a node's already, or the port is taken";

pub(super) const RECOVER_EXAMPLES: &str = "\
Examples:
  fruitnode recover --unsafe --data-dir /var/lib/fruitnode
  fruitnode recover --unsafe --from monday.backup

Only when a majority of the voters is lost for good, on one of those that are left, with its node
stopped. It asks for the cluster's name first.";

/// Options of `init`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// Name of the cluster, for people.
    #[arg(long, value_name = "NAME", default_value = "fruits", value_parser = parse::name)]
    pub cluster: String,
    /// Nodes that decide together, once there are so many.
    #[arg(long, value_name = "1|3|5", default_value = "3", value_parser = parse::voters)]
    pub voters: u32,
    /// Nodes that may join with the token that is printed.
    #[arg(long, value_name = "N", default_value_t = uses_default())]
    pub uses: NonZeroU32,
    /// How long that token is good for.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse::duration)]
    pub ttl: Duration,
    /// How long certificates of nodes are good for, for as long as the cluster lives. They renew
    /// by themselves at two thirds of it.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse::duration)]
    pub certificate_life: Duration,
    /// Take any life of certificates, which leaves a node no time to be off: for tests.
    #[arg(long, hide = true)]
    pub brief: bool,
    /// Found the cluster, and do not run the node: `fruitnode start` does.
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
    /// Any node of the cluster, or several.
    #[arg(value_name = "HOST:PORT", required = true, value_delimiter = ',',
          value_parser = parse::address)]
    pub nodes: Vec<String>,
    /// A token of `fruitnode token create`. Everybody on this machine sees it in the list of
    /// processes for as long as the node runs. FRUITNODE_TOKEN is seen by you and root alone.
    #[arg(long, value_name = "TOKEN", value_parser = Secret::parse)]
    pub token: Option<Secret>,
    /// File that holds the token, seen by who may read it; `-` is standard input, seen by nobody.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Join, and do not run the node: `fruitnode start` does.
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
    /// Where the node listens. [default: where it did]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse::listen,
          help_heading = "Node")]
    pub listen: Option<SocketAddr>,
    /// Where others reach it. [default: where they did]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, help_heading = "Node")]
    pub advertise: Option<String>,
    /// Nodes to ask where the cluster is by now, when none of those that this one knows answers:
    /// they may all have left while it was off.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse::address,
          help_heading = "Node")]
    pub ask: Vec<String>,
    /// How the node runs.
    #[command(flatten)]
    pub node: NodeArgs,
}

pub(super) const LEAVE_EXAMPLES: &str = "\
Examples:
  fruitnode leave                   says what it costs, and asks first
  fruitnode leave --yes --drain-timeout 10m

The node hands its work over, then its vote; the command waits for both, Ctrl-C calls off neither.
Nodes may leave at the same time, in any order.

Exit codes: 0 it has left, 3 no coordinator, 4 not permitted, 6 nobody would be left who can decide,
            124 --timeout is over and it goes on leaving, 130 Ctrl-C and it goes on leaving";

/// Options of `leave`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LeaveArgs {
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
    /// How long leases may take to end before the node leaves all the same.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = parse::duration,
          help_heading = "Node")]
    pub drain_timeout: Duration,
    /// Do not ask.
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
    /// Do not wait until another node has taken its vote: it goes on leaving by itself.
    #[arg(long)]
    pub no_wait: bool,
    /// Let it go although nobody is left then who can decide: the cluster stops for good, but for
    /// `fruitnode recover`.
    #[arg(long)]
    pub force: bool,
}

/// Where a node keeps what it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Folder of the node: its keys, certificates and log.
    /// [default: /var/lib/fruitnode for root, else ~/.local/share/fruitnode]
    #[arg(long, value_name = "DIR", help_heading = "Node")]
    pub data_dir: Option<PathBuf>,
}

/// Where a node keeps what it is, and where others reach it.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Where the node keeps what it is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Where the node listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400",
          value_parser = parse::listen, help_heading = "Node")]
    pub listen: SocketAddr,
    /// Where others reach it. [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, help_heading = "Node")]
    pub advertise: Option<String>,
}

/// How a node runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// Leases that the node takes at a time.
    #[arg(long, value_name = "N", default_value_t = slots_default(), help_heading = "Node")]
    pub slots: NonZeroU32,
    /// Where `/livez` and `/readyz` are, on loopback, or `off`.
    /// [default: 127.0.0.1, 80 above the port of --listen]
    #[arg(long, value_name = "ADDRESS:PORT|off", value_parser = parse::http,
          help_heading = "Node")]
    pub http: Option<HttpPlace>,
    /// How long it may take to hand its work over when it is told to stop.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = parse::duration,
          help_heading = "Node")]
    pub drain_timeout: Duration,
    /// Compute threads. [default: the processors of this machine]
    #[arg(long, value_name = "N", help_heading = "Machine")]
    pub threads: Option<NonZeroUsize>,
    /// Photographs handed to a compute thread at a time.
    #[arg(long, value_name = "N", default_value_t = batch_default(), help_heading = "Machine")]
    pub batch: NonZeroUsize,
    /// Where S3 is.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// How a command reaches the cluster. Any node will do.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReachArgs {
    /// A node of the cluster, or several. [default: those in the file `host` of --certs-dir]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse::address,
          help_heading = "Client")]
    pub host: Vec<String>,
    /// Folder of your certificate. [default: ~/.config/fruitnode/client]
    #[arg(long, value_name = "DIR", help_heading = "Client")]
    pub certs_dir: Option<PathBuf>,
    /// Give up after this long. [default: as long as a job takes; 30s for an answer]
    #[arg(long, value_name = "SPAN", value_parser = parse::duration, help_heading = "Client")]
    pub timeout: Option<Duration>,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Say it again every second.
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
    /// Every node: where it is, what it does, how fast.
    List(NodeListArgs),
    /// One node.
    Show(NodeShowArgs),
    /// Give a node no more leases, or give it some again.
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(NodeDrainArgs),
    /// Take a node out for good, dead or alive. It can come back under a new id alone.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(NodeRemoveArgs),
}

const DRAIN_EXAMPLES: &str = "\
Examples:
  fruitnode node drain n3           what it does now it finishes; then the machine may restart
  fruitnode node drain n3 --undo";

const REMOVE_EXAMPLES: &str = "\
Examples:
  fruitnode node remove n3          says what it costs, and asks first
  fruitnode node remove n3 --yes

A node that votes stays until another one has taken its place, or the others have agreed to decide
without it: the command waits for that, Ctrl-C does not call it off. What the node does is done
again by others: where it lives, `fruitnode leave` on its machine is kinder.";

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
    /// Let it take leases again.
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
    /// Do not ask.
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
    /// Make a token with which nodes may join. It is shown once and kept nowhere.
    #[command(after_help = TOKEN_EXAMPLES)]
    Create(TokenCreateArgs),
    /// Tokens that are still known: ids, uses, times. Never the secrets.
    List(TokenListArgs),
    /// Let nobody join with a token any more.
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
    /// Nodes that may join with it.
    #[arg(long, value_name = "N", default_value_t = uses_default())]
    pub uses: NonZeroU32,
    /// How long it is good for.
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
    /// Its id, as `token list` says it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// What can be done with people's certificates.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ClientCommand {
    /// Make a certificate for a person or a program.
    #[command(after_help = CLIENT_EXAMPLES)]
    Create(ClientCreateArgs),
    /// Whose certificates there are, until when they are good, and which are refused.
    List(ClientListArgs),
    /// Refuse a person's certificate from now on, also in streams that are open.
    Revoke(ClientRevokeArgs),
}

const CLIENT_EXAMPLES: &str = "\
Examples:
  fruitnode client create maria --to maria-fruitnode
  fruitnode job list --certs-dir maria-fruitnode
  fruitnode client list
  fruitnode client revoke maria

A certificate is good for a year: make another one, under another name, before it ends.
The folder holds a key that opens the whole cluster: hand it over as you would a password.";

/// Options of `client create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientCreateArgs {
    /// Whose it is: a-z, 0-9 and `-`.
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
    /// Whose it is.
    #[arg(value_name = "NAME", value_parser = parse::lower_name)]
    pub name: String,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `backup`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArgs {
    /// File to write. Only you may read it.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// How the cluster is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options of `recover`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecoverArgs {
    /// Say that you know: whatever the lost voters decided and this node did not hear is lost.
    #[arg(long = "unsafe", required = true)]
    pub aware: bool,
    /// A file of `fruitnode backup`. [default: what this node has]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Do not ask for the cluster's name.
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
