//! S3 for tests: objects in memory, behind the real protocol, over HTTP on loopback.
//!
//! It keeps what S3 promises (atomic objects, conditions, byte order of keys, signatures that are
//! checked, S3's own codes of errors) and, where a [`Switches`] says so, breaks what real servers
//! break: it ignores conditions, loses replies, cuts bodies, is slow or wants another region. What
//! it does not keep: versions, metadata and content types, checksums but MD5, and more buckets than
//! one.

mod base64;
mod bucket;
mod conditions;
mod console;
mod counters;
mod gate;
mod habits;
mod job;
mod listing;
mod server;
mod service;
mod switches;
mod uploads;

pub use bucket::Object;
pub use console::obey;
pub use counters::{Counters, Gets};
pub use habits::{Habits, Unreadable, Versions};
pub use job::{Job, MODIFIED_S, Visible};
pub use server::{Setup, Store};
pub use switches::{Denial, Hold, Right, Switches, Which};

/// Access key with every right.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7OWNER00";

/// Its secret.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYOWNERS0KEY";

/// Access key that lacks the rights named in [`Switches::guest_denials`].
pub const GUEST_ACCESS_KEY: &str = "AKIAIOSFODNN7GUEST00";

/// Its secret.
pub const GUEST_SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYGUESTS0KEY";
