//! The layers of the design hold, and each rule is seen to fire.

use fruitnode_tests::layering::{
    CRATES, IMPURE, KEPT_IN, banned, crate_edges, libraries, linked, metadata, strays, upward,
};
use fruitnode_tests::repo_root;

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
    assert_eq!(upward(&edge("fruitnode-storage", "fruitnode-pca"), CRATES).len(), 1);
    assert_eq!(upward(&edge("fruitnode", "fruitnode"), CRATES).len(), 1);
    assert_eq!(upward(&edge("fruitnode-extra", "fruitnode"), CRATES).len(), 1);
}

#[test]
fn the_coordinator_links_nothing_that_touches_the_world() {
    let metadata = metadata(&repo_root()).unwrap();
    let coordinator = linked(&metadata, "fruitnode-coordinator");
    assert!(coordinator.contains("fruitnode-proto"), "the tree is not seen");
    assert_eq!(banned(&coordinator, IMPURE), Vec::<&str>::new());

    let node = linked(&metadata, "fruitnode");
    let found = banned(&node, IMPURE);
    for name in ["tokio", "mio", "candle-core", "arrow-array", "rand_core", "zune-jpeg"] {
        assert!(found.contains(&name), "the rule does not see {name} where it is");
    }
}

#[test]
fn a_library_stays_in_the_crates_that_keep_it() {
    let direct = libraries(&metadata(&repo_root()).unwrap());
    assert!(direct.contains(&("fruitnode-pca".to_owned(), "faer".to_owned())));
    assert_eq!(strays(&direct, KEPT_IN), Vec::<String>::new());

    for (from, to) in [
        ("fruitnode-storage", "candle-core"),
        ("fruitnode-vision", "tokio"),
        ("fruitnode", "tonic"),
        ("fruitnode-coordinator", "raft"),
    ] {
        let edge = vec![(from.to_owned(), to.to_owned())];
        assert_eq!(strays(&edge, KEPT_IN).len(), 1, "{from} -> {to}");
    }
}
