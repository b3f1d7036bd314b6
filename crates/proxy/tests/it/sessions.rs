//! A session stays with its endpoint while endpoints come and go around it, and falls back to the hash when it is gone.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use ripstop_model::cluster::Cluster;
use ripstop_model::http_filter::{HttpFilter, HttpFilterKind};
use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_model::route::{Forward, HashCookie, HashPolicy, HashSource};
use ripstop_model::session::{SessionCarrier, StatefulSession};
use ripstop_model::{LbPolicy, LoadBalancing, Snapshot};
use ripstop_testkit::client::Http1;
use ripstop_testkit::upstream::{Upstream, text};

use crate::harness::{Proxy, cluster, listener, manager, routes, snapshot, to_c};

fn with_sessions(endpoints: &[SocketAddr], strict: bool) -> Snapshot {
    let cookie = HashCookie {
        name: "home".into(),
        ttl: Some(Duration::from_secs(60)),
        path: "/".into(),
        attributes: Vec::new(),
    };
    let session = StatefulSession { carrier: Some(SessionCarrier::Cookie(cookie)), strict, gone_status: 410 };
    let filter = HttpFilter {
        name: "sessions".into(),
        disabled: false,
        kind: HttpFilterKind::Session(Box::new(session)),
    };
    let manager = HttpConnectionManager { filters: vec![filter], ..manager() };
    let hash =
        HashPolicy { source: HashSource::Header { name: "x-user".into(), rewrite: None }, terminal: false };
    let forward = Forward { hash: vec![hash], ..to_c() };
    let cluster = Cluster { lb: LoadBalancing::new(LbPolicy::RING_HASH), ..cluster(endpoints) };
    snapshot(listener(manager, None), routes(forward), cluster)
}

/// A client that keeps its cookie.
struct Client {
    http: Http1,
    cookie: Option<HeaderValue>,
}

impl Client {
    async fn new(proxy: &Proxy) -> Client {
        Client { http: Http1::connect(proxy.address()).await.unwrap(), cookie: None }
    }

    /// Who answered, and with which status.
    async fn ask(&mut self, user: &'static str) -> (String, u16) {
        let mut request = self.http.build(http::Method::GET, "/", "");
        request.headers_mut().insert("x-user", HeaderValue::from_static(user));
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        let reply = self.http.request(request).await.unwrap();
        if let Some(given) = reply.headers.get(SET_COOKIE) {
            let pair = given.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(HeaderValue::try_from(pair).unwrap());
        }
        (reply.body, reply.status)
    }
}

#[tokio::test]
async fn a_session_survives_scaling_and_falls_back_to_the_hash() {
    let upstreams: Vec<Upstream> = (0..8)
        .map(|number| Upstream::start(move |_| async move { Ok(text(200, number.to_string())) }))
        .collect();
    let all: Vec<SocketAddr> = upstreams.iter().map(|upstream| upstream.address).collect();
    let mut proxy = Proxy::with(with_sessions(&all[..2], false)).await;
    let mut client = Client::new(&proxy).await;
    let (home, _) = client.ask("first").await;
    // Whatever its hash is, and however many endpoints there are.
    for count in [8, 5, 2] {
        proxy.apply(with_sessions(&all[..count], false)).await;
        let mut client = Client { cookie: client.cookie.clone(), ..Client::new(&proxy).await };
        for user in ["first", "second", "third", "fourth", "fifth"] {
            assert_eq!(client.ask(user).await, (home.clone(), 200), "{user} of {count}");
        }
    }
    // Its endpoint is gone: with the hash it goes to one of the others, is told so, and stays there.
    let others: Vec<SocketAddr> =
        all.iter().copied().filter(|address| *address != all[home.parse::<usize>().unwrap()]).collect();
    proxy.apply(with_sessions(&others, false)).await;
    let mut stranger = Client::new(&proxy).await;
    let (by_hash, _) = stranger.ask("first").await;
    let mut client = Client { cookie: client.cookie, ..Client::new(&proxy).await };
    assert_eq!(client.ask("first").await, (by_hash.clone(), 200));
    assert_eq!(client.ask("second").await, (by_hash, 200), "the new cookie");
    // Strictly, it fails.
    let rest: Vec<SocketAddr> = others.into_iter().filter(|address| !is_home(&client, *address)).collect();
    proxy.apply(with_sessions(&rest, true)).await;
    let mut client = Client { cookie: client.cookie, ..Client::new(&proxy).await };
    assert_eq!(client.ask("first").await, ("no healthy upstream".to_owned(), 410));
}

/// Whether the cookie of the client names this endpoint.
fn is_home(client: &Client, address: SocketAddr) -> bool {
    let cookie = client.cookie.as_ref().unwrap().to_str().unwrap();
    let value = cookie.trim_start_matches("home=").trim_matches('"');
    let named = ripstop_xds::session_cookie::read(value, std::time::SystemTime::now());
    named.as_deref() == Some(&*address.to_string())
}
