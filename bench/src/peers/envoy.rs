//! The bootstrap file of Envoy, which Ripstop reads as well.

use serde_json::{Value, json};

use super::Peer;
use crate::site::{ROUTE_HEADER, ROUTES, SERVER_NAME, Shape, Site, VIRTUAL_HOSTS, domain};

const V3: &str = "type.googleapis.com/envoy.extensions";

/// Of the access log: what most operators log.
const LOG_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(X-FORWARDED-FOR)%\" \
    \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// The whole file.
pub fn bootstrap(site: &Site, peer: Peer) -> Value {
    let mut clusters = match site.shape {
        Shape::Mesh { .. } => vec![],
        _ => vec![cluster(site)],
    };
    let mut file = json!({
        "node": { "id": format!("bench-{}", peer.name()), "cluster": "bench" },
        "static_resources": { "listeners": [listener(site, peer)] },
    });
    if let Shape::Mesh { control } = site.shape {
        clusters.push(control_plane(control));
        file["dynamic_resources"] = json!({
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "control" } }],
            },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
        });
    }
    file["static_resources"]["clusters"] = Value::Array(clusters);
    file
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn listener(site: &Site, peer: Peer) -> Value {
    let filter = match site.shape {
        Shape::Tcp => json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": format!("{V3}.filters.network.tcp_proxy.v3.TcpProxy"),
                "stat_prefix": "bench",
                "cluster": "upstream",
            },
        }),
        _ => json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager(site, peer),
        }),
    };
    let mut chain = json!({ "filters": [filter] });
    if matches!(site.shape, Shape::Back | Shape::Tls) {
        let http2 = site.shape == Shape::Back;
        chain["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": format!("{V3}.transport_sockets.tls.v3.DownstreamTlsContext"),
                "require_client_certificate": http2,
                "common_tls_context": common_tls(site, if http2 { "h2" } else { "http/1.1" }, http2),
            },
        });
    }
    json!({ "name": "bench", "address": address(site.port), "filter_chains": [chain] })
}

fn common_tls(site: &Site, alpn: &str, verify: bool) -> Value {
    let file = |path: &std::path::Path| json!({ "filename": path.display().to_string() });
    let mut common = json!({
        "alpn_protocols": [alpn],
        "tls_certificates": [{ "certificate_chain": file(&site.tls.chain), "private_key": file(&site.tls.key) }],
    });
    if verify {
        common["validation_context"] = json!({ "trusted_ca": file(&site.tls.root) });
    }
    common
}

fn manager(site: &Site, peer: Peer) -> Value {
    let mut manager = json!({
        "@type": format!("{V3}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "route_config": { "name": "bench", "virtual_hosts": virtual_hosts(site) },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": format!("{V3}.filters.http.router.v3.Router") },
        }],
    });
    if site.shape == Shape::Routed {
        manager["access_log"] = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": format!("{V3}.access_loggers.file.v3.FileAccessLog"),
                "path": format!("{}-{}-access.log", peer.name().to_lowercase(), site.port),
                "log_format": { "text_format_source": { "inline_string": LOG_FORMAT } },
            },
        }]);
    }
    manager
}

fn virtual_hosts(site: &Site) -> Vec<Value> {
    let to = match site.shape {
        Shape::Mesh { .. } => json!({ "cluster_header": "x-cluster" }),
        _ => json!({ "cluster": "upstream" }),
    };
    if site.shape != Shape::Routed {
        return vec![json!({
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": to }],
        })];
    }
    let route = |route: usize| {
        let mut matches = json!({ "prefix": format!("/service/{route}/") });
        if route % 2 == 1 {
            matches["headers"] =
                json!([{ "name": ROUTE_HEADER.0, "string_match": { "exact": ROUTE_HEADER.1 } }]);
        }
        json!({ "match": matches, "route": to })
    };
    let host = |host: usize| {
        let routes: Vec<Value> = (0..ROUTES).map(route).collect();
        json!({ "name": format!("host-{host}"), "domains": [domain(host)], "routes": routes })
    };
    (0..VIRTUAL_HOSTS).map(host).collect()
}

fn cluster(site: &Site) -> Value {
    let mut cluster = json!({
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [{
            "max_connections": 50_000, "max_pending_requests": 50_000, "max_requests": 50_000,
        }] },
        "load_assignment": assignment("upstream", site.upstream),
    });
    if matches!(site.shape, Shape::Front | Shape::Http2 | Shape::Grpc) {
        cluster["typed_extension_protocol_options"] = http2();
    }
    if site.shape == Shape::Front {
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": format!("{V3}.transport_sockets.tls.v3.UpstreamTlsContext"),
                "sni": SERVER_NAME,
                "common_tls_context": common_tls(site, "h2", true),
            },
        });
    }
    cluster
}

fn assignment(name: &str, port: u16) -> Value {
    let endpoint = json!({ "endpoint": { "address": address(port) } });
    json!({ "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] })
}

fn http2() -> Value {
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": format!("{V3}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } })
}

fn control_plane(port: u16) -> Value {
    json!({
        "name": "control",
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": http2(),
        "load_assignment": assignment("control", port),
    })
}
