//! HTTP/2 without TLS: a small body, or the answer to a call of gRPC.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::SMALL_BODY;
use crate::Outcome;
use crate::load::LocalExec;

/// Streams of a connection.
const MAX_STREAMS: u32 = 1024;

/// Serves one connection.
pub async fn serve(stream: TcpStream) -> Outcome<()> {
    let builder = {
        let mut builder = http2::Builder::new(LocalExec);
        builder.max_concurrent_streams(MAX_STREAMS);
        builder
    };
    Ok(builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await?)
}

async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let call = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/grpc");
    let body = request.into_body().collect().await?.to_bytes();
    if !call {
        let body = Bytes::from_static(&[b'x'; SMALL_BODY]);
        return Ok(Response::new(Full::new(body).boxed()));
    }
    // The message goes back as it came; how the call went is said after it.
    let trailers = async { Some(Ok(HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]))) };
    let mut response = Response::new(Full::new(body).with_trailers(trailers).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

const GRPC_STATUS: header::HeaderName = header::HeaderName::from_static("grpc-status");
