//! `fruitnode init`, `join` and `start`: how a process becomes a node, and is one.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::json;

use fruitnode_mesh::token::{Token, TokenError};

use crate::cli::args::parse::{self, HttpPlace};
use crate::cli::args::{
    DataArgs, InitArgs, JoinArgs, NodeArgs, PlaceArgs, StartArgs, TerminalArgs,
};
use crate::cli::cluster::say::{done, say};
use crate::cli::cluster::secret;
use crate::cli::cluster::show::founded;
use crate::cli::exit::Exit;
use crate::cli::machine::{interrupted, reactor};
use crate::cli::message::CliError;
use crate::config::user_folder;
use crate::member::{
    self, DataDir, DataDirError, FoundOptions, JoinOptions, MemberError, Ports, RunOptions,
};
use crate::tasks::NodeOptions;

/// Shortest life of nodes' certificates that a person may choose.
const CERTIFICATE_LIFE_MIN: Duration = Duration::from_hours(1);

/// Longest one: the authority's own life is ten years.
const CERTIFICATE_LIFE_MAX: Duration = Duration::from_hours(366 * 24);

/// Where a node is to run.
#[derive(Debug, Default)]
struct Place {
    /// Where it listens, if not where it did.
    listen: Option<String>,
    /// Where others reach it, if not where they did.
    advertise: Option<String>,
    /// Nodes that may know where the cluster is.
    ask: Vec<String>,
    /// Its ports, if this process has them.
    ports: Option<Ports>,
}

/// Makes a cluster of one node and, unless told otherwise, runs it.
pub(in crate::cli) fn init(args: &InitArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let data_dir = data_dir(&args.place.data)?;
    let life_ms = u64::try_from(args.ttl.as_millis()).unwrap_or(u64::MAX);
    member::control::check_token(args.uses.get(), life_ms).map_err(usage)?;
    let options = FoundOptions {
        data_dir: data_dir.clone(),
        listen: args.place.listen.to_string(),
        advertise: advertised(&args.place)?,
        name: args.cluster.clone(),
        voters: args.voters,
        token_uses: args.uses.get(),
        token_life: args.ttl,
        certificate_life: certificate_life(args)?,
        client_dir: user_folder().map(|folder| folder.join("fruitnode/client")),
    };
    DataDir::check_vacant(&data_dir).map_err(MemberError::from)?;
    let ports = ports(&args.node, &options.listen, args.no_start)?;
    let founded = member::found(&options)?;
    let told = founded::Founded {
        name: &args.cluster,
        cluster: &founded.cluster,
        data_dir: &data_dir,
        client_dirs: &founded.client_dirs,
        address: &founded.address,
        token: &founded.token.to_string(),
        uses: args.uses.get(),
        life: args.ttl,
        starts: !args.no_start,
    };
    say(terminal, || told.json(), || told.text());
    if args.no_start {
        return Ok(Exit::Done);
    }
    run(founded.dir, &args.node, Place { ports, ..Place::default() })
}

/// Makes this machine a member of a cluster and, unless told otherwise, runs it.
pub(in crate::cli) fn join(args: &JoinArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let advertise = advertised(&args.place)?;
    check_reach(&advertise, args)?;
    let token = secret::token(args.token.as_ref(), args.token_file.as_deref())?;
    let token: Token = token
        .reveal()
        .parse()
        .map_err(|error: TokenError| CliError::of(Exit::Refused, "bad_token", &error))?;
    let options = JoinOptions {
        addresses: args.nodes.clone(),
        token,
        data_dir: data_dir(&args.place.data)?,
        listen: args.place.listen.to_string(),
        advertise,
    };
    DataDir::check_vacant(&options.data_dir).map_err(MemberError::from)?;
    let ports = ports(&args.node, &options.listen, args.no_start)?;
    let reactor = reactor(NonZeroUsize::MIN)?;
    let dir = reactor.block_on(Box::pin(member::join(&options)))?;
    drop(reactor);
    let file = dir.identity().map_err(MemberError::from)?;
    let next = match args.no_start {
        true => {
            format!("; to run it: fruitnode start --data-dir {}", founded::word(&options.data_dir))
        }
        false => String::new(),
    };
    let words = format!("this machine is node n{} of cluster {}{next}", file.node, file.cluster);
    let json = json!({
        "outcome": "joined",
        "node": file.node,
        "cluster": file.cluster,
        "data_dir": options.data_dir,
    });
    done(terminal, json, &words);
    if args.no_start {
        return Ok(Exit::Done);
    }
    run(dir, &args.node, Place { ports, ..Place::default() })
}

/// Runs a node that has been one before.
pub(in crate::cli) fn start(args: &StartArgs) -> Result<Exit, CliError> {
    let dir = DataDir::open(&data_dir(&args.data)?).map_err(MemberError::from)?;
    let listen = args.listen.map(|listen| listen.to_string());
    // A node that moves is reached where it listens, unless somebody says otherwise.
    let moved = args.listen.map(|listen| parse::advertised(listen, args.advertise.as_deref()));
    let moved = moved.transpose().map_err(usage)?;
    let advertise = moved.or_else(|| args.advertise.clone());
    run(dir, &args.node, Place { listen, advertise, ask: args.ask.clone(), ports: None })
}

/// Takes the ports of a node that is to run as soon as it is one.
fn ports(args: &NodeArgs, listen: &str, no_start: bool) -> Result<Option<Ports>, CliError> {
    if no_start {
        return Ok(None);
    }
    let reactor = reactor(NonZeroUsize::MIN)?;
    Ok(Some(reactor.block_on(Ports::take(listen, http(args, listen)))?))
}

/// Where the health of a node is told that listens there.
fn http(args: &NodeArgs, listen: &str) -> Option<SocketAddr> {
    let place = match (args.http, parse::listen(listen)) {
        (Some(place), _) => place,
        (None, Ok(listen)) => parse::http_beside(listen),
        (None, Err(_)) => HttpPlace::Off,
    };
    match place {
        HttpPlace::Off => None,
        HttpPlace::At(place) => Some(place),
    }
}

/// Runs a node until it is told to stop.
fn run(dir: DataDir, args: &NodeArgs, place: Place) -> Result<Exit, CliError> {
    let file = dir.identity().map_err(MemberError::from)?;
    let Place { listen, advertise, ask, ports } = place;
    let http = http(args, listen.as_ref().unwrap_or(&file.listen));
    let threads = args.threads.or_else(|| available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let options = RunOptions {
        listen,
        advertise,
        ask,
        http,
        slots: args.slots.get(),
        node: NodeOptions { threads, batch: args.batch },
        storage: args.storage.options(),
        drain: args.drain_timeout,
    };
    reactor(threads)?.block_on(Box::pin(member::run(dir, options, ports, interrupted())))?;
    Ok(Exit::Done)
}

/// The folder of the node.
pub(super) fn data_dir(args: &DataArgs) -> Result<PathBuf, CliError> {
    if let Some(folder) = &args.data_dir {
        return Ok(folder.clone());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let root = rustix::process::geteuid().is_root();
    if home.is_none() && !root {
        return Err(usage("no data directory: set --data-dir or HOME"));
    }
    Ok(match home {
        Some(home) if !root => home.join(".local/share/fruitnode"),
        _ => PathBuf::from("/var/lib/fruitnode"),
    })
}

/// What renews within seconds does not survive a machine that is busy for as long.
fn certificate_life(args: &InitArgs) -> Result<Duration, CliError> {
    let life = args.certificate_life;
    if life > CERTIFICATE_LIFE_MAX {
        return Err(usage("--certificate-life: node certificates can be valid for a year at most"));
    }
    if life < CERTIFICATE_LIFE_MIN && !args.brief {
        let words = "--certificate-life: use at least an hour, so that a node can be off for a \
                     while";
        return Err(usage(words));
    }
    Ok(life)
}

fn advertised(place: &PlaceArgs) -> Result<String, CliError> {
    if place.listen.port() == 0 && place.advertise.is_none() {
        return Err(usage("--listen: other nodes must know the port: use one from 1 to 65535"));
    }
    parse::advertised(place.listen, place.advertise.as_deref()).map_err(usage)
}

/// Refuses to join others with an address that only this machine knows, unless somebody says that
/// it is meant: the token would be used, and the node could not be reached.
fn check_reach(advertise: &str, args: &JoinArgs) -> Result<(), CliError> {
    let elsewhere = |address: &String| {
        let found = address.to_socket_addrs();
        found.is_ok_and(|mut found| found.all(|found| !found.ip().is_loopback()))
    };
    let meant = args.place.advertise.is_some() || !parse::only_here(advertise);
    match args.nodes.iter().find(|node| !meant && elsewhere(node)) {
        None => Ok(()),
        Some(node) => Err(usage(format!(
            "--listen: {node} cannot reach {advertise}: give an address at which the other nodes \
             reach this machine (--listen ADDRESS:PORT, or --advertise HOST:PORT), or use \
             --advertise {advertise} if all of them are on this machine"
        ))),
    }
}

fn usage(words: impl Into<String>) -> CliError {
    CliError::new(Exit::Usage, "bad_flag", words)
}

impl From<MemberError> for CliError {
    fn from(error: MemberError) -> Self {
        let (exit, code) = match &error {
            MemberError::Mesh(mesh) => return mesh.clone().into(),
            MemberError::DataDir(DataDirError::NotANode { .. }) => (Exit::NotFound, "no_node"),
            MemberError::DataDir(
                DataDirError::Taken { .. }
                | DataDirError::NotEmpty { .. }
                | DataDirError::Busy { .. },
            ) => (Exit::Conflict, "target_taken"),
            MemberError::DataDir(_) => (Exit::Refused, "storage_refused"),
            MemberError::Wiped { .. } => (Exit::Refused, "wiped"),
            MemberError::NoAuthority { .. } => (Exit::Refused, "no_authority"),
            MemberError::Twin { .. } => (Exit::Conflict, "started_twice"),
            MemberError::Refused(_) => (Exit::Refused, "refused"),
            MemberError::Address { .. } => (Exit::Usage, "bad_flag"),
            MemberError::Listen { .. } => (Exit::Conflict, "port_taken"),
            MemberError::Restore(_) => (Exit::NotFound, "input_missing"),
            MemberError::Credentials(_) | MemberError::Authority(_) | MemberError::Tls(_) => {
                (Exit::Refused, "bad_certificate")
            }
            MemberError::Request(_)
            | MemberError::Log(_)
            | MemberError::Consensus(_)
            | MemberError::LogFailed(_)
            | MemberError::Threads(_) => (Exit::Failed, "failed"),
        };
        Self::of(exit, code, &error)
    }
}
