//! Where a storm takes place: programs, photographs, a folder, namespaces, a store; and how
//! anything is started there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::StormError;
use super::network::{Network, address, node_address};
use super::rules::{Host, Machine};
use super::script::MACHINES_MAX;
use super::supply::Supply;

/// Port of the store.
const STORE_PORT: u16 = 9_000;

/// How long a node that is to stop may take to hand its work over.
const DRAIN_TIMEOUT: &str = "5s";

/// What jobs are, but for where their results go. `--from` decides bits, as it is written.
pub(crate) const JOB: [&str; 6] =
    ["--from", "s3://fruit/photographs/", "--rows-per-part", "4", "--pca", "3"];

/// Programs and photographs, which several storms may share.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    /// `fruitnode`.
    pub(crate) program: PathBuf,
    /// `test-store`.
    pub(crate) store: PathBuf,
    /// Folder of the photographs.
    pub(crate) photographs: PathBuf,
    /// How many there are.
    pub(crate) count: u64,
}

/// One place.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) means: Means,
    pub(crate) folder: PathBuf,
    // It goes before the namespace that it is in.
    pub(crate) supply: Supply,
    pub(crate) network: Network,
    environment: Vec<(String, String)>,
}

impl Means {
    /// Draws photographs into a folder, as the demo does, so many of each kind.
    pub(crate) fn draw(
        program: PathBuf,
        store: PathBuf,
        folder: &Path,
        per_kind: u32,
    ) -> Result<Self, StormError> {
        let mut command = Command::new(&program);
        clean(&mut command, folder);
        command.args(["demo", "demo", "--threads", "1", "--per-kind", &per_kind.to_string()]);
        succeed(command)?;
        let photographs = folder.join("demo").join("photographs");
        let count = count(&photographs)?;
        Ok(Self { program, store, photographs, count })
    }
}

impl Site {
    /// A place of its own in this folder, in namespaces whose names begin with the prefix.
    pub(crate) fn new(means: &Means, folder: &Path, prefix: &str) -> Result<Self, StormError> {
        fs::create_dir_all(folder)
            .map_err(|source| StormError::File { path: folder.to_owned(), source })?;
        let network = Network::new(prefix, MACHINES_MAX, STORE_PORT)?;
        let on = network.on(Host::Store);
        let place = (&*address(Host::Store), STORE_PORT);
        let mut supply = Supply::start(on, &means.store, place, &means.photographs)?;
        let mut environment = supply.environment()?;
        // It is found on every host's own loopback.
        for (_, value) in environment.iter_mut().filter(|(name, _)| name == "AWS_ENDPOINT_URL") {
            *value = format!("http://127.0.0.1:{STORE_PORT}");
        }
        let means = means.clone();
        Ok(Self { means, folder: folder.to_owned(), supply, network, environment })
    }

    /// `fruitnode` on a machine.
    pub(crate) fn on(&self, machine: Machine) -> Command {
        self.program(self.network.on(Host::Machine(machine)))
    }

    /// `fruitnode` where clients are.
    pub(crate) fn client(&self) -> Command {
        self.program(self.network.with_clients())
    }

    fn program(&self, mut command: Command) -> Command {
        command.arg(&self.means.program);
        clean(&mut command, &self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("FRUITNODE_DRAIN_TIMEOUT", DRAIN_TIMEOUT);
        command
    }

    /// What one node alone publishes of the photographs: bytes of the marker.
    pub(crate) fn run_alone(&mut self) -> Result<Vec<u8>, StormError> {
        let mut command = self.client();
        command.arg("run").args(JOB).args(["--to", "s3://fruit/alone/", "--threads", "1"]);
        succeed(command)?;
        self.supply.object("alone/_SUCCESS")?.ok_or_else(|| StormError::Tool {
            what: "fruitnode run".to_owned(),
            words: "it ended well and published nothing".to_owned(),
        })
    }
}

/// Addresses as `--host` takes them.
pub(crate) fn hosts(machines: &[Machine]) -> String {
    let addresses: Vec<_> = machines.iter().map(|machine| node_address(*machine)).collect();
    addresses.join(",")
}

/// In a folder, and without settings and credentials of whoever runs the storm.
fn clean(command: &mut Command, folder: &Path) {
    command.current_dir(folder).env("XDG_CONFIG_HOME", folder.join(".config"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("FRUITNODE_") || text.starts_with("AWS_") || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
}

fn succeed(mut command: Command) -> Result<(), StormError> {
    let output = command.output();
    let words = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(StormError::Tool { what: format!("{command:?}"), words })
}

fn count(folder: &Path) -> Result<u64, StormError> {
    let trouble = |source| StormError::File { path: folder.to_owned(), source };
    let mut files = 0;
    for entry in fs::read_dir(folder).map_err(trouble)? {
        let path = entry.map_err(trouble)?.path();
        files += if path.is_dir() { count(&path)? } else { 1 };
    }
    Ok(files)
}
