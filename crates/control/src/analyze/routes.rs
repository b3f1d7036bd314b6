//! Rules of virtual services that do something else than they look like.

use ripstop_yaml::Problem;

use crate::resource::{
    AppProtocol, GatewayRef, HttpAction, HttpMatch, HttpRedirect, HttpRoute, Labels, Origin, RedirectPort,
    TextMatch, UriRewrite, VirtualService,
};
use crate::world::{World, host};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for vs in world.virtual_services() {
        for rule in &vs.http {
            rewrite(rule, problems);
            redirect(world, vs, rule, problems);
            mirrors(rule, problems);
            for matched in &rule.matches {
                condition(world, vs, matched, problems);
            }
        }
        delegates(world, vs, problems);
        protocols(world, vs, problems);
    }
}

/// `/api` rewritten to `/` makes `//users` of `/api/users`.
fn rewrite(rule: &HttpRoute, problems: &mut Vec<Problem>) {
    let Some(UriRewrite::Prefix(by)) = &rule.rewrite.uri else { return };
    if !by.ends_with('/') {
        return;
    }
    for matched in &rule.matches {
        let Some(TextMatch::Prefix(prefix)) = &matched.uri else { continue };
        // A second condition with the slash takes the requests that would suffer, if it stands first.
        let caught = rule.matches.iter().any(|other| {
            matches!(&other.uri, Some(TextMatch::Prefix(longer)) if **longer == *format!("{prefix}/"))
        });
        if !prefix.ends_with('/') && !caught {
            let message = format!("`{prefix}/x` becomes `{by}/x`");
            problems.push(matched.origin.warning(message).with_code("double-slash"));
        }
    }
}

/// A redirect to the same host and to a path that the same rule takes.
fn redirect(world: &World, vs: &VirtualService, rule: &HttpRoute, problems: &mut Vec<Problem>) {
    let HttpAction::Redirect(to) = &rule.action else { return };
    let HttpRedirect { uri, authority, port, scheme, .. } = to;
    let elsewhere = scheme.is_some() || matches!(port, RedirectPort::Number(_) | RedirectPort::OfProtocol);
    let namespace = vs.meta.namespace();
    let same_host = authority.as_ref().is_none_or(|authority| {
        vs.hosts.iter().any(|(name, _)| host::covers(&world.full_name(name, namespace), authority))
    });
    let takes = |matched: &HttpMatch| {
        let plain =
            matched.headers.is_empty() && matched.without_headers.is_empty() && matched.query.is_empty();
        let same_path = match (&matched.uri, uri) {
            (None, _) => true,
            // The path stays, so whoever was taken once is taken again.
            (Some(_), None) => true,
            (Some(TextMatch::Prefix(prefix)), Some(uri)) => uri.starts_with(&**prefix),
            (Some(TextMatch::Exact(path)), Some(uri)) => path == uri,
            (Some(TextMatch::Regex(_)), Some(_)) => false,
        };
        plain && same_path && matched.authority.is_none()
    };
    let taken = rule.matches.is_empty() || rule.matches.iter().any(takes);
    // An earlier rule may take what comes back.
    let earlier = vs.http.iter().take_while(|other| !std::ptr::eq(*other, rule)).any(|other| match uri {
        None => false,
        Some(uri) => other.matches.iter().any(|matched| match &matched.uri {
            Some(TextMatch::Prefix(prefix)) => uri.starts_with(&**prefix),
            Some(TextMatch::Exact(path)) => path == uri,
            _ => false,
        }),
    });
    if !elsewhere && same_host && taken && !earlier {
        let message = "the client is sent to where this rule takes it again".to_owned();
        problems.push(rule.origin.warning(message).with_code("redirect-loop"));
    }
}

fn mirrors(rule: &HttpRoute, problems: &mut Vec<Problem>) {
    let HttpAction::Route(destinations) = &rule.action else { return };
    for mirror in &rule.mirrors {
        let to = &mirror.destination;
        let same = destinations.iter().filter(|one| one.weight > 0).any(|one| {
            let other = &one.destination;
            (&other.host, &other.subset, other.port) == (&to.host, &to.subset, to.port)
        });
        if same {
            let message = format!("`{}` gets the requests and the copies of them", to.host);
            problems.push(to.origin.warning(message).with_code("mirror-to-itself"));
        }
    }
}

/// Conditions that do not depend on requests and hold nowhere.
fn condition(world: &World, vs: &VirtualService, matched: &HttpMatch, problems: &mut Vec<Problem>) {
    let origin = &matched.origin;
    let mut never = |message: String| problems.push(origin.warning(message).with_code("never-applies"));
    let reachable: Vec<&GatewayRef> = match matched.gateways.as_slice() {
        [] => vs.gateways.iter().collect(),
        own => own.iter().filter(|gateway| vs.is_delegate() || vs.gateways.contains(gateway)).collect(),
    };
    if reachable.is_empty() && !matched.gateways.is_empty() {
        let names: Vec<String> = matched.gateways.iter().map(ToString::to_string).collect();
        never(format!("the VirtualService does not apply to {}", names.join(", ")));
    }
    if has_source(&matched.source_labels) && nobody_has(world, &matched.source_labels) {
        never("no workload with a sidecar has these sourceLabels".to_owned());
    }
    if let Some(namespace) = &matched.source_namespace
        && !world.instances().any(|instance| instance.workload.meta.namespace() == namespace)
    {
        never(format!("there is no workload in namespace `{namespace}`"));
    }
    let only_gateways = reachable.iter().all(|gateway| **gateway != GatewayRef::Mesh);
    if let Some(port) = matched.port.filter(|_| only_gateways && !reachable.is_empty()) {
        let of = |gateway: &&GatewayRef| match gateway {
            GatewayRef::Gateway(key) => world.gateways().find(|one| one.meta.key == *key),
            GatewayRef::Mesh => None,
        };
        let known: Vec<_> = reachable.iter().filter_map(of).collect();
        let served = known.iter().any(|gateway| gateway.servers.iter().any(|server| server.port == port));
        if !known.is_empty() && !served {
            never(format!("none of its gateways listens on port {port}"));
        }
    }
}

fn has_source(labels: &Labels) -> bool {
    !labels.is_empty()
}

fn nobody_has(world: &World, labels: &Labels) -> bool {
    !world
        .instances()
        .any(|instance| instance.workload.has_proxy() && instance.workload.meta.has_labels(labels))
}

/// Delegates whose conditions exclude those of whoever delegates, and those that nobody delegates to.
fn delegates(world: &World, vs: &VirtualService, problems: &mut Vec<Problem>) {
    let namespace = vs.meta.namespace();
    for (index, rule) in vs.http.iter().enumerate() {
        let HttpAction::Delegate(key) = &rule.action else { continue };
        let Some(delegate) = world.delegate(key, namespace) else { continue };
        let merged = world.http_rules(vs);
        for (place, leaf) in delegate.http.iter().enumerate() {
            let reached = merged.iter().any(|found| {
                found.index == place
                    && found.document.meta.key == *key
                    && found.through.is_some_and(|(_, outer)| outer == index)
            });
            if !reached {
                let message = format!(
                    "no request fulfils this and the rule of VirtualService {} that delegates here ({})",
                    vs.meta.key,
                    rule.origin.place()
                );
                problems.push(leaf.origin.warning(message).with_code("never-applies"));
            }
        }
    }
    let used = || {
        world
            .virtual_services()
            .iter()
            .flat_map(|other| &other.http)
            .any(|rule| matches!(&rule.action, HttpAction::Delegate(key) if *key == vs.meta.key))
    };
    if vs.is_delegate() && !used() {
        let message = "it has no hosts and nobody delegates to it".to_owned();
        problems.push(vs.meta.origin.warning(message).with_code("unused"));
    }
}

/// Rules for what no port of the host speaks.
fn protocols(world: &World, vs: &VirtualService, problems: &mut Vec<Problem>) {
    if !vs.applies_to_mesh() {
        return;
    }
    for (name, origin) in vs.hosts.iter().filter(|(name, _)| !name.starts_with('*')) {
        let Some(callee) = world.callee(name, vs.meta.namespace()) else { continue };
        let speaks = |wanted: fn(AppProtocol) -> bool| callee.ports.iter().any(|port| wanted(port.protocol));
        let mut warn = |origin: &Origin, kind: &str, what: &str| {
            let message = format!("no port of {callee} speaks {what}, so `{kind}` rules mean nothing");
            problems.push(origin.warning(message).with_code("protocol-mismatch"));
        };
        if !vs.http.is_empty() && !speaks(AppProtocol::is_http) {
            warn(origin, "http", "HTTP");
        }
        if !vs.tls.is_empty() && !speaks(|protocol| protocol == AppProtocol::Tls) {
            warn(origin, "tls", "TLS");
        }
        if !vs.tcp.is_empty() && speaks(AppProtocol::is_http) && !speaks(|protocol| !protocol.is_http()) {
            warn(origin, "tcp", "TCP");
        }
    }
}
