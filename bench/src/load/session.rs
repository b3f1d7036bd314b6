//! One who asks again and again: a connection, or a stream of one. Every answer is looked at.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use super::http1::Http1;
use super::http2::Http2;
use super::tls::{Handshakes, TlsClient};
use super::tunnel::Tunnel;
use crate::Outcome;
use crate::site::{ROUTE_HEADER, ROUTES, VIRTUAL_HOSTS, domain};

/// Streams of an HTTP/2 connection.
const STREAMS: usize = 8;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A path over HTTP/1.
    Http1(&'static str),
    /// All virtual hosts and routes in turn, over HTTP/1.
    Routes,
    /// A small body over HTTP/2.
    Http2,
    /// A unary call of gRPC.
    Grpc,
    /// To say something back in a tunnel.
    Echo,
    /// A TLS handshake, with a root to trust.
    Handshake(PathBuf),
    /// A path over HTTP/1 and TLS.
    Https(PathBuf),
}

/// One who asks.
pub enum Session {
    /// Over a connection of HTTP/1.
    Http1(Box<Http1>),
    /// Over a stream of HTTP/2.
    Http2(Box<Http2>),
    /// Through a tunnel.
    Tunnel(Box<Tunnel>),
    /// With a new connection each time.
    Handshakes(Handshakes),
}

impl Session {
    /// Connects `count` of them.
    pub async fn open(ask: &Ask, port: u16, count: usize) -> Outcome<Vec<Session>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut sessions = Vec::with_capacity(count);
        match ask {
            Ask::Http1(path) => {
                for _ in 0..count {
                    let http1 = Http1::plain(address, vec![request(&domain(1), path, "")]).await?;
                    sessions.push(Session::Http1(Box::new(http1)));
                }
            }
            Ask::Https(root) => {
                let client = Rc::new(TlsClient::new(root)?);
                for _ in 0..count {
                    let stream = client.connect(address).await?;
                    let http1 = Http1::over(Box::new(stream), vec![request(&domain(1), "/small", "")]);
                    sessions.push(Session::Http1(Box::new(http1)));
                }
            }
            Ask::Routes => {
                let header = format!("{}: {}\r\n", ROUTE_HEADER.0, ROUTE_HEADER.1);
                for _ in 0..count {
                    let places = (0..VIRTUAL_HOSTS).map(|host| (host, host % ROUTES));
                    let requests = places.map(|(host, route)| {
                        request(&domain(host), &format!("/service/{route}/item"), &header)
                    });
                    sessions.push(Session::Http1(Box::new(Http1::plain(address, requests.collect()).await?)));
                }
            }
            Ask::Http2 | Ask::Grpc => {
                let grpc = matches!(ask, Ask::Grpc);
                while sessions.len() < count {
                    let stream = Http2::connect(address, grpc).await?;
                    let here = STREAMS.min(count - sessions.len());
                    sessions.extend((0..here).map(|_| Session::Http2(Box::new(stream.clone()))));
                }
            }
            Ask::Echo => {
                for _ in 0..count {
                    sessions.push(Session::Tunnel(Box::new(Tunnel::open(address).await?)));
                }
            }
            Ask::Handshake(root) => {
                let client = Rc::new(TlsClient::new(root)?);
                let handshakes = || Session::Handshakes(Handshakes::new(client.clone(), address));
                sessions.extend((0..count).map(|_| handshakes()));
            }
        }
        Ok(sessions)
    }

    /// Lets go of what a connection that lies idle does not need.
    pub fn rest(&mut self) {
        if let Session::Http1(session) = self {
            session.rest();
        }
    }

    /// Asks once and looks at the answer.
    pub async fn ask(&mut self) -> Outcome<()> {
        match self {
            Session::Http1(session) => session.ask().await,
            Session::Http2(session) => session.ask().await,
            Session::Tunnel(session) => session.ask().await,
            Session::Handshakes(session) => session.ask().await,
        }
    }
}

/// A request as bytes, with `more` headers.
pub fn request(host: &str, path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: ripstop-bench\r\naccept: */*\r\n{more}\r\n")
        .into()
}
