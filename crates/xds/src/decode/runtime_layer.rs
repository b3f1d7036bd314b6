//! Layers of values that are set by name ← wire: those of a bootstrap, and those that are sent.

use ripstop_model::Percent;
use ripstop_model::runtime::{RuntimeValue, RuntimeValues, SentLayer};

use super::common::Context;
use crate::pb;
use crate::pb::value::Kind;

/// Most values of a layer that is sent.
const MAX_VALUES: usize = 100_000;

/// A layer that is sent.
pub(super) fn sent_layer(cx: &mut Context, wire: &pb::Runtime) -> Option<SentLayer> {
    let mut values = RuntimeValues::new();
    if let Some(layer) = &wire.layer {
        let mut problems = Vec::new();
        flatten(
            &mut |path, message| problems.push((path.to_owned(), message)),
            "layer",
            "",
            layer,
            &mut values,
        );
        problems.into_iter().for_each(|(path, message)| cx.problem(path, message));
    }
    if values.len() > MAX_VALUES {
        return cx.at("layer", |cx| cx.refuse(format!("has more than {MAX_VALUES} values")));
    }
    Some(SentLayer { name: wire.name.as_str().into(), values })
}

/// Mappings are parts of names, apart from those that are shares.
pub(crate) fn flatten(
    tell: &mut dyn FnMut(&str, String),
    path: &str,
    prefix: &str,
    wire: &pb::Struct,
    flat: &mut RuntimeValues,
) {
    for (key, value) in &wire.fields {
        let path = format!("{path}[\"{key}\"]");
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let value = match &value.kind {
            Some(Kind::NumberValue(number)) => RuntimeValue::number(*number),
            Some(Kind::BoolValue(switch)) => RuntimeValue::switch(*switch),
            Some(Kind::StringValue(text)) => RuntimeValue::text(text.as_str()),
            Some(Kind::StructValue(fields)) if is_share(fields) => share(fields),
            Some(Kind::StructValue(fields)) => {
                flatten(tell, &path, &name, fields, flat);
                continue;
            }
            Some(Kind::NullValue(_) | Kind::ListValue(_)) | None => {
                tell(&path, "must be a number, a truth value, a text or a share".to_owned());
                continue;
            }
        };
        flat.insert(name, value);
    }
}

fn is_share(fields: &pb::Struct) -> bool {
    fields.fields.is_empty()
        || ["numerator", "denominator"].iter().any(|key| fields.fields.contains_key(*key))
}

/// A share of a hundred, unless it says of what. One with anything else in it is nothing but a text, as in Envoy.
pub(crate) fn share(fields: &pb::Struct) -> RuntimeValue {
    let mut numerator = 0.0;
    let mut parts = Some(10_000);
    let mut written = Vec::new();
    for (key, value) in &fields.fields {
        match (key.as_str(), &value.kind) {
            ("numerator", Some(Kind::NumberValue(number))) => {
                numerator = *number;
                written.push(format!("numerator: {number}"));
            }
            ("denominator", Some(Kind::StringValue(name))) => {
                parts = match name.as_str() {
                    "HUNDRED" => parts,
                    "TEN_THOUSAND" => parts.and(Some(100)),
                    "MILLION" => parts.and(Some(1)),
                    _ => None,
                };
                written.push(format!("denominator: {name}"));
            }
            (other, _) => {
                parts = None;
                written.push(format!("{other}: …"));
            }
        }
    }
    written.sort_by(|a, b| b.cmp(a));
    let text = format!("{{{}}}", written.join(", "));
    let Some(parts) = parts else { return RuntimeValue { text, ..RuntimeValue::default() } };
    // A negative numerator is a very large one in Envoy, hence everything.
    let share = match numerator {
        n if n < 0.0 => Percent::ALL,
        n => Percent::per_million((n as u32).saturating_mul(parts)),
    };
    RuntimeValue::share(text, share)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::ResourceType;
    use crate::binder::bind;
    use crate::decode::decode_runtime;
    use ripstop_yaml::{Problems, Source, parse};

    #[test]
    fn layers_that_are_sent_are_read_like_those_of_files() {
        let read = |text: &str| {
            let source = Source::new("r.yaml", text);
            let documents = parse(&source).unwrap();
            let problems = Problems::new(&source);
            decode_runtime(
                &bind(&documents[0].root, ResourceType::Runtime.message_name(), &problems).unwrap(),
            )
        };
        let layer = read("{name: r, layer: {a: {b: 5}, c: {numerator: 1}}}").unwrap().value;
        assert_eq!(&*layer.name, "r");
        assert_eq!(layer.values["a.b"].number, Some(5.0));
        assert_eq!(layer.values["c"].share.unwrap().as_per_million(), 10_000);
        let refusal = read("{name: r, layer: {a: [1]}}").unwrap_err();
        assert_eq!(refusal.problems[0].path, "layer[\"a\"]");
    }
}
