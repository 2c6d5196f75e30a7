//! Who is to blame for what: every code that stores are known to give, and every kind of error.

use std::io;

use rustls::CertificateError;

use fruitnode_coordinator::retry::FailureReason;

use super::*;
use crate::s3::error::{Asked, S3Error};

const SLOW: Blame = Blame::World(World::Slow);
const FAULTY: Blame = Blame::World(World::Faulty);
const SILENT: Blame = Blame::World(World::Silent);

fn answer(status: u16, code: &str) -> Fault {
    Fault { status: Some(status), code: code.to_owned(), ..Fault::new(Kind::Answered) }
}

/// What the coordinator is told of a fault.
fn reason(fault: &Fault) -> FailureReason {
    let place = "s3://fruits/in/a.jpg".to_owned();
    S3Error::of(Asked { place, server: "https://s3.test", right: "s3:GetObject" }, fault).reason()
}

/// Codes that S3 documents for reads, writes, listings, copies, removals and uploads of parts,
/// and those of other servers and of what stands before them.
const ANSWERS: &[(u16, &str, Blame)] = &[
    (503, "SlowDown", SLOW),
    (503, "ServiceUnavailable", SLOW),
    (503, "SlowDownRead", SLOW),
    (503, "SlowDownWrite", SLOW),
    (503, "RequestLimitExceeded", SLOW),
    (503, "BandwidthLimitExceeded", SLOW),
    (400, "Throttling", SLOW),
    (400, "ThrottlingException", SLOW),
    (429, "TooManyRequests", SLOW),
    (429, "", SLOW),
    (503, "", SLOW),
    // A copy whose answer begins well.
    (200, "SlowDown", SLOW),
    (200, "InternalError", FAULTY),
    (200, "", FAULTY),
    (500, "InternalError", FAULTY),
    (500, "", FAULTY),
    (502, "", FAULTY),
    (504, "", FAULTY),
    (599, "Strange", FAULTY),
    (408, "", FAULTY),
    (400, "RequestTimeout", FAULTY),
    (409, "OperationAborted", FAULTY),
    (409, "ConditionalRequestConflict", FAULTY),
    (400, "BadDigest", FAULTY),
    (400, "IncompleteBody", FAULTY),
    (400, "XAmzContentSHA256Mismatch", FAULTY),
    (403, "AccessDenied", Blame::Refused),
    (403, "", Blame::Refused),
    (401, "", Blame::Refused),
    (403, "AccountProblem", Blame::Refused),
    (403, "AllAccessDisabled", Blame::Refused),
    (403, "InvalidAccessKeyId", Blame::Refused),
    (403, "SignatureDoesNotMatch", Blame::Refused),
    (403, "RequestTimeTooSkewed", Blame::Refused),
    (403, "InvalidSecurity", Blame::Refused),
    (403, "NotSignedUp", Blame::Refused),
    (400, "ExpiredToken", Blame::Refused),
    (400, "InvalidToken", Blame::Refused),
    (400, "TokenRefreshRequired", Blame::Refused),
    (400, "MissingSecurityHeader", Blame::Refused),
    (400, "KMS.DisabledException", Blame::Refused),
    (400, "KMS.NotFoundException", Blame::Refused),
    (400, "AuthorizationHeaderMalformed", Blame::Refused),
    (400, "IllegalLocationConstraintException", Blame::Refused),
    (301, "PermanentRedirect", Blame::Refused),
    (301, "", Blame::Refused),
    (307, "TemporaryRedirect", Blame::Refused),
    (404, "NoSuchKey", Blame::Object),
    (404, "NoSuchVersion", Blame::Object),
    (404, "NoSuchUpload", Blame::Object),
    (404, "", Blame::Object),
    (412, "PreconditionFailed", Blame::Object),
    (412, "", Blame::Object),
    (304, "NotModified", Blame::Object),
    (416, "InvalidRange", Blame::Object),
    (403, "InvalidObjectState", Blame::Object),
    (403, "ObjectNotInActiveTierError", Blame::Object),
    (400, "InvalidPart", Blame::Object),
    (400, "InvalidPartOrder", Blame::Object),
    (400, "EntityTooSmall", Blame::Object),
    (404, "NoSuchBucket", Blame::Job),
    (507, "", Blame::Job),
    (403, "QuotaExceeded", Blame::Job),
    (507, "XMinioStorageFull", Blame::Job),
    (501, "NotImplemented", Blame::Job),
    (501, "", Blame::Job),
    (400, "InvalidRequest", Blame::Job),
    (400, "InvalidArgument", Blame::Job),
    (400, "InvalidBucketName", Blame::Job),
    (400, "InvalidDigest", Blame::Job),
    (400, "InvalidStorageClass", Blame::Job),
    (400, "KeyTooLongError", Blame::Job),
    (400, "EntityTooLarge", Blame::Job),
    (400, "MalformedXML", Blame::Job),
    (400, "TooManyParts", Blame::Job),
    (405, "MethodNotAllowed", Blame::Job),
    (409, "InvalidBucketState", Blame::Job),
    (411, "MissingContentLength", Blame::Job),
    (400, "", Blame::Job),
];

#[test]
fn every_answer_is_the_worlds_a_refusal_the_objects_or_the_jobs() {
    for (status, code, blame) in ANSWERS {
        assert_eq!(answer(*status, code).blame(), *blame, "{status} {code}");
    }
}

#[test]
fn only_what_is_the_worlds_makes_a_task_wait_and_only_a_refusal_sets_a_node_aside() {
    for (status, code, blame) in ANSWERS {
        let reason = reason(&answer(*status, code));
        let waits = reason == FailureReason::StorageUnavailable;
        let set_aside = reason == FailureReason::StorageRefused;
        let is = (matches!(blame, Blame::World(_)), *blame == Blame::Refused);
        assert_eq!((waits, set_aside), is, "{status} {code}: {reason:?}");
    }
    for (kind, expected) in [
        (Kind::Unreadable, FailureReason::StorageUnavailable),
        (Kind::HandshakeEnded, FailureReason::StorageUnavailable),
        (Kind::NoDescriptors, FailureReason::StorageUnavailable),
        (Kind::Insecure, FailureReason::StorageRefused),
        (Kind::NoCredentials, FailureReason::StorageRefused),
        (Kind::Unmade, FailureReason::InvalidJob),
    ] {
        assert_eq!(reason(&Fault::new(kind)), expected, "{kind:?}");
    }
    // Of a fault that one object alone meets no wait is long enough.
    let alone = Fault { alone: Some(20), ..answer(500, "InternalError") };
    assert_eq!(reason(&alone), FailureReason::InputMissing);
}

#[test]
fn every_error_of_a_connection_is_waited_for_but_one_of_trust() {
    let of = |error: io::Error| kind_of(&error, false);
    for (error, kind) in [
        (io::ErrorKind::ConnectionRefused, Kind::Unconnected),
        (io::ErrorKind::ConnectionReset, Kind::Unconnected),
        (io::ErrorKind::ConnectionAborted, Kind::Unconnected),
        (io::ErrorKind::HostUnreachable, Kind::Unconnected),
        (io::ErrorKind::NetworkUnreachable, Kind::Unconnected),
        (io::ErrorKind::NetworkDown, Kind::Unconnected),
        (io::ErrorKind::AddrNotAvailable, Kind::Unconnected),
        (io::ErrorKind::TimedOut, Kind::Unconnected),
        (io::ErrorKind::BrokenPipe, Kind::CutOff),
        (io::ErrorKind::UnexpectedEof, Kind::CutOff),
    ] {
        assert_eq!(of(error.into()), kind, "{error:?}");
        assert_eq!(Fault::new(kind).blame(), SILENT, "{error:?}");
    }
    let words = |kind, words: &'static str| of(io::Error::new(kind, words));
    let ended = words(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    assert_eq!((ended, Fault::new(ended).blame()), (Kind::HandshakeEnded, SILENT));
    let name = "failed to lookup address information: Name or service not known";
    assert_eq!(words(io::ErrorKind::Other, name), Kind::Nameless);
    assert_eq!(Fault::new(Kind::Nameless).blame(), SILENT);
    for full in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS] {
        let kind = of(io::Error::from_raw_os_error(full.raw_os_error()));
        assert_eq!(kind, Kind::NoDescriptors, "{full:?}");
        assert_eq!(Fault::new(kind).blame(), Blame::World(World::Narrow));
    }
    let tls = |error: TlsError| of(io::Error::new(io::ErrorKind::InvalidData, error));
    for (error, kind) in [
        (TlsError::InvalidCertificate(CertificateError::Expired), Kind::Insecure),
        (TlsError::InvalidCertificate(CertificateError::UnknownIssuer), Kind::Insecure),
        (TlsError::AlertReceived(AlertDescription::HandshakeFailure), Kind::Insecure),
        (TlsError::AlertReceived(AlertDescription::InternalError), Kind::HandshakeEnded),
        (TlsError::AlertReceived(AlertDescription::CloseNotify), Kind::HandshakeEnded),
    ] {
        assert_eq!(tls(error.clone()), kind, "{error:?}");
    }
    assert_eq!(Fault::new(Kind::Insecure).blame(), Blame::Refused);
}

#[test]
fn a_region_is_found_wherever_an_answer_names_it() {
    for (body, region) in [
        ("<Error><Region>eu-west-9</Region></Error>", Some("eu-west-9")),
        ("<Endpoint>fruit.s3.eu-west-3.amazonaws.com</Endpoint>", Some("eu-west-3")),
        ("<Endpoint>fruit.s3-eu-west-1.amazonaws.com</Endpoint>", Some("eu-west-1")),
        ("<Endpoint>fruit.s3.amazonaws.com</Endpoint>", None),
        ("<Endpoint>storage.example</Endpoint>", None),
        (
            "<Message>The me-south-1 location constraint is incompatible</Message>",
            Some("me-south-1"),
        ),
        ("<Region>no region</Region>", None),
        ("", None),
    ] {
        assert_eq!(region_in(body).as_deref(), region, "{body}");
    }
}
