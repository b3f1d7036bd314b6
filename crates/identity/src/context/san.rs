//! Whether a certificate has a name that is asked for.

use ripstop_model::matcher::StringPattern;
use ripstop_model::tls::validation::{SanKind, SanMatch};
use ripstop_policy::route::text::TextMatcher;
use rustls_pki_types::ServerName;

use super::ContextError;
use super::facts::CertificateDetails;

/// A compiled [`SanMatch`].
#[derive(Debug)]
pub struct SanMatcher {
    kind: Option<SanKind>,
    text: TextMatcher,
    /// The DNS name that is asked for exactly: a certificate's wildcard may stand for it.
    exact_dns: Option<String>,
}

impl SanMatcher {
    /// Compiles a matcher.
    pub fn compile(san: &SanMatch) -> Result<SanMatcher, ContextError> {
        let text = TextMatcher::compile(&san.matcher)
            .map_err(|error| ContextError::Refused(format!("'{}': {}", error.pattern, error.why)))?;
        let exact_dns = match (&san.matcher.pattern, san.kind) {
            (StringPattern::Exact(name), Some(SanKind::Dns) | None) => Some(name.to_string()),
            _ => None,
        };
        Ok(SanMatcher { kind: san.kind, text, exact_dns })
    }

    /// Whether one of the names of a certificate fits.
    pub fn matches(&self, details: &CertificateDetails) -> bool {
        let of = |kind| self.kind.is_none_or(|wanted| wanted == kind);
        let any = |names: &[String]| names.iter().any(|name| self.text.matches(name.as_bytes()));
        let dns = |name: &String| match &self.exact_dns {
            Some(wanted) => dns_name_matches(wanted, name),
            None => self.text.matches(name.as_bytes()),
        };
        (of(SanKind::Uri) && any(&details.uris))
            || (of(SanKind::Email) && any(&details.emails))
            || (of(SanKind::Dns) && details.dns_names.iter().any(dns))
            || (of(SanKind::Ip) && details.ips.iter().any(|ip| self.text.matches(ip.to_string().as_bytes())))
    }
}

/// Whether a certificate is for this server.
pub fn is_for(details: &CertificateDetails, server: &ServerName<'_>) -> bool {
    match server {
        ServerName::DnsName(name) => {
            details.dns_names.iter().any(|pattern| dns_name_matches(name.as_ref(), pattern))
        }
        ServerName::IpAddress(ip) => details.ips.contains(&std::net::IpAddr::from(*ip)),
        _ => false,
    }
}

/// Whether the name of a certificate stands for `name`: it is equal, or a `*` in place of its first label.
pub fn dns_name_matches(name: &str, pattern: &str) -> bool {
    if name.eq_ignore_ascii_case(pattern) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix("*.") else { return false };
    let Some((label, rest)) = name.split_once('.') else { return false };
    !label.is_empty() && rest.eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(dns_name_matches("a.example.com", "*.example.com"));
        assert!(dns_name_matches("A.Example.com", "a.example.COM"));
        assert!(!dns_name_matches("example.com", "*.example.com"));
        assert!(!dns_name_matches("a.b.example.com", "*.example.com"));
        assert!(!dns_name_matches(".example.com", "*.example.com"));
    }
}
