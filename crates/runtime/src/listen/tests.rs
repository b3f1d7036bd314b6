//! Real sockets.
#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::socket::{connect, connect_unix};

fn at(address: &str) -> Listen {
    Place::Tcp(address.parse().unwrap()).into()
}

fn tcp_address(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(socket) => socket.local_addr().unwrap(),
        Bound::Unix(_) => panic!("not TCP"),
    }
}

#[tokio::test]
async fn shared_sockets_share_one_port_and_keep_others_out() {
    let sockets = listen_shared(&at("127.0.0.1:0"), 3).unwrap();
    let address = tcp_address(&sockets[0]);
    assert!(sockets.iter().all(|socket| tcp_address(socket) == address));
    let taken = listen_shared(&Place::Tcp(address).into(), 1).unwrap_err();
    assert_eq!(taken.source.kind(), io::ErrorKind::AddrInUse);
    let text = taken.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    connect(address).await.unwrap();
}

#[tokio::test]
async fn a_socket_for_both_families_tells_ipv4_as_ipv4() {
    let both = Listen { ipv4_compat: true, ..at("[::]:0") };
    let mut sockets = listen_shared(&both, 1).unwrap();
    let port = tcp_address(&sockets[0]).port();
    let listener = Listener::new(sockets.pop().unwrap()).unwrap();
    let client = connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let (_, remote) = listener.accept().await.unwrap();
    assert_eq!(remote, Some(client.local_addr().unwrap()));
    // Without it, IPv4 is left to others.
    let mut only = listen_shared(&at("[::]:0"), 1).unwrap();
    let port = tcp_address(&only[0]).port();
    assert!(connect(SocketAddr::from(([127, 0, 0, 1], port))).await.is_err());
    only.clear();
}

#[tokio::test]
async fn an_address_of_another_machine_can_be_bound_ahead() {
    let listen = at("192.0.2.77:0");
    assert!(listen_shared(&listen, 1).is_err());
    listen_shared(&Listen { freebind: true, ..listen }, 1).unwrap();
}

async fn echoes(path: &str, bound: Bound) {
    let listener = Listener::new(bound).unwrap();
    let mut client = connect_unix(path).await.unwrap();
    let (mut server, remote) = listener.accept().await.unwrap();
    assert_eq!(remote, None);
    client.write_all(b"hi").await.unwrap();
    let mut got = [0; 2];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hi");
}

#[tokio::test]
async fn unix_sockets_have_their_mode_and_survive_what_was_left_behind() {
    let path = std::env::temp_dir().join(format!("ripstop-listen-{}.sock", std::process::id()));
    let path = path.to_str().unwrap();
    let listen = Listen { mode: 0o640, ..Place::Unix(path.to_owned()).into() };
    let first = listen_shared(&listen, 2).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
    let taken = listen_shared(&listen, 1).unwrap_err();
    assert_eq!(taken.source.kind(), io::ErrorKind::AddrInUse, "{taken}");
    drop(first);
    assert!(std::fs::metadata(path).is_ok(), "the file stays behind");
    let mut second = listen_shared(&listen, 1).unwrap();
    echoes(path, second.pop().unwrap()).await;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, "a file of somebody else").unwrap();
    assert!(listen_shared(&listen, 1).is_err());
    assert!(std::fs::read(path).is_ok(), "it is left alone");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn names_of_the_abstract_namespace_begin_with_an_at() {
    let name = format!("@ripstop-listen-{}", std::process::id());
    let mut bound = listen_shared(&Place::Unix(name.clone()).into(), 1).unwrap();
    echoes(&name, bound.pop().unwrap()).await;
}
