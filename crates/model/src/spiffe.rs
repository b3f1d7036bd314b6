//! SPIFFE names: [`TrustDomain`] and [`SpiffeId`], valid by construction.
//!
//! Rules are those of the SPIFFE ID specification (sections 2.1 to 2.3): scheme `spiffe`, a lower-case trust domain,
//! plain path segments, no query, fragment, port or user part, nothing percent-encoded. Certificates that carry these
//! names are not known here; they live in `ripstop-identity`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const SCHEME: &str = "spiffe://";

/// Longest SPIFFE ID in bytes, scheme included.
pub const MAX_SPIFFE_ID_BYTES: usize = 2048;

/// Longest trust domain name in bytes.
pub const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// Why a text is not a SPIFFE ID or a trust domain. Each message quotes the text it refuses, shortened if it is long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeIdError {
    /// The text does not begin with `spiffe://`.
    #[error("`{0}` is not a SPIFFE ID: it must begin with `spiffe://`")]
    Scheme(String),
    /// The whole ID or the trust domain is longer than the specification allows.
    #[error("`{text}` is {bytes} bytes long, at most {limit} are allowed")]
    TooLong {
        /// The refused text, shortened.
        text: String,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The trust domain is empty.
    #[error("`{0}` has no trust domain; write it as `spiffe://example.org/…`")]
    NoTrustDomain(String),
    /// The trust domain has a character outside `a-z 0-9 . - _`.
    #[error(
        "`{text}`: character {found:?} is not allowed in a trust domain (only a-z, 0-9, `.`, `-` and `_`)"
    )]
    TrustDomainCharacter {
        /// The refused text, shortened.
        text: String,
        /// The first offending character.
        found: char,
    },
    /// A path segment has a character outside `a-z A-Z 0-9 . - _`.
    #[error(
        "`{text}`: character {found:?} is not allowed in a path segment (only letters, digits, `.`, `-` and `_`)"
    )]
    PathCharacter {
        /// The refused text, shortened.
        text: String,
        /// The first offending character.
        found: char,
    },
    /// A path segment is empty, which a trailing or doubled `/` also makes.
    #[error("`{0}` has an empty path segment; remove the extra `/`")]
    EmptySegment(String),
    /// A path segment is `.` or `..`.
    #[error("`{0}` has a relative path segment (`.` or `..`), which a SPIFFE ID must not have")]
    RelativeSegment(String),
}

/// The name of a trust domain, for example `cluster.local`. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Checks `name` (without scheme): 1 to 255 bytes of `a-z 0-9 . - _`.
    ///
    /// # Errors
    /// Says which character or length is wrong.
    pub fn new(name: &str) -> Result<Self, SpiffeIdError> {
        check_trust_domain(name, name)?;
        Ok(Self(Arc::from(name)))
    }

    /// The bare name, without scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeIdError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

/// A SPIFFE ID, for example `spiffe://cluster.local/ns/shop/sa/user-service`. Cloning copies pointers.
///
/// Ordering and equality are those of the text: two IDs are the same exactly if they are written the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Arc<str>,
    trust_domain: TrustDomain,
}

impl SpiffeId {
    /// Checks and takes a whole ID, `spiffe://trust-domain/path`. The path may be missing.
    ///
    /// # Errors
    /// Says which part of the specification the text breaks.
    pub fn new(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(too_long(text, MAX_SPIFFE_ID_BYTES));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| SpiffeIdError::Scheme(shorten(text)))?;
        let (domain, path) = rest.split_once('/').map_or((rest, None), |(domain, path)| (domain, Some(path)));
        check_trust_domain(domain, text)?;
        for segment in path.into_iter().flat_map(|path| path.split('/')) {
            check_segment(segment, text)?;
        }
        Ok(Self { text: Arc::from(text), trust_domain: TrustDomain(Arc::from(domain)) })
    }

    /// The identity with the same path in another trust domain.
    ///
    /// # Errors
    /// If it would be too long.
    pub fn in_domain(&self, trust_domain: &TrustDomain) -> Result<Self, SpiffeIdError> {
        let path = &self.text[SCHEME.len() + self.trust_domain.as_str().len()..];
        let text = format!("{SCHEME}{trust_domain}{path}");
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(too_long(&text, MAX_SPIFFE_ID_BYTES));
        }
        Ok(Self { text: Arc::from(text), trust_domain: trust_domain.clone() })
    }

    /// The identity of a workload in Istio's form: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    ///
    /// # Errors
    /// If namespace or service account is not one path segment of its own (empty, `..`, contains `/` …).
    pub fn workload(
        trust_domain: &TrustDomain,
        namespace: &str,
        service_account: &str,
    ) -> Result<Self, SpiffeIdError> {
        let text = format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{service_account}");
        check_segment(namespace, &text)?;
        check_segment(service_account, &text)?;
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(too_long(&text, MAX_SPIFFE_ID_BYTES));
        }
        Ok(Self { text: Arc::from(text), trust_domain: trust_domain.clone() })
    }

    /// The whole ID as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain that vouches for this ID.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path with its leading `/`; empty if the ID names a trust domain alone.
    pub fn path(&self) -> &str {
        &self.text[SCHEME.len() + self.trust_domain.as_str().len()..]
    }

    /// The namespace, if the path has the form `/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub fn namespace(&self) -> Option<&str> {
        self.workload_parts().map(|(namespace, _)| namespace)
    }

    /// The service account, if the path has the form `/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub fn service_account(&self) -> Option<&str> {
        self.workload_parts().map(|(_, service_account)| service_account)
    }

    fn workload_parts(&self) -> Option<(&str, &str)> {
        let (namespace, rest) = self.path().strip_prefix("/ns/")?.split_once('/')?;
        let service_account = rest.strip_prefix("sa/")?;
        (!service_account.contains('/')).then_some((namespace, service_account))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// `whole` is what the message quotes.
fn check_trust_domain(name: &str, whole: &str) -> Result<(), SpiffeIdError> {
    if name.is_empty() {
        return Err(SpiffeIdError::NoTrustDomain(shorten(whole)));
    }
    if name.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(too_long(name, MAX_TRUST_DOMAIN_BYTES));
    }
    match name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_')) {
        Some(found) => Err(SpiffeIdError::TrustDomainCharacter { text: shorten(whole), found }),
        None => Ok(()),
    }
}

/// `whole` is what the message quotes.
fn check_segment(segment: &str, whole: &str) -> Result<(), SpiffeIdError> {
    if segment.is_empty() {
        return Err(SpiffeIdError::EmptySegment(shorten(whole)));
    }
    if segment == "." || segment == ".." {
        return Err(SpiffeIdError::RelativeSegment(shorten(whole)));
    }
    match segment.chars().find(|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_')) {
        Some(found) => Err(SpiffeIdError::PathCharacter { text: shorten(whole), found }),
        None => Ok(()),
    }
}

fn too_long(text: &str, limit: usize) -> SpiffeIdError {
    SpiffeIdError::TooLong { text: shorten(text), bytes: text.len(), limit }
}

/// At most 100 characters, so that a hostile certificate cannot fill a log.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn workload_identity_has_istios_form() {
        let domain = TrustDomain::new("cluster.local").unwrap();
        let id = SpiffeId::workload(&domain, "shop", "user-service").unwrap();
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/sa/user-service");
        assert_eq!(id.trust_domain(), &domain);
        assert_eq!(id.path(), "/ns/shop/sa/user-service");
        assert_eq!((id.namespace(), id.service_account()), (Some("shop"), Some("user-service")));
        assert_eq!(id, id.as_str().parse().unwrap());
    }

    #[test]
    fn other_paths_have_no_workload_parts() {
        for text in [
            "spiffe://td",
            "spiffe://td/a",
            "spiffe://td/ns/x",
            "spiffe://td/ns/x/sa/y/z",
            "spiffe://td/ns/x/sb/y",
        ] {
            let id = SpiffeId::new(text).unwrap();
            assert_eq!((id.namespace(), id.service_account()), (None, None), "{text}");
        }
        assert_eq!(SpiffeId::new("spiffe://td").unwrap().path(), "");
    }

    #[test]
    fn breaks_of_the_specification_are_refused() {
        let bad = [
            "",
            "spiffe:/td/a",
            "SPIFFE://td/a",
            "https://td/a",
            "spiffe://",
            "spiffe:///a",
            "spiffe://TD/a",
            "spiffe://td:80/a",
            "spiffe://user@td/a",
            "spiffe://t%64/a",
            "spiffe://td/",
            "spiffe://td/a/",
            "spiffe://td//a",
            "spiffe://td/./a",
            "spiffe://td/a/..",
            "spiffe://td/a?b",
            "spiffe://td/a#b",
            "spiffe://td/%61",
            "spiffe://td/ä",
            "spiffe://tä/a",
        ];
        for text in bad {
            assert!(SpiffeId::new(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn lengths_are_limited() {
        let longest = format!("spiffe://td/{}", "a".repeat(MAX_SPIFFE_ID_BYTES - 12));
        assert!(SpiffeId::new(&longest).is_ok());
        let error = SpiffeId::new(&format!("{longest}a")).unwrap_err();
        assert!(matches!(error, SpiffeIdError::TooLong { bytes: 2049, limit: 2048, .. }));
        assert!(error.to_string().len() < 300);
        assert!(TrustDomain::new(&"a".repeat(255)).is_ok());
        assert!(TrustDomain::new(&"a".repeat(256)).is_err());
    }

    #[test]
    fn a_namespace_cannot_smuggle_segments() {
        let domain = TrustDomain::new("td").unwrap();
        for (namespace, account) in
            [("a/sa/admin", "x"), ("", "x"), ("a", ""), ("..", "x"), ("a", "b/c"), ("a", "ä")]
        {
            assert!(SpiffeId::workload(&domain, namespace, account).is_err(), "{namespace:?} {account:?}");
        }
    }
}
