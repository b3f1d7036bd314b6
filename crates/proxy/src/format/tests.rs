//! Formats against the texts that they make.

use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, Version};
use ripstop_model::Format;
use ripstop_model::format::json::{JsonFormat, JsonNumber};
use ripstop_policy::flags::ResponseFlag;

use super::context::Context;
use super::json::CompiledJson;
use super::{CompiledFormat, Wanted};
use crate::listener::connection::ConnectionInfo;
use crate::stream_info::StreamInfo;

struct Known {
    stream: StreamInfo,
    connection: ConnectionInfo,
    ended: Instant,
}

fn known() -> Known {
    let mut stream = StreamInfo::begin();
    stream.started_wall = UNIX_EPOCH + Duration::from_millis(1_736_937_045_123);
    stream.method = Some(Method::GET);
    stream.scheme = Some("http");
    stream.path = Some("/users?a=b%20c".into());
    stream.original_path = Some("/api/users?a=b%20c".into());
    stream.authority = Some("shop".into());
    stream.protocol = Some(Version::HTTP_11);
    stream.request_headers.append("user-agent", HeaderValue::from_static("curl"));
    stream.request_headers.append("x-envoy-original-path", HeaderValue::from_static("/api/users"));
    stream.request_headers.append("x-twice", HeaderValue::from_static("one"));
    stream.request_headers.append("x-twice", HeaderValue::from_static("two"));
    stream.response_headers.append("content-type", HeaderValue::from_static("text/html"));
    stream.status = 200;
    stream.details = "via_upstream";
    stream.bytes_sent = 234;
    stream.cluster = Some("user_service".into());
    stream.host = Some("127.0.0.1:8081".into());
    stream.attempts = 2;
    let address = |text: &str| text.parse::<std::net::SocketAddr>().expect("address");
    let connection = ConnectionInfo::plain(address("10.0.0.1:1000"), address("10.0.0.2:80"));
    let ended = stream.times.begun + Duration::from_micros(1_245_900);
    Known { stream, connection, ended }
}

impl Known {
    fn context(&self) -> Context<'_> {
        Context {
            response: Some(&self.stream.response_headers),
            ended: Some(self.ended),
            ..Context::of(&self.connection, &self.stream, &self.stream.request_headers)
        }
    }

    fn text(&self, format: &str) -> String {
        let mut out = Vec::new();
        let format = Format::parse(format).expect(format);
        CompiledFormat::compile(&format).write(&self.context(), "-", &mut out);
        String::from_utf8(out).expect("text")
    }

    fn json(&self, format: &JsonFormat, omit_empty: bool) -> String {
        let mut out = Vec::new();
        CompiledJson::compile(format, omit_empty).write(&self.context(), &mut out);
        String::from_utf8(out).expect("text")
    }
}

#[test]
fn the_format_of_the_guide_gives_its_line() {
    let format = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
                  %DURATION% %BYTES_RECEIVED% %BYTES_SENT% \"%UPSTREAM_CLUSTER%\"\n";
    let expected = "[2025-01-15T10:30:45.123Z] \"GET /api/users HTTP/1.1\" 200 1245 0 234 \"user_service\"\n";
    assert_eq!(known().text(format), expected);
}

#[test]
fn operators_say_what_is_known_and_a_dash_otherwise() {
    let known = known();
    let check = |format: &str, expected: &str| assert_eq!(known.text(format), expected, "{format}");
    check("%REQ(USER-AGENT)% %REQ(X-NONE)% %REQ(X-NONE?:METHOD)% %REQ(x-twice)%", "curl - GET one");
    check("%REQ(USER-AGENT):2% %REQ(host)% %REQ(:scheme)%", "cu shop http");
    check("%RESP(Content-Type)% %RESP(x)% %RESP(:status)% %TRAILER(x)%", "text/html - 200 -");
    check("%RESPONSE_FLAGS% %ROUTE_NAME% %RESPONSE_CODE_DETAILS%", "- - via_upstream");
    check("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1:1000 10.0.0.1");
    check("%DOWNSTREAM_DIRECT_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT% %UPSTREAM_LOCAL_ADDRESS%", "1000 80 -");
    check("%UPSTREAM_HOST% %UPSTREAM_HOST_NAME_WITHOUT_PORT%", "127.0.0.1:8081 127.0.0.1");
    check("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CUSTOM_FLAGS%%TRACE_ID%", "2 -");
    check("100%% %REQ(:AUTHORITY)% %START_TIME(%Y)%", "100% shop 2025");
    check("%PATH% %PATH(NQ)% %PATH(NQ:PATH)%", "/api/users?a=b%20c /api/users /users");
    check("%QUERY_PARAM(a)% %QUERY_PARAM(b)% %QUERY_PARAMS%", "b c - a=b%20c");
    check("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)% %COMMON_DURATION(a:DS_RX_BEG)%", "1245900 -");
    check("%ENVIRONMENT(RIPSTOP_IS_NOT_SET)% %GRPC_STATUS%", "- -");
}

#[test]
fn details_and_flags_are_written_as_envoy_writes_them() {
    let mut failed = known();
    // In the order in which things happened.
    failed.stream.flags.insert(ResponseFlag::UpstreamConnectionFailure);
    failed.stream.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
    failed.stream.details = "upstream_reset_before_response_started{remote_connection_failure}";
    failed.stream.upstream_failure = Some("delayed connect error: Connection refused".into());
    assert_eq!(failed.text("%RESPONSE_FLAGS%"), "UF,URX");
    assert_eq!(failed.text("%RESPONSE_FLAGS_LONG%"), "UpstreamConnectionFailure,UpstreamRetryLimitExceeded");
    let details = "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}";
    assert_eq!(failed.text("%RESPONSE_CODE_DETAILS%"), details);
    assert_eq!(
        failed.text("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"),
        details
            .replace("_error:_Connection_", " error: Connection ")
            .replace("delayed_connect", "delayed connect")
    );
}

#[test]
fn grpc_statuses_have_names() {
    let mut call = known();
    assert_eq!(call.text("%GRPC_STATUS_NUMBER%"), "-");
    call.stream.request_headers.append("content-type", HeaderValue::from_static("application/grpc"));
    assert_eq!(call.text("%GRPC_STATUS%"), "Unknown");
    call.stream.response_headers.append("grpc-status", HeaderValue::from_static("5"));
    let all = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%";
    assert_eq!(call.text(all), "NotFound NOT_FOUND 5");
    call.stream.response_headers.insert("grpc-status", HeaderValue::from_static("99"));
    assert_eq!(call.text(all), "99 99 99");
}

#[test]
fn only_what_is_shown_is_kept() {
    let mut wanted = Wanted::default();
    let format = Format::parse("%REQ(a?:path)% %RESP(b)% %REQ(a)% %TRAILER(c)%").expect("format");
    CompiledFormat::compile(&format).wants(&mut wanted);
    let names = |list: &[http::HeaderName]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(
        [names(&wanted.request), names(&wanted.response), names(&wanted.trailers)],
        [["a"], ["b"], ["c"]]
    );
    let mut kept = HeaderMap::new();
    let mut headers = known().stream.request_headers;
    headers.append("a", HeaderValue::from_static("1"));
    Wanted::keep(&wanted.request, &headers, &mut kept);
    assert_eq!((kept.len(), kept.get("a")), (1, headers.get("a")));
}

#[test]
fn a_client_cannot_begin_a_line_of_its_own() {
    let mut forged = known();
    forged.stream.path = Some("/a\r\nforged\t".into());
    assert_eq!(forged.text("%REQ(:PATH)%\n"), "/a??forged\t\n");
}

fn object(fields: &[(&str, JsonFormat)]) -> JsonFormat {
    JsonFormat::Object(fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
}

#[test]
fn json_keeps_types_and_sorts_names() {
    let text = |text: &str| JsonFormat::Text(Format::parse(text).expect(text));
    let number = |value| JsonFormat::Number(JsonNumber::new(value).expect("finite"));
    let format = object(&[
        ("status", text("%RESPONSE_CODE%")),
        ("none", text("%REQ(x-none)%")),
        ("mixed", text("x %REQ(x-none)% %RESPONSE_CODE%")),
        ("list", JsonFormat::List(vec![text("%PROTOCOL%"), number(1.0), text("%REQ(x-none)%")])),
        ("nested", object(&[("z", text("%REQ(x-none)%"))])),
        ("half", number(1.5)),
        ("yes", JsonFormat::Bool(true)),
        ("null", JsonFormat::Null),
        ("quote", text("\"\\\u{e9}\n%%")),
    ]);
    let whole = "{\"half\":1.5,\"list\":[\"HTTP/1.1\",1,null],\"mixed\":\"x - 200\",\"nested\":{\"z\":null},\
                 \"none\":null,\"null\":null,\"quote\":\"\\\"\\\\\u{e9}\\n%\",\"status\":200,\"yes\":true}";
    assert_eq!(known().json(&format, false), whole);
    let short = "{\"half\":1.5,\"list\":[\"HTTP/1.1\",1],\"mixed\":\"x  200\",\"quote\":\"\\\"\\\\\u{e9}\\n%\",\
                 \"status\":200,\"yes\":true}";
    assert_eq!(known().json(&format, true), short);
}

#[test]
fn bytes_that_are_no_text_are_escaped_one_by_one() {
    let mut odd = known();
    let value = HeaderValue::from_bytes(b"a\xffb\xc3\xa9").expect("value");
    odd.stream.request_headers.append("x-b", value);
    let format = object(&[("b", JsonFormat::Text(Format::parse("%REQ(x-b)%").expect("format")))]);
    assert_eq!(odd.json(&format, false), "{\"b\":\"a\\u00ffb\\u00c3\\u00a9\"}");
}
