//! What cargo cannot say of the layers: in which order the crates may ever be stacked, which of
//! them keep a library to themselves, and that nothing impure reaches the coordinator by a detour.
//!
//! Everything comes from cargo's own graph. Inside a crate the compiler keeps the walls.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crates of the workspace in layers: each may depend on those of lower layers alone.
pub const CRATES: &[(&str, u8)] = &[
    ("fruitnode-proto", 0),
    ("fruitnode-env", 0),
    ("fruitnode-coordinator", 1),
    ("fruitnode-vision", 1),
    ("fruitnode-replica", 2),
    ("fruitnode-pca", 2),
    ("fruitnode-storage", 2),
    ("fruitnode-mesh", 2),
    ("fruitnode-consensus", 3),
    ("fruitnode-chaos", 3),
    ("fruitnode-result", 3),
    ("fruitnode", 4),
    ("fruitnode-tests", 5),
];

/// What the coordinator's dependency tree must not hold, by the first words of crates' names: no
/// runtime, network, file format, tensor, randomness or clock.
pub const IMPURE: &[&str] = &[
    "arrow",
    "async",
    "aws",
    "axum",
    "candle",
    "chrono",
    "crossbeam",
    "faer",
    "fastrand",
    "futures",
    "getrandom",
    "h2",
    "http",
    "hyper",
    "image",
    "mio",
    "object",
    "parking_lot",
    "parquet",
    "rand",
    "rayon",
    "reqwest",
    "rustix",
    "rustls",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tonic",
    "tower",
    "tracing",
    "ureq",
    "uuid",
    "zune",
];

/// Libraries that some crates keep to themselves, by the first word of their names. Tests may use
/// what they like.
pub const KEPT_IN: &[(&str, &[&str])] = &[
    ("arrow", &["fruitnode-result"]),
    ("aws", &["fruitnode-storage"]),
    ("bincode", &["fruitnode-pca"]),
    ("candle", &["fruitnode-vision"]),
    ("clap", &["fruitnode", "fruitnode-chaos"]),
    ("faer", &["fruitnode-pca"]),
    ("hyper", &["fruitnode-mesh"]),
    ("parquet", &["fruitnode-result"]),
    ("protobuf", &["fruitnode-replica"]),
    ("raft", &["fruitnode-replica"]),
    ("rcgen", &["fruitnode-mesh"]),
    ("redb", &["fruitnode-consensus"]),
    ("reqwest", &["fruitnode-storage"]),
    ("rustls", &["fruitnode-env", "fruitnode-mesh", "fruitnode-storage"]),
    ("slog", &["fruitnode-replica"]),
    (
        "tokio",
        &[
            "fruitnode",
            "fruitnode-chaos",
            "fruitnode-consensus",
            "fruitnode-mesh",
            "fruitnode-storage",
        ],
    ),
    ("tonic", &["fruitnode-mesh"]),
    ("tower", &["fruitnode-mesh"]),
    ("x509", &["fruitnode-mesh"]),
];

/// What cargo knows of the workspace below `root`, for this kind of machine.
pub fn metadata(root: &Path) -> Result<Metadata, cargo_metadata::Error> {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-gnu" };
    let target = format!("{}-{system}", std::env::consts::ARCH);
    let options = ["--locked", "--filter-platform", &target].map(str::to_owned);
    MetadataCommand::new().manifest_path(root.join("Cargo.toml")).other_options(options).exec()
}

/// Dependencies between crates of the workspace, `(from, to)`, those of tests included.
pub fn crate_edges(metadata: &Metadata) -> Vec<(String, String)> {
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let mut edges = Vec::new();
    for package in &members {
        for dependency in &package.dependencies {
            if names.contains(dependency.name.as_str()) {
                edges.push((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    edges
}

/// Edges that do not lead to a lower layer, or whose crates have no layer.
pub fn upward(edges: &[(String, String)], layers: &[(&str, u8)]) -> Vec<String> {
    let layer = |name: &str| layers.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
    let mut breaches = Vec::new();
    for (from, to) in edges {
        match (layer(from), layer(to)) {
            (Some(high), Some(low)) if high > low => {}
            (Some(_), Some(_)) => breaches.push(format!("{from} must not use {to}")),
            (None, _) => breaches.push(format!("{from} has no layer: give it one")),
            (_, None) => breaches.push(format!("{to} has no layer: give it one")),
        }
    }
    breaches
}

/// Names of all that is linked into the crate `root`, itself included.
pub fn linked(metadata: &Metadata, root: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("metadata is asked for with dependencies");
    let first = metadata.packages.iter().find(|package| package.name == root);
    let mut waiting: Vec<&PackageId> = first.map(|package| &package.id).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        for node in resolve.nodes.iter().filter(|node| node.id == *id) {
            let linked = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            waiting.extend(linked.map(|dependency| &dependency.pkg));
        }
    }
    let names = seen.into_iter().map(|id| metadata[id].name.to_string());
    names.collect()
}

/// Dependencies on a library from outside the crates that keep it, `(crate, library)`.
pub fn strays(direct: &[(String, String)], kept: &[(&str, &[&str])]) -> Vec<String> {
    let strays = direct.iter().filter(|(crate_name, library)| {
        let homes = kept.iter().find(|(word, _)| begins_with_word(library, word));
        crate_name != "fruitnode-tests"
            && homes.is_some_and(|(_, homes)| !homes.contains(&crate_name.as_str()))
    });
    strays.map(|(crate_name, library)| format!("{crate_name} must not use {library}")).collect()
}

/// Dependencies of the workspace's crates on libraries, `(crate, library)`, without those of tests.
pub fn libraries(metadata: &Metadata) -> Vec<(String, String)> {
    let mut direct = Vec::new();
    for package in metadata.workspace_packages() {
        let normal = |kind| kind == DependencyKind::Normal;
        for dependency in package.dependencies.iter().filter(|one| normal(one.kind)) {
            direct.push((package.name.to_string(), dependency.name.clone()));
        }
    }
    direct
}

/// Those of `names` whose first word is in `banned`.
pub fn banned<'a>(names: &'a BTreeSet<String>, banned: &[&str]) -> Vec<&'a str> {
    let hit = |name: &str| banned.iter().any(|word| begins_with_word(name, word));
    names.iter().map(String::as_str).filter(|name| hit(name)).collect()
}

fn begins_with_word(name: &str, word: &str) -> bool {
    let rest = name.strip_prefix(word);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}
