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
            "the server there does not speak TLS 1.3 as nodes do, so it is not a node of a cluster"
                .to_owned()
        }
        Error::InvalidMessage(_) => {
            "the server there does not speak TLS, so it is not a node of a cluster".to_owned()
        }
        other => format!("TLS failed: {other}"),
    })
}

/// How an authority is called that a node knows its cluster by.
pub(super) const CLUSTERS_AUTHORITY: &str = "the authority of this cluster";

fn theirs(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            return format!(
                "its certificate was not issued by {CLUSTERS_AUTHORITY}: the address belongs to \
                 another cluster, or someone is intercepting the connection"
            );
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: check the clocks of both machines, and the log of that \
             node for why it was not renewed"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: check the clocks of both machines"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "a different node than expected answers there: check the address"
        }
        CertificateError::ApplicationVerificationFailure => {
            "its certificate is not that of a node of the cluster"
        }
        other => return format!("its certificate was rejected: {other}"),
    }
    .to_owned()
}

fn ours(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateExpired => {
            "it reports that our certificate has expired or is not valid yet: check the clocks of \
             both machines, or get a new certificate"
        }
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not know the authority that issued our certificate: the address belongs to \
             another cluster"
        }
        AlertDescription::BadCertificate
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked => "it rejects our certificate",
        AlertDescription::ProtocolVersion | AlertDescription::NoApplicationProtocol => {
            "the server there does not speak TLS 1.3 as nodes do, so it is not a node of a cluster"
        }
        other => return format!("it closed the connection: {other:?}"),
    }
    .to_owned()
}
