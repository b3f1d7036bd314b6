//! Which virtual host a host name belongs to, at a cost that does not depend on how many there are.
//!
//! Envoy's precedence: the exact name, then the longest `*suffix`, then the longest `prefix*`, then `*`. Wildcards are
//! grouped by length, so a look-up takes one hash look-up for the name and one for each length that occurs.

use std::borrow::Cow;

use ripstop_model::{Name, VirtualHost};

use super::CompileError;
use super::names::Names;

/// Domains and the positions of their virtual hosts. All names are lower case.
#[derive(Debug, Default)]
pub struct HostIndex {
    exact: Names,
    /// What follows the `*`.
    suffixes: ByLength,
    /// What precedes the `*`.
    prefixes: ByLength,
    /// The virtual host of `*`.
    any: Option<usize>,
}

/// Names by their length, longest first.
#[derive(Debug, Default)]
struct ByLength(Vec<(usize, Names)>);

impl HostIndex {
    /// Sorts the domains of all virtual hosts.
    ///
    /// # Errors
    /// A domain that stands twice.
    pub fn compile(hosts: &[VirtualHost]) -> Result<HostIndex, CompileError> {
        let mut index = HostIndex::default();
        for (position, host) in hosts.iter().enumerate() {
            for domain in &host.domains {
                if let Some(other) = index.insert(domain, position) {
                    return Err(CompileError::DuplicateDomain {
                        virtual_host: host.name.clone(),
                        domain: domain.clone(),
                        other: hosts[other].name.clone(),
                    });
                }
            }
        }
        Ok(index)
    }

    /// The virtual host that `authority` belongs to.
    pub fn find(&self, authority: &str) -> Option<usize> {
        let host = lower_case(authority);
        let len = host.len();
        let exact = || self.exact.find(&host);
        // Cuts are by bytes; one that would split a character fits no name.
        let suffix = || self.suffixes.find(len, |cut| host.get(len - cut..));
        let prefix = || self.prefixes.find(len, |cut| host.get(..cut));
        exact().or_else(suffix).or_else(prefix).or(self.any)
    }

    /// The one that the domain already belongs to, if there is one.
    fn insert(&mut self, domain: &Name, position: usize) -> Option<usize> {
        let domain = lower_case(domain);
        if *domain == *"*" {
            let taken = self.any;
            self.any = taken.or(Some(position));
            return taken;
        }
        // Any other `*` means itself.
        let (names, name) = match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
            (Some(suffix), _) => (self.suffixes.of_length(suffix.len()), suffix),
            (None, Some(prefix)) => (self.prefixes.of_length(prefix.len()), prefix),
            (None, None) => (&mut self.exact, &*domain),
        };
        names.insert(name, position)
    }
}

impl ByLength {
    fn of_length(&mut self, length: usize) -> &mut Names {
        let place = self.0.partition_point(|(other, _)| *other > length);
        if self.0.get(place).is_none_or(|(other, _)| *other != length) {
            self.0.insert(place, (length, Names::default()));
        }
        &mut self.0[place].1
    }

    /// `*` stands for at least one character, so only names shorter than the host can fit.
    fn find<'h>(&self, host_length: usize, cut: impl Fn(usize) -> Option<&'h str>) -> Option<usize> {
        let shorter = self.0.iter().filter(|(length, _)| *length < host_length);
        shorter.filter_map(|(length, names)| names.find(cut(*length)?)).next()
    }
}

/// A host without its port, if it has one.
pub(super) fn without_port(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else { return host };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    // The colons of an IPv6 address are within brackets.
    if is_port && (!name.contains(':') || name.ends_with(']')) { name } else { host }
}

fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}
