//! Headers that routes add and remove, against what Envoy does with the same configuration.

use http::{Method, Request};
use hyper::body::Incoming;
use ripstop_model::route::{
    AppendAction, DirectResponse, HeaderAddition, HeaderMutations, Mutations, Route, RouteAction, RouteMatch,
};
use ripstop_model::{Format, RouteConfiguration};
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Answer, Upstream, text};

use crate::harness::{Proxy, cluster, listener, manager, routes_of, snapshot, to_c};

/// Answers with the headers that it saw.
async fn mirror(request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", value.to_str().unwrap_or_default())
    };
    let mut answer = text(200, request.headers().iter().map(line).collect::<String>());
    answer.headers_mut().insert("x-up", http::HeaderValue::from_static("u"));
    Ok(answer)
}

fn add(name: &str, value: &str, action: AppendAction) -> HeaderAddition {
    let value = Format::parse(value).unwrap();
    HeaderAddition { name: name.into(), value, action, keep_empty: false }
}

/// A level that says its name in several ways, and takes away `remove`.
fn level(name: &str, remove: &[&str]) -> Option<Box<HeaderMutations>> {
    let add = vec![
        add("x-o", name, AppendAction::Append),
        add("x-ow", name, AppendAction::Overwrite),
        add("x-same", name, AppendAction::AddIfAbsent),
        add("x-not-there", name, AppendAction::OverwriteIfExists),
    ];
    let remove = remove.iter().map(|name| (*name).into()).collect();
    let mutations = Mutations { remove, add };
    Some(Box::new(HeaderMutations { request: mutations.clone(), response: mutations }))
}

fn levels(most_specific_wins: bool) -> RouteConfiguration {
    let mut forward = Route::new(RouteMatch::prefix("/"), RouteAction::Forward(Box::new(to_c())));
    forward.headers = level("route", &[]);
    if let Some(headers) = &mut forward.headers {
        headers.request.add.push(add("x-value", "%REQ(x-in)%-%UPSTREAM_CLUSTER%", AppendAction::Append));
        headers.request.add.push(add("x-empty", "%REQ(x-none)%", AppendAction::Append));
        headers.response.add.push(add(
            "x-value",
            "%REQ(x-in)%|%RESPONSE_CODE%|%RESP(x-up)%",
            AppendAction::Append,
        ));
    }
    let body = b"d".to_vec();
    let mut direct = Route::new(
        RouteMatch::prefix("/direct"),
        RouteAction::DirectResponse(DirectResponse { status: 200, body }),
    );
    let kind = add("content-type", "a/b", AppendAction::Overwrite);
    let response = Mutations { remove: Vec::new(), add: vec![kind] };
    direct.headers = Some(Box::new(HeaderMutations { request: Mutations::default(), response }));
    let mut config = routes_of(vec![direct, forward]);
    config.headers = level("config", &[]);
    config.virtual_hosts[0].headers = level("host", &["x-rm", "x-up"]);
    config.most_specific_header_mutations_wins = most_specific_wins;
    config
}

async fn ask(config: RouteConfiguration, path: &str) -> (String, http::HeaderMap) {
    let upstream = Upstream::start(mirror);
    let proxy = Proxy::with(snapshot(listener(manager(), None), config, cluster(&[upstream.address]))).await;
    let mut client = Http1::connect(proxy.address()).await.unwrap();
    let mut request = client.build(Method::GET, path, "");
    request.headers_mut().insert("x-in", "1".parse().unwrap());
    request.headers_mut().insert("x-rm", "1".parse().unwrap());
    let reply = client.request(request).await.unwrap();
    (reply.body, reply.headers)
}

fn all<'a>(headers: &'a http::HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn levels_change_headers_from_the_route_to_the_configuration() {
    let (seen, headers) = ask(levels(false), "/").await;
    for line in
        ["x-o: route\nx-o: host\nx-o: config\n", "x-ow: config\n", "x-same: route\n", "x-value: 1-c\n"]
    {
        assert!(seen.contains(line), "{line} in {seen}");
    }
    for gone in ["x-rm", "x-not-there", "x-empty"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert_eq!(all(&headers, "x-o"), ["route", "host", "config"]);
    assert_eq!((all(&headers, "x-ow"), all(&headers, "x-same")), (vec!["config"], vec!["route"]));
    assert_eq!((all(&headers, "x-value"), all(&headers, "x-up")), (vec!["1|200|u"], vec![]));
}

#[tokio::test]
async fn the_most_specific_level_may_have_the_last_word() {
    let (seen, headers) = ask(levels(true), "/").await;
    assert!(seen.contains("x-ow: route\n") && seen.contains("x-same: config\n"), "{seen}");
    assert_eq!(all(&headers, "x-o"), ["config", "host", "route"]);
}

#[tokio::test]
async fn answers_of_ours_are_changed_too() {
    let (body, headers) = ask(levels(false), "/direct").await;
    assert_eq!(body, "d");
    assert_eq!((all(&headers, "content-type"), all(&headers, "x-o")), (vec!["a/b"], vec!["host", "config"]));
}
