//! Decides whether a client may connect, by Envoy's role based access control. Not what is said inside the connection.

use std::net::SocketAddr;

use ripstop_model::Name;
use ripstop_model::rbac::{Permission, Principal, RbacAction, RbacPolicy, RbacRules};

use crate::route::text::{RegexError, TextMatcher};

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the client connected to.
    pub destination: Option<SocketAddr>,
    /// Whoever opened the connection.
    pub direct_remote: Option<SocketAddr>,
    /// The client, as far as a proxy before us has told.
    pub remote: Option<SocketAddr>,
    /// The name in the ClientHello; empty: none.
    pub server_name: &'a str,
    /// The names in the client's verified certificate; `None`: it has shown none.
    pub identities: Option<&'a [&'a str]>,
}

/// The answer, with the policy that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the client may connect.
    pub allowed: bool,
    /// The policy that holds; `None`: none does.
    pub policy: Option<Name>,
}

/// Compiled [`RbacRules`].
#[derive(Debug)]
pub struct Authorizer {
    action: RbacAction,
    policies: Vec<Policy>,
}

#[derive(Debug)]
struct Policy {
    name: Name,
    permissions: Vec<Condition>,
    principals: Vec<Condition>,
}

/// A permission or principal; which of the two makes no difference once it is compiled.
#[derive(Debug)]
enum Condition {
    Any,
    All(Vec<Condition>),
    AnyOf(Vec<Condition>),
    Not(Box<Condition>),
    Ip(Whose, ripstop_model::cidr::CidrRange),
    Ports { start: u32, end: u32 },
    ServerName(TextMatcher),
    Authenticated(Option<TextMatcher>),
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    Destination,
    DirectRemote,
    Remote,
}

impl Authorizer {
    /// Compiles rules.
    ///
    /// # Errors
    /// A regular expression cannot be compiled.
    pub fn compile(rules: &RbacRules) -> Result<Authorizer, RegexError> {
        let policies = rules.policies.iter().map(|(name, policy)| compile(name, policy));
        Ok(Authorizer { action: rules.action, policies: policies.collect::<Result<_, _>>()? })
    }

    /// Whether the client may connect, and why.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let any = |list: &[Condition]| list.iter().any(|condition| condition.holds(facts));
        let holds = |policy: &&Policy| any(&policy.permissions) && any(&policy.principals);
        let policy = self.policies.iter().find(holds).map(|policy| policy.name.clone());
        let allowed = match self.action {
            RbacAction::Allow => policy.is_some(),
            RbacAction::Deny => policy.is_none(),
            RbacAction::Log => true,
        };
        Decision { allowed, policy }
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Condition::Any => true,
            Condition::All(list) => list.iter().all(|condition| condition.holds(facts)),
            Condition::AnyOf(list) => list.iter().any(|condition| condition.holds(facts)),
            Condition::Not(condition) => !condition.holds(facts),
            Condition::Ip(whose, range) => {
                let address = match whose {
                    Whose::Destination => facts.destination,
                    Whose::DirectRemote => facts.direct_remote,
                    Whose::Remote => facts.remote,
                };
                address.is_some_and(|address| range.contains(address.ip()))
            }
            Condition::Ports { start, end } => {
                facts.destination.is_some_and(|address| (*start..*end).contains(&u32::from(address.port())))
            }
            Condition::ServerName(rule) => rule.matches(facts.server_name.as_bytes()),
            Condition::Authenticated(None) => facts.identities.is_some(),
            Condition::Authenticated(Some(rule)) => {
                facts.identities.is_some_and(|names| names.iter().any(|name| rule.matches(name.as_bytes())))
            }
        }
    }
}

fn compile(name: &Name, policy: &RbacPolicy) -> Result<Policy, RegexError> {
    Ok(Policy {
        name: name.clone(),
        permissions: policy.permissions.iter().map(permission).collect::<Result<_, _>>()?,
        principals: policy.principals.iter().map(principal).collect::<Result<_, _>>()?,
    })
}

fn permission(of: &Permission) -> Result<Condition, RegexError> {
    let list = |list: &[Permission]| list.iter().map(permission).collect::<Result<Vec<_>, _>>();
    Ok(match of {
        Permission::Any => Condition::Any,
        Permission::All(all) => Condition::All(list(all)?),
        Permission::AnyOf(any) => Condition::AnyOf(list(any)?),
        Permission::Not(not) => Condition::Not(Box::new(permission(not)?)),
        Permission::DestinationIp(range) => Condition::Ip(Whose::Destination, *range),
        Permission::DestinationPort(port) => {
            Condition::Ports { start: u32::from(*port), end: u32::from(*port) + 1 }
        }
        Permission::DestinationPorts { start, end } => {
            Condition::Ports { start: u32::from(*start), end: *end }
        }
        Permission::ServerName(rule) => Condition::ServerName(TextMatcher::compile(rule)?),
    })
}

fn principal(of: &Principal) -> Result<Condition, RegexError> {
    let list = |list: &[Principal]| list.iter().map(principal).collect::<Result<Vec<_>, _>>();
    Ok(match of {
        Principal::Any => Condition::Any,
        Principal::All(all) => Condition::All(list(all)?),
        Principal::AnyOf(any) => Condition::AnyOf(list(any)?),
        Principal::Not(not) => Condition::Not(Box::new(principal(not)?)),
        Principal::Authenticated(rule) => {
            Condition::Authenticated(rule.as_ref().map(TextMatcher::compile).transpose()?)
        }
        Principal::DirectRemoteIp(range) => Condition::Ip(Whose::DirectRemote, *range),
        Principal::RemoteIp(range) => Condition::Ip(Whose::Remote, *range),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::cidr::CidrRange;
    use ripstop_model::matcher::StringMatch;

    const USERS: &str = "spiffe://cluster.local/ns/shop/sa/users";

    fn decide(action: RbacAction, permission: Permission, principal: Principal) -> Decision {
        let policy = RbacPolicy { permissions: vec![permission], principals: vec![principal] };
        let rules = RbacRules { action, policies: [("p".into(), policy)].into() };
        Authorizer::compile(&rules).unwrap().decide(&Facts {
            destination: Some("10.0.0.1:443".parse().unwrap()),
            direct_remote: Some("10.0.0.2:1000".parse().unwrap()),
            remote: Some("192.0.2.1:1000".parse().unwrap()),
            server_name: "a.example.com",
            identities: Some(&[USERS]),
        })
    }

    fn holds(permission: Permission, principal: Principal) -> bool {
        decide(RbacAction::Allow, permission, principal).allowed
    }

    fn range(address: [u8; 4], length: u32) -> CidrRange {
        CidrRange::new(address.into(), length)
    }

    #[test]
    fn actions_say_what_follows_from_a_policy_that_holds() {
        let allowed = |action, permission| decide(action, permission, Principal::Any);
        let never = Permission::Not(Box::new(Permission::Any));
        let named = Decision { allowed: true, policy: Some("p".into()) };
        assert_eq!(allowed(RbacAction::Allow, Permission::Any), named);
        assert_eq!(allowed(RbacAction::Allow, never.clone()), Decision { allowed: false, policy: None });
        assert!(!allowed(RbacAction::Deny, Permission::Any).allowed);
        assert!(allowed(RbacAction::Deny, never.clone()).allowed);
        assert_eq!(allowed(RbacAction::Log, Permission::Any), named);
        assert!(allowed(RbacAction::Log, never).allowed);
        let nothing = RbacRules { action: RbacAction::Allow, policies: Default::default() };
        assert!(
            !Authorizer::compile(&nothing)
                .unwrap()
                .decide(&Facts {
                    destination: None,
                    direct_remote: None,
                    remote: None,
                    server_name: "",
                    identities: None,
                })
                .allowed
        );
    }

    #[test]
    fn permissions_say_what_is_asked_for() {
        let check = |permission, expected| assert_eq!(holds(permission, Principal::Any), expected);
        check(Permission::DestinationPort(443), true);
        check(Permission::DestinationPort(444), false);
        check(Permission::DestinationPorts { start: 400, end: 443 }, false);
        check(Permission::DestinationPorts { start: 443, end: 65_536 }, true);
        check(Permission::DestinationIp(range([10, 0, 0, 0], 8)), true);
        check(Permission::DestinationIp(range([11, 0, 0, 0], 8)), false);
        check(Permission::ServerName(StringMatch::exact("a.example.com")), true);
        check(Permission::All(vec![Permission::Any, Permission::DestinationPort(1)]), false);
        check(Permission::AnyOf(vec![Permission::Any, Permission::DestinationPort(1)]), true);
    }

    #[test]
    fn principals_say_who_asks() {
        let check = |principal, expected| assert_eq!(holds(Permission::Any, principal), expected);
        check(Principal::Authenticated(None), true);
        check(Principal::Authenticated(Some(StringMatch::exact(USERS))), true);
        check(Principal::Authenticated(Some(StringMatch::exact("spiffe://other"))), false);
        check(Principal::DirectRemoteIp(range([10, 0, 0, 2], 32)), true);
        check(Principal::RemoteIp(range([10, 0, 0, 2], 32)), false);
        check(Principal::Not(Box::new(Principal::RemoteIp(range([10, 0, 0, 2], 32)))), true);
    }
}
