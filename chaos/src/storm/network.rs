//! Network namespaces: one for each machine, one for the store, one for clients, and one with the
//! bridge between them. They go with the value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::rules::{Host, Machine, Manner, Way, rules};
use super::{PREFIX, StormError};

/// First three numbers of all addresses; they exist inside the namespaces alone.
const SUBNET: &str = "10.83.0";

/// Last number of the store's address.
const STORE: u8 = 100;

/// Last number of the clients' address.
const CLIENTS: u8 = 101;

/// Port of every node.
const NODE_PORT: u16 = 7_400;

/// Removes the rules of partitions and outages, if there are any, and nothing else.
const FLUSH: &str = "table inet storm\ndelete table inet storm\ntable inet outage\n\
                     delete table inet outage\n";

/// Whether a bridge hands what it forwards to the filters of its own namespace: it is to forward.
const BRIDGE_FILTER: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Lets packets to this machine itself be sent elsewhere.
const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";

/// The namespaces of one cluster.
#[derive(Debug)]
pub(crate) struct Network {
    prefix: String,
    /// Those that exist: all are removed in the end.
    namespaces: Vec<String>,
    /// Hosts that have rules now.
    ruled: BTreeSet<Host>,
}

impl Network {
    /// Namespaces for so many machines, all of whom reach each other, and the store at this port of
    /// their own loopback. Names begin with the prefix, which nobody else uses.
    pub(crate) fn new(
        prefix: &str,
        machines: Machine,
        store_port: u16,
    ) -> Result<Self, StormError> {
        let prefix = prefix.to_owned();
        let mut network = Self { prefix, namespaces: Vec::new(), ruled: BTreeSet::new() };
        let bridge = network.add("bridge")?;
        ip(&["-n", &bridge, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &bridge, "link", "set", "br0", "up"])?;
        if Path::new(BRIDGE_FILTER).exists() {
            let mut only_forward = network.in_namespace(&bridge);
            only_forward.args(["tee", BRIDGE_FILTER]);
            fed(only_forward, "0\n")?;
        }
        for machine in 1..=machines {
            network.plug(&bridge, &format!("m{machine}"), machine)?;
        }
        network.plug(&bridge, "store", STORE)?;
        network.plug(&bridge, "clients", CLIENTS)?;
        for machine in 1..=machines {
            network.lead_to_the_store(&format!("m{machine}"), machine, store_port)?;
        }
        network.lead_to_the_store("clients", CLIENTS, store_port)?;
        Ok(network)
    }

    /// Lets the store be found on loopback: whoever speaks without TLS does so there alone.
    fn lead_to_the_store(&self, host: &str, last: u8, port: u16) -> Result<(), StormError> {
        let name = self.name(host);
        let mut allow = self.in_namespace(&name);
        allow.args(["tee", ROUTE_LOCALNET]);
        fed(allow, "1\n")?;
        let mut translate = self.in_namespace(&name);
        translate.args(["nft", "-f", "-"]);
        let store = address(Host::Store);
        let there = format!("ip daddr 127.0.0.1 tcp dport {port} dnat to {store}:{port}");
        let back = format!("ip saddr 127.0.0.1 ip daddr {store} snat to {SUBNET}.{last}");
        let chain = |name: &str, hook: &str, rule: &str| {
            format!("  chain {name} {{\n    type nat hook {hook};\n    {rule}\n  }}\n")
        };
        let out = chain("out", "output priority -100", &there);
        let post = chain("post", "postrouting priority 100", &back);
        fed(translate, &format!("table ip store {{\n{out}{post}}}\n"))
    }

    fn add(&mut self, host: &str) -> Result<String, StormError> {
        let name = self.name(host);
        ip(&["netns", "add", &name])?;
        self.namespaces.push(name.clone());
        Ok(name)
    }

    /// A namespace with an address, on the bridge.
    fn plug(&mut self, bridge: &str, host: &str, last: u8) -> Result<(), StormError> {
        let name = self.add(host)?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        let (port, address) = (format!("p{last}"), format!("{SUBNET}.{last}/24"));
        let add = ["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name];
        ip(&[&["-n", bridge][..], &add].concat())?;
        ip(&["-n", bridge, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &name, "addr", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &name, "link", "set", "eth0", "up"])
    }

    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    fn of_host(&self, host: Host) -> String {
        match host {
            Host::Machine(machine) => self.name(&format!("m{machine}")),
            Host::Store => self.name("store"),
        }
    }

    /// What runs a program on a host. The program takes the place of what is run: its process is
    /// the one that is started.
    pub(crate) fn on(&self, host: Host) -> Command {
        self.in_namespace(&self.of_host(host))
    }

    /// The same where clients are, whom no partition concerns.
    pub(crate) fn with_clients(&self) -> Command {
        self.in_namespace(&self.name("clients"))
    }

    fn in_namespace(&self, name: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]);
        command
    }

    /// Cuts these ways, and no others.
    pub(crate) fn cut(
        &mut self,
        ways: &BTreeSet<Way>,
        manner: Manner,
        outage: Option<Manner>,
    ) -> Result<(), StormError> {
        let mut texts: BTreeMap<Host, String> = rules(ways, manner, address);
        if let Some(manner) = outage {
            let verdict = match manner {
                Manner::Drop => "drop",
                Manner::Reject => "meta l4proto tcp reject with tcp reset",
            };
            // Beside the table of partitions, since whoever is cut off has one there too.
            let table = format!(
                "table inet outage {{\n  chain in {{\n    type filter hook input priority 0;\n    \
                 iifname \"eth0\" {verdict}\n  }}\n}}\n"
            );
            texts.entry(Host::Store).or_default().push_str(&table);
        }
        let before = std::mem::take(&mut self.ruled);
        for host in before.difference(&texts.keys().copied().collect()) {
            self.nft(*host, "")?;
        }
        for (host, text) in &texts {
            self.nft(*host, text)?;
        }
        self.ruled = texts.into_keys().collect();
        Ok(())
    }

    /// Has a host obey these rules alone, in one step.
    fn nft(&self, host: Host, text: &str) -> Result<(), StormError> {
        let mut command = self.on(host);
        command.args(["nft", "-f", "-"]);
        fed(command, &format!("{FLUSH}{text}"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.namespaces.iter().for_each(|name| remove(name));
    }
}

/// Removes what storms left that were killed themselves: namespaces named after processes that are
/// gone, and what still runs in them. Their names.
pub(crate) fn sweep() -> Vec<String> {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let left = names
        .filter(|name| owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
    let left: Vec<String> = left.map(str::to_owned).collect();
    left.iter().for_each(|name| remove(name));
    left
}

/// The storm that made a namespace.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Removes a namespace, and whatever runs in it: a process that outlived its owner would keep it.
fn remove(name: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() {
        let pids = String::from_utf8_lossy(&output.stdout).into_owned();
        let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.for_each(super::process::kill);
    }
    drop(ip(&["netns", "del", name]));
}

/// Where a host is.
pub(crate) fn address(host: Host) -> String {
    match host {
        Host::Machine(machine) => format!("{SUBNET}.{machine}"),
        Host::Store => format!("{SUBNET}.{STORE}"),
    }
}

/// Where a machine's node listens.
pub(crate) fn node_address(machine: Machine) -> String {
    format!("{}:{NODE_PORT}", address(Host::Machine(machine)))
}

/// Runs a command that reads this.
fn fed(mut command: Command, text: &str) -> Result<(), StormError> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let what = format!("{command:?}");
    let trouble = |words: String| StormError::Tool { what: what.clone(), words };
    let mut child = command.spawn().map_err(|error| trouble(error.to_string()))?;
    let mut input = child.stdin.take().expect("it was asked for");
    let written = input.write_all(text.as_bytes());
    drop(input);
    let output = child.wait_with_output().map_err(|error| trouble(error.to_string()))?;
    done(&output).map_err(trouble)?;
    written.map_err(|error| trouble(error.to_string()))
}

fn ip(arguments: &[&str]) -> Result<(), StormError> {
    let output = Command::new("ip").args(arguments).output();
    let words = match output {
        Ok(output) => match done(&output) {
            Ok(()) => return Ok(()),
            Err(words) => words,
        },
        Err(error) => error.to_string(),
    };
    Err(StormError::Tool { what: format!("ip {}", arguments.join(" ")), words })
}

fn done(output: &Output) -> Result<(), String> {
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_tells_which_storm_made_it() {
        assert_eq!(owner("storm4711-0-m1"), Some(4_711));
        for foreign in ["storm-m1", "blue", "stormy4711-m1", "4711-m1"] {
            assert_eq!(owner(foreign), None, "{foreign}");
        }
        assert_eq!(node_address(3), "10.83.0.3:7400");
    }
}
