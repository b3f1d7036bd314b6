//! What is read is what other readers of protobuf read.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::google::protobuf::{Duration, Struct, Value as Json, value::Kind as JsonKind};
use fastrand::Rng;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, Value as Described};

use super::*;
use crate::{arbitrary, descriptor, encode, schema};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";

fn read<'a>(message: &str, bytes: &'a [u8]) -> Fields<'a> {
    Fields::read(schema::message(message).unwrap(), bytes).unwrap()
}

/// The same message through descriptors.
fn assert_same(schema: MessageSchema, bytes: &[u8], described: &DynamicMessage) {
    let fields = Fields::read(schema, bytes).unwrap();
    let names: Vec<&str> = fields.iter().map(|(field, _)| field.name()).collect();
    let wanted: Vec<String> = described.fields().map(|(field, _)| field.name().to_owned()).collect();
    assert_eq!(names, wanted);
    for ((_, found), (_, wanted)) in fields.iter().zip(described.fields()) {
        assert_same_value(found, wanted);
    }
    let unknown: Vec<u32> = described.unknown_fields().map(prost_reflect::UnknownField::number).collect();
    assert_eq!(fields.unknown(), unknown);
}

fn assert_same_value(found: &Value<'_>, wanted: &Described) {
    match (found, wanted) {
        (Value::Message(schema, bytes), Described::Message(message)) => assert_same(*schema, bytes, message),
        (Value::List(found), Described::List(wanted)) => {
            assert_eq!(found.len(), wanted.len());
            found.iter().zip(wanted).for_each(|(found, wanted)| assert_same_value(found, wanted));
        }
        (Value::Map(found), Described::Map(wanted)) => {
            assert_eq!(found.len(), wanted.len());
            for (key, value) in found {
                assert_same_value(value, &wanted[&MapKey::String(key.key_text().into_owned())]);
            }
        }
        (Value::Float(found), Described::F32(wanted)) => assert_eq!(*found, f64::from(*wanted)),
        (Value::Float(found), Described::F64(wanted)) => assert_eq!(found, wanted),
        (Value::Bool(found), Described::Bool(wanted)) => assert_eq!(found, wanted),
        (Value::Text(found), Described::String(wanted)) => assert_eq!(found, wanted),
        (Value::Bytes(found), Described::Bytes(wanted)) => assert_eq!(found, &wanted.as_ref()),
        (Value::Enum(found), Described::EnumNumber(wanted)) => assert_eq!(found, wanted),
        (Value::Int(found), Described::I32(wanted)) => assert_eq!(*found, i128::from(*wanted)),
        (Value::Int(found), Described::I64(wanted)) => assert_eq!(*found, i128::from(*wanted)),
        (Value::Int(found), Described::U32(wanted)) => assert_eq!(*found, i128::from(*wanted)),
        (Value::Int(found), Described::U64(wanted)) => assert_eq!(*found, i128::from(*wanted)),
        (found, wanted) => panic!("{found:?} {wanted:?}"),
    }
}

#[test]
fn messages_whole_and_damaged_are_read_as_by_descriptors() {
    let (mut whole, mut damaged, mut stricter) = (0, 0, 0);
    for seed in 0..300 {
        let rng = &mut Rng::with_seed(seed);
        for (name, mut bytes) in [
            ("envoy.config.listener.v3.Listener", encode::encode_listener(&arbitrary::listener(rng))),
            (CLUSTER, encode::encode_cluster(&arbitrary::cluster(rng))),
        ] {
            let schema = schema::message(name).unwrap();
            for round in 0..20 {
                // A message behind itself is one in which everything is written twice.
                let bytes_twice = [bytes.as_slice(), &bytes].concat();
                let input = if round % 3 == 2 { &bytes_twice } else { &bytes };
                let described = DynamicMessage::decode(descriptor::message(name).unwrap(), input.as_slice());
                let verified = verify(schema, input);
                // What was read is not shown: its descriptors know of each other, and their text has no end.
                let (ours, theirs) = (verified.as_ref().err(), described.as_ref().err());
                // The library reads an entry of a map whatever the type of its field on the wire; we do not.
                let only_theirs = theirs.is_none() && matches!(ours, Some(WireError::Type(_)));
                assert!(
                    only_theirs || ours.is_none() == theirs.is_none(),
                    "{name} {ours:?} {theirs:?} {input:x?}"
                );
                match described {
                    Ok(_) if only_theirs => stricter += 1,
                    Ok(described) => assert_same(schema, input, &described),
                    Err(_) => damaged += 1,
                }
                whole += usize::from(verified.is_ok());
                let at = rng.usize(0..bytes.len());
                bytes[at] = rng.u8(..);
            }
        }
    }
    assert!(whole > 1_000 && damaged > 1_000 && stricter < 100, "{whole} {damaged} {stricter}");
}

#[test]
fn what_is_written_twice_is_merged_as_protobuf_merges() {
    let duration = |seconds, nanos| Duration { seconds, nanos };
    let one = Cluster { connect_timeout: Some(duration(1, 0)), ..Cluster::default() };
    let two = Cluster { connect_timeout: Some(duration(0, 5)), name: "b".to_owned(), ..Cluster::default() };
    let bytes = [one.encode_to_vec(), two.encode_to_vec()].concat();
    let fields = read(CLUSTER, &bytes);
    let timeout = fields.named("connect_timeout").unwrap().fields().unwrap();
    assert_eq!(timeout.named("seconds"), Some(&Value::Int(1)));
    assert_eq!(timeout.named("nanos"), Some(&Value::Int(5)));
    assert_eq!(fields.named("name"), Some(&Value::Text("b")));
    assert_eq!(fields.named("alt_stat_name"), None);
    assert_eq!(fields.named_or_default("alt_stat_name"), Some(Value::Text("")));
}

#[test]
fn the_last_member_of_a_oneof_and_the_last_of_a_key_count() {
    let json = |kind| Json { kind: Some(kind) };
    let bytes = [
        json(JsonKind::NumberValue(1.0)).encode_to_vec(),
        json(JsonKind::StringValue("x".to_owned())).encode_to_vec(),
        json(JsonKind::BoolValue(false)).encode_to_vec(),
    ]
    .concat();
    let fields = read("google.protobuf.Value", &bytes);
    assert_eq!(fields.iter().count(), 1);
    assert_eq!(fields.named("bool_value"), Some(&Value::Bool(false)), "set, though it is the default");
    let entry = |truth| {
        let fields = HashMap::from([("k".to_owned(), json(JsonKind::BoolValue(truth)))]);
        Struct { fields }.encode_to_vec()
    };
    let bytes = [entry(false), vec![0x0a, 0], entry(true)].concat();
    let fields = read("google.protobuf.Struct", &bytes);
    let Some(Value::Map(entries)) = fields.named("fields") else { panic!("no map") };
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.key_text()).collect();
    assert_eq!(keys, ["", "k"]);
    assert_eq!(entries[1].1.fields().unwrap().named("bool_value"), Some(&Value::Bool(true)));
}

#[test]
fn numbers_are_read_packed_or_not() {
    let retry = "envoy.config.route.v3.RetryPolicy";
    let field = schema::message(retry).unwrap().field_named("retriable_status_codes").unwrap();
    let tag = |wire_type| u8::try_from(field.number << 3 | wire_type).unwrap();
    let bytes = [tag(2), 2, 1, 2, tag(0), 3, tag(2), 0];
    let list = [1, 2, 3].map(Value::Int);
    assert_eq!(read(retry, &bytes).get(field.number), Some(&Value::List(list.to_vec())));
    assert!(read(retry, &[tag(2), 0]).get(field.number).is_none(), "an empty list is none");
}

#[test]
fn nesting_has_the_limit_that_others_have() {
    let nested = |levels: usize| {
        let mut json = Json { kind: Some(JsonKind::BoolValue(true)) };
        for _ in 0..levels {
            let values = vec![json];
            let list = envoy_types::pb::google::protobuf::ListValue { values };
            json = Json { kind: Some(JsonKind::ListValue(list)) };
        }
        json.encode_to_vec()
    };
    let schema = schema::message("google.protobuf.Value").unwrap();
    for levels in [49, 50, 51, 60] {
        let bytes = nested(levels);
        let wanted = Json::decode(bytes.as_slice()).is_ok();
        assert_eq!(verify(schema, &bytes).is_ok(), wanted, "{levels}");
    }
    assert_eq!(verify(schema, &nested(60)), Err(WireError::Depth));
}
