//! Reads which pages of other origins may use the answers of a rule: Istio's `CorsPolicy`.

use ripstop_model::Name;
use ripstop_model::cors::CorsPolicy;
use ripstop_model::matcher::StringMatch;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{header_value, text_match};

pub(super) fn decode(reader: Reader<'_>) -> CorsPolicy {
    let origins = reader.list("allowOrigins");
    let origins = origins.iter().filter_map(|field| match text_match(field)? {
        Some(rule) => Some(rule.to_model()),
        None => {
            field.error("a rule is one of `exact`, `prefix` and `regex`");
            None
        }
    });
    let mut allow_origins: Vec<StringMatch> = origins.collect();
    let older = reader.strings("allowOrigin");
    if reader.has("allowOrigins") && reader.has("allowOrigin") {
        let help = "use `allowOrigins`";
        reader.error_with_help("allowOrigin", "only one of `allowOrigins` and `allowOrigin` can hold", help);
    } else {
        allow_origins.extend(older.into_iter().map(StringMatch::exact));
    }
    let forwards = [("UNSPECIFIED", None), ("FORWARD", Some(true)), ("IGNORE", Some(false))];
    let policy = CorsPolicy {
        allow_origins,
        allow_methods: joined(&reader, "allowMethods"),
        allow_headers: joined(&reader, "allowHeaders"),
        expose_headers: joined(&reader, "exposeHeaders"),
        max_age: reader.duration("maxAge").map(|age| age.as_secs().to_string().into()),
        allow_credentials: reader.bool("allowCredentials"),
        forward_unmatched_preflights: reader.one_of("unmatchedPreflights", &forwards).flatten(),
        ..CorsPolicy::default()
    };
    if policy.allow_origins.is_empty() {
        let help = "write for instance `allowOrigins: [{exact: https://shop.example}]`";
        reader.error_with_help("allowOrigins", "a policy without origins allows nothing", help);
    }
    reader.finish();
    policy
}

/// The texts with commas between.
fn joined(reader: &Reader<'_>, key: &str) -> Option<Name> {
    let fields = reader.list(key);
    let texts: Vec<String> = fields.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| texts.join(",").into())
}

fn text(field: &Field<'_>) -> Option<String> {
    let text = field.str()?;
    if text.is_empty() || !header_value(&text) {
        field.error("this cannot stand in a header");
        return None;
    }
    Some(text)
}
