//! What routes say to HTTP filters ← wire. There is no filter here that listens, so all that is done is to tell what
//! Envoy would refuse from what has no effect.

use std::collections::HashMap;

use crate::decode::common::{Context, is, type_name, unpack};
use crate::pb;

/// Types that Envoy's own filters take from a route. The filters themselves are reported where they are asked for.
const ENVOYS: &str = "envoy.extensions.filters.http.";
/// The router takes nothing from a route.
const ROUTER: &str = "envoy.filters.http.router";

/// Reports what is said to filters.
pub(super) fn check(cx: &mut Context, filters: &HashMap<String, pb::Any>) {
    let mut names: Vec<&String> = filters.keys().collect();
    names.sort();
    for name in names {
        cx.at(&format!("typed_per_filter_config[\"{name}\"]"), |cx| one(cx, name, &filters[name]));
    }
}

fn one(cx: &mut Context, name: &str, any: &pb::Any) {
    let wrapper = match is::<pb::FilterConfig>(any) {
        true => match unpack::<pb::FilterConfig>(cx, any) {
            Some(wrapper) => wrapper,
            None => return,
        },
        false => pb::FilterConfig { config: Some(any.clone()), ..Default::default() },
    };
    if wrapper.disabled {
        // A filter that is not there is off already; and the router stays on in Envoy as well.
        return;
    }
    let Some(config) = &wrapper.config else {
        if !wrapper.is_optional {
            cx.reject("needs a config, or disabled");
        }
        return;
    };
    let known = type_name(config).starts_with(ENVOYS);
    if name == ROUTER && known {
        cx.reject("the router takes no configuration from routes");
    } else if known || wrapper.is_optional {
        cx.warn(format!("the HTTP filter '{name}' is not supported and this has no effect"));
    } else {
        cx.reject(format!("no HTTP filter takes a {}", type_name(config)));
    }
}
