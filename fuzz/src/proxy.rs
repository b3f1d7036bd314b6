//! A proxy in this process, started from an Envoy file.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ripstop_proxy::admin::Options;
use ripstop_proxy::app::run_standalone;
use ripstop_proxy::config::StandaloneConfig;
use ripstop_runtime::shutdown::Shutdown;
use ripstop_yaml::Source;

/// Starts it on a file; `{listener}` in the text becomes the address that is returned.
pub fn start(text: &str) -> SocketAddr {
    let address = free_address();
    let text = text.replace("{host}", &address.ip().to_string()).replace("{port}", &address.port().to_string());
    let (bootstrap, problems) = ripstop_xds::bootstrap::load(&Source::new("fuzz.yaml", text.as_str()));
    let Some(bootstrap) = bootstrap else { panic!("{problems:?}") };
    let config = StandaloneConfig {
        node: bootstrap.node,
        snapshot: bootstrap.snapshot,
        dynamic: bootstrap.dynamic,
        introduction: bootstrap.introduction,
        runtime: bootstrap.runtime,
        local: bootstrap.local,
        admin: bootstrap.admin,
        admin_paths: bootstrap.admin_paths,
        concurrency: 1,
        drain_time: Duration::ZERO,
        options: Options::default(),
    };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(run_standalone(config, Shutdown::default())).expect("the proxy starts");
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the proxy does not listen on {address}");
        thread::yield_now();
    }
    address
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    listener.local_addr().expect("a bound socket has an address")
}
