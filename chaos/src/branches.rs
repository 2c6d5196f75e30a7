//! The branches that the machines of the control plane note, by their names.

use std::collections::BTreeSet;

/// Seeds within which every branch is to be reached.
pub const SEEDS_FOR_ALL: u64 = 1_000;

/// Machines whose branches have names.
const MACHINES: [&str; 4] = ["leader: ", "member: ", "worker: ", "voter: "];

/// Every branch that a machine notes, as its source names it: one that is new is missed until some
/// seed reaches it.
pub fn branches() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../../coordinator/src/control/leader/mod.rs"),
        include_str!("../../coordinator/src/control/leader/sessions.rs"),
        include_str!("../../coordinator/src/control/leader/orders.rs"),
        include_str!("../../coordinator/src/control/leader/duties.rs"),
        include_str!("../../coordinator/src/control/leader/voters.rs"),
        include_str!("../../coordinator/src/control/member/mod.rs"),
        include_str!("../../coordinator/src/control/worker/mod.rs"),
        include_str!("../../coordinator/src/control/voter/mod.rs"),
    ];
    let literals = sources.into_iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    literals.filter(|literal| MACHINES.iter().any(|of| literal.starts_with(of))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_read_and_every_machine_has_branches() {
        let branches = branches();
        for machine in MACHINES {
            let of = branches.iter().filter(|branch| branch.starts_with(machine)).count();
            assert!(of >= 8, "{machine}{of}: {branches:?}");
        }
    }
}
