//! JSON with the names of the `.proto` files, and nothing lost.
#![allow(clippy::unwrap_used)]

use ripstop_yaml::{Problems, Source, parse};

use super::*;

/// What `text` becomes when it is bound as `message` and written again.
fn rewritten(message: &str, text: &str) -> String {
    let source = Source::new("t", text);
    let documents = parse(&source).unwrap();
    let problems = Problems::new(&source);
    let bytes = super::super::bind(&documents[0].root, message, &problems);
    let bytes = bytes.unwrap_or_else(|| panic!("{:?}", problems.into_vec()));
    to_json(message, &bytes)
}

#[test]
fn every_kind_of_value_is_written() {
    let cluster = "envoy.config.cluster.v3.Cluster";
    assert_eq!(
        rewritten(
            cluster,
            "{name: \"a\\\"\\n\\u0001é\", connectTimeout: 1.5s, type: eds, dnsRefreshRate: 60s}"
        ),
        r#"{"name":"a\"\n\u0001é","type":"EDS","connect_timeout":"1.5s","dns_refresh_rate":"60s"}"#
    );
    assert_eq!(
        rewritten(
            cluster,
            "{name: a, per_connection_buffer_limit_bytes: 5, common_lb_config: {healthy_panic_threshold: {value: 12.5}}}"
        ),
        r#"{"name":"a","per_connection_buffer_limit_bytes":5,"common_lb_config":{"healthy_panic_threshold":{"value":12.5}}}"#
    );
    assert_eq!(
        rewritten(
            cluster,
            "{name: a, metadata: {filter_metadata: {z: {t: true, n: ~, l: [1, x], s: {}}, b: {k: v}}}}"
        ),
        r#"{"name":"a","metadata":{"filter_metadata":{"b":{"k":"v"},"z":{"l":[1,"x"],"n":null,"s":{},"t":true}}}}"#
    );
    let heap = "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig";
    assert_eq!(
        rewritten(heap, "max_heap_size_bytes: 9007199254740993"),
        r#"{"max_heap_size_bytes":"9007199254740993"}"#
    );
    let secret = "envoy.config.core.v3.DataSource";
    assert_eq!(rewritten(secret, "inline_bytes: aGk"), r#"{"inline_bytes":"aGk="}"#);
    assert_eq!(rewritten("google.protobuf.Timestamp", "'2030-01-31T12:00:00Z'"), r#""2030-01-31T12:00:00Z""#);
    assert_eq!(duration_text(-1, -500_000_000), "-1.5s");
    assert_eq!(duration_text(0, 0), "0s");
}

#[test]
fn extensions_are_opened_and_unknown_ones_kept_as_bytes() {
    let socket = "envoy.config.core.v3.TransportSocket";
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let text = format!("{{name: tls, typed_config: {{sni: x, '@type': {tls}}}}}");
    assert_eq!(
        rewritten(socket, &text),
        format!(r#"{{"name":"tls","typed_config":{{"@type":"{tls}","sni":"x"}}}}"#)
    );
    let inner = "{name: t, typed_config: {'@type': type.googleapis.com/google.protobuf.Duration, value: 2s}}";
    assert_eq!(
        rewritten(socket, inner),
        r#"{"name":"t","typed_config":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"2s"}}"#
    );
    let any =
        prost_reflect::prost_types::Any { type_url: "example.com/x.Y".to_owned(), value: b"hi".to_vec() };
    let bytes = prost::Message::encode_to_vec(&any);
    assert_eq!(to_json("google.protobuf.Any", &bytes), r#"{"@type":"example.com/x.Y","value":"aGk="}"#);
    assert_eq!(to_json("no.Such", b"hi"), r#"{"@type":"type.googleapis.com/no.Such","value":"aGk="}"#);
    let broken = to_json("envoy.config.cluster.v3.Cluster", &[0xff]);
    assert_eq!(broken, r#"{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","value":"/w=="}"#);
}

#[test]
fn extensions_in_extensions_end_in_bytes() {
    let mut any = prost_reflect::prost_types::Any::default();
    for _ in 0..10_000 {
        let value = prost::Message::encode_to_vec(&any);
        any = prost_reflect::prost_types::Any { type_url: "x/google.protobuf.Any".to_owned(), value };
        if any.value.len() > 100_000 {
            break;
        }
    }
    let json = to_json("google.protobuf.Any", &prost::Message::encode_to_vec(&any));
    assert_eq!(json.matches("@type").count(), MAX_NESTED_ANY + 1);
}

#[test]
fn keys_are_not_shown() {
    use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
    use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::TlsCertificate;
    use prost::{Message as _, Name as _};
    let source = |specifier| Some(DataSource { specifier: Some(specifier), ..Default::default() });
    let shown = |key: Specifier| {
        let certificate = TlsCertificate {
            certificate_chain: source(Specifier::InlineString("public".to_owned())),
            private_key: source(key),
            ..Default::default()
        };
        to_json(&TlsCertificate::full_name(), &certificate.encode_to_vec())
    };
    let chain = "{\"certificate_chain\":{\"inline_string\":\"public\"},\"private_key\":";
    let text = shown(Specifier::InlineString("secret".to_owned()));
    assert_eq!(text, format!("{chain}{{\"inline_string\":\"[redacted]\"}}}}"));
    let bytes = shown(Specifier::InlineBytes(b"secret".to_vec()));
    assert_eq!(bytes, format!("{chain}{{\"inline_bytes\":\"W3JlZGFjdGVkXQ==\"}}}}"));
}
