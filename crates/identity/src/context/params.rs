//! Versions, cipher suites and groups of a context as rustls wants them.

use std::sync::Arc;

use ripstop_model::tls::TlsParams;
use ripstop_model::tls::params::{CipherSuite, Curve, TlsVersion};
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite as Suite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

use crate::tls;

/// Suites of TLS 1.2 where none are named, in Envoy's order.
const DEFAULT_SUITES: [CipherSuite; 6] = [
    CipherSuite::EcdheEcdsaAes128GcmSha256,
    CipherSuite::EcdheEcdsaChacha20Poly1305,
    CipherSuite::EcdheRsaAes128GcmSha256,
    CipherSuite::EcdheRsaChacha20Poly1305,
    CipherSuite::EcdheEcdsaAes256GcmSha384,
    CipherSuite::EcdheRsaAes256GcmSha384,
];

/// Versions that are spoken, newest first.
pub fn versions(params: &TlsParams) -> Vec<&'static SupportedProtocolVersion> {
    let min = params.min_version.unwrap_or(TlsVersion::V1_2);
    let max = params.max_version.unwrap_or(TlsVersion::V1_3);
    let all = [(TlsVersion::V1_3, &TLS13), (TlsVersion::V1_2, &TLS12)];
    all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, version)| version).collect()
}

/// The provider with the suites and groups that are wanted.
pub fn provider(params: &TlsParams) -> Arc<CryptoProvider> {
    let all = tls::provider();
    let mut provider = (*all).clone();
    let wanted = match params.cipher_suites.as_slice() {
        [] => &DEFAULT_SUITES,
        wanted => wanted,
    };
    let chosen = wanted.iter().filter_map(|wanted| {
        all.cipher_suites.iter().find(|suite| suite.suite() == number(*wanted)).copied()
    });
    // Those of TLS 1.3 cannot be chosen, as in Envoy.
    let newest = all.cipher_suites.iter().filter(|suite| suite.tls13().is_some()).copied();
    provider.cipher_suites = newest.chain(chosen).collect();
    if !params.curves.is_empty() {
        let chosen = params.curves.iter().filter_map(|wanted| {
            all.kx_groups.iter().find(|group| group.name() == group_number(*wanted)).copied()
        });
        provider.kx_groups = chosen.collect();
    }
    Arc::new(provider)
}

fn number(suite: CipherSuite) -> Suite {
    match suite {
        CipherSuite::EcdheEcdsaAes128GcmSha256 => Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::EcdheEcdsaAes256GcmSha384 => Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::EcdheEcdsaChacha20Poly1305 => Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::EcdheRsaAes128GcmSha256 => Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::EcdheRsaAes256GcmSha384 => Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::EcdheRsaChacha20Poly1305 => Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}

fn group_number(curve: Curve) -> NamedGroup {
    match curve {
        Curve::X25519 => NamedGroup::X25519,
        Curve::P256 => NamedGroup::secp256r1,
        Curve::P384 => NamedGroup::secp384r1,
        Curve::X25519MlKem768 => NamedGroup::X25519MLKEM768,
    }
}

/// The name of a suite as BoringSSL shows it.
pub fn suite_name(suite: SupportedCipherSuite) -> &'static str {
    match suite.suite() {
        Suite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        Suite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        Suite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => {
            CipherSuite::ALL.into_iter().find(|suite| number(*suite) == other).map_or("", CipherSuite::as_str)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_and_group_that_can_be_configured_is_there() {
        let all = TlsParams {
            cipher_suites: CipherSuite::ALL.to_vec(),
            curves: Curve::ALL.to_vec(),
            ..TlsParams::default()
        };
        let provider = provider(&all);
        assert_eq!(provider.cipher_suites.len(), CipherSuite::ALL.len() + 3);
        assert_eq!(provider.kx_groups.len(), Curve::ALL.len());
        assert!(provider.cipher_suites.iter().all(|suite| !suite_name(*suite).is_empty()));
        let newest = TlsParams { min_version: Some(TlsVersion::V1_3), ..TlsParams::default() };
        assert_eq!(versions(&newest), [&TLS13]);
        let old = TlsParams { max_version: Some(TlsVersion::V1_2), ..TlsParams::default() };
        assert_eq!(versions(&old), [&TLS12]);
    }
}
