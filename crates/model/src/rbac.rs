//! Who may connect where: Envoy's role based access control, as far as it concerns connections.

use std::collections::BTreeMap;

use crate::Name;
use crate::cidr::CidrRange;
use crate::matcher::StringMatch;

/// Envoy's network `RBAC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rbac {
    /// Part of its metric names.
    pub stat_prefix: Name,
    /// What decides; `None`: everybody may connect.
    pub rules: Option<RbacRules>,
    /// What is only counted.
    pub shadow_rules: Option<RbacRules>,
}

/// Policies and what follows when one holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RbacRules {
    /// What follows.
    pub action: RbacAction,
    /// By name.
    pub policies: BTreeMap<Name, RbacPolicy>,
}

/// Envoy's `RBAC.Action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RbacAction {
    /// Those whom a policy names may connect, nobody else.
    Allow,
    /// Those whom a policy names may not connect, everybody else may.
    Deny,
    /// Everybody may connect.
    Log,
}

/// Holds when one of each list does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RbacPolicy {
    /// What is asked for.
    pub permissions: Vec<Permission>,
    /// Who asks.
    pub principals: Vec<Principal>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anything.
    Any,
    /// All of these hold.
    All(Vec<Permission>),
    /// One of these holds.
    AnyOf(Vec<Permission>),
    /// This does not hold.
    Not(Box<Permission>),
    /// The address that the client connected to.
    DestinationIp(CidrRange),
    /// The port that the client connected to.
    DestinationPort(u16),
    /// The same within a range.
    DestinationPorts {
        /// First port inside.
        start: u16,
        /// First port outside; up to 65536.
        end: u32,
    },
    /// The name in the ClientHello, empty without one.
    ServerName(StringMatch),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Anybody.
    Any,
    /// All of these hold.
    All(Vec<Principal>),
    /// One of these holds.
    AnyOf(Vec<Principal>),
    /// This does not hold.
    Not(Box<Principal>),
    /// A client with a verified certificate, whose name matches where a rule is given.
    Authenticated(Option<StringMatch>),
    /// Whoever opened the connection.
    DirectRemoteIp(CidrRange),
    /// The client, as far as a proxy before us has told.
    RemoteIp(CidrRange),
}
