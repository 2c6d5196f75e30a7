//! Requests for certificates: what is taken from one is its public key, and one that asks for
//! more than a certificate is refused.

use rcgen::{
    CertificateSigningRequestParams, Error as RcgenError, IsCa, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use thiserror::Error;

use crate::identity::IdentityError;

/// Largest request that is looked at, in bytes.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Length of an uncompressed point of P-256, in bytes.
const POINT_BYTES: usize = 65;

/// Why a request was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// It is no PKCS #10, or larger than one is.
    #[error("cannot read the request: send PKCS #10 in DER, of at most {REQUEST_BYTES_MAX} bytes")]
    Unreadable,
    /// Whoever sent it does not have the key.
    #[error("the request is not signed by its own key: create a new one")]
    Signature,
    /// It asks for a certificate that signs others.
    #[error("the request asks for the rights of an authority: ask for nothing but a key")]
    Authority,
    /// It asks for names.
    #[error("the request contains names: names are assigned by the cluster")]
    Names,
    /// It asks for what its certificate may be used for.
    #[error("the request contains key usages: usages are assigned by the cluster")]
    Usages,
    /// It asks for something else.
    #[error("the request contains unknown extensions: ask for nothing but a key")]
    Extensions,
    /// Its key is of another kind.
    #[error("the request has a key of an unsupported type: use an ECDSA key on P-256")]
    Key,
    /// Nobody can be called so.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The signature could not be made.
    #[error("cannot create the certificate: {0}")]
    Signing(String),
}

/// The public key in a request that asks for nothing else: by it a node that asks twice is known.
///
/// # Errors
/// When it is no request, asks for more, or is not signed with its own key.
pub fn request_key(request: &[u8]) -> Result<Vec<u8>, RequestError> {
    RequestedKey::read(request).map(|key| key.0)
}

/// The public key of a request: the one thing that is taken from it.
pub(super) struct RequestedKey(Vec<u8>);

impl RequestedKey {
    /// Takes the key of a request in DER that asks for nothing else.
    pub(super) fn read(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::Unreadable);
        }
        let request = CertificateSigningRequestParams::from_der(&der.into())
            .map_err(|error| unreadable(&error))?;
        let asked = &request.params;
        let signs = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        if matches!(asked.is_ca, IsCa::Ca(_)) || signs.iter().any(|s| asked.key_usages.contains(s))
        {
            return Err(RequestError::Authority);
        }
        if !asked.subject_alt_names.is_empty() {
            return Err(RequestError::Names);
        }
        let usages = !asked.key_usages.is_empty() || !asked.extended_key_usages.is_empty();
        if usages {
            return Err(RequestError::Usages);
        }
        let key = &request.public_key;
        let point = key.der_bytes();
        let right = key.algorithm() == &PKCS_ECDSA_P256_SHA256 && point.len() == POINT_BYTES;
        if right { Ok(Self(point.to_vec())) } else { Err(RequestError::Key) }
    }
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn unreadable(error: &RcgenError) -> RequestError {
    match error {
        RcgenError::InvalidCertificationRequestSignature => RequestError::Signature,
        RcgenError::UnsupportedExtension => RequestError::Extensions,
        RcgenError::UnsupportedSignatureAlgorithm => RequestError::Key,
        RcgenError::InvalidNameType => RequestError::Names,
        _ => RequestError::Unreadable,
    }
}
