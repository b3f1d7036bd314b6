//! Transport sockets ← wire: TLS and plaintext.

use ripstop_model::TlsServer;
use ripstop_model::tls::{ProxyVersion, TransportSocket};

use super::super::common::{Context, is, type_name, unpack};
use super::{client, server};
use crate::pb;

/// `None`: plaintext, or a problem was reported.
pub(in crate::decode) fn downstream(cx: &mut Context, socket: &pb::TransportSocket) -> Option<TlsServer> {
    let any = typed_config(cx, socket)?;
    if is::<pb::RawBuffer>(any) {
        return None;
    }
    cx.at("typed_config", |cx| {
        if !is::<pb::DownstreamTlsContext>(any) {
            return cx.refuse(format!("transport socket {} is not supported", type_name(any)));
        }
        let wire: pb::DownstreamTlsContext = unpack(cx, any)?;
        server(cx, &wire)
    })
}

/// Plaintext where a problem was reported.
pub(in crate::decode) fn upstream(cx: &mut Context, socket: &pb::TransportSocket) -> TransportSocket {
    let plaintext = TransportSocket::default();
    let Some(any) = typed_config(cx, socket) else { return plaintext };
    if is::<pb::RawBuffer>(any) {
        return plaintext;
    }
    cx.at("typed_config", |cx| {
        if is::<pb::UpstreamTlsContext>(any) {
            let Some(wire) = unpack::<pb::UpstreamTlsContext>(cx, any) else { return plaintext };
            return TransportSocket { tls: client(cx, &wire).map(Box::new), ..plaintext };
        }
        if is::<pb::ProxyProtocolUpstreamTransport>(any) {
            let Some(wire) = unpack::<pb::ProxyProtocolUpstreamTransport>(cx, any) else { return plaintext };
            return proxied(cx, &wire);
        }
        cx.reject(format!("transport socket {} is not supported", type_name(any)));
        plaintext
    })
}

/// What lies behind the PROXY header.
fn proxied(cx: &mut Context, wire: &pb::ProxyProtocolUpstreamTransport) -> TransportSocket {
    let version = match wire.config.as_ref().map(|config| config.version()) {
        Some(pb::ProxyProtocolVersion::V2) => ProxyVersion::V2,
        Some(pb::ProxyProtocolVersion::V1) | None => ProxyVersion::V1,
    };
    let inner = match &wire.transport_socket {
        Some(socket) => cx.at("transport_socket", |cx| {
            let inner = upstream(cx, socket);
            if inner.proxy_protocol.is_some() {
                cx.reject("a PROXY header cannot stand before another");
            }
            inner
        }),
        None => TransportSocket::default(),
    };
    TransportSocket { proxy_protocol: Some(version), ..inner }
}

fn typed_config<'a>(cx: &mut Context, socket: &'a pb::TransportSocket) -> Option<&'a pb::Any> {
    match &socket.config_type {
        Some(pb::transport_socket::ConfigType::TypedConfig(any)) => Some(any),
        None => cx.refuse(format!("transport socket '{}' needs a typed_config", socket.name)),
    }
}
