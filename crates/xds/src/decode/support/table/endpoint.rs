//! Endpoints: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const ENDPOINT: &[Support] = &[
    Support {
        message: "envoy.config.endpoint.v3.ClusterLoadAssignment",
        read: "cluster_name endpoints policy",
        harmless: "",
    },
    Support {
        message: "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
        read: "overprovisioning_factor",
        harmless: "drop_overloads endpoint_stale_after weighted_priority_health",
    },
    Support {
        message: "envoy.config.endpoint.v3.LocalityLbEndpoints",
        read: "locality lb_endpoints load_balancing_weight priority metadata",
        harmless: "proximity",
    },
    Support {
        message: "envoy.config.endpoint.v3.LbEndpoint",
        read: "endpoint endpoint_name health_status metadata load_balancing_weight",
        harmless: "",
    },
    Support {
        message: "envoy.config.endpoint.v3.Endpoint",
        read: "address additional_addresses hostname health_check_config",
        harmless: "observability_name",
    },
    Support { message: "envoy.config.endpoint.v3.Endpoint.AdditionalAddress", read: "address", harmless: "" },
    Support {
        message: "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig",
        read: "port_value hostname address disable_active_health_check",
        harmless: "",
    },
];
