//! The cluster's own authority: one key on P-256 that signs the certificates of its nodes and
//! people, fresh from a public key.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType, SerialNumber,
};
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_parser::extensions::GeneralName;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_env as env;

use crate::identity::{self, BACKDATED, DOMAIN, Identity, IdentityError};
use crate::request::{RequestError, RequestedKey};

/// Life of a person's certificate.
pub(crate) const PERSON_LIFE: Duration = Duration::from_hours(365 * 24);

/// Life of the authority.
const AUTHORITY_LIFE: Duration = Duration::from_hours(3653 * 24);

/// What signs certificates of one cluster.
pub struct Authority {
    cluster: String,
    certificate: Vec<u8>,
    key: KeyPair,
}

/// Why there is no authority.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// The key or the certificate could not be made.
    #[error("cannot create the authority: {0}")]
    Creation(String),
    /// It is not the certificate of an authority.
    #[error("this is not the certificate of a cluster's authority: {0}")]
    Certificate(String),
    /// The key does not belong to the certificate.
    #[error("this is not the key of the authority: {0}")]
    Key(String),
    /// The text is no cluster's id.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// When a certificate is valid, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    pub(super) not_before_ms: u64,
    pub(super) not_after_ms: u64,
}

impl Authority {
    /// Makes a new one for the cluster `cluster`, of 8 hexadecimal digits.
    pub fn create(cluster: &str) -> Result<Self, AuthorityError> {
        identity::check_cluster(cluster)?;
        let made = |error: rcgen::Error| AuthorityError::Creation(error.to_string());
        let key = KeyPair::generate().map_err(made)?;
        let mut parameters = fresh(&Validity::from_now(AUTHORITY_LIFE));
        let name = format!("authority of {cluster}.{DOMAIN}");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(identity::any_name(cluster))],
            excluded_subtrees: Vec::new(),
        });
        let certificate = parameters.self_signed(&key).map_err(made)?;
        Ok(Self { cluster: cluster.to_owned(), certificate: certificate.der().to_vec(), key })
    }

    /// The authority whose certificate (DER) and key (PKCS #8, DER) these are.
    pub fn load(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let cluster = cluster_of(certificate)?;
        let key = KeyPair::try_from(key).map_err(|error| AuthorityError::Key(error.to_string()))?;
        let authority = Self { cluster, certificate: certificate.to_vec(), key };
        if Sha256::digest(authority.key.subject_public_key_info())[..] != pin_of(certificate)? {
            let words = "its public key is a different one";
            return Err(AuthorityError::Key(words.to_owned()));
        }
        Ok(authority)
    }

    /// The cluster it signs for.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its certificate, in DER.
    pub(crate) fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Its key: PKCS #8, in DER. A secret.
    pub fn key_pkcs8(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// SHA-256 of its public key, as tokens hold it.
    pub fn pin(&self) -> [u8; 32] {
        Sha256::digest(self.key.subject_public_key_info()).into()
    }

    /// Certificates of a node for the key of a request, its own first, good for so long.
    pub fn sign_node(
        &self,
        node: NodeId,
        request: &[u8],
        life: Duration,
    ) -> Result<Vec<Vec<u8>>, RequestError> {
        self.sign(&Identity::Node(node), request, Validity::from_now(life))
    }

    /// Certificates of a person for the key of a request, its own first.
    pub fn sign_person(&self, name: &str, request: &[u8]) -> Result<Vec<Vec<u8>>, RequestError> {
        identity::check_person(name)?;
        let validity = Validity::from_now(PERSON_LIFE);
        self.sign(&Identity::Person(name.to_owned()), request, validity)
    }

    pub(super) fn sign(
        &self,
        identity: &Identity,
        request: &[u8],
        validity: Validity,
    ) -> Result<Vec<Vec<u8>>, RequestError> {
        let key = RequestedKey::read(request)?;
        let failed = |error: rcgen::Error| RequestError::Signing(error.to_string());
        let mut parameters = fresh(&validity);
        parameters.distinguished_name.push(DnType::CommonName, identity.to_string());
        for name in identity.names(&self.cluster) {
            let name = name.try_into().map_err(failed)?;
            parameters.subject_alt_names.push(SanType::DnsName(name));
        }
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if matches!(identity, Identity::Node(_)) {
            parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        parameters.use_authority_key_identifier_extension = true;
        let certificate = self.certificate.as_slice().into();
        let issuer = Issuer::from_ca_cert_der(&certificate, &self.key).map_err(failed)?;
        let signed = parameters.signed_by(&key, &issuer).map_err(failed)?;
        Ok(vec![signed.der().to_vec(), self.certificate.clone()])
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Validity {
    /// From a little before now, for this long from now.
    pub(super) fn from_now(life: Duration) -> Self {
        let now = env::wall_ms();
        let span = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            not_before_ms: now.saturating_sub(span(BACKDATED)),
            not_after_ms: now.saturating_add(span(life)),
        }
    }
}

/// SHA-256 of the public key in a certificate.
pub(super) fn pin_of(certificate: &[u8]) -> Result<[u8; 32], IdentityError> {
    Ok(Sha256::digest(identity::parse(certificate)?.public_key().raw).into())
}

/// The cluster that the certificate of an authority is for.
pub(super) fn cluster_of(certificate: &[u8]) -> Result<String, AuthorityError> {
    let wrong = |words: &str| AuthorityError::Certificate(words.to_owned());
    let parsed = identity::parse(certificate)?;
    if !parsed.is_ca() {
        return Err(wrong("it may not sign others"));
    }
    let constraints = parsed.name_constraints().ok().flatten();
    let permitted = constraints.and_then(|found| found.value.permitted_subtrees.as_ref());
    let Some([subtree]) = permitted.map(Vec::as_slice) else {
        return Err(wrong("it is not bound to one cluster"));
    };
    let GeneralName::DNSName(name) = &subtree.base else {
        return Err(wrong("it is not bound to the names of a cluster"));
    };
    let cluster = name.strip_suffix(DOMAIN).and_then(|name| name.strip_suffix('.'));
    let cluster = cluster.ok_or_else(|| wrong("it is bound to other names"))?;
    identity::check_cluster(cluster)?;
    Ok(cluster.to_owned())
}

/// Parameters with nothing from anybody else, and a serial number of their own.
fn fresh(validity: &Validity) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + Duration::from_secs(validity.not_before_ms / 1000);
    parameters.not_after = epoch + Duration::from_secs(validity.not_after_ms / 1000);
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    let mut serial = env::secret_bytes::<16>();
    // Positive, and of one length.
    serial[0] = serial[0] & 0x3f | 0x40;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters
}

#[cfg(test)]
mod tests;
