//! Small wire values that every resource is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::{Message, Name};
use ripstop_model::address::{BindAddress, HostPort};
use ripstop_model::cidr::CidrRange;
use ripstop_model::{Address, ConfigFile, Percent};

use crate::pb;

/// Longest duration that protobuf allows: 10,000 years.
const MAX_DURATION_SECONDS: u64 = 315_576_000_000;

/// Durations beyond 10,000 years become 10,000 years.
pub(super) fn duration(duration: Duration) -> pb::Duration {
    let seconds = duration.as_secs().min(MAX_DURATION_SECONDS);
    let nanos = if seconds == MAX_DURATION_SECONDS { 0 } else { duration.subsec_nanos() };
    pb::Duration {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        // Below 10^9 by the contract of `subsec_nanos`.
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

pub(super) fn u32_value(value: u32) -> pb::UInt32Value {
    pb::UInt32Value { value }
}

pub(super) fn u64_value(value: u64) -> pb::UInt64Value {
    pb::UInt64Value { value }
}

pub(super) fn bool_value(value: bool) -> pb::BoolValue {
    pb::BoolValue { value }
}

pub(super) fn percent(percent: Percent) -> pb::Percent {
    pb::Percent { value: percent.as_f64() }
}

pub(super) fn any<T: Message + Name>(message: &T) -> pb::Any {
    pb::Any { type_url: T::type_url(), value: message.encode_to_vec() }
}

pub(super) fn inline_string(text: &str) -> pb::DataSource {
    pb::DataSource {
        specifier: Some(pb::data_source::Specifier::InlineString(text.to_owned())),
        ..Default::default()
    }
}

/// The same ADS stream that brought the resource.
pub(super) fn ads() -> pb::ConfigSource {
    pb::ConfigSource {
        resource_api_version: pb::ApiVersion::V3.into(),
        config_source_specifier: Some(pb::config_source::ConfigSourceSpecifier::Ads(
            pb::AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}

/// A stream of its own to a cluster.
pub(super) fn own_stream(cluster: &str) -> pb::ConfigSource {
    use pb::grpc_service::{EnvoyGrpc, TargetSpecifier};
    let target = EnvoyGrpc { cluster_name: cluster.to_owned(), ..Default::default() };
    let service =
        pb::GrpcService { target_specifier: Some(TargetSpecifier::EnvoyGrpc(target)), ..Default::default() };
    pb::ConfigSource {
        resource_api_version: pb::ApiVersion::V3.into(),
        config_source_specifier: Some(pb::config_source::ConfigSourceSpecifier::ApiConfigSource(
            pb::ApiConfigSource {
                api_type: pb::api_config_source::ApiType::Grpc.into(),
                transport_api_version: pb::ApiVersion::V3.into(),
                grpc_services: vec![service],
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

/// A file.
pub(super) fn config_file(file: &ConfigFile) -> pb::ConfigSource {
    let directory = file.watched_directory.as_ref();
    pb::ConfigSource {
        resource_api_version: pb::ApiVersion::V3.into(),
        config_source_specifier: Some(pb::config_source::ConfigSourceSpecifier::PathConfigSource(
            pb::PathConfigSource {
                path: file.path.to_string(),
                watched_directory: directory.map(|directory| pb::WatchedDirectory {
                    path: directory.to_string(),
                    ..Default::default()
                }),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

pub(super) fn address(address: &Address) -> pb::Address {
    match address {
        Address::Socket(socket) => socket_address(socket.ip().to_string(), socket.port()),
        Address::Pipe(path) => {
            let pipe = pb::Pipe { path: path.to_string(), mode: 0 };
            pb::Address { address: Some(pb::address::Address::Pipe(pipe)) }
        }
    }
}

pub(super) fn bind_address(bind: &BindAddress) -> pb::Address {
    use pb::address::Address as Kind;
    let mut wire = address(&bind.address);
    match &mut wire.address {
        Some(Kind::SocketAddress(socket)) => socket.ipv4_compat = bind.ipv4_compat,
        Some(Kind::Pipe(pipe)) => pipe.mode = bind.pipe_mode.into(),
        _ => {}
    }
    wire
}

pub(super) fn cidr_range(range: &CidrRange) -> pb::CidrRange {
    pb::CidrRange {
        address_prefix: range.address().to_string(),
        prefix_len: Some(u32_value(range.length().into())),
    }
}

pub(super) fn named_address(target: &HostPort) -> pb::Address {
    socket_address(target.host.to_string(), target.port)
}

fn socket_address(address: String, port: u16) -> pb::Address {
    let socket = pb::SocketAddress {
        address,
        port_specifier: Some(pb::socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    };
    pb::Address { address: Some(pb::address::Address::SocketAddress(socket)) }
}

/// `core.v3.Metadata` with its maps in order, so that equal values have equal bytes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderedMetadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filter_metadata: BTreeMap<String, OrderedStruct>,
}

/// `google.protobuf.Struct` with its fields in order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderedStruct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, OrderedValue>,
}

/// `google.protobuf.Value` with what is in it in order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderedValue {
    #[prost(oneof = "OrderedKind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<OrderedKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OrderedKind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Struct(OrderedStruct),
    #[prost(message, tag = "6")]
    List(OrderedList),
}

/// `google.protobuf.ListValue` with what is in it in order.
#[derive(Clone, PartialEq, Message)]
struct OrderedList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<OrderedValue>,
}

impl OrderedStruct {
    pub(super) fn new(values: impl IntoIterator<Item = (String, pb::value::Kind)>) -> OrderedStruct {
        OrderedStruct { fields: values.into_iter().map(|(key, kind)| (key, ordered(kind))).collect() }
    }
}

fn ordered(kind: pb::value::Kind) -> OrderedValue {
    use pb::value::Kind;
    let kinds = |value: pb::Value| value.kind;
    let kind = match kind {
        Kind::NullValue(null) => OrderedKind::Null(null),
        Kind::NumberValue(number) => OrderedKind::Number(number),
        Kind::StringValue(text) => OrderedKind::Text(text),
        Kind::BoolValue(value) => OrderedKind::Bool(value),
        Kind::StructValue(inner) => {
            let fields = inner.fields.into_iter().filter_map(|(key, value)| Some((key, value.kind?)));
            OrderedKind::Struct(OrderedStruct::new(fields))
        }
        Kind::ListValue(list) => OrderedKind::List(OrderedList {
            values: list.values.into_iter().filter_map(kinds).map(ordered).collect(),
        }),
    };
    OrderedValue { kind: Some(kind) }
}

/// `None` without values, so that nothing is sent for nothing.
pub(super) fn metadata(
    namespace: &str,
    values: impl IntoIterator<Item = (String, pb::value::Kind)>,
) -> Option<OrderedMetadata> {
    let values = OrderedStruct::new(values);
    if values.fields.is_empty() {
        return None;
    }
    Some(OrderedMetadata { filter_metadata: BTreeMap::from([(namespace.to_owned(), values)]) })
}

/// Two pieces of metadata in one. Their namespaces differ.
pub(super) fn both(a: Option<OrderedMetadata>, b: Option<OrderedMetadata>) -> Option<OrderedMetadata> {
    let (Some(mut a), Some(b)) = (a.clone(), b.clone()) else { return a.or(b) };
    a.filter_metadata.extend(b.filter_metadata);
    Some(a)
}

/// Texts by name.
pub(super) fn texts<'a>(
    texts: impl IntoIterator<Item = (&'a ripstop_model::Name, &'a ripstop_model::Name)>,
) -> impl Iterator<Item = (String, pb::value::Kind)> {
    texts.into_iter().map(|(key, value)| (key.to_string(), pb::value::Kind::StringValue(value.to_string())))
}

/// A struct of texts.
pub(super) fn text_struct(of: &BTreeMap<ripstop_model::Name, ripstop_model::Name>) -> OrderedStruct {
    OrderedStruct::new(texts(of))
}

/// A single mark, as an ordinary message: with one entry there is no order to keep.
pub(super) fn mark(namespace: &str, key: &str) -> pb::Metadata {
    single(namespace, key, pb::value::Kind::BoolValue(true))
}

/// The same with a text.
pub(super) fn mark_text(namespace: &str, key: &str, text: String) -> pb::Metadata {
    single(namespace, key, pb::value::Kind::StringValue(text))
}

fn single(namespace: &str, key: &str, kind: pb::value::Kind) -> pb::Metadata {
    let fields = pb::Struct { fields: [(key.to_owned(), pb::Value { kind: Some(kind) })].into() };
    pb::Metadata { filter_metadata: [(namespace.to_owned(), fields)].into(), ..Default::default() }
}
