//! Network RBAC → wire.

use std::collections::BTreeMap;

use prost::{Message, Name};
use ripstop_model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};

use super::common::cidr_range;
use super::matcher::string;
use crate::pb;

/// `envoy.extensions.filters.network.rbac.v3.RBAC`, with its maps in order, so that equal values have equal bytes.
#[derive(Clone, PartialEq, Message)]
struct OrderedFilter {
    #[prost(message, optional, tag = "1")]
    rules: Option<OrderedRules>,
    #[prost(message, optional, tag = "2")]
    shadow_rules: Option<OrderedRules>,
    #[prost(string, tag = "3")]
    stat_prefix: String,
}

/// `envoy.config.rbac.v3.RBAC`
#[derive(Clone, PartialEq, Message)]
struct OrderedRules {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(btree_map = "string, message", tag = "2")]
    policies: BTreeMap<String, pb::RbacPolicy>,
}

pub(super) fn rbac(filter: &Rbac) -> pb::Any {
    let ordered = OrderedFilter {
        rules: filter.rules.as_ref().map(rules),
        shadow_rules: filter.shadow_rules.as_ref().map(rules),
        stat_prefix: filter.stat_prefix.to_string(),
    };
    pb::Any { type_url: pb::NetworkRbac::type_url(), value: ordered.encode_to_vec() }
}

fn rules(rules: &RbacRules) -> OrderedRules {
    let action = match rules.action {
        RbacAction::Allow => pb::RbacAction::Allow,
        RbacAction::Deny => pb::RbacAction::Deny,
        RbacAction::Log => pb::RbacAction::Log,
    };
    let policies = rules.policies.iter().map(|(name, of)| (name.to_string(), policy(of)));
    OrderedRules { action: action.into(), policies: policies.collect() }
}

fn policy(policy: &RbacPolicy) -> pb::RbacPolicy {
    pb::RbacPolicy {
        permissions: policy.permissions.iter().map(permission).collect(),
        principals: policy.principals.iter().map(principal).collect(),
        ..Default::default()
    }
}

fn permission(of: &Permission) -> pb::Permission {
    use pb::permission::Rule;
    let set = |list: &[Permission]| pb::permission::Set { rules: list.iter().map(permission).collect() };
    let rule = match of {
        Permission::Any => Rule::Any(true),
        Permission::All(all) => Rule::AndRules(set(all)),
        Permission::AnyOf(any) => Rule::OrRules(set(any)),
        Permission::Not(not) => Rule::NotRule(Box::new(permission(not))),
        Permission::DestinationIp(range) => Rule::DestinationIp(cidr_range(range)),
        Permission::DestinationPort(port) => Rule::DestinationPort(u32::from(*port)),
        Permission::DestinationPorts { start, end } => Rule::DestinationPortRange(pb::Int32Range {
            start: i32::from(*start),
            // At most 65536.
            end: i32::try_from(*end).unwrap_or(i32::MAX),
        }),
        Permission::ServerName(rule) => Rule::RequestedServerName(string(rule)),
    };
    pb::Permission { rule: Some(rule) }
}

fn principal(of: &Principal) -> pb::Principal {
    use pb::principal::Identifier;
    let set = |list: &[Principal]| pb::principal::Set { ids: list.iter().map(principal).collect() };
    let identifier = match of {
        Principal::Any => Identifier::Any(true),
        Principal::All(all) => Identifier::AndIds(set(all)),
        Principal::AnyOf(any) => Identifier::OrIds(set(any)),
        Principal::Not(not) => Identifier::NotId(Box::new(principal(not))),
        Principal::Authenticated(rule) => Identifier::Authenticated(pb::principal::Authenticated {
            principal_name: rule.as_ref().map(string),
        }),
        Principal::DirectRemoteIp(range) => Identifier::DirectRemoteIp(cidr_range(range)),
        Principal::RemoteIp(range) => Identifier::RemoteIp(cidr_range(range)),
    };
    pb::Principal { identifier: Some(identifier) }
}
