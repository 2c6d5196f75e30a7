//! Why each of several nodes did not take a call, told as one error that names them all.

use crate::error::MeshError;

/// Nodes that refused a call, by their addresses.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(String, MeshError)>);

impl Refusals {
    /// The node at this address refused.
    pub(super) fn add(&mut self, address: &str, error: MeshError) {
        self.0.push((address.to_owned(), error));
    }

    /// Whether the node at this address has refused already.
    pub(super) fn are_of(&self, address: &str) -> bool {
        self.0.iter().any(|(refused, _)| refused == address)
    }

    /// One error of these and of those to which no connection was made. It is a refusal when a node
    /// knows the caller and refuses, whoever is not there; else only when all refuse: who is merely
    /// not there may answer later.
    pub(super) fn and(&self, errors: Vec<MeshError>) -> MeshError {
        let told = self.0.iter().map(|(address, error)| (Some(address.as_str()), error));
        let told = told.chain(errors.iter().map(|error| (None, error)));
        let all: Vec<_> = told.clone().map(|(_, error)| error).collect();
        let denied = all.iter().find(|error| matches!(error, MeshError::Denied(_)));
        let denied = denied.filter(|_| !all.iter().any(|error| may_answer_later(error)));
        let passing = || all.iter().find(|error| is_passing(error));
        let Some(first) = denied.or_else(passing).or_else(|| all.first()) else {
            return MeshError::Invalid("no address given: name a node as HOST:PORT".to_owned());
        };
        if all.iter().all(|error| error == first) {
            return (*first).clone();
        }
        let begins = told.clone().position(|(_, error)| error == *first).unwrap_or(0);
        let others = told.clone().enumerate().filter(|(at, _)| *at != begins);
        let others: Vec<_> = others.map(|(_, told)| placed(told).to_string()).collect();
        let first = told.clone().nth(begins).map_or_else(|| (*first).clone(), placed);
        with_more(first, &others.join("; "))
    }
}

/// Whether a node is there that may take the call another time.
fn may_answer_later(error: &MeshError) -> bool {
    is_passing(error)
        && !matches!(error, MeshError::Unreachable { .. } | MeshError::TimedOut { .. })
}

fn is_passing(error: &MeshError) -> bool {
    !matches!(error, MeshError::Tls { .. } | MeshError::Denied(_) | MeshError::Invalid(_))
}

/// What a connection has to say names its address; what a node answered does not.
fn placed((address, error): (Option<&str>, &MeshError)) -> MeshError {
    match (address, error) {
        (Some(address), MeshError::Denied(words)) => {
            MeshError::Denied(format!("{address}: {words}"))
        }
        (Some(address), MeshError::Unavailable(words)) => {
            MeshError::Unavailable(format!("{address}: {words}"))
        }
        (_, error) => error.clone(),
    }
}

/// The same error, with what others said behind its own words.
fn with_more(error: MeshError, more: &str) -> MeshError {
    let and = |words: String| format!("{words}; {more}");
    match error {
        MeshError::Unreachable { address, words } => {
            MeshError::Unreachable { address, words: and(words) }
        }
        MeshError::Tls { address, words } => MeshError::Tls { address, words: and(words) },
        MeshError::NotLeader { leader, words } => {
            MeshError::NotLeader { leader, words: and(words) }
        }
        MeshError::NoLeader { words } => MeshError::NoLeader { words: and(words) },
        MeshError::Denied(words) => MeshError::Denied(and(words)),
        MeshError::NotFound(words) => MeshError::NotFound(and(words)),
        MeshError::Conflict(words) => MeshError::Conflict(and(words)),
        MeshError::Invalid(words) => MeshError::Invalid(and(words)),
        MeshError::Unavailable(words) => MeshError::Unavailable(and(words)),
        MeshError::Exhausted(words) => MeshError::Exhausted(and(words)),
        MeshError::Failed(words) => MeshError::Failed(and(words)),
        late @ MeshError::TimedOut { .. } => late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(address: &str, words: &str) -> MeshError {
        MeshError::Tls { address: address.to_owned(), words: words.to_owned() }
    }

    fn gone(address: &str) -> MeshError {
        let (address, words) = (address.to_owned(), "connection refused".to_owned());
        MeshError::Unreachable { address, words }
    }

    #[test]
    fn every_node_is_named_with_its_words() {
        let mut refusals = Refusals::default();
        refusals.add("a:1", tls("a:1", "another cluster"));
        let error = refusals.and(vec![tls("b:2", "expired")]);
        assert!(matches!(error, MeshError::Tls { .. }), "{error:?}");
        assert_eq!(error.to_string(), "a:1: another cluster; b:2: expired");
        let denied = || MeshError::Denied("ann was revoked".to_owned());
        let mut refusals = Refusals::default();
        refusals.add("a:1", denied());
        assert_eq!(refusals.and(Vec::new()), denied());
        refusals.add("b:2", denied());
        assert_eq!(refusals.and(Vec::new()), denied(), "what all say is said once");
        let error = refusals.and(vec![tls("c:3", "expired")]);
        assert_eq!(error.to_string(), "a:1: ann was revoked; b:2: ann was revoked; c:3: expired");
    }

    #[test]
    fn it_is_a_refusal_only_when_all_refuse() {
        let mut refusals = Refusals::default();
        refusals.add("a:1", tls("a:1", "another cluster"));
        let error = refusals.and(vec![gone("b:2")]);
        assert!(matches!(error, MeshError::Unreachable { .. }), "{error:?}");
        let words = "cannot reach b:2: connection refused; a:1: another cluster";
        assert_eq!(error.to_string(), words);
        // A node of the caller's own cluster knows whom it refuses.
        let mut refusals = Refusals::default();
        refusals.add("a:1", MeshError::Denied("n4 was removed".to_owned()));
        let error = refusals.and(vec![gone("b:2")]);
        assert!(matches!(error, MeshError::Denied(_)), "{error:?}");
        let nobody = Refusals::default().and(Vec::new());
        assert!(matches!(nobody, MeshError::Invalid(_)), "{nobody:?}");
    }
}
