//! TLS handshakes by version, cipher suite and curve. All kinds are known beforehand, so there is nothing to grow.

use ripstop_identity::context::facts::TlsFacts;
use ripstop_identity::verify::REASONS;

use super::cell::Cell;

/// Versions of TLS.
pub const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Cipher suites by the names that Envoy shows.
pub const CIPHERS: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Groups of the key exchange.
pub const CURVES: [&str; 4] = ["X25519", "P-256", "P-384", "X25519MLKEM768"];

/// Handshakes by kind.
#[derive(Debug, Default)]
pub struct SslKinds {
    /// In the order of [`VERSIONS`].
    pub versions: [Cell; VERSIONS.len()],
    /// In the order of [`CIPHERS`].
    pub ciphers: [Cell; CIPHERS.len()],
    /// In the order of [`CURVES`].
    pub curves: [Cell; CURVES.len()],
    /// Clients that were refused, in the order of [`REASONS`].
    pub refused: [Cell; REASONS.len()],
}

impl SslKinds {
    /// Counts a client that was refused.
    pub fn refuse(&self, reason: &str) {
        count(&REASONS, &self.refused, reason);
    }

    /// Counts a handshake.
    pub fn record(&self, facts: &TlsFacts) {
        count(&VERSIONS, &self.versions, facts.version());
        count(&CIPHERS, &self.ciphers, facts.cipher());
        count(&CURVES, &self.curves, facts.group);
    }
}

fn count(names: &[&str], cells: &[Cell], name: &str) {
    let found = names.iter().zip(cells).find(|(known, _)| **known == name);
    if let Some((_, cell)) = found {
        cell.inc();
    }
}
