//! The bytes of certificates, keys and roots, and what is made of them. Every file that is looked at is noted, so that a
//! change of any of them is seen.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use ripstop_model::Name;
use ripstop_model::tls::{
    CertificateRef, CertificateValidation, DataSource, PeerValidation, Secret, SecretKind, SecretRef,
    SecretSource, TlsCertificate, TlsParams,
};
use rustls::SignatureAlgorithm;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::ContextError;
use super::facts::CertificateDetails;
use crate::tls;

/// The largest file that is read, in bytes: a bundle of all public roots has a quarter of that.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads the secrets of a file, given its path and its text.
pub type ReadSecrets = fn(&str, &str) -> Result<Vec<Secret>, String>;

/// What a file was when it was looked at; `None`: it was not there.
type Stamp = Option<(u64, u64, Option<SystemTime>)>;

/// The files that something was made of, and what they were then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<Name, Stamp>);

impl Inputs {
    /// Whether any of them is another now.
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, stamp)| stamp_of(path) != *stamp)
    }
}

fn stamp_of(path: &str) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

/// Reads what a context is made of.
pub struct Reader<'a> {
    /// Secrets that are known.
    pub secrets: &'a BTreeMap<SecretRef, Arc<Secret>>,
    /// How a file of secrets is read.
    pub read_secrets: ReadSecrets,
    /// The files looked at so far.
    pub inputs: Inputs,
}

/// A certificate that can be shown.
pub struct Loaded {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// What the leaf says.
    pub details: Arc<CertificateDetails>,
    /// Whether the key is an elliptic curve.
    pub ecdsa: bool,
    /// What holds for it in place of what the context says.
    pub params: Option<TlsParams>,
}

impl Reader<'_> {
    /// A certificate with its key.
    pub fn certificate(&mut self, reference: &CertificateRef) -> Result<Loaded, ContextError> {
        match reference {
            CertificateRef::Inline(certificate) => self.pair(certificate),
            CertificateRef::Secret(reference) => match self.secret(reference)?.kind {
                SecretKind::Certificate(certificate) => self.pair(&certificate),
                SecretKind::Validation(_) => Err(ContextError::SecretKind {
                    name: reference.name.to_string(),
                    wanted: "tls_certificate",
                }),
            },
        }
    }

    /// What peers are judged by; nothing of it was read yet. `None`: by an identity of the mesh.
    pub fn validation(
        &mut self,
        peer: &PeerValidation,
    ) -> Result<Option<CertificateValidation>, ContextError> {
        Ok(match peer {
            PeerValidation::Mesh(_) => None,
            PeerValidation::Inline(inline) => Some((**inline).clone()),
            PeerValidation::Secret(reference) => Some(self.secret_validation(reference)?),
            PeerValidation::Combined { default, secret } => {
                Some(default.merged(&self.secret_validation(secret)?))
            }
        })
    }

    fn secret_validation(&mut self, reference: &SecretRef) -> Result<CertificateValidation, ContextError> {
        match self.secret(reference)?.kind {
            SecretKind::Validation(validation) => Ok(*validation),
            SecretKind::Certificate(_) => Err(ContextError::SecretKind {
                name: reference.name.to_string(),
                wanted: "validation_context",
            }),
        }
    }

    fn secret(&mut self, reference: &SecretRef) -> Result<Secret, ContextError> {
        let missing =
            |why: &str| ContextError::NoSecret { name: reference.name.to_string(), why: why.to_owned() };
        match &reference.source {
            SecretSource::Static | SecretSource::Ads | SecretSource::Server { .. } => {
                let secret = self.secrets.get(reference);
                secret.map(|secret| (**secret).clone()).ok_or_else(|| missing("nobody has sent it"))
            }
            SecretSource::File { path, .. } => {
                let bytes = self.file(path).map_err(|error| missing(&error.to_string()))?;
                let text = String::from_utf8(bytes).map_err(|_| missing("its file is not UTF-8 text"))?;
                let secrets = (self.read_secrets)(path, &text).map_err(|why| missing(&why))?;
                let found = secrets.into_iter().find(|secret| secret.name == reference.name);
                found.ok_or_else(|| missing(&format!("it is not in {path}")))
            }
        }
    }

    /// The bytes of a source.
    pub fn bytes(&mut self, source: &DataSource) -> Result<Vec<u8>, ContextError> {
        match source {
            DataSource::Inline(bytes) => Ok(bytes.to_vec()),
            DataSource::Environment(name) => {
                std::env::var(&**name).map(String::into_bytes).map_err(|error| ContextError::Read {
                    source_name: source.to_string(),
                    why: error.to_string(),
                })
            }
            DataSource::File(path) => self.file(path),
        }
    }

    fn file(&mut self, path: &Name) -> Result<Vec<u8>, ContextError> {
        // Before it is read: what is written meanwhile is then seen as a change.
        self.inputs.0.entry(path.clone()).or_insert_with(|| stamp_of(path));
        let failed = |why: String| ContextError::Read { source_name: path.to_string(), why };
        let mut bytes = Vec::new();
        File::open(&**path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(failed(format!("it is larger than {MAX_FILE_BYTES} bytes")));
        }
        Ok(bytes)
    }

    fn pair(&mut self, certificate: &TlsCertificate) -> Result<Loaded, ContextError> {
        let chain_pem = self.bytes(&certificate.chain)?;
        let key_pem = self.bytes(&certificate.key)?;
        let chain = certificates(&certificate.chain, &chain_pem)?;
        let key = private_key(&certificate.key, &key_pem)?;
        let Some(leaf) = chain.first() else {
            return Err(content(&certificate.chain, "there is no certificate in it"));
        };
        let details = CertificateDetails::read(leaf)
            .map_err(|error| content(&certificate.chain, &error.to_string()))?;
        let key =
            CertifiedKey::from_der(chain, key, &tls::provider()).map_err(|error| ContextError::Pair {
                chain: certificate.chain.to_string(),
                key: certificate.key.to_string(),
                why: error.to_string(),
            })?;
        let ecdsa = key.key.algorithm() == SignatureAlgorithm::ECDSA;
        Ok(Loaded {
            key: Arc::new(key),
            details: Arc::new(details),
            ecdsa,
            params: certificate.params.clone(),
        })
    }
}

/// All certificates of a PEM text.
pub fn certificates(source: &DataSource, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ContextError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(source, &format!("it is not PEM: {error}")))
}

fn private_key(source: &DataSource, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ContextError> {
    let holds = |words: &[u8]| pem.windows(words.len()).any(|window| window == words);
    if holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(content(
            source,
            "the key is encrypted, which is not supported: decrypt it with `openssl pkey`",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| content(source, &format!("there is no private key in PEM in it: {error}")))
}

/// Something is wrong with what was read.
pub fn content(source: &DataSource, why: &str) -> ContextError {
    ContextError::Content { source_name: source.to_string(), why: why.to_owned() }
}
