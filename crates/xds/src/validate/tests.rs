//! Every rule that Envoy's API uses is understood, and each kind of rule is kept.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::google::protobuf::Any;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::{Violation, check};
use crate::descriptor;

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";

/// What binding a message written as YAML reports.
fn violations(message: &str, text: &str) -> Vec<String> {
    let source = ripstop_yaml::Source::new("t", text);
    let documents = ripstop_yaml::parse(&source).unwrap();
    let problems = ripstop_yaml::Problems::new(&source);
    crate::binder::bind(&documents[0].root, message, &problems);
    problems.into_vec().into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn each_kind_of_rule_is_kept() {
    let route = "envoy.config.route.v3.Route";
    for (message, text, want) in [
        (CLUSTER, "{}", "name: must not be empty"),
        (CLUSTER, "{name: a, lb_policy: 99}", "lb_policy: 99 is none of the defined values"),
        (CLUSTER, "{name: a, connect_timeout: 0s}", "connect_timeout: must be greater than 0s"),
        (CLUSTER, "{name: a, dns_refresh_rate: 0.0005s}", "dns_refresh_rate: must be greater than 0.001s"),
        (
            CLUSTER,
            "{name: a, health_checks: [{interval: 1s, tcp_health_check: {}}]}",
            "health_checks[0].timeout: is required",
        ),
        (
            "envoy.config.cluster.v3.OutlierDetection",
            "{max_ejection_percent: 200}",
            "max_ejection_percent: must be at most 100",
        ),
        ("envoy.config.route.v3.VirtualHost", "{name: v}", "domains: must not be empty"),
        (
            "envoy.config.route.v3.VirtualHost",
            "{name: v, domains: ['a\\nb', \"a\\nb\"]}",
            "domains[1]: must be the value of an HTTP header",
        ),
        (
            "envoy.config.core.v3.HeaderValueOption",
            "{header: {key: \"a\\nb\"}}",
            "header.key: must be the name of an HTTP header",
        ),
        (
            route,
            "{match: {prefix: /}}",
            ": one of `route`, `redirect`, `direct_response`, `filter_action`, `non_forwarding_action` is required",
        ),
        (route, "{redirect: {}}", "match: is required"),
        ("envoy.type.v3.Percent", "{value: -1}", "value: must be at least 0"),
        ("envoy.type.v3.Percent", "{value: NaN}", "value: must be at most 100"),
    ] {
        let found = violations(message, text);
        assert!(found.iter().any(|one| one == want), "{text}: {found:?}, expected {want:?}");
    }
    assert_eq!(
        violations(CLUSTER, "{name: a, type: EDS, load_assignment: {cluster_name: a}}"),
        Vec::<String>::new()
    );
}

#[test]
fn rules_of_a_oneof_member_apply_only_when_it_is_set() {
    let specifier = "envoy.config.route.v3.RouteAction";
    assert_eq!(
        violations(specifier, "{weighted_clusters: {clusters: [{name: a, weight: 1}]}}"),
        Vec::<String>::new()
    );
    assert_eq!(violations(specifier, "{cluster: ''}"), ["cluster: must not be empty"]);
}

#[test]
fn bytes_are_checked_and_extensions_opened() {
    assert_eq!(check(CLUSTER, &Cluster { name: "a".to_owned(), ..Cluster::default() }.encode_to_vec()), []);
    let violation =
        |path: &str, message: &str| Violation { path: path.to_owned(), message: message.to_owned() };
    assert_eq!(check(CLUSTER, &[]), [violation("name", "must not be empty")]);
    let any = Any { type_url: format!("type.googleapis.com/{CLUSTER}"), value: Vec::new() };
    let mut outer = Cluster { name: "a".to_owned(), ..Cluster::default() };
    outer.typed_extension_protocol_options.insert("x.y".to_owned(), any);
    let expected = [violation("typed_extension_protocol_options[\"x.y\"].name", "must not be empty")];
    assert_eq!(check(CLUSTER, &outer.encode_to_vec()), expected);
    assert_eq!(check("no.Such", &[])[0].message, "there is no message no.Such in Envoy's API");
    assert!(
        check(CLUSTER, &[0xff])[0]
            .message
            .starts_with("cannot be decoded as envoy.config.cluster.v3.Cluster")
    );
}

#[test]
fn every_rule_in_the_api_is_understood() {
    let extension = descriptor::whole_pool().get_extension_by_name("validate.rules").unwrap();
    let mut used = BTreeSet::new();
    let mut fields = 0;
    for message in descriptor::whole_pool().all_messages() {
        for field in message.fields() {
            let options = field.options();
            if options.has_extension(&extension) {
                fields += 1;
                collect(options.get_extension(&extension).as_message().unwrap(), &mut used);
            }
        }
    }
    assert!(fields > 1_000, "{fields}");
    let numbers = ["const", "lt", "lte", "gt", "gte", "in", "not_in", "ignore_empty"];
    for rule in used {
        let (kind, name) = rule.split_once('.').unwrap();
        let known: &[&str] = match kind {
            "message" => &["skip", "required"],
            "string" => &[
                "min_len",
                "max_len",
                "min_bytes",
                "max_bytes",
                "pattern",
                "prefix",
                "suffix",
                "in",
                "well_known_regex",
                "strict",
                "ignore_empty",
            ],
            "bytes" => &["min_len", "max_len"],
            "bool" => &["const"],
            "enum" => &["const", "defined_only", "in", "not_in"],
            "repeated" => &["min_items", "max_items", "unique", "items", "ignore_empty"],
            "map" => &["min_pairs", "max_pairs", "keys", "values"],
            "any" | "timestamp" => &["required"],
            "duration" => &["required", "const", "lt", "lte", "gt", "gte", "in", "not_in"],
            _ => &numbers,
        };
        assert!(known.contains(&name), "{rule} is used, but not understood");
    }
}

/// Names of the rules in use as `kind.rule`; patterns are compiled on the way.
fn collect(rules: &DynamicMessage, used: &mut BTreeSet<String>) {
    for (kind, value) in rules.fields() {
        let rule = value.as_message().unwrap();
        for (name, value) in rule.fields() {
            used.insert(format!("{}.{}", kind.name(), name.name()));
            if name.name() == "pattern" {
                let pattern = value.as_str().unwrap();
                assert!(regex::Regex::new(&format!("^(?:{pattern})$")).is_ok(), "{pattern}");
            }
            if let Some(nested) = value.as_message()
                && nested.descriptor().full_name() == "validate.FieldRules"
            {
                collect(nested, used);
            }
        }
        let both = rule.has_field_by_name("lt") && rule.has_field_by_name("gt");
        assert!(!(both && excludes_its_middle(rule)), "a range that excludes its middle is not understood");
    }
}

/// `lt` below `gt` allows everything but a range in the middle.
fn excludes_its_middle(rule: &DynamicMessage) -> bool {
    let bound = |name| match rule.get_field_by_name(name).as_deref() {
        Some(Value::I32(number)) => Some(i128::from(*number)),
        Some(Value::I64(number)) => Some(i128::from(*number)),
        Some(Value::U32(number)) => Some(i128::from(*number)),
        Some(Value::U64(number)) => Some(i128::from(*number)),
        _ => None,
    };
    bound("lt") < bound("gt")
}

#[test]
fn nesting_is_bounded_through_extensions() {
    let matcher = "xds.type.matcher.v3.Matcher";
    // `Matcher.on_no_match` (3) `OnMatch.matcher` (1), and `OnMatch.action` (2) `TypedExtensionConfig.typed_config` (2).
    let wrap = |numbers: &[u8], mut bytes: Vec<u8>| {
        for number in numbers.iter().rev() {
            let mut outer = vec![number << 3 | 2];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.append(&mut bytes);
            bytes = outer;
        }
        bytes
    };
    let mut bytes = Vec::new();
    for _ in 0..8 {
        let any = Any { type_url: format!("x/{matcher}"), value: bytes };
        bytes = wrap(&[3, 2, 2], any.encode_to_vec());
        for _ in 0..20 {
            bytes = wrap(&[3, 1], bytes);
        }
    }
    let found = check(matcher, &bytes);
    let bounded = "more than 200 messages are nested in one another";
    assert_eq!(found.iter().filter(|violation| violation.message == bounded).count(), 1, "{found:?}");
}
