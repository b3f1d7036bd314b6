//! Which route takes which request, by tables.

use super::*;
use http::HeaderMap;
use ripstop_model::VirtualHost;
use ripstop_model::matcher::{
    HeaderMatch, HeaderValueMatch, QueryMatch, QueryValueMatch, StringMatch, StringPattern,
};
use ripstop_model::route::{Forward, PathMatch, Route, RouteAction};

fn route(matches: RouteMatch) -> Route {
    Route::new(matches, RouteAction::Forward(Box::new(Forward::to("c"))))
}

fn host(name: &str, domains: &[&str], matches: Vec<RouteMatch>) -> VirtualHost {
    VirtualHost::new(
        name,
        domains.iter().map(|&d| d.into()).collect(),
        matches.into_iter().map(route).collect(),
    )
}

fn compile(virtual_hosts: Vec<VirtualHost>) -> Result<RouteTable, CompileError> {
    RouteTable::compile(&RouteConfiguration::new("r", virtual_hosts), &Runtime::default())
}

fn request<'a>(authority: &'a str, path_and_query: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead::get(authority, path_and_query, headers)
}

#[test]
fn hosts_are_found_by_envoys_precedence() {
    let all = || vec![RouteMatch::prefix("/")];
    let table = compile(vec![
        host("any", &["*"], all()),
        host("suffix", &["*.example.com", "*-x.example.com"], all()),
        host("long suffix", &["*.a.example.com"], all()),
        host("prefix", &["www.*"], all()),
        host("long prefix", &["www.exa*"], all()),
        host("exact", &["www.Example.com", "b.example.com:8080"], all()),
    ])
    .unwrap();
    let check = |authority: &str, expected: &str| {
        let found = table.find(&request(authority, "/", &HeaderMap::new())).unwrap();
        let name = table.virtual_host_name(found.virtual_host).unwrap();
        assert_eq!(&**name, expected, "{authority}");
    };
    check("www.example.com", "exact");
    check("WWW.EXAMPLE.COM", "exact");
    check("b.example.com:8080", "exact");
    check("b.example.com", "suffix");
    check("b-x.example.com", "suffix");
    check("B.A.example.com", "long suffix");
    check("www.a.example.com", "long suffix");
    check("www.example.org", "long prefix");
    check("www.other.org", "prefix");
    check("www.", "any");
    check(".example.com", "any");
    check("example.com", "any");
    check("", "any");
    check("wwé.example.com", "suffix");
    check("é", "any");
}

#[test]
fn bad_domains_are_refused_by_name() {
    let message = |domains: [&str; 2]| {
        let hosts = domains.map(|domain| host(&format!("v-{domain}"), &[domain], Vec::new()));
        compile(hosts.to_vec()).unwrap_err().to_string()
    };
    assert_eq!(
        message(["a.b", "A.B"]),
        "virtual host `v-A.B`: domains: `A.B` already belongs to virtual host `v-a.b`"
    );
    assert!(message(["*", "*"]).contains("already belongs"));
    assert!(message(["*.a", "*.a"]).contains("already belongs"));
    // An asterisk in the middle means itself, as in Envoy.
    assert!(compile(vec![host("v", &["a*b", "**", "*a*"], Vec::new())]).is_ok());
}

#[test]
fn bad_expressions_are_refused_by_place() {
    let mut matches = RouteMatch::prefix("/");
    let pattern = StringPattern::Regex("[".into());
    matches.query.push(QueryMatch {
        name: "q".into(),
        value: QueryValueMatch::String(StringMatch { pattern, ignore_case: false }),
    });
    let mut bad = host("v", &["*"], vec![RouteMatch::prefix("/"), matches]);
    bad.routes[1].name = "second".into();
    assert_eq!(
        compile(vec![bad]).unwrap_err().to_string(),
        "virtual host `v`: route 1 (`second`): match.query_parameters[q]: `[` is no usable regular expression: \
         unclosed character class"
    );
    let bad = host("v", &["*"], vec![RouteMatch::path(PathMatch::Regex("a)".into()))]);
    assert!(compile(vec![bad]).unwrap_err().to_string().contains("route 0: match.safe_regex: `a)`"));
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let table = compile(vec![
        host("a", &["a"], vec![RouteMatch::prefix("/x"), RouteMatch::prefix("/")]),
        host("b", &["b"], vec![RouteMatch::prefix("/x"), RouteMatch::prefix("/x/y")]),
    ])
    .unwrap();
    let headers = HeaderMap::new();
    let find = |authority, path| table.find(&request(authority, path, &headers));
    assert_eq!(find("a", "/x/y"), Ok(RouteRef { virtual_host: 0, route: 0, index: 0 }));
    assert_eq!(find("a", "/y"), Ok(RouteRef { virtual_host: 0, route: 1, index: 1 }));
    assert_eq!(find("b", "/x/y"), Ok(RouteRef { virtual_host: 1, route: 0, index: 2 }));
    assert_eq!(find("b", "/y"), Err(NoRoute::Route(1)));
    assert_eq!(find("c", "/x"), Err(NoRoute::VirtualHost));
    assert_eq!((table.len(), table.is_empty()), (4, false));
    assert_eq!(table.route_name(4), None);
}

fn check_match(matches: &RouteMatch, requests: &[(&str, bool)]) {
    let table = compile(vec![host("v", &["*"], vec![matches.clone()])]).unwrap();
    for &(path, expected) in requests {
        let found = table.find(&request("h", path, &HeaderMap::new())).is_ok();
        assert_eq!(found, expected, "{matches:?} on {path}");
    }
}

#[test]
fn paths_are_matched_without_the_query() {
    let prefix = RouteMatch::prefix("/ab");
    check_match(&prefix, &[("/ab", true), ("/abc?x", true), ("/AB", false), ("/a?/ab", false)]);
    let exact = RouteMatch::path(PathMatch::Exact("/ab".into()));
    check_match(&exact, &[("/ab", true), ("/ab?x", true), ("/ab/", false), ("/a", false)]);
    let separated = RouteMatch::path(PathMatch::PathSeparatedPrefix("/ab".into()));
    check_match(&separated, &[("/ab", true), ("/ab/c", true), ("/ab?x", true), ("/abc", false)]);
    let regex = RouteMatch::path(PathMatch::Regex("/a[0-9]+".into()));
    check_match(&regex, &[("/a12", true), ("/a12?b", true), ("/a12b", false), ("x/a1", false)]);
    let any_case = RouteMatch { case_sensitive: false, ..prefix };
    check_match(&any_case, &[("/AB", true), ("/aBc", true), ("/b", false)]);
}

#[test]
fn query_parameters_are_conditions() {
    let with = |value: QueryValueMatch| RouteMatch {
        query: vec![QueryMatch { name: "q".into(), value }],
        ..RouteMatch::prefix("/")
    };
    check_match(
        &with(QueryValueMatch::Present(true)),
        &[("/?q", true), ("/?a=1&q=", true), ("/?Q=1", false), ("/", false)],
    );
    let one = with(QueryValueMatch::String(StringMatch::exact("1")));
    check_match(&one, &[("/?q=1", true), ("/?q=2&q=1", false), ("/?a=1", false), ("/?q", false)]);
}

fn check_header(name: &str, value: HeaderValueMatch, sent: &[&str], expected: [bool; 4]) {
    let mut headers = HeaderMap::new();
    for value in sent {
        headers.append("x-h", http::HeaderValue::from_str(value).unwrap());
    }
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    let found = flags.map(|(invert, treat_missing_as_empty)| {
        let header = HeaderMatch { name: name.into(), value: value.clone(), invert, treat_missing_as_empty };
        let matches = RouteMatch { headers: vec![header], ..RouteMatch::prefix("/") };
        let table = compile(vec![host("v", &["*"], vec![matches])]).unwrap();
        table.find(&request("h", "/p?q", &headers)).is_ok()
    });
    assert_eq!(found, expected, "{name} {value:?} {sent:?}: plain, inverted, missing as empty, both");
}

#[test]
fn headers_are_conditions() {
    let text = |pattern| HeaderValueMatch::String(StringMatch { pattern, ignore_case: false });
    let exact = |t: &str| text(StringPattern::Exact(t.into()));
    let there = [true, false, true, false];
    let not = [false, true, false, true];
    check_header("x-h", exact("a"), &["a"], there);
    check_header("x-h", exact("a"), &["b"], not);
    check_header("x-h", exact("a,b"), &["a", "b"], there);
    check_header("x-h", exact("a"), &[], [false, false, false, true]);
    check_header("x-h", exact(""), &[], [false, false, true, false]);
    check_header("x-h", text(StringPattern::Regex("".into())), &[], [false, false, true, false]);
    check_header("x-h", HeaderValueMatch::Present(true), &["a"], there);
    check_header("x-h", HeaderValueMatch::Present(true), &[], [false, true, true, false]);
    check_header("x-h", HeaderValueMatch::Present(false), &["a"], not);
    check_header("x-h", HeaderValueMatch::Present(false), &[], [true, false, false, true]);
    let range = HeaderValueMatch::Range { start: -5, end: 10 };
    check_header("x-h", range.clone(), &["-5"], there);
    check_header("x-h", range.clone(), &["10"], not);
    check_header("x-h", range.clone(), &["x"], not);
    check_header("x-h", range, &[], [false, false, false, true]);
    check_header(":method", exact("GET"), &[], there);
    check_header(":path", exact("/p?q"), &[], there);
    check_header(":authority", exact("h"), &[], there);
    check_header(":scheme", exact("http"), &[], there);
    check_header("bad name", HeaderValueMatch::Present(false), &[], [true, false, false, true]);
}
