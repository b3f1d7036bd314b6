//! Transport sockets ← wire: TLS, plaintext and the PROXY protocol in front of either.

use ripstop_model::TlsServer;
use ripstop_model::tls::{ProxyProtocolVersion, TransportSocket};

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
            return proxy_protocol(cx, &wire);
        }
        cx.reject(format!("transport socket {} is not supported", type_name(any)));
        plaintext
    })
}

fn proxy_protocol(cx: &mut Context, wire: &pb::ProxyProtocolUpstreamTransport) -> TransportSocket {
    let version = match wire.config.as_ref().map_or(0, |config| config.version) {
        0 => ProxyProtocolVersion::V1,
        _ => ProxyProtocolVersion::V2,
    };
    let inner = match &wire.transport_socket {
        Some(socket) => cx.at("transport_socket", |cx| upstream(cx, socket)),
        None => {
            cx.at("transport_socket", |cx| cx.reject("names what comes after the header"));
            TransportSocket::default()
        }
    };
    if inner.proxy_protocol.is_some() {
        cx.at("transport_socket", |cx| cx.reject("one header of the PROXY protocol is enough"));
    }
    TransportSocket { proxy_protocol: Some(version), tls: inner.tls }
}

fn typed_config<'a>(cx: &mut Context, socket: &'a pb::TransportSocket) -> Option<&'a pb::Any> {
    match &socket.config_type {
        Some(pb::transport_socket::ConfigType::TypedConfig(any)) => Some(any),
        None => cx.refuse(format!("transport socket '{}' needs a typed_config", socket.name)),
    }
}
