//! HTTP options of clusters: nothing that has no effect goes by without a word.

use super::*;

const TYPE: &str = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn warnings(options: &str) -> Vec<String> {
    let decoded = cluster(&format!(
        "{EDS}typed_extension_protocol_options: {{ envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
         {{ \"@type\": {TYPE}, {options} }} }}"
    ));
    decoded.unwrap().warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn options_that_only_listeners_heed_are_warned_of() {
    for holder in ["auto_config", "explicit_http_config"] {
        let found = warnings(&format!(
            "{holder}: {{ http_protocol_options: {{ header_key_format: {{ proper_case_words: {{}} }}, \
             accept_http_10: true }} }}"
        ));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("http_protocol_options.accept_http_10"), "{found:?}");
    }
    let found = warnings(
        "auto_config: {}, common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER, idle_timeout: 3s, \
         max_requests_per_connection: 2 }",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("headers_with_underscores_action"), "{found:?}");
}
