//! One short storm of real nodes in network namespaces: a coordinator dies, a member leaves and
//! another one joins, the network and the store fail, and jobs run all the time.

use clap::Parser;
use fruitnode_chaos::storm::{self, StormArgs};

/// Nothing here is drawn, so that it fails or passes for one reason.
const SCRIPT: &str = "\
nodes 4
voters 3
jobs 1
+1 kill coordinator
+4 restart dead
+3 cut drop split m1
+6 heal
+2 outage reject
+4 supply
+2 token
+1 join
+3 leave m2
+4 freeze coordinator
+5 thaw frozen
+1 settle
";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    storm: StormArgs,
}

#[test]
fn a_short_storm_of_real_nodes_loses_and_repeats_nothing() {
    if let Err(error) = storm::check() {
        fruitnode_tests::say_skipped(&format!("a storm of real nodes: {error}"));
        return;
    }
    let (program, store) = (env!("CARGO_BIN_EXE_under-test"), env!("CARGO_BIN_EXE_test-store"));
    let line = ["storm", "--program", program, "--store", store, "--per-kind", "3"];
    let report = storm::replay(&Arguments::parse_from(line).storm, SCRIPT).unwrap();
    assert!(report.is_clean(), "what was wrong is told above\n{}", report.text());
    assert!(report.jobs() > 0, "{}", report.text());
}
