//! What each operator shows.

use std::borrow::Cow;
use std::io::Write;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use ripstop_identity::context::facts::TlsFacts;
use ripstop_model::Address;
use ripstop_model::format::Operator;
use ripstop_model::format::operator::{
    AddressPart, Field, GrpcStatusStyle, HeaderChoice, TimePoint, Unit, WhichPath,
};
use ripstop_policy::flags::{ResponseFlag, ResponseFlags};

mod connections;
mod metadata;

use super::context::Context;
use super::query::parameter;
use super::{Shown, Wanted, civil, grpc};
use crate::http::headers::X_REQUEST_ID;

/// An operator made ready.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Box<str>),
    Request(Header),
    Response(Header),
    Trailer(Header),
    Operator(Operator),
}

/// One header or another.
#[derive(Clone, Debug)]
pub(super) struct Header {
    first: Name,
    second: Option<Name>,
}

#[derive(Clone, Debug)]
enum Name {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Other(HeaderName),
    /// No header can have that name.
    None,
}

impl Name {
    fn compile(name: &str) -> Name {
        match name {
            ":method" => Name::Method,
            ":path" => Name::Path,
            // Envoy keeps them in one place, too.
            ":authority" | "host" => Name::Authority,
            ":scheme" => Name::Scheme,
            ":status" => Name::Status,
            other => other.parse().map_or(Name::None, Name::Other),
        }
    }

    fn write(
        &self,
        context: &Context<'_>,
        headers: Option<&HeaderMap>,
        response: bool,
        out: &mut Vec<u8>,
    ) -> Shown {
        let stream = context.stream;
        match (self, response) {
            (Name::Method, false) => text(stream.method.as_ref().map(|method| method.as_str()), out),
            (Name::Path, false) => text(stream.path.as_deref(), out),
            (Name::Authority, false) => text(stream.authority.as_deref(), out),
            (Name::Scheme, false) => text(stream.scheme, out),
            (Name::Status, true) if stream.status != 0 => {
                number(stream.status.into(), out);
                Shown::Text
            }
            (Name::Other(name), _) => bytes(value(headers, name), out),
            _ => Shown::Absent,
        }
    }
}

impl Header {
    pub(super) fn compile(choice: &HeaderChoice) -> Header {
        let second = choice.alternative.as_deref().map(Name::compile);
        Header { first: Name::compile(&choice.name), second }
    }

    fn write(
        &self,
        context: &Context<'_>,
        headers: Option<&HeaderMap>,
        response: bool,
        out: &mut Vec<u8>,
    ) -> Shown {
        match (self.first.write(context, headers, response, out), &self.second) {
            (Shown::Absent, Some(second)) => second.write(context, headers, response, out),
            (shown, _) => shown,
        }
    }

    fn wants(&self, list: &mut Vec<HeaderName>) {
        for name in [Some(&self.first), self.second.as_ref()].into_iter().flatten() {
            if let Name::Other(name) = name {
                Wanted::add(list, name);
            }
        }
    }
}

const CONTENT_TYPE: HeaderName = http::header::CONTENT_TYPE;
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl Value {
    pub(super) fn wants(&self, wanted: &mut Wanted) {
        match self {
            Value::Request(header) => header.wants(&mut wanted.request),
            Value::Response(header) => header.wants(&mut wanted.response),
            Value::Trailer(header) => header.wants(&mut wanted.trailers),
            Value::Operator(Operator::GrpcStatus(_)) => want_grpc_status(wanted),
            Value::Operator(Operator::Field(Field::StreamId)) => {
                Wanted::add(&mut wanted.request, &X_REQUEST_ID);
            }
            Value::Operator(Operator::Field(Field::UpstreamAttempts(_))) => wanted.attempts = true,
            Value::Operator(_) | Value::Constant(_) => {}
        }
    }

    pub(super) fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
        match self {
            Value::Constant(constant) => text(Some(constant), out),
            Value::Request(header) => header.write(context, context.request, false, out),
            Value::Response(header) => header.write(context, context.response, true, out),
            Value::Trailer(header) => header.write(context, context.trailers, false, out),
            Value::Operator(operator) => write_operator(operator, context, out),
        }
    }
}

/// What `grpc_status` looks at.
pub fn want_grpc_status(wanted: &mut Wanted) {
    Wanted::add(&mut wanted.request, &CONTENT_TYPE);
    Wanted::add(&mut wanted.response, &GRPC_STATUS);
    Wanted::add(&mut wanted.trailers, &GRPC_STATUS);
}

fn write_operator(operator: &Operator, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let stream = context.stream;
    match operator {
        Operator::Field(field) => write_field(*field, context, out),
        Operator::Path { query, which } => {
            let path = match which {
                WhichPath::OriginalOrCurrent => stream.original_path.as_ref().or(stream.path.as_ref()),
                WhichPath::Original => stream.original_path.as_ref(),
                WhichPath::Current => stream.path.as_ref(),
            };
            let without = |path: &str| path.split_once('?').map_or(path.len(), |(before, _)| before.len());
            text(path.map(|path| if *query { &**path } else { &path[..without(path)] }), out)
        }
        Operator::QueryParameters => text(query(context), out),
        Operator::QueryParameter(name) => {
            let value: Option<Cow<'_, [u8]>> = query(context).and_then(|query| parameter(query, name));
            bytes(value.as_deref(), out)
        }
        Operator::ResponseCodeDetails { allow_whitespace } => {
            let start = out.len();
            let shown = text(stream.details_text().as_deref(), out);
            if !allow_whitespace {
                blanks_to_underscores(&mut out[start..]);
            }
            shown
        }
        Operator::StartTime(format) => {
            civil::write(stream.started_wall, format, out);
            Shown::Text
        }
        Operator::EmitTime(format) => {
            civil::write(context.now, format, out);
            Shown::Text
        }
        Operator::PeerCertificateTime { side, end, format } => {
            let Some(peer) = connections::facts(*side, context).and_then(TlsFacts::peer) else {
                return Shown::Absent;
            };
            civil::write(if *end { peer.not_after } else { peer.not_before }, format, out);
            Shown::Text
        }
        Operator::Metadata { of, path } => metadata::write(*of, path, context, out),
        Operator::Between { from, to, unit } => {
            let between = at(*from, context).zip(at(*to, context));
            let between = between.and_then(|(from, to)| to.checked_duration_since(from));
            amount(between.map(|time| in_unit(time, *unit)), out)
        }
        Operator::GrpcStatus(style) => write_grpc_status(*style, context, out),
        // These have been replaced when the format was compiled.
        Operator::RequestHeader(_)
        | Operator::ResponseHeader(_)
        | Operator::ResponseTrailer(_)
        | Operator::Environment(_)
        | Operator::Absent => Shown::Absent,
    }
}

fn write_field(field: Field, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let (stream, connection) = (context.stream, context.connection);
    match field {
        Field::AccessLogType => text(Some(context.log_type), out),
        Field::BytesReceived => number(stream.bytes_received.get(), out),
        Field::BytesSent => number(stream.bytes_sent, out),
        Field::ConnectionId => number(connection.id, out),
        // Of connections that network filters end before there is a request.
        Field::ConnectionTerminationDetails => text(stream.connection_details.as_deref(), out),
        Field::CustomFlags => Shown::Text,
        Field::LocalReplyBody => bytes(Some(context.local_reply_body), out),
        Field::Hostname => Shown::Absent,
        Field::Protocol => text(stream.protocol.and_then(protocol), out),
        Field::UpstreamProtocol => {
            text(stream.upstream.as_deref().and_then(|upstream| upstream.protocol).and_then(protocol), out)
        }
        Field::ResponseCode => number(stream.status.into(), out),
        Field::ResponseFlags => flags(stream.flags, ResponseFlag::as_str, out),
        Field::ResponseFlagsLong => flags(stream.flags, ResponseFlag::long_name, out),
        Field::RouteName => text(stream.route.as_deref(), out),
        Field::StreamId => match value(context.request, &X_REQUEST_ID) {
            Some(id) => bytes(Some(id), out),
            None => text(stream.stream_id.as_deref(), out),
        },
        Field::FilterChainName => text(connection.filter_chain.as_deref(), out),
        Field::RequestedServerName => {
            text(Some(&*connection.server_name).filter(|name| !name.is_empty()), out)
        }
        Field::UpstreamRequestAttemptCount => number(stream.attempts.into(), out),
        Field::DownstreamDirectLocalAddress(part) | Field::DownstreamLocalAddress(part) => {
            address(Some(&connection.local), part, out)
        }
        Field::DownstreamDirectRemoteAddress(part) => address(Some(&connection.direct_remote), part, out),
        Field::DownstreamRemoteAddress(part) => {
            address(Some(stream.client.as_ref().unwrap_or(&connection.remote)), part, out)
        }
        Field::Duration
        | Field::RequestDuration
        | Field::RequestTxDuration
        | Field::ResponseDuration
        | Field::ResponseTxDuration => write_duration(field, context, out),
        other => connections::write(other, context, out),
    }
}

fn write_duration(field: Field, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let (from, to) = match field {
        Field::RequestDuration => (TimePoint::RequestBegin, TimePoint::RequestEnd),
        Field::RequestTxDuration => (TimePoint::RequestBegin, TimePoint::UpstreamSendEnd),
        Field::ResponseDuration => (TimePoint::RequestBegin, TimePoint::ResponseBegin),
        Field::ResponseTxDuration => (TimePoint::ResponseBegin, TimePoint::SendEnd),
        _ => (TimePoint::RequestBegin, TimePoint::SendEnd),
    };
    let mut end = at(to, context);
    if field == Field::Duration {
        // Of what is still under way it is the time so far.
        end = end.or_else(|| Some(Instant::now()));
    }
    let between = at(from, context).zip(end);
    amount(between.map(|(from, to)| in_unit(to.saturating_duration_since(from), Unit::Milliseconds)), out)
}

fn at(point: TimePoint, context: &Context<'_>) -> Option<Instant> {
    let times = &context.stream.times;
    match point {
        TimePoint::RequestBegin => Some(times.begun),
        TimePoint::RequestEnd => times.request_end.get(),
        TimePoint::UpstreamSendBegin => times.upstream_send,
        TimePoint::UpstreamSendEnd => {
            times.upstream_send.zip(times.request_end.get()).map(|(sent, end)| sent.max(end))
        }
        TimePoint::ResponseBegin => times.response_begin,
        TimePoint::ResponseEnd => times.response_end,
        TimePoint::SendBegin => times.send_begin,
        TimePoint::SendEnd => context.ended,
        TimePoint::Never => None,
    }
}

fn in_unit(time: Duration, unit: Unit) -> u64 {
    let whole = match unit {
        Unit::Milliseconds => time.as_millis(),
        Unit::Microseconds => time.as_micros(),
        Unit::Nanoseconds => time.as_nanos(),
    };
    u64::try_from(whole).unwrap_or(u64::MAX)
}

/// The gRPC status of a call. `None` where the request is no gRPC call.
fn grpc_status(context: &Context<'_>) -> Option<u32> {
    let content_type = value(context.request, &CONTENT_TYPE)?;
    let rest = content_type.strip_prefix(b"application/grpc")?;
    matches!(rest.first(), None | Some(b'+' | b';' | b' ')).then(|| any_grpc_status(context))
}

/// The gRPC status of trailers or headers, or what the HTTP status comes to, whatever the request was.
pub fn any_grpc_status(context: &Context<'_>) -> u32 {
    let said =
        [context.trailers, context.response].into_iter().find_map(|headers| value(headers, &GRPC_STATUS));
    let said = said.and_then(|said| std::str::from_utf8(said).ok()?.parse().ok());
    said.unwrap_or_else(|| grpc::of_http(context.stream.status))
}

fn write_grpc_status(style: GrpcStatusStyle, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let Some(status) = grpc_status(context) else { return Shown::Absent };
    let name = match style {
        GrpcStatusStyle::Camel => grpc::camel(status),
        GrpcStatusStyle::Snake => grpc::snake(status),
        GrpcStatusStyle::Number => return number(status.into(), out),
    };
    match name {
        Some(name) => text(Some(name), out),
        None => {
            number(status.into(), out);
            Shown::Text
        }
    }
}

/// The first value of a header, as Envoy shows it.
fn value<'a>(headers: Option<&'a HeaderMap>, name: &HeaderName) -> Option<&'a [u8]> {
    headers?.get(name).map(HeaderValue::as_bytes)
}

fn query<'a>(context: &Context<'a>) -> Option<&'a str> {
    let stream = context.stream;
    let path = stream.original_path.as_deref().or(stream.path.as_deref())?;
    path.split_once('?').map(|(_, query)| query)
}

fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("HTTP/1.0"),
        Version::HTTP_11 => Some("HTTP/1.1"),
        Version::HTTP_2 => Some("HTTP/2"),
        _ => None,
    }
}

fn address(address: Option<&Address>, part: AddressPart, out: &mut Vec<u8>) -> Shown {
    let Some(address) = address else { return Shown::Absent };
    // Writing to a vector cannot fail.
    let _ = match (part, address.as_socket()) {
        (AddressPart::Ip, Some(socket)) => write!(out, "{}", socket.ip()),
        (AddressPart::Port, Some(socket)) => return number(socket.port().into(), out),
        (AddressPart::Port, None) => return Shown::Absent,
        (AddressPart::Whole | AddressPart::Ip, _) => write!(out, "{address}"),
    };
    Shown::Text
}

/// A dash where there is none, in JSON as well.
fn flags(flags: ResponseFlags, name: fn(ResponseFlag) -> &'static str, out: &mut Vec<u8>) -> Shown {
    let start = out.len();
    for flag in flags.iter() {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(name(flag).as_bytes());
    }
    if out.len() == start {
        out.push(b'-');
    }
    Shown::Text
}

fn blanks_to_underscores(text: &mut [u8]) {
    text.iter_mut().filter(|byte| byte.is_ascii_whitespace()).for_each(|byte| *byte = b'_');
}

fn text(value: Option<&str>, out: &mut Vec<u8>) -> Shown {
    bytes(value.map(str::as_bytes), out)
}

fn bytes(value: Option<&[u8]>, out: &mut Vec<u8>) -> Shown {
    match value {
        Some(value) => {
            out.extend_from_slice(value);
            Shown::Text
        }
        None => Shown::Absent,
    }
}

fn amount(value: Option<u64>, out: &mut Vec<u8>) -> Shown {
    value.map_or(Shown::Absent, |value| number(value, out))
}

fn number(value: u64, out: &mut Vec<u8>) -> Shown {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
    Shown::Number
}
