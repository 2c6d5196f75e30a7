//! What a call may be used for: one table, asked before every call. What is not in it nobody may.

use crate::error::{Refusal, RefusalKind};
use crate::identity::{Certified, Identity};
use crate::roster::{Roster, Standing};

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anybody at all, with a certificate or without.
    Anybody,
    /// Those that decide.
    Voters,
    /// Nodes of the cluster.
    Nodes,
    /// People.
    People,
    /// People and nodes.
    Everybody,
}

/// Services, methods (all where it says `*`), and who may call them; the first line that fits
/// counts.
const TABLE: [(&str, &str, Who); 9] = [
    ("Enrolment", "Enroll", Who::Anybody),
    ("Enrolment", "Readmit", Who::Anybody),
    ("Consensus", "*", Who::Voters),
    ("Work", "*", Who::Nodes),
    ("Reduction", "*", Who::Nodes),
    ("Inference", "Infer", Who::People),
    ("Control", "Status", Who::Everybody),
    // A node for itself alone, as the handler checks.
    ("Control", "DrainNode", Who::Everybody),
    ("Control", "*", Who::People),
];

/// Whether this caller may call the method of this path, `/fruitnode.v1.Service/Method`.
pub(super) fn permitted(
    path: &str,
    caller: Option<&Certified>,
    now_ms: u64,
    roster: &Roster,
) -> Result<(), Refusal> {
    let who = who(path).ok_or_else(|| Refusal::unimplemented(path))?;
    if let Some(caller) = caller {
        standing(caller, roster)?;
        if caller.not_after_ms <= now_ms {
            // Whoever calls may have a new one by now, which the next connection shows.
            let words = "the certificate of the connection has expired: connect again";
            return Err(Refusal::new(RefusalKind::Unavailable, words));
        }
    }
    let identity = caller.map(|caller| &caller.identity);
    match (who, identity) {
        (Who::Anybody, _)
        | (Who::Nodes, Some(Identity::Node(_)))
        | (Who::People, Some(Identity::Person(_)))
        | (Who::Everybody, Some(_)) => Ok(()),
        (Who::Voters, Some(Identity::Node(node))) => {
            // A cluster that is being made has no voters yet.
            let decides = match roster.voters.is_empty() {
                true => roster.addresses.contains_key(node),
                false => roster.voters.contains(node),
            };
            let words =
                || Refusal::denied(format!("{path} is only for voters, and {node} is not one"));
            decides.then_some(()).ok_or_else(words)
        }
        (_, None) => Err(Refusal::denied(format!(
            "{path} needs a certificate of the cluster: `fruitnode join` creates one for a node, \
             `fruitnode client create` one for a person or a program"
        ))),
        (Who::People, Some(node)) => {
            let words = format!(
                "{path} is only for clients, and {node} is not one: use a certificate of \
                 `fruitnode client create`"
            );
            Err(Refusal::denied(words))
        }
        (Who::Nodes | Who::Voters, Some(person)) => {
            Err(Refusal::denied(format!("{path} is only for nodes, and {person} is not one")))
        }
    }
}

/// Whether whoever has this certificate is to be heard at all. Who is only not listed may be newer
/// than the list of this node, which may have been away for long: that is no verdict.
pub(super) fn standing(caller: &Certified, roster: &Roster) -> Result<(), Refusal> {
    let identity = &caller.identity;
    let unknown = |words: String| Refusal::new(RefusalKind::Unavailable, words);
    Err(match (roster.standing(caller), identity) {
        (Standing::Good, _) => return Ok(()),
        (Standing::CutOff, Identity::Node(_)) => Refusal::denied(format!(
            "{identity} was removed from the cluster: empty its --data-dir and join again"
        )),
        (Standing::CutOff, Identity::Person(_)) => {
            Refusal::denied(format!("the certificate of {identity} was revoked: ask for a new one"))
        }
        (Standing::Unlisted, _) => unknown(format!(
            "{identity} is not known here, although its certificate is valid: if it was created \
             just now, try again"
        )),
        (Standing::OtherKey, _) => unknown(format!(
            "{identity} is known here with a different key than the one in its certificate"
        )),
    })
}

fn who(path: &str) -> Option<Who> {
    let (service, method) = path.strip_prefix("/fruitnode.v1.")?.split_once('/')?;
    let fits = |line: &&(&str, &str, Who)| line.0 == service && (line.1 == method || line.1 == "*");
    TABLE.iter().find(fits).map(|line| line.2)
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::{Digest, NodeId};

    use super::*;

    const NOW_MS: u64 = 1_000;

    fn of(identity: Identity) -> Certified {
        Certified {
            identity,
            cluster: "ab12cd34".to_owned(),
            serial: "77".to_owned(),
            key: Digest([7; 32]),
            not_before_ms: 0,
            not_after_ms: NOW_MS + 1,
        }
    }

    fn may(path: &str, caller: Option<&Certified>, roster: &Roster) -> bool {
        permitted(&format!("/fruitnode.v1.{path}"), caller, NOW_MS, roster).is_ok()
    }

    fn roster() -> Roster {
        let addresses = (1..=3).map(|node| (NodeId(node), String::new())).collect();
        Roster { index: 1, addresses, voters: [NodeId(1)].into(), ..Roster::default() }
    }

    #[test]
    fn each_kind_of_caller_may_what_the_table_says() {
        let voter = of(Identity::Node(NodeId(1)));
        let worker = of(Identity::Node(NodeId(2)));
        let person = of(Identity::Person("ann".to_owned()));
        let columns = [None, Some(&voter), Some(&worker), Some(&person)];
        for (path, expected) in [
            ("Enrolment/Enroll", [true, true, true, true]),
            ("Enrolment/Readmit", [true, true, true, true]),
            ("Consensus/Exchange", [false, true, false, false]),
            ("Consensus/Install", [false, true, false, false]),
            ("Consensus/Admit", [false, true, false, false]),
            ("Work/Attend", [false, true, true, false]),
            ("Work/Renew", [false, true, true, false]),
            ("Reduction/Moments", [false, true, true, false]),
            ("Reduction/Rows", [false, true, true, false]),
            ("Inference/Infer", [false, false, false, true]),
            ("Control/Status", [false, true, true, true]),
            ("Control/DrainNode", [false, true, true, true]),
            ("Control/CreateToken", [false, false, false, true]),
            ("Control/CreateClient", [false, false, false, true]),
            ("Control/RemoveNode", [false, false, false, true]),
            ("Control/CancelJob", [false, false, false, true]),
            ("Control/Backup", [false, false, false, true]),
            ("Unknown/Call", [false; 4]),
            ("Enrolment/Other", [false; 4]),
        ] {
            let found = columns.map(|caller| may(path, caller, &roster()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_cluster_without_voters_lets_listed_nodes_consult() {
        let none = Roster { voters: [].into(), ..roster() };
        assert!(may("Consensus/Exchange", Some(&of(Identity::Node(NodeId(3)))), &none));
        assert!(!may("Consensus/Exchange", Some(&of(Identity::Node(NodeId(4)))), &none));
    }

    #[test]
    fn who_is_cut_off_or_out_of_date_may_not_even_enrol() {
        let removed = Roster { removed: [NodeId(2)].into(), ..roster() };
        let worker = of(Identity::Node(NodeId(2)));
        let revoked = Roster { revoked: ["77".to_owned()].into(), ..roster() };
        let person = of(Identity::Person("ann".to_owned()));
        let expired = Certified { not_after_ms: NOW_MS, ..worker.clone() };
        for path in ["Enrolment/Enroll", "Control/Status", "Work/Attend"] {
            assert!(!may(path, Some(&worker), &removed), "{path}");
            assert!(!may(path, Some(&person), &revoked), "{path}");
            assert!(!may(path, Some(&expired), &roster()), "{path}");
        }
    }

    #[test]
    fn what_the_stolen_key_of_the_authority_signs_is_of_no_use() {
        let keys = [(NodeId(1), Digest([1; 32])), (NodeId(2), Digest([7; 32]))].into();
        let listed = Roster { keys, people: ["78".to_owned()].into(), ..roster() };
        let refused = |identity| {
            let forged = Certified { not_after_ms: u64::MAX, ..of(identity) };
            permitted("/fruitnode.v1.Control/Status", Some(&forged), NOW_MS, &listed).err()
        };
        let kind = |identity| refused(identity).map(|refusal| refusal.kind);
        let person = Identity::Person("ann".to_owned());
        for nobody in [Identity::Node(NodeId(1)), Identity::Node(NodeId(9)), person] {
            assert_eq!(kind(nobody), Some(RefusalKind::Unavailable));
        }
        assert_eq!(kind(Identity::Node(NodeId(2))), None);
    }

    #[test]
    fn the_table_names_every_service_of_the_contract() {
        let contract = include_str!("../../../proto/fruitnode/v1/mesh.proto");
        let mut service = "";
        let mut calls = 0;
        for line in contract.lines() {
            let words: Vec<&str> = line.trim().split([' ', '(']).collect();
            match words[..] {
                ["service", name, ..] => service = name,
                ["rpc", method, ..] => {
                    calls += 1;
                    let path = format!("/fruitnode.v1.{service}/{method}");
                    assert!(who(&path).is_some(), "{path}");
                }
                _ => {}
            }
        }
        assert!(calls > 20, "the contract was not read");
    }
}
