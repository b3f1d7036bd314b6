//! Network RBAC ← wire. A rule that cannot be read refuses the listener: to let in more than was asked for is never
//! harmless.

use ripstop_model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy, RbacRules};

use super::common::{Context, cidr_range};
use super::matcher::string;
use crate::pb;

/// Deepest nesting of rules.
const MAX_DEPTH: usize = 32;

pub(super) fn rbac(cx: &mut Context, wire: &pb::NetworkRbac) -> Option<Rbac> {
    let mut read = |field, wire: &Option<pb::Rbac>| match wire {
        Some(wire) => cx.at(field, |cx| rules(cx, wire)).map(Some),
        None => Some(None),
    };
    let (enforced, shadow) = (read("rules", &wire.rules), read("shadow_rules", &wire.shadow_rules));
    Some(Rbac { stat_prefix: wire.stat_prefix.as_str().into(), rules: enforced?, shadow_rules: shadow? })
}

fn rules(cx: &mut Context, wire: &pb::Rbac) -> Option<RbacRules> {
    let action = match pb::RbacAction::try_from(wire.action) {
        Ok(pb::RbacAction::Allow) => RbacAction::Allow,
        Ok(pb::RbacAction::Deny) => RbacAction::Deny,
        Ok(pb::RbacAction::Log) => RbacAction::Log,
        Err(_) => return cx.at("action", |cx| cx.refuse("is not ALLOW, DENY or LOG")),
    };
    let mut names: Vec<&String> = wire.policies.keys().collect();
    names.sort();
    let mut policies = std::collections::BTreeMap::new();
    for name in names {
        let Some(policy) = wire.policies.get(name) else { continue };
        let read = cx.at(&format!("policies[\"{name}\"]"), |cx| {
            let permissions =
                cx.items("permissions", &policy.permissions, |cx, wire| permission(cx, wire, 0));
            let principals = cx.items("principals", &policy.principals, |cx, wire| principal(cx, wire, 0));
            RbacPolicy { permissions, principals }
        });
        policies.insert(name.as_str().into(), read);
    }
    Some(RbacRules { action, policies })
}

fn permission(cx: &mut Context, wire: &pb::Permission, depth: usize) -> Option<Permission> {
    use pb::permission::Rule;
    if depth > MAX_DEPTH {
        return cx.refuse("rules are nested too deeply");
    }
    let below = |cx: &mut Context, wire: &pb::Permission| permission(cx, wire, depth + 1);
    match &wire.rule {
        Some(Rule::Any(_)) => Some(Permission::Any),
        Some(Rule::AndRules(set)) => {
            Some(Permission::All(cx.at("and_rules", |cx| cx.items("rules", &set.rules, below))))
        }
        Some(Rule::OrRules(set)) => {
            Some(Permission::AnyOf(cx.at("or_rules", |cx| cx.items("rules", &set.rules, below))))
        }
        Some(Rule::NotRule(not)) => Some(Permission::Not(Box::new(cx.at("not_rule", |cx| below(cx, not))?))),
        Some(Rule::DestinationIp(range)) => {
            Some(Permission::DestinationIp(cx.at("destination_ip", |cx| cidr_range(cx, range))?))
        }
        Some(Rule::DestinationPort(port)) => match u16::try_from(*port) {
            Ok(port) => Some(Permission::DestinationPort(port)),
            Err(_) => cx.at("destination_port", |cx| cx.refuse("must be at most 65535")),
        },
        Some(Rule::DestinationPortRange(range)) => {
            match (u16::try_from(range.start), u32::try_from(range.end)) {
                (Ok(start), Ok(end)) if u32::from(start) < end && end <= 65_536 => {
                    Some(Permission::DestinationPorts { start, end })
                }
                _ => cx.at("destination_port_range", |cx| {
                    cx.refuse("must begin below 65536 and end behind its beginning, at most at 65536")
                }),
            }
        }
        Some(Rule::RequestedServerName(rule)) => {
            Some(Permission::ServerName(cx.at("requested_server_name", |cx| string(cx, rule))?))
        }
        _ => cx.refuse("is not a permission that is supported for connections"),
    }
}

#[allow(deprecated, reason = "Envoy still accepts source_ip")]
fn principal(cx: &mut Context, wire: &pb::Principal, depth: usize) -> Option<Principal> {
    use pb::principal::Identifier;
    if depth > MAX_DEPTH {
        return cx.refuse("rules are nested too deeply");
    }
    let below = |cx: &mut Context, wire: &pb::Principal| principal(cx, wire, depth + 1);
    match &wire.identifier {
        Some(Identifier::Any(_)) => Some(Principal::Any),
        Some(Identifier::AndIds(set)) => {
            Some(Principal::All(cx.at("and_ids", |cx| cx.items("ids", &set.ids, below))))
        }
        Some(Identifier::OrIds(set)) => {
            Some(Principal::AnyOf(cx.at("or_ids", |cx| cx.items("ids", &set.ids, below))))
        }
        Some(Identifier::NotId(not)) => Some(Principal::Not(Box::new(cx.at("not_id", |cx| below(cx, not))?))),
        Some(Identifier::Authenticated(wire)) => {
            let rule = match &wire.principal_name {
                Some(rule) => {
                    Some(cx.at("authenticated", |cx| cx.at("principal_name", |cx| string(cx, rule)))?)
                }
                None => None,
            };
            Some(Principal::Authenticated(rule))
        }
        // Envoy has come to read the first as the third.
        Some(Identifier::SourceIp(range)) | Some(Identifier::RemoteIp(range)) => {
            Some(Principal::RemoteIp(cidr_range(cx, range)?))
        }
        Some(Identifier::DirectRemoteIp(range)) => Some(Principal::DirectRemoteIp(cidr_range(cx, range)?)),
        _ => cx.refuse("is not a principal that is supported for connections"),
    }
}
