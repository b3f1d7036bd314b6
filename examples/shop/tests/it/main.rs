//! The services through their HTTP interface. Most tests call the application directly; what concerns connections
//! goes over sockets.
#![allow(clippy::unwrap_used)]

mod connections;
mod gateway;
mod products;
mod users;

use actix_http::Request;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::{Method, header::HeaderMap},
    test,
};
use ripstop_shop::about::About;
use serde_json::Value;

/// An answer read to its end. A body that is not JSON reads as null.
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

fn about(service: &'static str, version: &str) -> About {
    About { service, version: version.into() }
}

/// Sends a request, with a JSON body unless `body` is null.
async fn call<S, B>(app: &S, method: Method, uri: &str, body: Value) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let mut request = test::TestRequest::default().method(method).uri(uri);
    if !body.is_null() {
        request = request.set_json(body);
    }
    send(app, request).await
}

async fn get<S, B>(app: &S, uri: &str) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    call(app, Method::GET, uri, Value::Null).await
}

async fn send<S, B>(app: &S, request: test::TestRequest) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let response = test::call_service(app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = test::read_body(response).await;
    Answer { status, headers, json: serde_json::from_slice(&body).unwrap_or(Value::Null) }
}
