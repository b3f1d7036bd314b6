//! What can only be seen on sockets: a taken port, cancellation by closing the connection, graceful shutdown.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use actix_web::{
    dev::ServerHandle,
    rt::{spawn, task::spawn_blocking},
    web,
};
use ripstop_shop::{
    config::Settings,
    products::{self, slow::SlowStats},
    server::{self, StartError},
};

use crate::about;

/// How long anything here may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn settings(port: u16) -> Settings {
    Settings { about: about("product-service", "v1"), host: "127.0.0.1".into(), port }
}

fn start() -> (SocketAddr, ServerHandle) {
    let store = web::Data::new(products::seeded_store());
    let stats = web::Data::new(SlowStats::default());
    let bound = server::bind(&settings(0), move |app| products::routes(app, &store, &stats)).unwrap();
    let address = bound.addrs()[0];
    let running = bound.run();
    let handle = running.handle();
    spawn(running);
    (address, handle)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// One GET on a connection of its own; everything the server sent.
fn fetch(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn wait_for_stats(address: SocketAddr, expected: &str) {
    let start = Instant::now();
    loop {
        let stats = fetch(address, "/stats");
        if stats.ends_with(expected) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "waited for {expected}, have {stats}");
    }
}

#[actix_web::test]
async fn a_taken_port_is_named() {
    let (address, handle) = start();
    let port = address.port();
    let Err(error) = server::bind(&settings(port), |_| {}) else { panic!("the port was free") };
    assert!(matches!(error, StartError::PortTaken { .. }));
    assert!(error.to_string().contains(&format!("port {port} on 127.0.0.1 is taken")), "{error}");
    handle.stop(false).await;
}

#[actix_web::test]
async fn closing_the_connection_cancels_the_request() {
    let (address, handle) = start();
    spawn_blocking(move || {
        let mut stream = connect(address);
        write!(stream, "GET /products/slow?seconds=60 HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
        wait_for_stats(address, r#"{"cancelled":0,"finished":0,"started":1}"#);
        drop(stream);
        wait_for_stats(address, r#"{"cancelled":1,"finished":0,"started":1}"#);
    })
    .await
    .unwrap();
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_graceful_stop_lets_a_request_finish_and_closes_idle_connections() {
    let (address, handle) = start();
    let mut idle = connect(address);
    let slow = spawn_blocking(move || fetch(address, "/products/slow?seconds=1"));
    spawn_blocking(move || wait_for_stats(address, r#""started":1}"#)).await.unwrap();

    handle.stop(true).await;
    assert!(slow.await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
}
