//! Network RBAC → wire.

use ripstop_model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};

use super::common::cidr_range;
use super::matcher::string;
use crate::pb;

pub(super) fn rbac(filter: &Rbac) -> pb::NetworkRbac {
    pb::NetworkRbac {
        stat_prefix: filter.stat_prefix.to_string(),
        rules: filter.rules.as_ref().map(rules),
        shadow_rules: filter.shadow_rules.as_ref().map(rules),
        ..Default::default()
    }
}

fn rules(rules: &RbacRules) -> pb::Rbac {
    let action = match rules.action {
        RbacAction::Allow => pb::RbacAction::Allow,
        RbacAction::Deny => pb::RbacAction::Deny,
        RbacAction::Log => pb::RbacAction::Log,
    };
    let policies = rules.policies.iter().map(|(name, of)| (name.to_string(), policy(of)));
    pb::Rbac { action: action.into(), policies: policies.collect(), ..Default::default() }
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
