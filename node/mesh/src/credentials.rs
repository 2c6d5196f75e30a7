//! Keys and certificates as they lie on disk: PEM, keys for their owner's eyes alone.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use fruitnode_env as env;

use crate::authority::{Authority, AuthorityError, cluster_of};
use crate::identity::{self, Certified, IdentityError};
use crate::pem;

/// Name of a node's certificate and key in its folder.
pub const NODE: &str = "node";

/// Name of a person's certificate and key in its folder.
pub const PERSON: &str = "client";

/// File beside a person's certificate with the addresses of nodes, one to a line.
pub const HOSTS: &str = "host";

/// Name of the file with the authority's certificate.
pub(crate) const CA_FILE: &str = "ca.pem";

/// Name of the file with the authority's key, which voters alone have.
pub(crate) const AUTHORITY_KEY_FILE: &str = "authority.key";

/// A private key on P-256, made here and never sent.
pub struct NodeKey(KeyPair);

/// What somebody proves with who they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The authority's certificate, in DER: who is not signed by it is nobody.
    pub ca: Vec<u8>,
    /// Certificates in DER, one's own first.
    pub chain: Vec<Vec<u8>>,
    /// The key: PKCS #8, in DER. A secret.
    pub key: Vec<u8>,
}

/// Why there are no credentials.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not PEM of what it should hold.
    #[error("{path}: not a PEM file with {what}: {words}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        words: String,
    },
    /// There is no certificate at all.
    #[error("there is no certificate: join the cluster first")]
    NoCertificate,
    /// The parts do not belong together.
    #[error("the certificate, its key and the authority do not match: {0}")]
    Mismatch(String),
    /// The key cannot be made or used.
    #[error("cannot use the key: {0}")]
    Key(String),
    /// The certificate speaks for nobody.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The authority is none.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl NodeKey {
    /// A new key.
    pub fn generate() -> Result<Self, CredentialsError> {
        let key = KeyPair::generate().map_err(|error| CredentialsError::Key(error.to_string()))?;
        Ok(Self(key))
    }

    /// The key in this file, which is made if it is not there: a joiner that asks again is the
    /// same.
    pub fn kept(path: &Path) -> Result<Self, CredentialsError> {
        if path.exists() {
            let pair = KeyPair::try_from(key(path)?.as_slice());
            return Ok(Self(pair.map_err(|error| CredentialsError::Key(error.to_string()))?));
        }
        let made = Self::generate()?;
        save_secret(path, &pem::encode("PRIVATE KEY", made.0.serialized_der()))?;
        Ok(made)
    }

    /// The key that these credentials have: for a new certificate of the same key.
    pub fn of(credentials: &Credentials) -> Result<Self, CredentialsError> {
        let key = KeyPair::try_from(credentials.key.as_slice());
        Ok(Self(key.map_err(|error| CredentialsError::Key(error.to_string()))?))
    }

    /// A request for a certificate, which asks for nothing but that: PKCS #10, in DER.
    pub fn request_der(&self) -> Result<Vec<u8>, CredentialsError> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let request = parameters.serialize_request(&self.0);
        let request = request.map_err(|error| CredentialsError::Key(error.to_string()))?;
        Ok(request.der().to_vec())
    }

    /// Credentials of this key and the certificates that were made for it, the authority's last.
    pub fn with(&self, chain: Vec<Vec<u8>>) -> Result<Credentials, CredentialsError> {
        let ca = chain.last().cloned().ok_or(CredentialsError::NoCertificate)?;
        let key = self.0.serialized_der().to_vec();
        let credentials = Credentials { ca, chain, key };
        credentials.check()?;
        Ok(credentials)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

impl Credentials {
    /// Whom they speak for, if the parts belong together. Who signed them is checked by whoever
    /// is called.
    pub fn check(&self) -> Result<Certified, CredentialsError> {
        let first = self.chain.first().ok_or(CredentialsError::NoCertificate)?;
        let certified = Certified::read(first)?;
        let cluster = cluster_of(&self.ca)?;
        if certified.cluster != cluster {
            let words =
                format!("one belongs to cluster {}, the other to {cluster}", certified.cluster);
            return Err(CredentialsError::Mismatch(words));
        }
        let key = KeyPair::try_from(self.key.as_slice())
            .map_err(|error| CredentialsError::Key(error.to_string()))?;
        if key.subject_public_key_info() != identity::parse(first)?.public_key().raw {
            let words = "the certificate is for a different key".to_owned();
            return Err(CredentialsError::Mismatch(words));
        }
        Ok(certified)
    }

    /// Writes `ca.pem`, `NAME.pem` and `NAME.key` into a folder, each in one step.
    pub fn save(&self, folder: &Path, name: &str) -> Result<(), CredentialsError> {
        let chain: String = self.chain.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
        // The key first: a certificate without its key is of no use.
        save_secret(&folder.join(format!("{name}.key")), &pem::encode("PRIVATE KEY", &self.key))?;
        save(&folder.join(format!("{name}.pem")), &chain, 0o644)?;
        save(&folder.join(CA_FILE), &pem::encode("CERTIFICATE", &self.ca), 0o644)
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(folder: &Path, name: &str) -> Result<Self, CredentialsError> {
        let ca = certificates(&folder.join(CA_FILE))?.swap_remove(0);
        let chain = certificates(&folder.join(format!("{name}.pem")))?;
        let credentials = Self { ca, chain, key: key(&folder.join(format!("{name}.key")))? };
        credentials.check()?;
        Ok(credentials)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("of", &self.check().ok()).finish_non_exhaustive()
    }
}

impl Authority {
    /// Writes `ca.pem` and `authority.key` into a folder.
    pub fn save(&self, folder: &Path) -> Result<(), CredentialsError> {
        let ca = pem::encode("CERTIFICATE", self.certificate_der());
        save(&folder.join(CA_FILE), &ca, 0o644)?;
        let key = pem::encode("PRIVATE KEY", self.key_pkcs8());
        save_secret(&folder.join(AUTHORITY_KEY_FILE), &key)
    }

    /// Reads what [`Self::save`] wrote; nothing where the key is not there.
    pub fn open(folder: &Path) -> Result<Option<Self>, CredentialsError> {
        let place = folder.join(AUTHORITY_KEY_FILE);
        if !place.exists() {
            return Ok(None);
        }
        let ca = certificates(&folder.join(CA_FILE))?.swap_remove(0);
        Ok(Some(Self::load(&ca, &key(&place)?)?))
    }
}

/// Writes a secret so that its owner alone can read it, in one step and durably.
pub(crate) fn save_secret(path: &Path, text: &str) -> Result<(), CredentialsError> {
    save(path, text, 0o600)
}

/// Certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, CredentialsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    let wrong =
        |words| CredentialsError::Pem { path: path.to_owned(), what: "certificates", words };
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it contains none".to_owned()));
    }
    Ok(found.into_iter().map(|der| der.to_vec()).collect())
}

fn key(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let key = PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        let words = error.to_string();
        CredentialsError::Pem { path: path.to_owned(), what: "a private key", words }
    })?;
    Ok(key.secret_der().to_vec())
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    fs::read(path).map_err(|source| CredentialsError::File { path: path.to_owned(), source })
}

/// Writes beside, and renames: whoever reads sees the old or the new, whole.
fn save(path: &Path, text: &str, mode: u32) -> Result<(), CredentialsError> {
    let failed = |source| CredentialsError::File { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", env::unique_name()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}
