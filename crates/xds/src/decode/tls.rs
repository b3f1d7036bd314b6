//! TLS contexts ← wire. Whatever cannot be honoured is refused: a weaker check than was asked for is none.

mod certificate;
mod params;
pub(super) mod secret;
mod socket;
mod validation;

use ripstop_model::tls::{CertificateSource, PeerValidation, ServerResumption, TlsParams};
use ripstop_model::{Name, TlsClient, TlsServer};

use super::common::{Context, duration, is_true};
use crate::pb;

pub(super) use socket::{downstream, upstream};

/// Longest list of ALPN protocols on the wire, lengths included.
const MAX_ALPN_BYTES: usize = 65_535;

fn server(cx: &mut Context, wire: &pb::DownstreamTlsContext) -> Option<TlsServer> {
    let common = wire.common_tls_context.clone().unwrap_or_default();
    let read = cx.at("common_tls_context", |cx| read_common(cx, &common));
    let require_client_certificate = is_true(wire.require_client_certificate.as_ref());
    if require_client_certificate && matches!(read, Some(Common { peer: None, .. })) {
        cx.at("require_client_certificate", |cx| {
            cx.warn("without a validation context any client certificate will do");
        });
    }
    if wire.ocsp_staple_policy != 0 {
        cx.at("ocsp_staple_policy", |cx| {
            cx.reject("OCSP responses are not stapled; only LENIENT_STAPLING is supported")
        });
    }
    let resumption = resumption(cx, wire);
    let read = read?;
    let Some(certificates) = read.certificates else {
        return cx.at("common_tls_context", |cx| {
            cx.refuse("a listener needs tls_certificates or tls_certificate_sds_secret_configs")
        });
    };
    Some(TlsServer {
        certificates,
        peer: read.peer,
        require_client_certificate,
        require_sni: is_true(wire.require_sni.as_ref()),
        params: read.params,
        alpn: read.alpn,
        resumption,
        full_scan_on_sni_mismatch: is_true(wire.full_scan_certs_on_sni_mismatch.as_ref()),
        prefer_client_ciphers: wire.prefer_client_ciphers,
    })
}

fn resumption(cx: &mut Context, wire: &pb::DownstreamTlsContext) -> ServerResumption {
    use pb::downstream_tls_context::SessionTicketKeysType;
    let mut stateless = true;
    match &wire.session_ticket_keys_type {
        Some(SessionTicketKeysType::DisableStatelessSessionResumption(disabled)) => stateless = !disabled,
        Some(SessionTicketKeysType::SessionTicketKeys(_)) => cx.at("session_ticket_keys", |cx| {
            cx.warn(
                "is not used: keys for tickets are made here, so sessions are not resumed at other proxies",
            );
        }),
        Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(_)) => {
            cx.at("session_ticket_keys_sds_secret_config", |cx| {
                cx.warn("is not used: keys for tickets are made here, so sessions are not resumed at other proxies");
            });
        }
        None => {}
    }
    ServerResumption {
        stateless,
        stateful: !wire.disable_stateful_session_resumption,
        timeout: duration(cx, "session_timeout", wire.session_timeout.as_ref()),
    }
}

fn client(cx: &mut Context, wire: &pb::UpstreamTlsContext) -> Option<TlsClient> {
    let common = wire.common_tls_context.clone().unwrap_or_default();
    let read = cx.at("common_tls_context", |cx| read_common(cx, &common))?;
    match &read.peer {
        None => cx.at("common_tls_context", |cx| {
            cx.warn("without validation_context.trusted_ca the server is not verified: whoever answers is trusted");
        }),
        Some(PeerValidation::Inline(validation)) if !validation.judges() => {
            cx.at("common_tls_context", |cx| {
                cx.at("validation_context", |cx| {
                    cx.warn("without trusted_ca the server is not verified: whoever answers is trusted");
                });
            });
        }
        Some(_) => {}
    }
    if let Some(CertificateSource::Given(certificates)) = &read.certificates
        && certificates.len() > 1
    {
        // Envoy refuses it in the same way.
        return cx.at("common_tls_context", |cx| cx.refuse("a cluster can have one certificate"));
    }
    Some(TlsClient {
        certificate: read.certificates,
        peer: read.peer,
        sni: wire.sni.as_str().into(),
        auto_host_sni: wire.auto_host_sni,
        auto_sni_san_validation: wire.auto_sni_san_validation,
        params: read.params,
        alpn: read.alpn,
        max_session_keys: wire.max_session_keys.as_ref().map(|keys| keys.value),
    })
}

/// What both sides have.
struct Common {
    certificates: Option<CertificateSource>,
    peer: Option<PeerValidation>,
    params: TlsParams,
    alpn: Vec<Name>,
}

fn read_common(cx: &mut Context, wire: &pb::CommonTlsContext) -> Option<Common> {
    let certificates = certificate::source(cx, wire);
    let peer = validation::peer(cx, wire);
    let params = params::params(cx, "tls_params", wire.tls_params.as_ref());
    let alpn = alpn(cx, &wire.alpn_protocols);
    Some(Common { certificates: certificates?, peer: peer?, params: params?, alpn })
}

fn alpn(cx: &mut Context, wire: &[String]) -> Vec<Name> {
    let mut bytes = 0;
    let names = cx.items("alpn_protocols", wire, |cx, protocol| {
        bytes += protocol.len() + 1;
        if protocol.is_empty() || protocol.len() > 255 {
            return cx.refuse("must have 1 to 255 bytes");
        }
        Some(Name::from(protocol.as_str()))
    });
    if bytes > MAX_ALPN_BYTES {
        cx.at("alpn_protocols", |cx| cx.reject("is too long"));
    }
    names
}
