//! What is said of nodes.

use std::collections::BTreeMap;

use fruitnode_proto::v1::NodeStatus;
use serde::Serialize;

use crate::cli::cluster::show::table::{NOTHING, Set, Table, bytes, count, line, span, time};
use crate::member::SILENT_MS;

/// Photographs a second, by node, where two looks at the cluster told them.
pub(crate) type Rates = BTreeMap<u64, f64>;

/// A node, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct NodeDocument<'a> {
    node: u64,
    id: String,
    address: &'a str,
    state: &'a str,
    role: &'a str,
    slots: u32,
    used: u32,
    compute_class: &'a str,
    release: &'a str,
    /// Not known where the cluster was looked at only once.
    photographs_per_s: Option<f64>,
    /// Since its process began.
    photographs: u64,
    quarantined: u64,
    gets: u64,
    bytes: u64,
    memory_bytes: u64,
    /// Milliseconds since 1970-01-01 UTC, of a node that attends.
    certificate_ends_unix_ms: Option<u64>,
    /// Of a node that has the log: for how long it has not answered there.
    log_silent_ms: u64,
    /// Of a node that has the log: entries that it has still to get.
    log_behind: u64,
    /// Whether it leaves for good.
    leaving: bool,
}

/// For programs.
pub(crate) fn document<'a>(node: &'a NodeStatus, rates: &Rates) -> NodeDocument<'a> {
    let beat = node.beat.clone().unwrap_or_default();
    NodeDocument {
        node: node.node,
        id: id(node.node),
        address: &node.address,
        state: &node.state,
        role: &node.role,
        slots: node.slots,
        used: node.used,
        compute_class: &node.compute_class,
        release: &node.release,
        photographs_per_s: rates.get(&node.node).copied(),
        photographs: beat.inferences,
        quarantined: beat.bad,
        gets: beat.gets,
        bytes: beat.bytes,
        memory_bytes: beat.memory_bytes,
        certificate_ends_unix_ms: certificate_ends_ms(node),
        log_silent_ms: node.log_silent_ms,
        log_behind: node.log_behind,
        leaving: node.leaving,
    }
}

/// When a node's certificate ends, milliseconds since 1970-01-01 UTC, if it has said so.
pub(crate) fn certificate_ends_ms(node: &NodeStatus) -> Option<u64> {
    node.beat.as_ref().map(|beat| beat.certificate_ends_ms).filter(|ends| *ends > 0)
}

/// A node's id as people write it.
pub(crate) fn id(node: u64) -> String {
    format!("n{node}")
}

/// What a node is, as people read it.
fn state(node: &NodeStatus) -> String {
    match (node.leaving, node.state.as_str()) {
        (true, "ready" | "draining") => "leaving".to_owned(),
        (true, state @ ("lost" | "joined")) => format!("{state}, leaving"),
        (_, state) => state.to_owned(),
    }
}

/// Every node, a line each.
pub(crate) fn table(nodes: &[NodeStatus], rates: &Rates, indent: &str) -> String {
    let mut table = Table::new(&[
        ("node", Set::Left),
        ("address", Set::Left),
        ("state", Set::Left),
        ("role", Set::Left),
        ("slots", Set::Right),
        ("photographs/s", Set::Right),
        ("release", Set::Left),
    ]);
    for node in nodes {
        table.row([
            id(node.node),
            node.address.clone(),
            state(node),
            node.role.clone(),
            format!("{}/{}", node.used, node.slots),
            rates.get(&node.node).map_or_else(|| NOTHING.to_owned(), |rate| format!("{rate:.0}")),
            node.release.clone(),
        ]);
    }
    table.text(indent)
}

/// One node, a line for each thing that is known.
pub(crate) fn details(node: &NodeStatus) -> String {
    let mut out = String::new();
    line(&mut out, "node", id(node.node));
    line(&mut out, "address", &node.address);
    line(&mut out, "state", state(node));
    line(&mut out, "role", &node.role);
    if node.log_silent_ms >= SILENT_MS {
        let words = format!("has not answered in the log for {}", span(node.log_silent_ms));
        line(&mut out, "silent", words);
    }
    if node.log_behind > 0 {
        line(&mut out, "behind", format!("{} entries of the log", count(node.log_behind)));
    }
    line(&mut out, "slots", format!("{} of {} used", node.used, node.slots));
    line(&mut out, "compute class", &node.compute_class);
    line(&mut out, "release", &node.release);
    if let Some(beat) = &node.beat {
        line(&mut out, "photographs", {
            let (done, bad) = (count(beat.inferences), count(beat.bad));
            format!("{done} since it was started, {bad} more quarantined")
        });
        line(&mut out, "fetched", format!("{} in {} GETs", bytes(beat.bytes), count(beat.gets)));
        line(&mut out, "memory", bytes(beat.memory_bytes));
    }
    if let Some(ends) = certificate_ends_ms(node) {
        line(&mut out, "certificate", format!("valid until {}", time(ends)));
    }
    out
}

/// Photographs a second between two looks at the cluster, so many seconds apart.
pub(crate) fn rates(earlier: &[NodeStatus], later: &[NodeStatus], seconds: f64) -> Rates {
    let done = |node: &NodeStatus| node.beat.as_ref().map(|beat| beat.inferences + beat.bad);
    let pairs = later.iter().filter_map(|node| {
        let before = earlier.iter().find(|before| before.node == node.node)?;
        // A process that was started anew counts from 0 again.
        let more = done(node)?.checked_sub(done(before)?)?;
        (seconds > 0.0).then(|| (node.node, more as f64 / seconds))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::from_member::Beat;

    use super::*;

    fn node(node: u64, state: &str, done: Option<u64>) -> NodeStatus {
        NodeStatus {
            node,
            address: format!("10.0.0.{node}:7400"),
            state: state.to_owned(),
            role: "voter".to_owned(),
            slots: 2,
            used: 1,
            granted: 1,
            clock_ahead_ms: 0,
            compute_class: "cpu-2".to_owned(),
            release: "0.1.0".to_owned(),
            beat: done.map(|inferences| Beat {
                inferences,
                memory_bytes: 1 << 20,
                certificate_ends_ms: 1_700_000_000_000,
                ..Beat::default()
            }),
            ..NodeStatus::default()
        }
    }

    #[test]
    fn every_node_is_a_line_with_its_speed_where_that_is_known() {
        let earlier =
            [node(1, "ready", Some(100)), node(2, "ready", Some(500)), node(3, "lost", None)];
        let later =
            [node(1, "ready", Some(300)), node(2, "ready", Some(20)), node(3, "lost", None)];
        let rates = rates(&earlier, &later, 2.0);
        assert_eq!(
            table(&later, &rates, ""),
            "\
node  address        state  role   slots  photographs/s  release
n1    10.0.0.1:7400  ready  voter    1/2            100  0.1.0
n2    10.0.0.2:7400  ready  voter    1/2              -  0.1.0
n3    10.0.0.3:7400  lost   voter    1/2              -  0.1.0
"
        );
        assert!(super::rates(&earlier, &later, 0.0).is_empty());
    }

    #[test]
    fn one_node_is_told_line_by_line() {
        let words = details(&node(7, "draining", Some(1_234)));
        for says in ["n7", "draining", "1 of 2 used", "1,234 since", "1.00 MiB", "2023-11-14"] {
            assert!(words.contains(says), "{says}: {words}");
        }
        assert!(!details(&node(7, "lost", None)).contains("memory"));
    }

    #[test]
    fn programs_get_numbers_and_null_for_what_is_not_known() {
        let json =
            serde_json::to_value(document(&node(1, "ready", Some(5)), &Rates::new())).unwrap();
        assert_eq!(json["id"], "n1");
        assert_eq!(json["photographs"], 5);
        assert_eq!(json["certificate_ends_unix_ms"], 1_700_000_000_000_u64);
        assert!(json["photographs_per_s"].is_null());
        let json = serde_json::to_value(document(&node(1, "lost", None), &Rates::new())).unwrap();
        assert!(json["certificate_ends_unix_ms"].is_null());
    }
}
