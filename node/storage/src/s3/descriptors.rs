//! How many connections this process may have: what the system allows, less what the rest needs.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is no connection to a store: logs, the log on disk, listeners,
/// other nodes, events, weights, photographs.
const OTHERS: u64 = 24;

/// Connections that a request may take: one is in use, and one may be idle in another client.
const PER_REQUEST: u64 = 2;

/// Requests to one store at a time, however many descriptors there are.
const REQUESTS_MOST: u64 = 256;

/// Takes as many descriptors as this process may have.
pub fn use_all_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where that is refused, fewer are used.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Requests to one store that this process has descriptors for.
pub(super) fn requests_most() -> u32 {
    static MOST: OnceLock<u32> = OnceLock::new();
    *MOST.get_or_init(|| of(getrlimit(Resource::Nofile).current))
}

fn of(descriptors: Option<u64>) -> u32 {
    let spare = descriptors.unwrap_or(u64::MAX).saturating_sub(OTHERS);
    (spare / PER_REQUEST).clamp(1, REQUESTS_MOST) as u32
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn few_descriptors_are_few_requests_and_never_none() {
        assert_eq!([0, 24, 32, 64, 256, 1_024].map(|most| of(Some(most))), [1, 1, 4, 20, 116, 256]);
        assert_eq!(of(None), 256);
    }
}
