//! The only door to real time and chance. Everything else takes what it needs as arguments, so
//! that neither can slip into a decision or a published byte. Besides, how much memory this process
//! may use ([`memory`]), and how a test says aloud that it was skipped ([`skipped`]).

pub mod memory;
pub mod skipped;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// A point in monotonic time, for durations that are shown to people.
#[derive(Debug, Clone, Copy)]
pub struct Moment(std::time::Instant);

impl Moment {
    /// Now.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since then.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Time from an earlier moment to this one.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

/// Wall time in milliseconds since 1970-01-01 UTC.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A name that no other run has: 16 hexadecimal digits of time, process and an address chosen at
/// random by the system.
pub fn unique_name() -> String {
    let place = Box::new(0u8);
    let mut hash = Sha256::new();
    hash.update(wall_ms().to_le_bytes());
    hash.update(std::process::id().to_le_bytes());
    hash.update((&raw const *place as usize).to_le_bytes());
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name of this machine, for the story of a run alone. `None` where the system does not tell.
pub fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

/// Bytes that nobody can guess: secrets and serial numbers.
pub fn secret_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).expect("the system gives randomness once it has started");
    bytes
}
