//! What the access logs of listeners and of TCP proxies say of connections.

use std::net::SocketAddr;

use ripstop_model::access_log::LogFilter;
use ripstop_model::access_log::{AccessLogFormat, AccessLogSink};
use ripstop_model::chain_match::FilterChainMatch;
use ripstop_model::listener::{FilterChain, Listener};
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::{AccessLog, Cluster, Format, NetworkFilter};
use ripstop_testkit::upstream::{Upstream, text};
use ripstop_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn send(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // The other side may close before it has read everything.
    let _ = stream.write_all(GET).await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn connections_are_logged_when_they_are_over() {
    let file = std::env::temp_dir().join(format!("ripstop-it-{}-connections.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let log = |format: &str, filter| AccessLog {
        sink: AccessLogSink::File(file.to_str().unwrap().into()),
        format: AccessLogFormat::Text { format: Format::parse(format).unwrap(), omit_empty: false },
        filter,
    };
    let line = "%ACCESS_LOG_TYPE% %FILTER_CHAIN_NAME% %UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% \
                %RESPONSE_CODE_DETAILS%\n";
    let serve = |cluster: &str, matches: FilterChainMatch| {
        let tcp = TcpProxy { access_logs: vec![log(line, None)], ..TcpProxy::new("t", cluster) };
        let chain =
            FilterChain { name: "chain".into(), matches, ..FilterChain::new(NetworkFilter::Tcp(tcp)) };
        let failed = Some(LogFilter::Flags(Vec::new()));
        Listener {
            access_logs: vec![log(line, failed)],
            filter_chains: vec![chain],
            ..listener(manager(), None)
        }
    };
    let upstream = Upstream::start(|_| async { Ok(text(200, "hello")) });
    let of = |listener: Listener| {
        let one = Cluster { name: "a".into(), ..cluster(&[upstream.address]) };
        Proxy::with(snapshot(listener, routes(to_c()), one))
    };
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();

    let served = of(serve("a", FilterChainMatch::default())).await;
    let answer = send(served.address()).await;
    assert!(answer.ends_with("hello"), "{answer}");
    until("the first line", async || (lines().lines().count() == 1).then_some(())).await;
    assert_eq!(lines(), format!("TcpConnectionEnd chain a - {} {} -\n", GET.len(), answer.len()));

    let dead = of(serve("missing", FilterChainMatch::default())).await;
    assert_eq!(send(dead.address()).await, "");
    until("two more lines", async || (lines().lines().count() == 3).then_some(())).await;
    assert!(lines().ends_with("NotSet chain - NC 0 0 -\nTcpConnectionEnd chain - NC 0 0 -\n"), "{}", lines());

    let elsewhere = FilterChainMatch { source_ports: vec![1], ..FilterChainMatch::default() };
    let none = of(serve("a", elsewhere)).await;
    assert_eq!(send(none.address()).await, "");
    until("one line more", async || (lines().lines().count() == 4).then_some(())).await;
    assert!(lines().ends_with("NotSet - - NR 0 0 filter_chain_not_found\n"), "{}", lines());
    std::fs::remove_file(&file).unwrap();
}
