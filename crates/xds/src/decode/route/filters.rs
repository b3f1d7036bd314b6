//! What routes say to HTTP filters ← wire. What is for filters that are not here is told from what Envoy would refuse.

use std::collections::HashMap;

use ripstop_model::http_filter::{FilterOverride, FilterOverrides};

use crate::decode::common::{Context, is, type_name, unpack};
use crate::decode::cors::cors_policy;
use crate::decode::fault::fault;
use crate::decode::session::session_of_route;
use crate::pb;

/// Types that Envoy's own filters take from a route. The filters themselves are reported where they are asked for.
const ENVOYS: &str = "envoy.extensions.filters.http.";
/// The router takes nothing from a route.
const ROUTER: &str = "envoy.filters.http.router";

/// Reads what is said to filters, in the order of their names.
pub(super) fn overrides(cx: &mut Context, filters: &HashMap<String, pb::Any>) -> FilterOverrides {
    let mut names: Vec<&String> = filters.keys().collect();
    names.sort();
    let mut overrides = FilterOverrides::new();
    for name in names {
        let read = cx.at(&format!("typed_per_filter_config[\"{name}\"]"), |cx| one(cx, name, &filters[name]));
        if let Some(read) = read {
            overrides.insert(name.as_str().into(), read);
        }
    }
    overrides
}

fn one(cx: &mut Context, name: &str, any: &pb::Any) -> Option<FilterOverride> {
    let wrapper = match is::<pb::FilterConfig>(any) {
        true => unpack::<pb::FilterConfig>(cx, any)?,
        false => pb::FilterConfig { config: Some(any.clone()), ..Default::default() },
    };
    if wrapper.disabled {
        // The router stays on in Envoy as well.
        return (name != ROUTER).then_some(FilterOverride::Disabled);
    }
    let Some(config) = &wrapper.config else {
        if !wrapper.is_optional {
            cx.reject("needs a config, or disabled");
        }
        return None;
    };
    let known = type_name(config).starts_with(ENVOYS);
    if name == ROUTER && known {
        cx.refuse("the router takes no configuration from routes")
    } else if is::<pb::CorsPolicy>(config) {
        let policy = unpack::<pb::CorsPolicy>(cx, config)?;
        cors_policy(cx, &policy).map(|policy| FilterOverride::Cors(Box::new(policy)))
    } else if is::<pb::HttpFault>(config) {
        fault(cx, config).map(|fault| FilterOverride::Fault(Box::new(fault)))
    } else if is::<pb::StatefulSessionPerRoute>(config) {
        session_of_route(cx, config)
    } else if known || wrapper.is_optional {
        cx.warn(format!("the HTTP filter '{name}' is not supported and this has no effect"));
        None
    } else {
        cx.refuse(format!("no HTTP filter takes a {}", type_name(config)))
    }
}
