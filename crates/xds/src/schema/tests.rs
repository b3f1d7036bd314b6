//! The index says of every message what its descriptor says.
#![allow(clippy::unwrap_used)]

use prost::Message as _;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, MessageDescriptor};

use super::*;
use crate::descriptor::whole_pool;

#[test]
fn every_message_is_as_its_descriptor_says() {
    let pool = whole_pool();
    assert_eq!(pool.all_messages().count(), table::message_count());
    for descriptor in pool.all_messages() {
        let schema = message(descriptor.full_name()).unwrap_or_else(|| panic!("{}", descriptor.full_name()));
        assert_eq!(schema.name(), descriptor.full_name());
        assert_eq!(schema.fields().count(), descriptor.fields().count(), "{}", schema.name());
        let unchecked = flag(&descriptor.options(), "validate.disabled")
            || flag(&descriptor.options(), "validate.ignored")
            || (descriptor.package_name() == "google.protobuf" && descriptor.name() != "Any");
        assert_eq!(schema.is_unchecked(), unchecked, "{}", schema.name());
        assert_eq!(schema.is_any(), descriptor.full_name() == "google.protobuf.Any");
        for (field, described) in schema.fields().zip(descriptor.fields()) {
            assert_same(field, &described);
            assert_eq!(schema.field(field.number).unwrap().name(), field.name());
            assert_eq!(schema.field_named(field.name()).unwrap().number, field.number);
        }
        assert_same_oneofs(schema, &descriptor);
    }
    assert!(message("envoy.no.Such").is_none() && message("").is_none() && message("~").is_none());
    let cluster = message("envoy.config.cluster.v3.Cluster").unwrap();
    assert!(cluster.field(0).is_none() && cluster.field(u32::MAX).is_none());
}

fn assert_same(field: FieldSchema, described: &FieldDescriptor) {
    let name = described.full_name();
    assert_eq!((field.name(), field.number), (described.name(), described.number()), "{name}");
    let shape = if described.is_map() {
        Shape::Map
    } else if described.cardinality() == Cardinality::Repeated {
        Shape::List
    } else {
        Shape::Single
    };
    assert_eq!(field.shape, shape, "{name}");
    assert_eq!(field.has_presence(), described.supports_presence(), "{name}");
    assert_eq!(field.oneof().is_some(), described.containing_oneof().is_some(), "{name}");
    match field.kind {
        Kind::Message(schema) => {
            assert_eq!(schema.name(), described.kind().as_message().unwrap().full_name(), "{name}");
        }
        Kind::Enum(schema) => {
            let kind = described.kind();
            for value in kind.as_enum().unwrap().values() {
                assert!(schema.defines(value.number()), "{name} {}", value.name());
            }
            assert!(!schema.defines(-77), "{name}");
        }
        kind => {
            let wanted = format!("{:?}", described.kind()).to_lowercase().replace("string", "text");
            assert_eq!(format!("{kind:?}").to_lowercase(), wanted, "{name}");
        }
    }
    let rules = option(&described.options(), "validate.rules").map(|value| {
        let rules = value.as_message().unwrap();
        (rules.encode_to_vec(), DynamicMessage::decode(rules_descriptor(), field.rules().unwrap()).unwrap())
    });
    match rules {
        Some((wanted, found)) => {
            assert_eq!(found.encode_to_vec(), wanted, "{name}");
            let is_required = found.fields().any(|(kind, rule)| {
                let rule = rule.as_message().unwrap();
                let required = rule.get_field_by_name("required");
                kind.name() != "repeated" && required.is_some_and(|value| value.as_bool() == Some(true))
            });
            assert_eq!(field.is_required(), is_required, "{name}");
        }
        None => assert_eq!((field.rules(), field.is_required()), (None, false), "{name}"),
    }
}

fn assert_same_oneofs(schema: MessageSchema, descriptor: &MessageDescriptor) {
    let mut required = Vec::new();
    for (index, oneof) in descriptor.oneofs().enumerate() {
        let index = u8::try_from(index).unwrap();
        let members: Vec<&str> = schema.members(index).iter().map(FieldSchema::name).collect();
        let described: Vec<String> = oneof.fields().map(|field| field.name().to_owned()).collect();
        assert_eq!(members, described, "{}", oneof.full_name());
        if flag(&oneof.options(), "validate.required") {
            required.push(index);
        }
    }
    assert_eq!(schema.required_oneofs().collect::<Vec<_>>(), required, "{}", schema.name());
}

fn rules_descriptor() -> MessageDescriptor {
    crate::descriptor::message("validate.FieldRules").unwrap()
}

fn flag(options: &DynamicMessage, name: &str) -> bool {
    option(options, name).and_then(|value| value.as_bool()) == Some(true)
}

fn option(options: &DynamicMessage, name: &str) -> Option<prost_reflect::Value> {
    options.extensions().find(|(known, _)| known.full_name() == name).map(|(_, value)| value.clone())
}
