//! The works, by the letters of the tables in `docs/performance.md`.

mod bytes;
mod configuration;
mod connections;
mod requests;
mod scale;
mod start;

use clap::ValueEnum;

use crate::load::session::Ask;
use crate::report::Row;
use crate::site::Shape;
use crate::{Context, Outcome};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Work {
    /// HTTP/1.1 reverse proxy, small and middle bodies
    A,
    /// The same with routing table, access log and metrics
    B,
    /// Two hops with mutual TLS between
    C,
    /// HTTP/2 to HTTP/2, and gRPC
    D,
    /// TCP, one connection and 64
    E,
    /// Bodies of 1 GiB
    F,
    /// 10,000 idle connections, plain and TLS, and a burst
    G,
    /// TLS handshakes
    H,
    /// 10,000 clusters and 100,000 endpoints
    I,
    /// From start to ready
    J,
    /// WebSocket echo
    K,
    /// A control plane with 1,000 proxies
    L,
}

impl Work {
    /// All of them, in order.
    pub const ALL: [Work; 12] = [
        Work::A,
        Work::B,
        Work::C,
        Work::D,
        Work::E,
        Work::F,
        Work::G,
        Work::H,
        Work::I,
        Work::J,
        Work::K,
        Work::L,
    ];

    /// Measures all peers on it.
    pub fn run(self, context: &Context) -> Outcome<Vec<Row>> {
        let upstream = context.upstream;
        let requests = |title, shape, ask, port| requests::measure(context, title, &shape, &ask, port);
        Ok(match self {
            Work::A => [
                requests("a1: HTTP/1.1, body of 60 B", Shape::Plain, Ask::Http1("/small"), upstream.http1)?,
                requests("a2: HTTP/1.1, body of 10 KB", Shape::Plain, Ask::Http1("/middle"), upstream.http1)?,
            ]
            .concat(),
            Work::B => requests(
                "b: 100 hosts of 10 routes, access log, metrics",
                Shape::Routed,
                Ask::Routes,
                upstream.http1,
            )?,
            Work::C => requests(
                "c: two hops, HTTP/2 with mutual TLS between",
                Shape::Front,
                Ask::Http1("/small"),
                upstream.http1,
            )?,
            Work::D => [
                requests("d1: HTTP/2 to HTTP/2, body of 60 B", Shape::Http2, Ask::Http2, upstream.http2)?,
                requests("d2: gRPC, unary", Shape::Grpc, Ask::Grpc, upstream.http2)?,
            ]
            .concat(),
            Work::E => [
                bytes::streams(context, "e1: TCP, 1 connection", 1)?,
                bytes::streams(context, "e2: TCP, 64 connections", 64)?,
            ]
            .concat(),
            Work::F => bytes::large_bodies(context)?,
            Work::G => connections::idle(context)?,
            Work::H => requests(
                "h: TLS 1.3 handshakes, ECDSA P-256",
                Shape::Tls,
                Ask::Handshake(context.tls.root.clone()),
                upstream.http1,
            )?,
            Work::I => configuration::measure(context)?,
            Work::J => start::measure(context)?,
            Work::K => requests("k: WebSocket, 64 B said back", Shape::Plain, Ask::Echo, upstream.http1)?,
            Work::L => scale::measure(context)?,
        })
    }
}
