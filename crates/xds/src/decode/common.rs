//! What every reader needs: the place it is at, the list of what is wrong, and small values.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use prost::{Message, Name as WireName};
use ripstop_model::address::{BindAddress, HostPort};
use ripstop_model::cidr::CidrRange;
use ripstop_model::{Address, Name, Percent};

use super::{Problem, Unsupported, WorkloadSecrets};
use crate::pb;

/// Most problems or warnings kept of one resource; a broken one repeats itself.
const MAX_REPORTED: usize = 100;

/// Longest path of a Unix socket; the kernel wants a NUL behind it (or, in the abstract namespace, before it).
const MAX_PIPE_PATH_BYTES: usize = 107;

/// A name that is empty more often than not: all that are empty share one allocation.
pub(super) fn often_empty(text: &str) -> Name {
    if text.is_empty() { Name::default() } else { text.into() }
}

/// The place that is being read, and what was found wrong so far.
#[derive(Default)]
pub(super) struct Context {
    /// Who has the secrets of the workload.
    pub(super) workload: WorkloadSecrets,
    path: String,
    problems: Vec<Problem>,
    warnings: Vec<Unsupported>,
}

impl Context {
    /// For a proxy that says who has the secrets of its workload.
    pub(super) fn new(workload: WorkloadSecrets) -> Context {
        Context { workload, ..Context::default() }
    }

    /// Reads a field.
    pub(super) fn at<T>(&mut self, field: &str, read: impl FnOnce(&mut Context) -> T) -> T {
        let length = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(field);
        let value = read(self);
        self.path.truncate(length);
        value
    }

    /// Reads an element of a list.
    pub(super) fn item<T>(&mut self, field: &str, index: usize, read: impl FnOnce(&mut Context) -> T) -> T {
        self.at(&format!("{field}[{index}]"), read)
    }

    /// Reads a list. Elements that cannot be read are left out; they have been reported.
    pub(super) fn items<W, T>(
        &mut self,
        field: &str,
        list: &[W],
        mut read: impl FnMut(&mut Context, &W) -> Option<T>,
    ) -> Vec<T> {
        let mut values = Vec::with_capacity(list.len());
        for (index, wire) in list.iter().enumerate() {
            values.extend(self.item(field, index, |cx| read(cx, wire)));
        }
        values
    }

    /// What stands here makes the resource unusable.
    pub(super) fn reject(&mut self, message: impl Into<String>) {
        self.problem(self.path.clone(), message.into());
    }

    /// The same as [`Context::reject`], in the place of a value.
    pub(super) fn refuse<T>(&mut self, message: impl Into<String>) -> Option<T> {
        self.reject(message);
        None
    }

    /// What stands here has no effect.
    pub(super) fn warn(&mut self, message: impl Into<String>) {
        if self.warnings.len() < MAX_REPORTED {
            self.warnings.push(Unsupported { path: self.path.clone(), message: message.into() });
        }
    }

    /// A problem at a place that somebody else has found.
    pub(super) fn problem(&mut self, path: String, message: String) {
        if self.problems.len() < MAX_REPORTED {
            self.problems.push(Problem { path, message });
        }
    }

    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Unsupported>) {
        (self.problems, self.warnings)
    }
}

/// Message of the type `T` inside `any`, when it is of that type.
pub(super) fn unpack<T: Message + WireName + Default>(cx: &mut Context, any: &pb::Any) -> Option<T> {
    match T::decode(any.value.as_slice()) {
        Ok(message) => Some(message),
        Err(error) => cx.refuse(format!("not a valid {}: {error}", T::full_name())),
    }
}

/// Whether `any` says that it is a `T`. The host before the slash does not matter.
pub(super) fn is<T: WireName>(any: &pb::Any) -> bool {
    type_name(any) == T::full_name()
}

/// Full name of the message in `any`.
pub(super) fn type_name(any: &pb::Any) -> &str {
    any.type_url.rsplit_once('/').map_or(&any.type_url, |(_, name)| name)
}

/// Reads a duration that is not negative.
pub(super) fn duration(cx: &mut Context, field: &str, wire: Option<&pb::Duration>) -> Option<Duration> {
    let wire = wire?;
    match (u64::try_from(wire.seconds), u32::try_from(wire.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Some(Duration::new(seconds, nanos)),
        _ => cx.at(field, |cx| cx.refuse("must be a duration that is not negative")),
    }
}

/// Like [`duration`]; zero is refused.
pub(super) fn positive_duration(
    cx: &mut Context,
    field: &str,
    wire: Option<&pb::Duration>,
) -> Option<Duration> {
    let value = duration(cx, field, wire)?;
    if value.is_zero() { cx.at(field, |cx| cx.refuse("must be longer than zero")) } else { Some(value) }
}

pub(super) fn percent(cx: &mut Context, field: &str, wire: Option<&pb::Percent>) -> Option<Percent> {
    let value = wire?.value;
    match Percent::from_f64(value) {
        Some(percent) => Some(percent),
        None => cx.at(field, |cx| cx.refuse(format!("{value} is not a percentage between 0 and 100"))),
    }
}

pub(super) fn is_true(wire: Option<&pb::BoolValue>) -> bool {
    wire.is_some_and(|value| value.value)
}

/// Reads a text that is written in place.
pub(super) fn inline_text(cx: &mut Context, source: &pb::DataSource) -> Option<String> {
    use pb::data_source::Specifier;
    match &source.specifier {
        Some(Specifier::InlineString(text)) => Some(text.clone()),
        Some(Specifier::InlineBytes(bytes)) => match String::from_utf8(bytes.clone()) {
            Ok(text) => Some(text),
            Err(_) => cx.refuse("must be UTF-8 text"),
        },
        _ => cx.refuse("must be given in place, as inline_string"),
    }
}

/// Reads what stands in place, in a file or in a variable of the environment; at most `max` bytes.
pub(super) fn data_source(cx: &mut Context, source: &pb::DataSource, max: u32) -> Option<Vec<u8>> {
    use pb::data_source::Specifier;
    let max = u64::from(max);
    let bytes = match &source.specifier {
        Some(Specifier::InlineString(text)) => text.clone().into_bytes(),
        Some(Specifier::InlineBytes(bytes)) => bytes.clone(),
        Some(Specifier::Filename(path)) => {
            let mut bytes = Vec::new();
            let read = File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes));
            if let Err(error) = read {
                return cx.at("filename", |cx| cx.refuse(format!("cannot read {path}: {error}")));
            }
            bytes
        }
        Some(Specifier::EnvironmentVariable(name)) => match std::env::var(name) {
            Ok(text) => text.into_bytes(),
            Err(error) => {
                return cx.at("environment_variable", |cx| cx.refuse(format!("{name}: {error}")));
            }
        },
        None => {
            return cx.refuse("needs one of filename, inline_bytes, inline_string and environment_variable");
        }
    };
    if bytes.len() as u64 > max {
        return cx.refuse(format!("is longer than the {max} bytes that are allowed"));
    }
    Some(bytes)
}

/// Reads an address that needs no resolver.
pub(super) fn address(cx: &mut Context, wire: Option<&pb::Address>) -> Option<Address> {
    use pb::address::Address as Kind;
    match wire.and_then(|wire| wire.address.as_ref()) {
        None => cx.refuse("an address is needed"),
        Some(Kind::EnvoyInternalAddress(_)) => cx.refuse("internal addresses are not supported"),
        Some(Kind::Pipe(pipe)) if pipe.path.len() > MAX_PIPE_PATH_BYTES => cx.at("pipe", |cx| {
            cx.at("path", |cx| {
                cx.refuse(format!("is longer than the {MAX_PIPE_PATH_BYTES} bytes that the kernel allows"))
            })
        }),
        Some(Kind::Pipe(pipe)) => Some(Address::Pipe(pipe.path.as_str().into())),
        Some(Kind::SocketAddress(socket)) => cx.at("socket_address", |cx| {
            let target = host_port(cx, socket)?;
            match target.host.parse::<IpAddr>() {
                Ok(ip) => Some(Address::socket(ip, target.port)),
                Err(_) => cx.at("address", |cx| {
                    cx.refuse(format!(
                        "'{}' is not an IP address, and names are not resolved here",
                        target.host
                    ))
                }),
            }
        }),
    }
}

/// Reads where a listener takes connections.
pub(super) fn bind_address(cx: &mut Context, wire: Option<&pb::Address>) -> Option<BindAddress> {
    use pb::address::Address as Kind;
    let mut bind = BindAddress::from(address(cx, wire)?);
    match wire.and_then(|wire| wire.address.as_ref()) {
        Some(Kind::SocketAddress(socket)) if socket.ipv4_compat => {
            let fits = |ip: IpAddr| match ip {
                IpAddr::V4(_) => false,
                IpAddr::V6(ip) => ip.is_unspecified() || ip.to_ipv4_mapped().is_some(),
            };
            if !bind.address.ip().is_some_and(fits) {
                return cx.at("socket_address", |cx| {
                    cx.at("ipv4_compat", |cx| {
                        cx.refuse("needs the address '::' or an IPv4 address that is mapped to IPv6")
                    })
                });
            }
            bind.ipv4_compat = true;
        }
        Some(Kind::Pipe(pipe)) => {
            if pipe.mode != 0 && pipe.path.starts_with('@') {
                return cx.at("pipe", |cx| {
                    cx.at("mode", |cx| {
                        cx.refuse("a socket in the abstract namespace has no file and no mode")
                    })
                });
            }
            // At most 511 by Envoy's rules, which were checked.
            bind.pipe_mode = u16::try_from(pipe.mode).unwrap_or(0);
        }
        _ => {}
    }
    Some(bind)
}

/// Reads a range of IP addresses.
pub(super) fn cidr_range(cx: &mut Context, wire: &pb::CidrRange) -> Option<CidrRange> {
    match wire.address_prefix.parse::<IpAddr>() {
        Ok(address) => {
            Some(CidrRange::new(address, wire.prefix_len.as_ref().map_or(0, |length| length.value)))
        }
        Err(_) => {
            cx.at("address_prefix", |cx| cx.refuse(format!("'{}' is not an IP address", wire.address_prefix)))
        }
    }
}

/// Reads an address that a resolver may be asked for.
pub(super) fn named_address(cx: &mut Context, wire: Option<&pb::Address>) -> Option<HostPort> {
    use pb::address::Address as Kind;
    match wire.and_then(|wire| wire.address.as_ref()) {
        Some(Kind::SocketAddress(socket)) => cx.at("socket_address", |cx| host_port(cx, socket)),
        _ => cx.refuse("a cluster with DNS needs socket addresses"),
    }
}

fn host_port(cx: &mut Context, socket: &pb::SocketAddress) -> Option<HostPort> {
    use pb::socket_address::{PortSpecifier, Protocol};
    if socket.protocol != i32::from(Protocol::Tcp) {
        return cx.at("protocol", |cx| cx.refuse("only TCP is supported"));
    }
    let port = match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        _ => None,
    };
    match port {
        Some(port) => Some(HostPort { host: socket.address.as_str().into(), port }),
        None => cx.at("port_value", |cx| cx.refuse("must be a port number between 0 and 65535")),
    }
}

/// One value of the metadata of a namespace.
pub(super) fn metadata_value<'a>(
    metadata: Option<&'a pb::Metadata>,
    namespace: &str,
    key: &str,
) -> Option<&'a pb::value::Kind> {
    metadata?.filter_metadata.get(namespace)?.fields.get(key)?.kind.as_ref()
}

/// Whether a mark of ours is set. Anything but a bool counts as unset and is reported.
pub(super) fn metadata_mark(cx: &mut Context, metadata: Option<&pb::Metadata>, key: &str) -> bool {
    match metadata_value(metadata, crate::metadata::RIPSTOP, key) {
        None => false,
        Some(pb::value::Kind::BoolValue(value)) => *value,
        Some(_) => {
            cx.at("metadata", |cx| {
                cx.reject(format!("filter_metadata[\"ripstop\"].{key} must be true or false"));
            });
            false
        }
    }
}

/// Reports keys of our own namespace that we do not know. Other namespaces are for others.
pub(super) fn check_metadata_keys(cx: &mut Context, metadata: Option<&pb::Metadata>, known: &[&str]) {
    let ours = metadata.and_then(|metadata| metadata.filter_metadata.get(crate::metadata::RIPSTOP));
    let Some(ours) = ours else { return };
    let mut unknown: Vec<&String> = ours.fields.keys().filter(|key| !known.contains(&key.as_str())).collect();
    unknown.sort();
    for key in unknown {
        cx.at("metadata", |cx| cx.warn(format!("filter_metadata[\"ripstop\"].{key} is not known")));
    }
}

/// Labels, all of which must be texts.
pub(super) fn text_labels(cx: &mut Context, wire: &pb::Struct) -> BTreeMap<Name, Name> {
    let mut labels = BTreeMap::new();
    for (key, value) in &wire.fields {
        match &value.kind {
            Some(pb::value::Kind::StringValue(text)) => {
                labels.insert(Name::from(key.as_str()), Name::from(text.as_str()));
            }
            _ => cx.reject(format!("label '{key}' must be a text")),
        }
    }
    labels
}
