//! Reads `Telemetry`.

use ripstop_yaml::Reader;

use crate::document::selector;
use crate::resource::{AccessLogging, Metadata, Telemetry};

const MODES: [(&str, (bool, bool)); 3] =
    [("CLIENT_AND_SERVER", (true, true)), ("CLIENT", (false, true)), ("SERVER", (true, false))];

/// The provider that Istio has without being told: lines on standard output.
const STDOUT_PROVIDER: &str = "envoy";

pub(super) fn decode(spec: &Reader<'_>, meta: Metadata) -> Telemetry {
    let selector = selector::of_policy(spec);
    let access_logging = spec.maps("accessLogging").into_iter().map(access_logging).collect();
    tracing(spec);
    metrics(spec);
    Telemetry { meta, selector, access_logging }
}

/// Their names.
fn providers(reader: &Reader<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for provider in reader.maps("providers") {
        names.extend(provider.required_str("name"));
        provider.finish();
    }
    names
}

/// Server, client.
fn mode(reader: &Reader<'_>, key: &str) -> (bool, bool) {
    let Some(matched) = reader.map(key) else { return (true, true) };
    let mode = matched.one_of("mode", &MODES).unwrap_or((true, true));
    matched.finish();
    mode
}

fn access_logging(reader: Reader<'_>) -> AccessLogging {
    let (server, client) = mode(&reader, "match");
    if providers(&reader).iter().any(|name| name != STDOUT_PROVIDER) {
        reader.known_but_unsupported("providers", "the log goes to standard output");
    }
    let disabled = reader.bool("disabled").unwrap_or(false);
    if let Some(filter) = reader.map("filter") {
        filter.required_str("expression");
        filter.finish();
        reader.known_but_unsupported("filter", "every request is logged");
    }
    reader.finish();
    AccessLogging { server, client, disabled }
}

fn tracing(spec: &Reader<'_>) {
    for reader in spec.maps("tracing") {
        mode(&reader, "match");
        providers(&reader);
        let share = reader.f64("randomSamplingPercentage");
        if share.is_some_and(|share| !(0.0..=100.0).contains(&share)) {
            reader.error("randomSamplingPercentage", "a percentage is 0 to 100");
        }
        for key in [
            "disableSpanReporting",
            "useRequestIdForTraceSampling",
            "enableIstioTags",
            "disableContextPropagation",
        ] {
            reader.bool(key);
        }
        for (_, tag) in reader.field("customTags").map(|field| field.entries()).unwrap_or_default() {
            let Some(tag) = tag.map() else { continue };
            let kinds = ["literal", "environment", "header", "formatter"];
            let kinds: Vec<&&str> = kinds.iter().filter(|kind| tag.has(kind)).collect();
            if kinds.len() != 1 {
                tag.error_here("a tag is one of `literal`, `environment`, `header` and `formatter`");
            }
            for kind in kinds {
                tag.node(kind);
            }
            tag.finish();
        }
        reader.finish();
    }
    spec.known_but_unsupported("tracing", "no spans are sent");
}

fn metrics(spec: &Reader<'_>) {
    for reader in spec.maps("metrics") {
        providers(&reader);
        reader.duration("reportingInterval");
        for one in reader.maps("overrides") {
            if let Some(matched) = one.map("match") {
                matched.str("metric");
                matched.str("customMetric");
                matched.one_of("mode", &MODES);
                matched.finish();
            }
            one.bool("disabled");
            for (_, tag) in one.field("tagOverrides").map(|field| field.entries()).unwrap_or_default() {
                let Some(tag) = tag.map() else { continue };
                tag.one_of("operation", &[("UPSERT", ()), ("REMOVE", ())]);
                tag.str("value");
                tag.finish();
            }
            one.finish();
        }
        reader.finish();
    }
    spec.known_but_unsupported("metrics", "the proxies' own metrics stay as they are");
}
