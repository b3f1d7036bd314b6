//! What a connection manager does to every request and answer, ready to be done: defaults resolved, header values made.

use http::HeaderValue;
use http::uri::Scheme;
use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::origin::HttpScheme;
use ripstop_model::http_manager::paths::{EscapedSlashes, PathRules};
use ripstop_model::runtime::RuntimeFeature;
use ripstop_policy::runtime::Runtime;
use ripstop_policy::sanitise::path::PathSteps;

/// The rules of one connection manager.
pub struct HttpRules {
    /// What is done to paths.
    pub paths: PathSteps,
    /// Appended to `via`.
    pub via: Option<HeaderValue>,
    /// The scheme that every request has.
    pub scheme: Option<Scheme>,
}

impl HttpRules {
    /// Compiles them.
    pub fn compile(config: &HttpConnectionManager, runtime: &Runtime) -> HttpRules {
        let via = config.origin.via.as_ref();
        HttpRules {
            paths: paths(config.paths, runtime),
            // Envoy's rules let no other text through.
            via: via.and_then(|via| HeaderValue::from_str(via).ok()),
            scheme: config.origin.scheme.overwrite.map(scheme),
        }
    }
}

fn paths(rules: PathRules, runtime: &Runtime) -> PathSteps {
    let feature = RuntimeFeature { key: PathRules::NORMALIZE_KEY.into(), default: false };
    let escaped_slashes = match rules.escaped_slashes {
        EscapedSlashes::Default => match runtime.whole(PathRules::ESCAPED_SLASHES_KEY, 0) {
            2 => EscapedSlashes::Reject,
            3 => EscapedSlashes::Redirect,
            4 => EscapedSlashes::Forward,
            _ => EscapedSlashes::Default,
        },
        EscapedSlashes::Keep => EscapedSlashes::Default,
        action => action,
    };
    PathSteps {
        escaped_slashes,
        normalize: rules.normalize.unwrap_or_else(|| runtime.enabled(&feature)),
        merge_slashes: rules.merge_slashes,
    }
}

fn scheme(scheme: HttpScheme) -> Scheme {
    match scheme {
        HttpScheme::Http => Scheme::HTTP,
        HttpScheme::Https => Scheme::HTTPS,
    }
}
