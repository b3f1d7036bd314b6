//! Reads `AuthorizationPolicy`.

use ripstop_model::Name;
use ripstop_yaml::{Field, Reader};

use crate::document::client_tls::names;
use crate::document::common::{Decoder, cidr, shorten};
use crate::document::selector;
use crate::resource::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Either, Metadata, Operation,
    Source,
};

/// Attributes of a condition, as Istio documents them; those that end in `[` want a name and `]`.
const ATTRIBUTES: [&str; 14] = [
    "request.headers[",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims[",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "destination.ip",
    "destination.port",
    "connection.sni",
    "experimental.envoy.filters.",
];

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> AuthorizationPolicy {
    let selector = selector::of_policy(spec);
    let actions = [("ALLOW", 0u8), ("DENY", 1), ("AUDIT", 2), ("CUSTOM", 3)];
    let word = spec.one_of("action", &actions).unwrap_or(0);
    let provider = spec.map("provider").and_then(|provider| {
        let name = provider.required_str("name");
        provider.finish();
        name
    });
    match (word, &provider) {
        (3, None) => {
            spec.error_with_help("action", "CUSTOM needs somebody who decides", "add `provider.name`")
        }
        (0..3, Some(_)) => spec.error_with_help("provider", "only CUSTOM has a provider", "remove it"),
        _ => {}
    }
    let action = match word {
        0 => AuthorizationAction::Allow,
        1 => AuthorizationAction::Deny,
        2 => AuthorizationAction::Audit,
        _ => AuthorizationAction::Custom(provider.unwrap_or_default().into()),
    };
    let fields = spec.list("rules");
    let rules: Vec<AuthorizationRule> = fields.iter().filter_map(|field| rule(decoder, field)).collect();
    if spec.span_of("rules").is_some() {
        spec.known_but_unsupported("rules", "nobody is kept out or let in by it");
    } else {
        spec.warn_here("understood, but not in force: nobody is kept out or let in by it");
    }
    AuthorizationPolicy { meta, selector, action, rules }
}

fn rule(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<AuthorizationRule> {
    // `- {}` holds always.
    let reader = field.map()?;
    let from = within(&reader, "from", "source").into_iter().map(source).collect();
    let to = within(&reader, "to", "operation").into_iter().map(operation).collect();
    let when = reader.list("when").iter().filter_map(condition).collect();
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(AuthorizationRule { from, to, when, origin })
}

/// The mappings `inner` of the elements of a list.
fn within<'a>(reader: &Reader<'a>, key: &str, inner: &str) -> Vec<Reader<'a>> {
    let fields = reader.list(key);
    if reader.has(key) && fields.is_empty() {
        reader.error(key, "the list is empty, so the rule would never hold");
    }
    let mut found = Vec::new();
    for field in &fields {
        let Some(outer) = field.map() else { continue };
        found.extend(outer.required(inner).and_then(|field| field.map()));
        outer.finish();
    }
    found
}

fn either(reader: &Reader<'_>, any_of: &str, none_of: &str) -> Either {
    let list = |key: &str| {
        let found = names(reader, key);
        if found.is_empty() && reader.has(key) && reader.list(key).is_empty() {
            reader.error(key, "the list is empty, so the rule would never hold");
        }
        found
    };
    Either { any_of: list(any_of), none_of: list(none_of) }
}

fn source(reader: Reader<'_>) -> Source {
    for key in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
        for field in reader.list(key) {
            cidr(&field);
        }
    }
    let source = Source {
        principals: either(&reader, "principals", "notPrincipals"),
        request_principals: either(&reader, "requestPrincipals", "notRequestPrincipals"),
        namespaces: either(&reader, "namespaces", "notNamespaces"),
        service_accounts: either(&reader, "serviceAccounts", "notServiceAccounts"),
        ip_blocks: either(&reader, "ipBlocks", "notIpBlocks"),
        remote_ip_blocks: either(&reader, "remoteIpBlocks", "notRemoteIpBlocks"),
    };
    if source == Source::default() {
        reader.error_here("the source is empty: write who asks");
    }
    reader.finish();
    source
}

fn operation(reader: Reader<'_>) -> Operation {
    for key in ["ports", "notPorts"] {
        for field in reader.list(key) {
            let text = field.str().unwrap_or_default();
            if text.parse::<u16>().is_ok_and(|port| port != 0) || text.is_empty() {
                continue;
            }
            field.error_with_help(format!("`{}` is not a port", shorten(&text)), "the range is 1 to 65535");
        }
    }
    let operation = Operation {
        hosts: either(&reader, "hosts", "notHosts"),
        ports: either(&reader, "ports", "notPorts"),
        methods: either(&reader, "methods", "notMethods"),
        paths: either(&reader, "paths", "notPaths"),
    };
    if operation == Operation::default() {
        reader.error_here("the operation is empty: write what is asked for");
    }
    reader.finish();
    operation
}

fn condition(field: &Field<'_>) -> Option<Condition> {
    let reader = field.map()?;
    let key = reader.required("key").and_then(|field| {
        let text = field.str()?;
        let known = ATTRIBUTES.iter().any(|known| match known.strip_suffix('[') {
            Some(_) => text.starts_with(known) && text.ends_with(']') && text.len() > known.len() + 1,
            None if known.ends_with('.') => text.starts_with(known),
            None => text == *known,
        });
        if !known {
            let help = "write for instance request.headers[x-id], source.ip or request.auth.claims[iss]";
            field.error_with_help(format!("`{}` is not an attribute", shorten(&text)), help);
        }
        Some(Name::from(text))
    });
    let values = either(&reader, "values", "notValues");
    if values == Either::default() {
        reader.error_here("the condition is empty: write `values` or `notValues`");
    }
    reader.finish();
    Some(Condition { key: key?, values })
}
