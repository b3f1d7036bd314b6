//! `x-forwarded-client-cert`: what the upstream learns of the client's certificate.

use http::{HeaderMap, HeaderName, HeaderValue};
use ripstop_model::http_manager::ForwardClientCert;

use crate::listener::connection::ConnectionInfo;

const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Does to the header what the connection manager is configured to.
pub fn apply(headers: &mut HeaderMap, mode: ForwardClientCert, connection: &ConnectionInfo) {
    let mutual = connection.client_cert.is_some();
    match mode {
        ForwardClientCert::AlwaysForwardOnly => {}
        ForwardClientCert::ForwardOnly if mutual => {}
        ForwardClientCert::Sanitize | ForwardClientCert::ForwardOnly => {
            headers.remove(XFCC);
        }
        ForwardClientCert::AppendForward if mutual => {
            if let Some(own) = &connection.client_cert {
                let joined = match headers.get(&XFCC) {
                    Some(before) => joined(before, own),
                    None => Some(own.clone()),
                };
                set(headers, joined);
            }
        }
        ForwardClientCert::SanitizeSet if mutual => set(headers, connection.client_cert.clone()),
        ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet => {
            headers.remove(XFCC);
        }
    }
}

fn set(headers: &mut HeaderMap, value: Option<HeaderValue>) {
    match value {
        Some(value) => {
            headers.insert(XFCC, value);
        }
        None => {
            headers.remove(XFCC);
        }
    }
}

fn joined(before: &HeaderValue, own: &HeaderValue) -> Option<HeaderValue> {
    let mut both = before.as_bytes().to_vec();
    both.push(b',');
    both.extend_from_slice(own.as_bytes());
    HeaderValue::from_bytes(&both).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plain() -> ConnectionInfo {
        let address = ripstop_model::Address::socket([127, 0, 0, 1], 1);
        ConnectionInfo::plain(address.clone(), address)
    }

    #[test]
    fn without_a_certificate_the_header_is_not_believed() {
        let check = |mode, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(XFCC, HeaderValue::from_static("URI=spiffe://forged"));
            apply(&mut headers, mode, &plain());
            assert_eq!(headers.contains_key(XFCC), kept, "{mode:?}");
        };
        check(ForwardClientCert::Sanitize, false);
        check(ForwardClientCert::ForwardOnly, false);
        check(ForwardClientCert::AppendForward, false);
        check(ForwardClientCert::SanitizeSet, false);
        check(ForwardClientCert::AlwaysForwardOnly, true);
    }
}
