//! What went wrong in a handshake, for people.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// What is wrong with whose certificate, if that is why TLS failed.
pub(super) fn of(error: &io::Error) -> Option<String> {
    let source: &(dyn StdError + 'static) = error.get_ref()?;
    let error = source.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(why) => theirs(why),
        Error::AlertReceived(alert) => ours(*alert),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            "the other side does not speak TLS 1.3 as nodes do: it is no node of a cluster"
                .to_owned()
        }
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: it is no node of a cluster".to_owned()
        }
        other => format!("TLS failed: {other}"),
    })
}

fn theirs(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate was not made by the authority of the cluster: the address belongs to \
             another cluster, or somebody is in between"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: look at the clocks of both machines, and at the log of \
             that node for why it was not renewed"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: look at the clocks of both machines"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "another node answers there than the one expected: look at the address"
        }
        CertificateError::ApplicationVerificationFailure => {
            "its certificate is not that of a node of the cluster"
        }
        other => return format!("its certificate is refused: {other}"),
    }
    .to_owned()
}

fn ours(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateExpired => {
            "it says that our certificate has expired or is not valid yet: look at the clocks of \
             both machines, or have a new one made"
        }
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not know the authority that made our certificate: the address belongs to \
             another cluster"
        }
        AlertDescription::BadCertificate
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked => "it refuses our certificate",
        AlertDescription::ProtocolVersion | AlertDescription::NoApplicationProtocol => {
            "the other side does not speak TLS 1.3 as nodes do: it is no node of a cluster"
        }
        other => return format!("it ended the connection: {other:?}"),
    }
    .to_owned()
}
