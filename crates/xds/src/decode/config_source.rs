//! Where other resources come from ← wire.

use ripstop_model::ConfigFile;

use super::common::Context;
use crate::pb;

/// What a `ConfigSource` means here.
pub(crate) enum ConfigOrigin {
    /// The one ADS stream of the proxy.
    Ads,
    /// A file.
    File(ConfigFile),
}

/// The source in a field of a resource.
pub(super) fn config_source(
    cx: &mut Context,
    field: &str,
    source: Option<&pb::ConfigSource>,
) -> Option<ConfigOrigin> {
    match origin(source) {
        Ok(origin) => Some(origin),
        Err((inner, reason)) => {
            let field = if inner.is_empty() { field.to_owned() } else { format!("{field}.{inner}") };
            cx.at(&field, |cx| cx.refuse(reason))
        }
    }
}

/// What a source means; else the field that is to blame, and why.
#[allow(deprecated, reason = "`path` is deprecated and still written")]
pub(crate) fn origin(
    source: Option<&pb::ConfigSource>,
) -> Result<ConfigOrigin, (&'static str, &'static str)> {
    use pb::config_source::ConfigSourceSpecifier;
    match source.and_then(|source| source.config_source_specifier.as_ref()) {
        // `self` in what ADS brings is ADS again.
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_)) => Ok(ConfigOrigin::Ads),
        Some(ConfigSourceSpecifier::Path(path)) => Ok(ConfigOrigin::File(ConfigFile::new(path.as_str()))),
        Some(ConfigSourceSpecifier::PathConfigSource(source)) => {
            let directory = source.watched_directory.as_ref();
            Ok(ConfigOrigin::File(ConfigFile {
                watched_directory: directory.map(|directory| directory.path.as_str().into()),
                ..ConfigFile::new(source.path.as_str())
            }))
        }
        Some(ConfigSourceSpecifier::ApiConfigSource(_)) => Err((
            "api_config_source",
            "a stream of its own for one type is not supported; write `ads: {}`, with an `ads_config` in \
             dynamic_resources",
        )),
        None => Err(("", "needs a source: `ads: {}` or `path_config_source`")),
    }
}
