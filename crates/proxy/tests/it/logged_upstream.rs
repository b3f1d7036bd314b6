//! What access logs tell of the connection to the upstream.

use std::net::SocketAddr;

use hyper::Request;
use hyper::body::Incoming;
use ripstop_model::Format;
use ripstop_model::access_log::{AccessLog, AccessLogFormat, AccessLogSink};
use ripstop_testkit::client::get;
use ripstop_testkit::upstream::{Answer, Upstream, text};
use ripstop_testkit::wait::until;

use crate::harness::{Proxy, cluster, listener, manager, nobody, routes, snapshot, to_c};

const FORMAT: &str = "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT% %UPSTREAM_REMOTE_ADDRESS% \
     %UPSTREAM_PROTOCOL% %UPSTREAM_HOST_NAME% %REQUEST_TX_DURATION% %CONNECTION_TERMINATION_DETAILS% \
     %DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n";

async fn answer(_: Request<Incoming>) -> Result<Answer, std::io::Error> {
    Ok(text(200, "hello"))
}

async fn line(to: SocketAddr) -> Vec<String> {
    let path =
        std::env::temp_dir().join(format!("ripstop-upstream-{}-{}.log", std::process::id(), to.port()));
    let _ = std::fs::remove_file(&path);
    let mut logged = manager();
    logged.access_logs = vec![AccessLog::new(
        AccessLogSink::File(path.to_str().unwrap().into()),
        AccessLogFormat::text(Format::parse(FORMAT).unwrap()),
    )];
    let proxy = Proxy::with(snapshot(listener(logged, None), routes(to_c()), cluster(&[to]))).await;
    get(proxy.address(), "/").await;
    let line = until("the line is written", async || {
        std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))
    })
    .await;
    let _ = std::fs::remove_file(&path);
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_connection_of_a_request_is_known() {
    let upstream = Upstream::start(answer);
    let address = upstream.address.to_string();
    let line = line(upstream.address).await;
    assert_eq!(line[0], "127.0.0.1");
    assert!(line[1].parse::<u16>().is_ok_and(|port| port != upstream.address.port()), "{line:?}");
    assert_eq!(line[2..5], [address.as_str(), "HTTP/1.1", address.as_str()]);
    assert!(line[5].parse::<u64>().is_ok(), "{line:?}");
    assert_eq!(line[6..], ["-", "-"]);
}

#[tokio::test]
async fn without_a_connection_there_is_nothing_to_tell() {
    let nobody = nobody();
    let line = line(nobody).await;
    assert_eq!(line, ["-", "-", "-", "-", &nobody.to_string(), "-", "-", "-"]);
}
