//! Who a certificate speaks for: a node or a person of one cluster, by its names.

use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use fruitnode_coordinator::ids::{Digest, NodeId, hex};
use fruitnode_env as env;

/// Where every name of every cluster ends.
pub(super) const DOMAIN: &str = "fruitnode";

/// Longest name of a person, in characters.
pub(crate) const PERSON_CHARS_MAX: usize = 40;

/// How far certificates are dated back, for clocks that are behind.
pub(super) const BACKDATED: Duration = Duration::from_mins(5);

/// Hexadecimal digits of a cluster's id.
const CLUSTER_DIGITS: usize = 8;

/// Who calls, or answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// A node of the cluster.
    Node(NodeId),
    /// A person, by name.
    Person(String),
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// Who it speaks for.
    pub identity: Identity,
    /// The cluster it belongs to.
    pub cluster: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// SHA-256 of the public key it is for, as the list of members holds it.
    pub key: Digest,
    /// From when it is valid, in milliseconds since 1970-01-01 UTC.
    pub not_before_ms: u64,
    /// Until when it is valid, in milliseconds since 1970-01-01 UTC.
    pub not_after_ms: u64,
}

/// Why a certificate speaks for nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// It is no X.509 certificate.
    #[error("cannot read the certificate: it is not X.509 in DER")]
    Unreadable,
    /// Its names are not those of a node or a person.
    #[error("the certificate names {0}, which is neither a node nor a client of a cluster")]
    Names(String),
    /// It may be used for something else than the names say.
    #[error("the certificate of {0} is also valid for other uses, so it is rejected")]
    Usages(Identity),
    /// A name that no person can have.
    #[error(
        "{0:?} is not a valid client name: use 1 to {PERSON_CHARS_MAX} lower-case letters, digits \
         and hyphens, with no hyphen at either end"
    )]
    Person(String),
    /// A text that no cluster has as its id.
    #[error("{0:?} is not a cluster ID: it must have {CLUSTER_DIGITS} hexadecimal digits")]
    Cluster(String),
}

impl Identity {
    /// Every name its certificate has, in the cluster `cluster`.
    pub fn names(&self, cluster: &str) -> Vec<String> {
        match self {
            Self::Node(node) => vec![node_name(*node, cluster), any_name(cluster)],
            Self::Person(name) => vec![format!("{name}.person.{cluster}.{DOMAIN}")],
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Person(name) => write!(f, "client {name}"),
        }
    }
}

impl Certified {
    /// What a certificate in DER says. Who signed it is not looked at here.
    pub fn read(der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse(der)?;
        let names = names(&certificate)?;
        let (identity, cluster) =
            whose(&names).ok_or_else(|| IdentityError::Names(list(&names)))?;
        check_usages(&certificate, &identity)?;
        let validity = certificate.validity();
        Ok(Self {
            identity,
            cluster,
            serial: serial(&certificate),
            key: Digest(Sha256::digest(&certificate.public_key().subject_public_key.data).into()),
            not_before_ms: milliseconds(validity.not_before.timestamp()),
            not_after_ms: milliseconds(validity.not_after.timestamp()),
        })
    }

    /// For how long it was made, in milliseconds: it is dated back by more.
    pub fn life_ms(&self) -> u64 {
        let span = self.not_after_ms.saturating_sub(self.not_before_ms);
        span.saturating_sub(BACKDATED.as_millis() as u64)
    }

    /// When to have it signed anew, in milliseconds since 1970-01-01 UTC: at two thirds of its
    /// life.
    pub fn renew_at_ms(&self) -> u64 {
        self.not_after_ms.saturating_sub(self.life_ms() / 3)
    }
}

/// The name of a node.
pub fn node_name(node: NodeId, cluster: &str) -> String {
    format!("{node}.{cluster}.{DOMAIN}")
}

/// The name that every node of a cluster has.
pub fn any_name(cluster: &str) -> String {
    format!("{cluster}.{DOMAIN}")
}

/// An id for a new cluster.
pub fn new_cluster() -> String {
    hex(&env::secret_bytes::<{ CLUSTER_DIGITS / 2 }>())
}

/// Whether this can be the id of a cluster.
pub fn check_cluster(cluster: &str) -> Result<(), IdentityError> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if cluster.len() == CLUSTER_DIGITS && cluster.bytes().all(hex) {
        return Ok(());
    }
    Err(IdentityError::Cluster(cluster.to_owned()))
}

/// Whether this can be the name of a person.
pub fn check_person(name: &str) -> Result<(), IdentityError> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = name.starts_with('-') || name.ends_with('-');
    if (1..=PERSON_CHARS_MAX).contains(&name.len()) && name.bytes().all(known) && !edges {
        return Ok(());
    }
    Err(IdentityError::Person(name.to_owned()))
}

/// A certificate in DER, and nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(IdentityError::Unreadable),
    }
}

fn serial(certificate: &X509Certificate<'_>) -> String {
    hex(certificate.raw_serial()).trim_start_matches('0').to_owned()
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default().saturating_mul(1000)
}

/// Its alternative names. One that is no DNS name makes the certificate nobody's.
fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, IdentityError> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Err(IdentityError::Names("nothing".to_owned()));
    };
    let mut names = Vec::new();
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            other => return Err(IdentityError::Names(other.to_string())),
        }
    }
    Ok(names)
}

/// Whom exactly these names stand for.
fn whose(names: &[String]) -> Option<(Identity, String)> {
    let labels: Vec<&str> = names.first()?.split('.').collect();
    let (identity, cluster) = match labels[..] {
        [node, cluster, DOMAIN] => (Identity::Node(node_id(node)?), cluster),
        [name, "person", cluster, DOMAIN] => {
            check_person(name).ok()?;
            (Identity::Person(name.to_owned()), cluster)
        }
        _ => return None,
    };
    check_cluster(cluster).ok()?;
    (identity.names(cluster) == names).then(|| (identity, cluster.to_owned()))
}

fn node_id(label: &str) -> Option<NodeId> {
    let node = NodeId(label.strip_prefix('n')?.parse().ok()?);
    (node.to_string() == label).then_some(node)
}

fn check_usages(
    certificate: &X509Certificate<'_>,
    identity: &Identity,
) -> Result<(), IdentityError> {
    let refused = || IdentityError::Usages(identity.clone());
    let extended = certificate.extended_key_usage().ok().flatten().ok_or_else(refused)?.value;
    let others = extended.any
        || extended.code_signing
        || extended.email_protection
        || extended.time_stamping
        || extended.ocsp_signing
        || !extended.other.is_empty();
    let serves = matches!(identity, Identity::Node(_));
    let right = extended.client_auth && extended.server_auth == serves && !others;
    if right && !certificate.is_ca() { Ok(()) } else { Err(refused()) }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
