//! What a connection is for besides the endpoint it leads to. Requests share a connection only where that is the same.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::upstream_http::RequestServerName;
use ripstop_model::{Address, Name};
use rustls::pki_types::ServerName;

/// The purpose of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purpose {
    /// The name or address that the request goes to, where TLS asks for that.
    pub server_name: Option<Name>,
    /// The client and where it connected to, where endpoints are told.
    pub client: Option<Client>,
    /// Whether HTTP/2 is to be spoken, where the client of a request decides that.
    pub http2: bool,
}

/// A client and the address that it connected to.
pub type Client = (SocketAddr, SocketAddr);

/// An endpoint and the purpose: what connections are kept by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The endpoint.
    pub address: Address,
    /// What the connection is for.
    pub purpose: Purpose,
}

impl Purpose {
    /// That of a request with this host and these headers.
    pub fn of(options: &RequestServerName, host: &str, headers: &HeaderMap) -> Purpose {
        if !options.auto_sni {
            return Purpose::default();
        }
        let header = options.override_header.as_ref().and_then(|name| headers.get(&**name)?.to_str().ok());
        let name = without_port(header.filter(|value| !value.is_empty()).unwrap_or(host));
        Purpose { server_name: Some(name.to_ascii_lowercase().into()), ..Purpose::default() }
    }

    /// The same for a client alone.
    #[must_use]
    pub fn for_client(self, client: Option<Client>) -> Purpose {
        Purpose { client, ..self }
    }

    /// The same for a request of a client that speaks HTTP/2, or does not.
    #[must_use]
    pub fn of_client(self, protocol: UpstreamProtocol, http2: bool) -> Purpose {
        Purpose { http2: http2 && protocol == UpstreamProtocol::Downstream, ..self }
    }

    /// What is spoken, where `cluster` is what its cluster says.
    pub fn protocol(&self, cluster: UpstreamProtocol) -> UpstreamProtocol {
        match cluster {
            UpstreamProtocol::Downstream if self.http2 => UpstreamProtocol::Http2,
            UpstreamProtocol::Downstream => UpstreamProtocol::Http1,
            other => other,
        }
    }

    /// The name for TLS; an address is verified, but not sent. `None`: nothing was said, or no name.
    pub fn tls_name(&self) -> Option<ServerName<'static>> {
        let name = self.server_name.as_deref()?;
        match name.parse::<IpAddr>() {
            Ok(ip) => Some(ServerName::from(ip)),
            Err(_) => ServerName::try_from(name.to_owned()).ok(),
        }
    }
}

/// A host without its port, and an IPv6 address without its brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_or_a_header_is_asked_for() {
        let check = |options: &RequestServerName, host: &str, name: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("x-name", http::HeaderValue::from_static("Other.Test"));
            assert_eq!(Purpose::of(options, host, &headers).server_name.as_deref(), name);
        };
        let off = RequestServerName::default();
        check(&off, "a.test", None);
        let host = RequestServerName { auto_sni: true, ..off };
        check(&host, "A.test:8443", Some("a.test"));
        check(&host, "[::1]:443", Some("::1"));
        let header = RequestServerName { override_header: Some("x-name".into()), ..host };
        check(&header, "a.test", Some("other.test"));
    }
}
