//! What was told of a request that did not end well, and who is to blame: a total function of the
//! status, the code and the kind of error.
//!
//! What is the world's is waited for. What a store says of rights, keys, clocks and regions is no
//! better a second later, nor what it says of one object, or of a request that makes no sense.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use rustix::io::Errno;
use rustls::{AlertDescription, Error as TlsError};

#[cfg(test)]
mod tests;

/// What a failed request gives.
pub(super) type Failed<E> = SdkError<E, HttpResponse>;

/// What was told of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Whether an answer came, or why none did.
    pub(super) kind: Kind,
    /// Status of the answer.
    pub(super) status: Option<u16>,
    /// The store's code; empty where it has none.
    pub(super) code: String,
    /// What the store, or the client, said.
    pub(super) message: String,
    /// The region that the answer names.
    pub(super) region: Option<String>,
    /// How long nothing was answered well, of what was waited for in vain.
    pub(super) lasted: Option<Duration>,
    /// Times that it was asked, where others were answered meanwhile.
    pub(super) alone: Option<u32>,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It was answered.
    Answered,
    /// It was answered by something that is no answer of S3.
    Unreadable,
    /// No connection: refused, reset, no way there, none in time.
    Unconnected,
    /// The server's name has no address.
    Nameless,
    /// The connection ended while it was to be secured.
    HandshakeEnded,
    /// The server is not who it should be, or speaks no TLS.
    Insecure,
    /// The connection ended before the answer did.
    CutOff,
    /// No answer in time.
    Unanswered,
    /// This process may open no further descriptor.
    NoDescriptors,
    /// Whoever gives out credentials does not answer.
    CredentialsLate,
    /// There are no credentials.
    NoCredentials,
    /// The request could not be made.
    Unmade,
}

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The world: to be waited for.
    World(World),
    /// Rights, keys, clock, region: another node may have better ones.
    Refused,
    /// The object, its version or its upload.
    Object,
    /// The job: what it asks for is not to be had.
    Job,
}

/// What is wrong with the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    /// The store wants fewer requests.
    Slow,
    /// The store answers, and fails.
    Faulty,
    /// The store does not answer.
    Silent,
    /// This machine has no means for more.
    Narrow,
}

impl Fault {
    /// Of a failed request.
    pub(super) fn of<E>(error: &Failed<E>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let fault = |kind| Self { status, message: root_cause(error), ..Self::new(kind) };
        match error {
            SdkError::ServiceError(_) => Self {
                code: error.code().unwrap_or_default().to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
                region: region_of(error),
                ..fault(Kind::Answered)
            },
            SdkError::ResponseError(_) => fault(Kind::Unreadable),
            SdkError::TimeoutError(_) => fault(Kind::Unanswered),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(connector) if connector.is_user() => fault(Kind::Unmade),
                Some(connector) => fault(kind_of(connector, connector.is_timeout())),
                None => fault(kind_of(error, false)),
            },
            _ => fault(kind_of(error, false)),
        }
    }

    /// Of a kind, with nothing said.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            status: None,
            code: String::new(),
            message: String::new(),
            region: None,
            lasted: None,
            alone: None,
        }
    }

    /// Of what an answer says of one of many keys.
    pub(super) fn told(code: &str, words: &str) -> Self {
        let (code, message) = (code.to_owned(), words.to_owned());
        Self { code, message, ..Self::new(Kind::Answered) }
    }

    /// Of a body that broke off.
    pub(super) fn cut_off(words: impl Into<String>) -> Self {
        Self { message: words.into(), ..Self::new(Kind::CutOff) }
    }

    /// Of an answer that did not come in time.
    pub(super) fn unanswered(after: Duration) -> Self {
        let message = format!("no answer within {} seconds", after.as_secs());
        Self { message, ..Self::new(Kind::Unanswered) }
    }

    /// Of a store that others wait for already.
    pub(super) fn silent(words: &str) -> Self {
        Self { message: words.to_owned(), ..Self::new(Kind::Unanswered) }
    }

    /// What was said, in one line.
    pub(super) fn words(&self) -> String {
        let status = self.status.map(|status| format!("HTTP {status}")).unwrap_or_default();
        match (&self.code[..], &self.message[..]) {
            ("", "") => status,
            (code, "") => code.to_owned(),
            ("", message) if self.kind == Kind::Answered => format!("{status}: {message}"),
            ("", message) => message.to_owned(),
            (code, message) => format!("{code}: {message}"),
        }
    }

    /// Whether the answer has this status.
    pub(super) fn is(&self, status: u16) -> bool {
        self.status == Some(status)
    }

    /// Who is to blame.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(super) fn blame(&self) -> Blame {
        match self.kind {
            Kind::Answered => blame_of(self.status.unwrap_or_default(), &self.code),
            Kind::Unreadable => Blame::World(World::Faulty),
            Kind::Unconnected
            | Kind::Nameless
            | Kind::HandshakeEnded
            | Kind::CutOff
            | Kind::Unanswered
            | Kind::CredentialsLate => Blame::World(World::Silent),
            Kind::NoDescriptors => Blame::World(World::Narrow),
            Kind::Insecure | Kind::NoCredentials => Blame::Refused,
            Kind::Unmade => Blame::Job,
        }
    }
}

/// Who is to blame for an answer. The code says more than the status: an answer may begin well and
/// end with an error, and servers differ in the status they give a code.
fn blame_of(status: u16, code: &str) -> Blame {
    match code {
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete" => Blame::World(World::Slow),
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "BadDigest"
        | "IncompleteBody"
        | "XAmzContentSHA256Mismatch" => Blame::World(World::Faulty),
        "RequestTimeTooSkewed"
        | "RequestExpired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "InvalidToken"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthorizationHeaderMalformed"
        | "AuthorizationQueryParametersError"
        | "IllegalLocationConstraintException"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AccessDenied"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "CrossLocationLoggingProhibited"
        | "InvalidPayer"
        | "InvalidSecurity"
        | "MissingSecurityHeader"
        | "NotSignedUp"
        | "UnauthorizedAccess" => Blame::Refused,
        code if code.starts_with("KMS.") => Blame::Refused,
        "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchUpload"
        | "InvalidPart"
        | "InvalidPartOrder"
        | "EntityTooSmall"
        | "InvalidObjectState"
        | "ObjectNotInActiveTierError"
        | "InvalidRange"
        | "PreconditionFailed"
        | "NotModified" => Blame::Object,
        "NoSuchBucket" | "QuotaExceeded" | "XMinioStorageFull" | "NotImplemented" => Blame::Job,
        _ => blame_of_status(status),
    }
}

/// Who is to blame for an answer with no code, or one that says no more.
fn blame_of_status(status: u16) -> Blame {
    match status {
        503 | 429 => Blame::World(World::Slow),
        501 | 505 | 507 => Blame::Job,
        408 | 500..=599 => Blame::World(World::Faulty),
        304 | 404 | 410 | 412 | 416 => Blame::Object,
        401 | 403 | 407 | 300..=399 => Blame::Refused,
        // An error of which nothing is known but that it is one.
        0..=299 => Blame::World(World::Faulty),
        _ => Blame::Job,
    }
}

/// Why a request got no answer.
fn kind_of(error: &(dyn Error + 'static), timed_out: bool) -> Kind {
    let mut next = Some(error);
    let mut kind = Kind::CutOff;
    while let Some(cause) = next {
        next = cause.source();
        if let Some(tls) = cause.downcast_ref::<TlsError>() {
            return kind_of_tls(tls);
        }
        let Some(io) = cause.downcast_ref::<io::Error>() else { continue };
        kind = kind_of_io(io);
        // What it holds is no source of it, but what that comes from.
        next = io.get_ref().map(|held| held as &(dyn Error + 'static));
    }
    let words = root_cause(error).to_lowercase();
    let late = ["timed out", "timeout", "dispatch failure"].iter().any(|late| words.contains(late));
    match kind {
        Kind::CutOff if words.contains("credential") && late => Kind::CredentialsLate,
        Kind::CutOff if words.contains("credential") => Kind::NoCredentials,
        Kind::CutOff if words.contains("failed to lookup address") => Kind::Nameless,
        // Of a request that is under way nobody measures the time but we ourselves.
        Kind::CutOff if timed_out => Kind::Unconnected,
        kind => kind,
    }
}

fn kind_of_io(error: &io::Error) -> Kind {
    let full = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    if error.raw_os_error().is_some_and(|code| full.iter().any(|full| full.raw_os_error() == code))
    {
        return Kind::NoDescriptors;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof if error.to_string().contains("handshake") => {
            Kind::HandshakeEnded
        }
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::TimedOut => Kind::Unconnected,
        _ => Kind::CutOff,
    }
}

/// What an error of TLS says. What only ends a connection may come from whoever stands in between;
/// a certificate, or a server that speaks something else, is the same the next time.
fn kind_of_tls(error: &TlsError) -> Kind {
    match error {
        TlsError::AlertReceived(
            AlertDescription::InternalError
            | AlertDescription::CloseNotify
            | AlertDescription::UserCanceled,
        )
        | TlsError::General(_)
        | TlsError::HandshakeNotComplete => Kind::HandshakeEnded,
        _ => Kind::Insecure,
    }
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
    region_in(std::str::from_utf8(answer.body().bytes()?).ok()?)
}

/// The region that the body of an answer names: by itself, in the address of an endpoint, or in the
/// words about a constraint.
fn region_in(body: &str) -> Option<String> {
    let within = |begin: &str, end: &str| {
        let (_, rest) = body.split_once(begin)?;
        rest.split_once(end).map(|(found, _)| found)
    };
    let named = within("<Region>", "</Region>");
    let constrained = || {
        let words = within("<Message>", "</Message>")?;
        let (before, _) = words.split_once(" location constraint")?;
        before.rsplit(' ').next().filter(|word| word.contains('-'))
    };
    let region = named.or_else(|| region_of_host(within("<Endpoint>", "</Endpoint>")?));
    let region = region.or_else(constrained)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!region.is_empty() && region.chars().all(fits)).then(|| region.to_owned())
}

/// The region in `BUCKET.s3.REGION.amazonaws.com` and `BUCKET.s3-REGION.amazonaws.com`.
fn region_of_host(host: &str) -> Option<&str> {
    let (aws, _) = host.split_once(".amazonaws.com")?;
    let (_, last) = aws.rsplit_once(".s3.").or_else(|| aws.rsplit_once("s3-"))?;
    Some(last).filter(|region| region.contains('-'))
}
