//! The layers of the design hold, and each rule is seen to fire.

use fruitnode_tests::layering::{
    CRATES, EXCEPTED, IMPURE, banned, consensus_breaches, coordinator_breaches, crate_edges,
    linked, linked_beside, metadata, module_breaches, node_breaches, upward,
};
use fruitnode_tests::repo_root;

fn breaches(module: &str, text: &str) -> Vec<String> {
    module_breaches(module, text)
}

#[test]
fn crates_depend_on_lower_layers_alone() {
    let edges = crate_edges(&metadata(&repo_root()).unwrap());
    assert!(edges.iter().any(|(from, to)| from == "fruitnode-tests" && to == "fruitnode"));
    assert_eq!(upward(&edges, CRATES), Vec::<String>::new());
}

#[test]
fn a_dependency_upwards_or_on_an_unknown_crate_is_a_breach() {
    let edge = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
    assert_eq!(upward(&edge("fruitnode-coordinator", "fruitnode"), CRATES).len(), 1);
    assert_eq!(upward(&edge("fruitnode", "fruitnode"), CRATES).len(), 1);
    assert_eq!(upward(&edge("fruitnode-extra", "fruitnode"), CRATES).len(), 1);
}

#[test]
fn the_coordinator_links_nothing_that_touches_the_world() {
    let metadata = metadata(&repo_root()).unwrap();
    let coordinator = linked_beside(&metadata, "fruitnode-coordinator", &EXCEPTED);
    assert!(coordinator.contains("fruitnode-proto"), "the tree is not seen");
    assert_eq!(banned(&coordinator, IMPURE), Vec::<&str>::new());

    let with_raft = linked(&metadata, "fruitnode-coordinator");
    assert!(banned(&with_raft, IMPURE).contains(&"rand"), "the exception excepts nothing");

    let node = linked(&metadata, "fruitnode");
    let found = banned(&node, IMPURE);
    for name in ["tokio", "mio", "candle-core", "arrow-array", "rand_core", "zune-jpeg"] {
        assert!(found.contains(&name), "the rule does not see {name} where it is");
    }
}

#[test]
fn consensus_is_named_by_the_replica_alone() {
    assert_eq!(coordinator_breaches(&repo_root()).unwrap(), Vec::<String>::new());
    for text in ["use raft::RawNode;", "fn f(m: protobuf::Message) {}", "use slog::o;"] {
        assert_eq!(consensus_breaches(text).len(), 1, "{text}");
    }
    assert_eq!(consensus_breaches("use crate::replica::Replica;"), Vec::<String>::new());
}

#[test]
fn modules_of_the_node_use_lower_layers_alone() {
    assert_eq!(node_breaches(&repo_root()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_module_that_reaches_up_or_sideways_is_a_breach() {
    for (module, text) in [
        ("model", "use crate::storage::Sink;"),
        ("storage", "use crate::pipeline::decode;"),
        ("pca", "fn f() { crate::model::load() }"),
        ("rows", "use crate::{env, output::{self, csv}};"),
        ("output", "use crate::{\n    rows::BadRow,\n    actors::Job,\n};"),
        ("storage", "use crate::nowhere::X;"),
        ("storage", "use fruitnode::cli::X;"),
    ] {
        assert_eq!(breaches(module, text).len(), 1, "{module}: {text}");
    }
}

#[test]
fn a_library_outside_its_modules_is_a_breach() {
    for (module, text) in [
        ("storage", "use candle_core::Tensor;"),
        ("pipeline", "fn f(x: &faer::Mat<f64>) {}"),
        ("output", "use aws_sdk_s3 as s3; use aws_sdk_s3::Client;"),
        ("actors", "use tonic::Status;"),
        ("actors", "use raft::RawNode;"),
        ("model", "use tokio::sync::mpsc;"),
        ("pca", "async fn f() { ::tokio::task::yield_now().await }"),
    ] {
        assert_eq!(breaches(module, text).len(), 1, "{module}: {text}");
    }
}

#[test]
fn what_the_layers_allow_is_no_breach() {
    for (module, text) in [
        ("actors", "use crate::{storage::Sink, pca::Fit};\nuse tokio::sync::mpsc;"),
        (
            "model",
            "use candle_core::Tensor;\nuse crate::model::profile;\nuse crate::rows::Subject;",
        ),
        ("storage", "// use crate::actors::Job;\nfn f() { g(\"crate::cli::X\") }"),
        ("storage", "#[cfg(test)]\nmod tests { use crate::actors::Job; }"),
        ("main", "fn main() { fruitnode::cli::run() }"),
        ("storage", "use fruitnode_coordinator::ids::Digest;"),
    ] {
        assert_eq!(breaches(module, text), Vec::<String>::new(), "{module}: {text}");
    }
}
