//! What an answer of S3 means, in one line that says what to do.

use thiserror::Error;

use fruitnode_coordinator::retry::FailureReason;

use crate::s3::fault::{Blame, Fault, Kind, World};

/// Why S3 did not do what it was asked.
#[derive(Debug, Error)]
pub enum S3Error {
    /// No such bucket.
    #[error("{place}: no such bucket at {server}: check its name, `--profile` and `--endpoint`")]
    NoBucket {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
    },
    /// Nothing below a prefix.
    #[error("{place}: there is nothing there: check the bucket and the prefix")]
    Nothing {
        /// What was asked for.
        place: String,
    },
    /// A right is missing.
    #[error(
        "{place}: access denied ({words}): grant these credentials {right} on it{}",
        otherwise(right)
    )]
    Denied {
        /// What was asked for.
        place: String,
        /// The server's code and words.
        words: String,
        /// The right, as IAM calls it.
        right: &'static str,
    },
    /// The credentials are no longer valid, or never were.
    #[error(
        "{place}: {server} does not accept these credentials ({words}): renew or correct them; a \
         public bucket needs none (`--no-sign-request`)"
    )]
    BadCredentials {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
        /// The server's code and words.
        words: String,
    },
    /// Another region.
    #[error("{place}: the bucket is in region {region}: use `--region {region}`")]
    WrongRegion {
        /// What was asked for.
        place: String,
        /// Where it is.
        region: String,
    },
    /// Another region, and the server does not say which.
    #[error("{place}: the bucket is in another region: name it with `--region`")]
    OtherRegion {
        /// What was asked for.
        place: String,
    },
    /// The clocks differ.
    #[error(
        "{place}: the clocks of this machine and of {server} differ too much: set the clock \
         (timedatectl) and try again"
    )]
    ClockSkew {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
    },
    /// No answer, or none in time.
    #[error("{place}: cannot reach {server} ({words}): check the network and `--endpoint`")]
    Unreachable {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
        /// What the system said.
        words: String,
    },
    /// The server's certificate is not trusted, or it speaks no TLS.
    #[error(
        "{place}: no secure connection to {server} ({words}): add its certificate to the trusted \
         ones of this system, or correct `--endpoint`"
    )]
    Tls {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
        /// What the client said.
        words: String,
    },
    /// No credentials.
    #[error(
        "no S3 credentials found ({words}): name a profile with `--profile`, set AWS_ACCESS_KEY_ID \
         and AWS_SECRET_ACCESS_KEY, or give the instance a role; a public bucket needs none \
         (`--no-sign-request`)"
    )]
    NoCredentials {
        /// What the chain of providers said.
        words: String,
    },
    /// A profile that gives no credentials.
    #[error("--profile {profile}: no credentials found ({words}): check `aws configure list`")]
    BadProfile {
        /// Its name.
        profile: String,
        /// What is wrong with it.
        words: String,
    },
    /// No URL of a server.
    #[error("--endpoint: `{endpoint}` is not a valid server URL ({why}): write https://HOST:PORT")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// Not encrypted.
    #[error(
        "--endpoint: {endpoint} would send everything unencrypted: use https://, or --allow-http \
         on a private network"
    )]
    PlainHttp {
        /// What was given.
        endpoint: String,
    },
    /// A listing that cannot be cut into partitions.
    #[error(
        "{place}: the server lists `{key}` out of byte order, so it cannot be used as a source"
    )]
    Unordered {
        /// What was listed.
        place: String,
        /// The first key out of order.
        key: String,
    },
    /// A listing that tells versions not apart.
    #[error(
        "{place}: the server lists `{key}` without an ETag, so changes could not be detected: it \
         cannot be used as a source"
    )]
    NoEtag {
        /// What was listed.
        place: String,
        /// The first such key.
        key: String,
    },
    /// No space left, or no quota.
    #[error("{place}: no space left ({words}): free some, or choose another target")]
    Full {
        /// What was asked for.
        place: String,
        /// The server's code and words.
        words: String,
    },
    /// It fails, whatever it is asked.
    #[error("{place}: the server failed: {words}")]
    Failed {
        /// What was asked for.
        place: String,
        /// What the server or the client said.
        words: String,
    },
    /// It fails at this, while it answers everything else.
    #[error(
        "{place}: the server failed {times} times at this object and at no other: {words}. Check \
         whether the object can be read or written at all"
    )]
    FailedAlone {
        /// What was asked for.
        place: String,
        /// How often it was asked.
        times: u32,
        /// What the server or the client said.
        words: String,
    },
    /// An answer that says something else than was asked.
    #[error("{place}: invalid answer from the server: {words}")]
    Nonsense {
        /// What was asked for.
        place: String,
        /// What is wrong with it.
        words: String,
    },
    /// The object, its version or its upload is not there as it should be.
    #[error("{place}: it is missing or has changed since it was written ({words})")]
    Gone {
        /// What was asked for.
        place: String,
        /// The server's code and words.
        words: String,
    },
    /// The server does not do what is asked.
    #[error(
        "{place}: {server} does not support this request ({words}): it cannot serve this job, or a \
         setting of the bucket forbids it"
    )]
    NotDone {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
        /// The server's code and words.
        words: String,
    },
}

/// What else than a missing right may be why a bucket refuses this: its owner wants something said.
fn otherwise(right: &str) -> &'static str {
    match right {
        right if right.contains("s3:PutObject") => {
            "; if the bucket requires encryption, use `--sse`"
        }
        "s3:ListBucket" | "s3:GetObject" => {
            "; if the bucket is requester-pays, use `--request-payer`"
        }
        _ => "",
    }
}

/// What was asked of whom.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    /// What was asked for.
    pub(super) place: String,
    /// The server.
    pub(super) server: &'a str,
    /// The right that it takes.
    pub(super) right: &'static str,
}

impl S3Error {
    /// The meaning of a failed request.
    pub(super) fn of(asked: Asked<'_>, fault: &Fault) -> Self {
        let (server, right) = (asked.server.to_owned(), asked.right);
        let (place, words) = (asked.place, fault.words());
        if let Some(times) = fault.alone {
            return Self::FailedAlone { place, times, words };
        }
        match (fault.blame(), &fault.code[..]) {
            (Blame::World(world), _) => {
                let words = match fault.lasted.map(|lasted| lasted.as_secs()) {
                    None | Some(0) => words,
                    Some(seconds) => format!("{words}, for {seconds} seconds"),
                };
                match world {
                    World::Silent => Self::Unreachable { place, server, words },
                    World::Slow | World::Faulty | World::Narrow => Self::Failed { place, words },
                }
            }
            (Blame::Refused, _) => Self::refused((place, server), right, fault, words),
            (Blame::Object, _) => Self::Gone { place, words },
            (Blame::Job, "NoSuchBucket") => Self::NoBucket { place, server },
            (Blame::Job, "QuotaExceeded" | "XMinioStorageFull") => Self::Full { place, words },
            (Blame::Job, _) if fault.is(507) => Self::Full { place, words },
            (Blame::Job, _) => Self::NotDone { place, server, words },
        }
    }

    fn refused(
        (place, server): (String, String),
        right: &'static str,
        fault: &Fault,
        words: String,
    ) -> Self {
        match (fault.kind, fault.status.unwrap_or_default(), &fault.code[..]) {
            (Kind::Insecure, _, _) => Self::Tls { place, server, words },
            (Kind::NoCredentials, _, _) => Self::NoCredentials { words },
            (_, _, "RequestTimeTooSkewed" | "RequestExpired") => Self::ClockSkew { place, server },
            (_, 300..=399, _)
            | (
                _,
                _,
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "Redirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
            ) => match fault.region.clone() {
                Some(region) => Self::WrongRegion { place, region },
                None => Self::OtherRegion { place },
            },
            (
                _,
                _,
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "ExpiredTokenException"
                | "TokenRefreshRequired"
                | "InvalidSecurity"
                | "NotSignedUp",
            ) => Self::BadCredentials { place, server, words },
            _ => Self::Denied { place, words, right },
        }
    }

    /// What the failure means for the task that met it.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::NoBucket { .. }
            | Self::Nothing { .. }
            | Self::Unordered { .. }
            | Self::NoEtag { .. }
            | Self::FailedAlone { .. } => FailureReason::InputMissing,
            // Another attempt may find it otherwise, and a few of them know.
            Self::Nonsense { .. } | Self::Gone { .. } => FailureReason::DigestMismatch,
            Self::Denied { .. }
            | Self::BadCredentials { .. }
            | Self::WrongRegion { .. }
            | Self::OtherRegion { .. }
            | Self::ClockSkew { .. }
            | Self::Tls { .. }
            | Self::NoCredentials { .. } => FailureReason::StorageRefused,
            Self::BadProfile { .. }
            | Self::BadEndpoint { .. }
            | Self::PlainHttp { .. }
            | Self::NotDone { .. } => FailureReason::InvalidJob,
            Self::Full { .. } => FailureReason::StorageFull,
            Self::Unreachable { .. } | Self::Failed { .. } => FailureReason::StorageUnavailable,
        }
    }
}
