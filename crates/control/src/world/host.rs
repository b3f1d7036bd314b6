//! Host names: those of services, and patterns with a wildcard.

use ripstop_model::Name;

use crate::resource::ObjectKey;

/// What the full name of every service ends in, as in Istio.
pub const DNS_SUFFIX: &str = "svc.cluster.local";

/// `name.namespace.svc.cluster.local`.
pub fn full_name(service: &ObjectKey) -> Name {
    format!("{}.{}.{DNS_SUFFIX}", service.name, service.namespace).into()
}

/// The service that `host` would name if there were one: without a dot one of `namespace`. `None` if the host has
/// another form than those of services.
pub fn service_key(host: &str, namespace: &str) -> Option<ObjectKey> {
    let stripped = host.strip_suffix(DNS_SUFFIX).and_then(|host| host.strip_suffix('.'));
    let stripped = stripped.or_else(|| host.strip_suffix(".svc"));
    let with_suffix = stripped.is_some();
    let host = stripped.unwrap_or(host);
    match host.split_once('.') {
        None if with_suffix => None,
        None => Some(ObjectKey::new(namespace, host)),
        Some((_, namespace)) if namespace.contains('.') => None,
        Some((name, namespace)) => Some(ObjectKey::new(namespace, name)),
    }
}

/// Whether `pattern` (a name, `*.suffix` or `*`) covers `host`, which may itself be a pattern.
pub fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        // The suffix begins with its dot, so that `*.a.b` does not cover `a.b`.
        Some(suffix) => host.ends_with(suffix) && (host.len() > suffix.len() || suffix.is_empty()),
        None => pattern == host,
    }
}

/// Order of precedence: an exact name beats every pattern, a longer pattern beats a shorter one.
pub fn specificity(pattern: &str) -> usize {
    if pattern.starts_with('*') { pattern.len() } else { usize::MAX }
}

/// What both patterns cover, as a pattern; `None` if nothing.
pub fn intersection<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    if covers(a, b) {
        Some(b)
    } else if covers(b, a) {
        Some(a)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_four_names() {
        let key = |host| service_key(host, "shop");
        let users = Some(ObjectKey::new("shop", "users"));
        assert_eq!(key("users"), users);
        assert_eq!(key("users.shop"), users);
        assert_eq!(key("users.shop.svc"), users);
        assert_eq!(key("users.shop.svc.cluster.local"), users);
        assert_eq!(key("users.other"), Some(ObjectKey::new("other", "users")));
        assert_eq!(key("users.svc"), None);
        assert_eq!(key("users.svc.cluster.local"), None);
        assert_eq!(key("users.cluster.local"), None);
        assert_eq!(key("www.example.org"), None);
        assert_eq!(&*full_name(&ObjectKey::new("shop", "users")), "users.shop.svc.cluster.local");
    }

    #[test]
    fn patterns_cover_and_intersect() {
        assert!(covers("*", "a.b") && covers("*.b", "a.b") && covers("a.b", "a.b") && covers("*.b", "*.a.b"));
        assert!(!covers("*.b", "b") && !covers("*.b", "a.c") && !covers("a.b", "*"));
        assert_eq!(intersection("*", "a.b"), Some("a.b"));
        assert_eq!(intersection("*.a.b", "*.b"), Some("*.a.b"));
        assert_eq!(intersection("a.b", "a.c"), None);
        assert!(specificity("a") > specificity("*.long.suffix") && specificity("*.a") > specificity("*"));
    }
}
