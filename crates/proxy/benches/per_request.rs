//! What parts of every request cost in the data plane, and decoding a cluster. Run with
//! `cargo bench -p ripstop-proxy --bench per_request`.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, Version, header};
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, Format};
use ripstop_proxy::format::CompiledFormat;
use ripstop_proxy::format::context::Context;
use ripstop_proxy::http::headers::remove_hop_by_hop;
use ripstop_proxy::listener::connection::ConnectionInfo;
use ripstop_proxy::stream_info::StreamInfo;
use ripstop_xds::decode::decode_cluster;
use ripstop_xds::encode::encode_cluster;

/// What most operators log.
const LINE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
    %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(USER-AGENT)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// Nanoseconds for one, the best of five rounds.
fn measure(what: &str, rounds: u32, mut one: impl FnMut()) {
    let round = |_| {
        let begun = Instant::now();
        (0..rounds).for_each(|_| one());
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
    };
    let best = (0..5).map(round).fold(f64::MAX, f64::min);
    println!("{what}: {best:.0} ns");
}

fn headers(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn log_line() {
    let client = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let connection = ConnectionInfo::plain(client, SocketAddr::from(([10, 0, 0, 2], 80)));
    let mut stream = StreamInfo::begin();
    stream.method = Some(Method::GET);
    stream.protocol = Some(Version::HTTP_11);
    stream.path = Some("/service/7/items?page=2".into());
    stream.authority = Some("service-42.example.com".into());
    stream.host = Some("10.0.0.3:8080".into());
    stream.status = 200;
    let request = headers(&[(header::USER_AGENT, "Mozilla/5.0 (X11)")]);
    let format = CompiledFormat::compile(&Format::parse(LINE).unwrap());
    let mut line = Vec::new();
    measure("a line of an access log", 100_000, || {
        line.clear();
        format.write(&Context::of(&connection, &stream, &request), "-", &mut line);
        black_box(&line);
    });
}

fn hop_by_hop() {
    let plain = [
        (header::USER_AGENT, "Mozilla/5.0 (X11)"),
        (header::ACCEPT, "text/html"),
        (header::ACCEPT_LANGUAGE, "en"),
        (header::COOKIE, "session=0123456789abcdef"),
    ];
    let mut without = headers(&plain);
    measure("headers without any of the connection's", 1_000_000, || {
        remove_hop_by_hop(black_box(&mut without));
    });
    let named = headers(&[(header::CONNECTION, "keep-alive, x-mine"), (header::TE, "trailers")]);
    measure("headers with some of the connection's, copied first", 1_000_000, || {
        let mut headers = black_box(&named).clone();
        remove_hop_by_hop(&mut headers);
        black_box(headers);
    });
}

fn decode() {
    let endpoint = |port| Endpoint::new(Address::socket([10, 0, 0, 1], port));
    let endpoints = ClusterLoadAssignment::flat("c", (1..=10).map(endpoint).collect());
    let encoded = encode_cluster(&Cluster::new("c", Discovery::Static(endpoints)));
    measure("decoding a cluster of ten endpoints", 10_000, || {
        black_box(decode_cluster(black_box(&encoded)).unwrap());
    });
}

fn main() {
    log_line();
    hop_by_hop();
    decode();
}
