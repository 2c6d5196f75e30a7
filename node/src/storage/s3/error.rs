//! What an answer of S3 means, in one line that says what to do.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use fruitnode_coordinator::retry::FailureReason;
use thiserror::Error;

use crate::storage::s3::connect::Failed;

/// Why S3 did not do what it was asked.
#[derive(Debug, Error)]
pub enum S3Error {
    /// No such bucket.
    #[error(
        "{place}: there is no such bucket at {server}: check its name, `--profile` and `--endpoint`"
    )]
    NoBucket {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
    },
    /// Nothing below a prefix.
    #[error("{place}: nothing lies there: check the bucket and the prefix")]
    Nothing {
        /// What was asked for.
        place: String,
    },
    /// A right is missing.
    #[error("{place}: these credentials may not do this ({words}): grant them {right} on it")]
    Denied {
        /// What was asked for.
        place: String,
        /// The server's code and words.
        words: String,
        /// The right, as IAM calls it.
        right: &'static str,
    },
    /// The credentials are no longer valid, or never were.
    #[error("{place}: {server} does not accept these credentials ({words}): renew or correct them")]
    BadCredentials {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
        /// The server's code and words.
        words: String,
    },
    /// Another region.
    #[error("{place}: the bucket is in the region {region}: say `--region {region}`")]
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
        "{place}: the clock of this machine differs from that of {server}: set it (timedatectl), \
         and try again"
    )]
    ClockSkew {
        /// What was asked for.
        place: String,
        /// The server.
        server: String,
    },
    /// No answer, or none in time.
    #[error("{place}: {server} cannot be reached ({words}): check the network and `--endpoint`")]
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
        "{place}: no secure connection to {server} ({words}): add its certificate to those of the \
         system, or correct `--endpoint`"
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
        "no credentials for S3 were found ({words}): name a profile with `--profile`, set \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the instance a role"
    )]
    NoCredentials {
        /// What the chain of providers said.
        words: String,
    },
    /// A profile that gives no credentials.
    #[error("--profile {profile}: it gives no credentials ({words}): see `aws configure list`")]
    BadProfile {
        /// Its name.
        profile: String,
        /// What is wrong with it.
        words: String,
    },
    /// No URL of a server.
    #[error("--endpoint: `{endpoint}` is not the URL of a server ({why}): write https://HOST:PORT")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// Not encrypted.
    #[error(
        "--endpoint: {endpoint} would send everything unencrypted: use https:// (plain http:// is \
         for servers on this machine alone)"
    )]
    PlainHttp {
        /// What was given.
        endpoint: String,
    },
    /// A listing that cannot be cut into partitions.
    #[error("{place}: the server lists `{key}` out of byte order: it cannot be a source")]
    Unordered {
        /// What was listed.
        place: String,
        /// The first key out of order.
        key: String,
    },
    /// A listing that tells versions not apart.
    #[error(
        "{place}: the server lists `{key}` without an ETag, so that a change of it could not be \
         seen: it cannot be a source"
    )]
    NoEtag {
        /// What was listed.
        place: String,
        /// The first such key.
        key: String,
    },
    /// No space left, or no quota.
    #[error("{place}: no space is left there ({words}): free some, or choose another place")]
    Full {
        /// What was asked for.
        place: String,
        /// The server's code and words.
        words: String,
    },
    /// Anything else.
    #[error("{place}: the server failed: {words}")]
    Failed {
        /// What was asked for.
        place: String,
        /// What the server or the client said.
        words: String,
    },
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
    pub(super) fn of<E>(asked: Asked<'_>, error: &Failed<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let server = asked.server.to_owned();
        let Asked { place, .. } = asked;
        match error {
            SdkError::ServiceError(_) => Self::of_answer(place, server, asked.right, error),
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                let words = root_cause(error);
                let told = words.to_lowercase();
                let is = |hints: &[&str]| hints.iter().any(|hint| told.contains(hint));
                if is(&["credential"]) {
                    return Self::NoCredentials { words };
                }
                match is(&["certificate", "tls", "corrupt message", "handshake"]) {
                    true => Self::Tls { place, server, words },
                    false => Self::Unreachable { place, server, words },
                }
            }
            _ => Self::Failed { place, words: root_cause(error) },
        }
    }

    fn of_answer<E>(place: String, server: String, right: &'static str, error: &Failed<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let status = status(error).unwrap_or_default();
        let code = error.code().unwrap_or_default();
        let words = match (code, error.message().unwrap_or_default()) {
            ("", "") => format!("HTTP {status}"),
            (code, "") => code.to_owned(),
            ("", message) => format!("HTTP {status}: {message}"),
            (code, message) => format!("{code}: {message}"),
        };
        match (status, code) {
            (_, "NoSuchBucket") => Self::NoBucket { place, server },
            (_, "RequestTimeTooSkewed") => Self::ClockSkew { place, server },
            (_, "QuotaExceeded" | "XMinioStorageFull") | (507, _) => Self::Full { place, words },
            (301 | 307, _)
            | (
                _,
                "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
            ) => match region_of(error) {
                Some(region) => Self::WrongRegion { place, region },
                None => Self::OtherRegion { place },
            },
            (
                _,
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "ExpiredTokenException"
                | "TokenRefreshRequired",
            ) => Self::BadCredentials { place, server, words },
            (401 | 403, _) => Self::Denied { place, words, right },
            _ => Self::Failed { place, words },
        }
    }

    /// What the failure means for the task that met it.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::NoBucket { .. }
            | Self::Nothing { .. }
            | Self::Unordered { .. }
            | Self::NoEtag { .. } => FailureReason::InputMissing,
            Self::Denied { .. }
            | Self::BadCredentials { .. }
            | Self::WrongRegion { .. }
            | Self::OtherRegion { .. }
            | Self::ClockSkew { .. }
            | Self::Tls { .. }
            | Self::NoCredentials { .. } => FailureReason::StorageRefused,
            Self::BadProfile { .. } | Self::BadEndpoint { .. } | Self::PlainHttp { .. } => {
                FailureReason::InvalidJob
            }
            Self::Full { .. } => FailureReason::StorageFull,
            Self::Unreachable { .. } | Self::Failed { .. } => FailureReason::StorageUnavailable,
        }
    }
}

/// Status of the answer, if one came.
pub(super) fn status<E>(error: &Failed<E>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

/// The words at the bottom of an error: above them stand only the names of layers.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// The region that an answer names in its head or in its body.
fn region_of<E>(error: &Failed<E>) -> Option<String> {
    let answer = error.raw_response()?;
    if let Some(region) = answer.headers().get("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    let (region, _) = rest.split_once("</Region>")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!region.is_empty() && region.chars().all(fits)).then(|| region.to_owned())
}
