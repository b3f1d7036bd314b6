//! Transport sockets ← wire: TLS and plaintext.

use ripstop_model::TlsServer;
use ripstop_model::tls::TransportSocket;

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
            return TransportSocket { tls: client(cx, &wire).map(Box::new) };
        }
        cx.reject(format!("transport socket {} is not supported", type_name(any)));
        plaintext
    })
}

fn typed_config<'a>(cx: &mut Context, socket: &'a pb::TransportSocket) -> Option<&'a pb::Any> {
    match &socket.config_type {
        Some(pb::transport_socket::ConfigType::TypedConfig(any)) => Some(any),
        None => cx.refuse(format!("transport socket '{}' needs a typed_config", socket.name)),
    }
}
