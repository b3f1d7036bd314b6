//! Formats against the lines that they make.

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, Method};
use ripstop_policy::flags::ResponseFlag;

use super::*;
use crate::listener::connection::ConnectionInfo;
use ripstop_model::Address;

fn record() -> Record {
    let mut response = HeaderMap::new();
    response.insert("content-type", HeaderValue::from_static("text/html"));
    Record {
        start: UNIX_EPOCH + Duration::from_millis(1_736_937_045_123),
        duration: Duration::from_micros(1_245_900),
        connection: Rc::new(ConnectionInfo::plain(
            Address::socket([10, 0, 0, 1], 1000),
            Address::socket([10, 0, 0, 2], 80),
        )),
        client: None,
        method: Method::GET,
        path: "/users".into(),
        original_path: Some("/api/users".into()),
        authority: "shop".into(),
        protocol: Version::HTTP_11,
        request_headers: vec![(HeaderName::from_static("user-agent"), HeaderValue::from_static("curl"))],
        response_headers: Some(Rc::new(response)),
        status: 200,
        flag: None,
        details: "via_upstream",
        bytes_sent: 234,
        bytes_received: 0,
        upstream_cluster: Some("user_service".into()),
        upstream_host: Some("127.0.0.1:8081".into()),
        route_name: None,
        attempts: 2,
    }
}

fn line(format: &str, record: &Record) -> String {
    let mut line = Vec::new();
    Format::compile(format).expect(format).write(record, &mut line);
    String::from_utf8(line).expect("text")
}

#[test]
fn the_format_of_the_guide_gives_its_line() {
    let format = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
                  %DURATION% %BYTES_RECEIVED% %BYTES_SENT% \"%UPSTREAM_CLUSTER%\"\n";
    let expected = "[2025-01-15T10:30:45.123Z] \"GET /api/users HTTP/1.1\" 200 1245 0 234 \"user_service\"\n";
    assert_eq!(line(format, &record()), expected);
}

#[test]
fn operators_say_what_is_known_and_a_dash_otherwise() {
    let check = |format: &str, expected: &str| assert_eq!(line(format, &record()), expected, "{format}");
    check("%REQ(USER-AGENT)% %REQ(X-NONE)% %REQ(X-NONE?:PATH)%", "curl - /users");
    check("%REQ(USER-AGENT):2%", "cu");
    check("%RESP(Content-Type)% %RESP(x)%", "text/html -");
    check("%RESPONSE_FLAGS% %ROUTE_NAME% %RESPONSE_CODE_DETAILS%", "- - via_upstream");
    check("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1:1000 10.0.0.1");
    check("%UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "127.0.0.1:8081 2");
    check("100%% %REQ(:AUTHORITY)%", "100% shop");
    let failed = Record { flag: Some(ResponseFlag::NoRouteFound), ..record() };
    assert_eq!(line("%RESPONSE_FLAGS%", &failed), "NR");
}

#[test]
fn response_headers_are_kept_only_where_they_are_shown() {
    let shows = |format: &str| Format::compile(format).expect(format).shows_response_headers();
    assert!(shows("%RESPONSE_CODE% %RESP(X-VERSION)%"));
    assert!(!shows("%RESPONSE_CODE% %REQ(X-VERSION)%"));
}

#[test]
fn a_client_cannot_begin_a_line_of_its_own() {
    let forged = Record { path: "/a\r\nforged".into(), original_path: None, ..record() };
    assert_eq!(line("%REQ(:PATH)%\n", &forged), "/a??forged\n");
}

#[test]
fn what_is_not_a_format_is_refused() {
    for format in ["%START_TIME", "%NO_SUCH_THING%", "%REQ(a b)%", "%REQ(A%", "%REQ(A):x%", "%PROTOCOL(1)%"] {
        assert!(Format::compile(format).is_err(), "{format}");
    }
    assert!(Format::compile(DEFAULT).is_ok());
}
