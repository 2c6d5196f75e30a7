//! What a store breaks when a test asks it to.

use std::time::Duration;

use super::habits::Habits;

/// How a store behaves. The default keeps every promise of S3.
#[derive(Debug, Clone)]
pub struct Switches {
    /// Keys in a page at most, whatever the client asks for.
    pub page_keys_max: usize,
    /// Wait before each request is carried out, as a network would make one wait.
    pub delay: Duration,
    /// Writes ignore If-None-Match in silence, as some servers do.
    pub ignore_if_none_match: bool,
    /// Writes ignore If-Match in silence.
    pub ignore_if_match: bool,
    /// Listings hold no ETag.
    pub no_etag_in_lists: bool,
    /// Requests that are answered 503 SlowDown and not carried out.
    pub slow_down: Which,
    /// Writes that are carried out while their reply is lost.
    pub lose_reply: Which,
    /// The one operation that these are counted among; nothing for every kind of write.
    pub lose_reply_of: Option<&'static str>,
    /// Whole reads whose body ends in the middle.
    pub cut_body: Which,
    /// Every request is refused because its clock is wrong.
    pub clock_skewed: bool,
    /// The bucket lies in this other region: every request is redirected there.
    pub moved_to: Option<String>,
    /// What nobody may do.
    pub denials: Vec<Denial>,
    /// What the second access key may not do either.
    pub guest_denials: Vec<Denial>,
    /// What this server does otherwise than S3.
    pub habits: Habits,
}

/// Some requests of a kind, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// None.
    Never,
    /// One.
    Nth(u64),
    /// Each whose number divides by this.
    Every(u64),
    /// So many of a hundred, spread over them.
    Percent(u64),
}

/// What one may be allowed to do, as IAM names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// `s3:ListBucket`
    ListBucket,
    /// `s3:ListBucketMultipartUploads`
    ListUploads,
    /// `s3:GetObject`
    GetObject,
    /// `s3:PutObject`
    PutObject,
    /// `s3:DeleteObject`
    DeleteObject,
    /// `s3:AbortMultipartUpload`
    AbortUpload,
}

/// A right that is missing below a prefix.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The right.
    pub right: Right,
    /// The keys that are concerned begin so; listings are, whose prefix does.
    pub below: String,
}

/// Requests that wait before they are carried out, until [`super::Store::let_go`].
#[derive(Debug, Clone)]
pub struct Hold {
    /// Name of the operation, such as `GetObject`; nothing for all of them.
    pub operation: Option<&'static str>,
    /// Keys begin so; empty for all of them.
    pub below: &'static str,
    /// The first that waits, counted from 1 among those of the operation, wherever their keys lie;
    /// all later ones do too, up to [`Self::to`].
    pub from: u64,
    /// The last that waits.
    pub to: u64,
    /// Whether reads and listings are carried out whatever else is said.
    pub writes: bool,
    /// How many wait at most: whatever comes then is carried out.
    pub at_most: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            page_keys_max: 1_000,
            delay: Duration::ZERO,
            ignore_if_none_match: false,
            ignore_if_match: false,
            no_etag_in_lists: false,
            slow_down: Which::Never,
            lose_reply: Which::Never,
            lose_reply_of: None,
            cut_body: Which::Never,
            clock_skewed: false,
            moved_to: None,
            denials: Vec::new(),
            guest_denials: Vec::new(),
            habits: Habits::default(),
        }
    }
}

impl Hold {
    /// Everything, from one request on.
    pub fn all(from: u64) -> Self {
        let (to, at_most) = (u64::MAX, u64::MAX);
        Self { operation: None, below: "", from, to, writes: false, at_most }
    }

    /// One operation, from one request on.
    pub fn of(operation: &'static str, from: u64) -> Self {
        Self { operation: Some(operation), ..Self::all(from) }
    }

    /// The first write of a key that begins so, of whatever kind.
    pub fn first_write(below: &'static str) -> Self {
        Self { writes: true, ..Self::all(0).below(below).first() }
    }

    /// Itself, for what lies below a prefix alone.
    pub fn below(self, below: &'static str) -> Self {
        Self { below, ..self }
    }

    /// Itself, for one request alone: all later ones are carried out.
    pub fn once(self) -> Self {
        Self { to: self.from, ..self }
    }

    /// Itself, for one request alone, which is the first that it meets.
    pub fn first(self) -> Self {
        Self { at_most: 1, ..self }
    }

    /// Whether a request waits, by its number and that among those of its operation.
    pub(super) fn holds(&self, operation: &str, key: &str, number: u64, of_kind: u64) -> bool {
        let reached = match self.operation {
            Some(wanted) => wanted == operation && (self.from..=self.to).contains(&of_kind),
            None => (self.from..=self.to).contains(&number),
        };
        let reads = ["Get", "Head", "List"].iter().any(|read| operation.starts_with(read));
        reached && key.starts_with(self.below) && !(self.writes && reads)
    }
}

impl Which {
    /// Whether the request with this number is one.
    pub fn hits(self, number: u64) -> bool {
        match self {
            Self::Never => false,
            Self::Nth(nth) => number == nth,
            Self::Every(every) => number.is_multiple_of(every),
            // Prime to 100: a hundred numbers in a row come out in another order.
            Self::Percent(percent) => number.wrapping_mul(37) % 100 < percent,
        }
    }
}

impl Right {
    /// What IAM calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListBucket => "s3:ListBucket",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
            Self::GetObject => "s3:GetObject",
            Self::PutObject => "s3:PutObject",
            Self::DeleteObject => "s3:DeleteObject",
            Self::AbortUpload => "s3:AbortMultipartUpload",
        }
    }
}

impl Denial {
    /// Everything of a kind.
    pub fn of(right: Right) -> Self {
        Self { right, below: String::new() }
    }

    /// What begins with a prefix.
    pub fn below(right: Right, prefix: &str) -> Self {
        Self { right, below: prefix.to_owned() }
    }

    /// Whether it concerns this.
    pub fn hits(&self, right: Right, key: &str) -> bool {
        self.right == right && key.starts_with(&self.below)
    }
}
