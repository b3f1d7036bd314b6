//! `dynamic_resources` of a bootstrap: which control plane is followed, and which files.

use std::time::Duration;

use ripstop_model::runtime::{RuntimeLayer, RuntimeSource};
use ripstop_model::{Discovery, Name, Snapshot};

use crate::client::{Origin, Protocol};
use crate::decode::config_source::{ConfigOrigin, origin};
use crate::pb;
use crate::place::{Place, below};

/// A control plane that is followed by ADS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdsSource {
    /// Which dialect it speaks.
    pub protocol: Protocol,
    /// Where it is.
    pub target: AdsTarget,
    /// Headers that every stream begins with.
    pub headers: Vec<(String, String)>,
}

/// Where a control plane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdsTarget {
    /// A cluster of the file.
    Cluster(Name),
    /// `host:port`, in plaintext.
    Address(String),
}

/// What is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Where further listeners come from.
    pub listeners: Option<Origin>,
    /// Where further clusters come from.
    pub clusters: Option<Origin>,
    /// The control plane.
    pub ads: Option<AdsSource>,
}

pub(super) fn read(place: &Place<'_>, wire: &pb::DynamicResources, fixed: &Snapshot) -> Dynamic {
    let path = |field: &str| below("dynamic_resources", field);
    for (field, is_set) in [
        ("lds_resources_locator", !wire.lds_resources_locator.is_empty()),
        ("cds_resources_locator", !wire.cds_resources_locator.is_empty()),
    ] {
        if is_set {
            place.error(&path(field), "resource locators are not supported".to_owned());
        }
    }
    let source = |field: &str, wire: &Option<pb::ConfigSource>| {
        wire.as_ref().and_then(|wire| source(place, &path(field), wire))
    };
    Dynamic {
        listeners: source("lds_config", &wire.lds_config),
        clusters: source("cds_config", &wire.cds_config),
        ads: wire.ads_config.as_ref().and_then(|wire| ads(place, &path("ads_config"), wire, fixed)),
    }
}

/// Everything that asks for ADS needs one.
pub(super) fn check(place: &Place<'_>, dynamic: &Dynamic, fixed: &Snapshot, runtime: &[RuntimeLayer]) {
    if dynamic.ads.is_some() || place.has("dynamic_resources.ads_config") {
        return;
    }
    let needs = |message: String| format!("{message}, and dynamic_resources has no ads_config");
    for (field, origin) in [("lds_config", &dynamic.listeners), ("cds_config", &dynamic.clusters)] {
        if origin.as_ref().is_some_and(|origin| origin.file.is_none()) {
            place.error(&below("dynamic_resources", field), needs("asks for ADS".to_owned()));
        }
    }
    let of_files: Vec<&Name> =
        fixed.route_files().chain(fixed.endpoint_files()).map(|(name, _)| name).collect();
    let routes = fixed.wanted_routes().map(|name| ("route configuration", name));
    let endpoints = fixed.wanted_endpoints().map(|name| ("endpoints", name));
    for (kind, name) in routes.chain(endpoints).filter(|(_, name)| !of_files.contains(name)) {
        place.error("static_resources", needs(format!("{kind} {name} have to come from ADS")));
    }
    for name in fixed.wanted_secrets() {
        place.error("static_resources", needs(format!("secret {name} has to come from ADS")));
    }
    for layer in runtime {
        if let RuntimeSource::Discovery { name, file: None } = &layer.source {
            place.error("layered_runtime", needs(format!("runtime {name} has to come from ADS")));
        }
    }
}

fn source(place: &Place<'_>, path: &str, wire: &pb::ConfigSource) -> Option<Origin> {
    let file = match origin(Some(wire)) {
        Ok(ConfigOrigin::Ads) => None,
        Ok(ConfigOrigin::File(file)) => Some(file),
        Err((field, reason)) => {
            place.error(&below(path, field), reason.to_owned());
            return None;
        }
    };
    let timeout = wire.initial_fetch_timeout.as_ref().map_or(Origin::DEFAULT_INITIAL_TIMEOUT, |wire| {
        let seconds = u64::try_from(wire.seconds).unwrap_or(0);
        Duration::new(seconds, u32::try_from(wire.nanos).unwrap_or(0))
    });
    // Zero: for ever, as in Envoy.
    Some(Origin { file, initial_timeout: Some(timeout).filter(|timeout| !timeout.is_zero()) })
}

fn ads(place: &Place<'_>, path: &str, wire: &pb::ApiConfigSource, fixed: &Snapshot) -> Option<AdsSource> {
    use pb::api_config_source::ApiType;
    let protocol = match ApiType::try_from(wire.api_type) {
        Ok(ApiType::Grpc) => {
            Protocol::StateOfTheWorld { names_node_once: wire.set_node_on_first_message_only }
        }
        Ok(ApiType::DeltaGrpc) => Protocol::Delta,
        _ => {
            place.error(&below(path, "api_type"), "has to be GRPC or DELTA_GRPC".to_owned());
            return None;
        }
    };
    for (field, is_set) in [
        ("rate_limit_settings", wire.rate_limit_settings.is_some()),
        ("config_validators", !wire.config_validators.is_empty()),
        ("request_timeout", wire.request_timeout.is_some()),
        ("refresh_delay", wire.refresh_delay.is_some()),
    ] {
        if is_set {
            place.warn(&below(path, field), "is not supported and has no effect".to_owned());
        }
    }
    let services = below(path, "grpc_services");
    let [service] = wire.grpc_services.as_slice() else {
        let count = wire.grpc_services.len();
        place.error(&services, format!("has to be one service; {count} are written"));
        return None;
    };
    let services = format!("{services}[0]");
    let headers = service.initial_metadata.iter().map(|header| (header.key.clone(), header.value.clone()));
    let headers: Vec<(String, String)> = headers.collect();
    let target = target(place, &services, service, fixed)?;
    Some(AdsSource { protocol, target, headers })
}

fn target(place: &Place<'_>, path: &str, wire: &pb::GrpcService, fixed: &Snapshot) -> Option<AdsTarget> {
    use pb::grpc_service::TargetSpecifier;
    match wire.target_specifier.as_ref()? {
        TargetSpecifier::EnvoyGrpc(envoy) => {
            let path = below(path, "envoy_grpc");
            for (field, is_set) in [("retry_policy", envoy.retry_policy.is_some())] {
                if is_set {
                    place.warn(&below(&path, field), "is not supported and has no effect".to_owned());
                }
            }
            let name = Name::from(envoy.cluster_name.as_str());
            let path = below(&path, "cluster_name");
            match fixed.clusters.get(&name).map(|cluster| &cluster.discovery) {
                Some(Discovery::Static(_) | Discovery::Dns(_)) => Some(AdsTarget::Cluster(name)),
                Some(_) => {
                    place
                        .error(&path, format!("the endpoints of cluster '{name}' have to stand in the file"));
                    None
                }
                // A cluster that could not be read was told already.
                None if place.problems.has_errors() => None,
                None => {
                    place.error(&path, format!("there is no cluster '{name}' in static_resources"));
                    None
                }
            }
        }
        TargetSpecifier::GoogleGrpc(google) => {
            let path = below(path, "google_grpc");
            if google.channel_credentials.is_some() || !google.call_credentials.is_empty() {
                let advice =
                    "credentials are not supported here; write envoy_grpc with a cluster that has TLS";
                place.error(&path, advice.to_owned());
                return None;
            }
            let address = google.target_uri.trim_start_matches("dns:").trim_start_matches('/');
            if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                place.error(&below(&path, "target_uri"), "has to be host:port".to_owned());
                return None;
            }
            Some(AdsTarget::Address(address.to_owned()))
        }
    }
}
