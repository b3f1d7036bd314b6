//! What is a format, and what is said of what is none. The verdicts are Envoy's.

use super::operator::{AddressPart, Field, HeaderChoice, Operator};
use super::time::{TimeFormat, TimePiece};
use super::{Format, FormatError, Piece};

#[test]
fn a_format_is_taken_apart() {
    let format = Format::parse("a%%b %REQ(X-A?:PATH):3%c");
    let header = HeaderChoice { name: "x-a".into(), alternative: Some(":path".into()) };
    let expected = [
        Piece::Text("a%b ".into()),
        Piece::Operator { operator: Operator::RequestHeader(header), max_bytes: Some(3) },
        Piece::Text("c".into()),
    ];
    assert_eq!(format.as_ref().map(Format::pieces), Ok(&expected[..]));
    assert_eq!(Format::parse("").map(|format| format.pieces().len()), Ok(0));
    assert_eq!(Format::literal("50%").pieces(), [Piece::Text("50%".into())]);
    assert_eq!(Format::parse(Format::literal("50%").source()), Ok(Format::literal("50%")));
}

#[test]
fn what_envoy_takes_is_taken() {
    for text in [
        Format::DEFAULT_ACCESS_LOG,
        "%REQ(:foo)%",
        "%REQ(X?)%",
        "%REQ(?X)%",
        "%REQ(a):0%",
        "%PATH():3%",
        "%PATH(WQ)%",
        "%PATH(NQ:ORIG)%",
        "%PATH(:ORIG)%",
        "%PROTOCOL()%",
        "%RESPONSE_CODE_DETAILS(X)%",
        "%START_TIME(%s.%3f)%",
        "%START_TIME(%Q%J)%",
        "%START_TIME(a(b)%",
        "%COMMON_DURATION(a:b)%",
        "%GRPC_STATUS(NUMBER)%",
        "%ENVIRONMENT(HOME):3%",
        "%QUERY_PARAM(a?b):3%",
        "%QUERY_PARAMS(DECODED)%",
        "%DYNAMIC_METADATA(a:b):3%",
        "%FILTER_STATE(x:PLAIN)%",
        "%TRAILER(a?b):3%",
        "%DOWNSTREAM_PEER_CERT_V_START(%s)%",
        "%UNIQUE_ID%",
    ] {
        assert!(Format::parse(text).is_ok(), "{text}: {:?}", Format::parse(text));
    }
}

#[test]
fn what_envoy_refuses_is_refused() {
    for text in [
        "100%",
        "%%%",
        "% %",
        "%REQ%",
        "%REQ()%",
        "%REQ(a",
        "%REQ(a)b%",
        "%REQ(a):%",
        "%REQ(a):x%",
        "%REQ(a):99999999999999999999%",
        "%REQ(a b)%",
        "%REQ(a?b?c)%",
        "%REQ(A(B)%",
        "%REQ(\u{e9})%",
        "%req(a)%",
        "%FOO%",
        "%VIRTUAL_HOST_NAME%",
        "%PATH(XX)%",
        "%PATH(WQ:FOO)%",
        "%PROTOCOL:3%",
        "%PROTOCOL(a)%",
        "%RESPONSE_CODE_DETAILS:4%",
        "%START_TIME():3%",
        "%START_TIME(%n)%",
        "%START_TIME(a\nb)%",
        "%COMMON_DURATION%",
        "%COMMON_DURATION(a)%",
        "%COMMON_DURATION(a:b:xs)%",
        "%GRPC_STATUS(X)%",
        "%ENVIRONMENT()%",
        "%QUERY_PARAMS(X)%",
        "%FILTER_STATE(x:FOO)%",
        "%DYNAMIC_METADATA%",
    ] {
        assert!(Format::parse(text).is_err(), "{text}");
    }
}

#[test]
fn errors_name_the_operator() {
    let error = |text: &str| Format::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(error("x%FOO%"), "%FOO%: there is no such operator");
    assert_eq!(
        error("%UPSTREAM_WIRE_BYTES_SENT%"),
        "%UPSTREAM_WIRE_BYTES_SENT%: this operator is not supported"
    );
    assert_eq!(error("%REQ(a b)%"), "%REQ(a b)%: that is not a header name");
    assert_eq!(Format::parse("ab%"), Err(FormatError::NoOperator { at: 2 }));
}

#[test]
fn addresses_have_three_forms() {
    let one = |text: &str| Format::parse(text).ok().and_then(|format| format.operators().next().cloned());
    let whole = Operator::Field(Field::UpstreamRemoteAddress(AddressPart::Whole));
    assert_eq!(one("%UPSTREAM_REMOTE_ADDRESS%"), Some(whole));
    let port = Operator::Field(Field::DownstreamDirectRemoteAddress(AddressPart::Port));
    assert_eq!(one("%DOWNSTREAM_DIRECT_REMOTE_PORT%"), Some(port));
}

#[test]
fn what_is_no_specifier_of_time_stands_for_itself() {
    let format = TimeFormat::parse("%Y%%%3f%Q!%E*S");
    let expected = [
        TimePiece::Calendar('Y'),
        TimePiece::Text("%".into()),
        TimePiece::Fraction(3),
        TimePiece::Text("%Q!".into()),
        TimePiece::FullPrecision { seconds: true },
    ];
    assert_eq!(format.pieces(), expected);
}
