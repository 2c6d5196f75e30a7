//! Who may depend on whom, among the crates and inside `node`.
//!
//! The crate graph comes from cargo, the graph inside `node` from the paths its code names.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::rust_code::{code, without_tests};
use crate::tidy;

/// Crates of the workspace in layers: each may depend on those of lower layers alone.
pub const CRATES: &[(&str, u8)] = &[
    ("fruitnode-proto", 0),
    ("fruitnode-coordinator", 1),
    ("fruitnode", 2),
    ("fruitnode-chaos", 2),
    ("fruitnode-tests", 3),
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

/// The exception to the coordinator's purity, with all that it pulls: consensus.
pub const EXCEPTED: [&str; 1] = ["raft"];

/// Libraries that the coordinator names in its module `replica` alone.
pub const OF_THE_REPLICA: [&str; 3] = ["protobuf", "raft", "slog"];

/// Modules of `node` in layers: each may use those of lower layers, and itself, alone.
pub const MODULES: &[(&str, u8)] = &[
    ("main", 11),
    ("lib", 11),
    ("cli", 10),
    ("local", 9),
    ("member", 9),
    ("actors", 8),
    ("tasks", 7),
    ("verified", 7),
    ("demo", 7),
    ("fitted_file", 6),
    ("verify", 6),
    ("story", 6),
    ("hub", 6),
    ("http", 6),
    ("storage", 5),
    ("pipeline", 5),
    ("output", 5),
    ("mesh", 5),
    ("consensus", 5),
    ("model", 4),
    ("pca", 4),
    ("rows", 3),
    ("wire", 3),
    ("config", 2),
    ("failure", 2),
    ("memory", 2),
    ("skipped", 2),
    ("env", 2),
];

/// Libraries that stay in some modules of `node`, by the first word of their names.
pub const KEPT_IN: &[(&str, &[&str])] = &[
    ("candle", &["model", "pipeline"]),
    ("faer", &["pca"]),
    ("bincode", &["wire"]),
    ("aws", &["storage"]),
    ("tonic", &["mesh"]),
    ("tower", &["mesh"]),
    ("hyper", &["mesh"]),
    ("rcgen", &["mesh"]),
    ("x509", &["mesh"]),
    ("rustls", &["mesh", "hub", "env", "storage"]),
    ("tokio_rustls", &["mesh"]),
    ("raft", &[]),
    ("redb", &["consensus"]),
    ("reqwest", &["hub"]),
];

/// Libraries that some modules of `node` must not name.
pub const KEPT_OUT: &[(&str, &[&str])] = &[("tokio", &["model", "pca", "rows"])];

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
    linked_beside(metadata, root, &[])
}

/// Names of all that is linked into the crate `root` in other ways than through `excepted`. What
/// these pull is seen again as soon as anything else pulls it too.
pub fn linked_beside(metadata: &Metadata, root: &str, excepted: &[&str]) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("metadata is asked for with dependencies");
    let first = metadata.packages.iter().find(|package| package.name == root);
    let mut waiting: Vec<&PackageId> = first.map(|package| &package.id).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if excepted.contains(&metadata[id].name.as_str()) || !seen.insert(id) {
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

/// Those of `names` whose first word is in `banned`.
pub fn banned<'a>(names: &'a BTreeSet<String>, banned: &[&str]) -> Vec<&'a str> {
    let hit = |name: &str| banned.iter().any(|word| begins_with_word(name, word));
    names.iter().map(String::as_str).filter(|name| hit(name)).collect()
}

/// Breaches inside `node`: of its modules' layers, and of where libraries may be named. Tests may
/// name what they like.
pub fn node_breaches(root: &Path) -> io::Result<Vec<String>> {
    let files = tidy::files(root)?.unwrap_or_default();
    let mut breaches = Vec::new();
    for file in &files {
        let Some(below) = file.path.strip_prefix("node/src/") else {
            continue;
        };
        if below.ends_with(".rs") && !below.contains("/tests/") && !below.ends_with("/tests.rs") {
            let module = below.split(['/', '.']).next().unwrap_or_default();
            let found = module_breaches(module, &file.text);
            breaches.extend(found.into_iter().map(|why| format!("{}: {why}", file.path)));
        }
    }
    Ok(breaches)
}

/// Breaches inside the coordinator: of where consensus may be named.
pub fn coordinator_breaches(root: &Path) -> io::Result<Vec<String>> {
    let files = tidy::files(root)?.unwrap_or_default();
    let mut breaches = Vec::new();
    for file in &files {
        let Some(below) = file.path.strip_prefix("coordinator/src/") else {
            continue;
        };
        if below.ends_with(".rs") && !below.starts_with("replica/") {
            let found = consensus_breaches(&file.text);
            breaches.extend(found.into_iter().map(|why| format!("{}: {why}", file.path)));
        }
    }
    Ok(breaches)
}

/// Breaches of one file of the coordinator that does not belong to `replica`.
pub fn consensus_breaches(text: &str) -> Vec<String> {
    let code = code(text);
    let names: BTreeSet<String> = words(&code).map(str::to_owned).collect();
    let named = OF_THE_REPLICA.iter().filter(|library| paths_of(&code, &names, library));
    named.map(|library| format!("{library} types must not leave the replica")).collect()
}

/// Breaches of one file of `node` that belongs to the module `module`.
pub fn module_breaches(module: &str, text: &str) -> Vec<String> {
    let code = without_tests(&code(text));
    let used = modules_used(&code).into_iter().filter(|used| used != module);
    let edges: Vec<_> = used.map(|used| (module.to_owned(), used)).collect();
    let mut breaches = upward(&edges, MODULES);
    let names: BTreeSet<String> = words(&code).map(str::to_owned).collect();
    for (library, homes) in KEPT_IN {
        if !homes.contains(&module) && paths_of(&code, &names, library) {
            breaches.push(format!("{library} types must not leave {homes:?}"));
        }
    }
    for (library, strangers) in KEPT_OUT {
        if strangers.contains(&module) && paths_of(&code, &names, library) {
            breaches.push(format!("{module} must not know {library}"));
        }
    }
    breaches
}

/// Modules named in paths that begin with `crate::`, or with the name of the library as `main` and
/// tests write it.
fn modules_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for start in ["crate::", "fruitnode::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let path = &code[at + start.len()..];
            match path.strip_prefix('{') {
                Some(group) => used.extend(group_heads(group)),
                None => used.extend(words(path).next().map(str::to_owned)),
            }
        }
    }
    used.remove("fruitnode");
    used
}

/// First words of the paths in a group, up to the brace that closes it.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0_usize, Vec::new(), true);
    let mut rest = group;
    while let Some(letter) = rest.chars().next() {
        match letter {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => head = true,
            _ if head && is_word(letter) => {
                heads.extend(words(rest).next().map(str::to_owned));
                head = false;
            }
            _ => {}
        }
        rest = &rest[letter.len_utf8()..];
    }
    heads
}

/// Whether a path in the code begins with a library of this first word.
fn paths_of(code: &str, names: &BTreeSet<String>, library: &str) -> bool {
    let candidates = names.iter().filter(|name| begins_with_word(name, library));
    candidates.into_iter().any(|name| {
        let (path, import) = (format!("{name}::"), format!("use {name};"));
        let begins = |at: usize| {
            let before = &code[..at];
            match before.strip_suffix("::") {
                Some(before) => !before.ends_with(|letter| is_word(letter) || letter == '>'),
                None => !before.ends_with(is_word),
            }
        };
        code.contains(&import) || code.match_indices(&path).any(|(at, _)| begins(at))
    })
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter| !is_word(letter)).filter(|word| !word.is_empty())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn begins_with_word(name: &str, word: &str) -> bool {
    let rest = name.strip_prefix(word);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}
