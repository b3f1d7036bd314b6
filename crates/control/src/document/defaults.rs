//! Reads `defaults` of a mesh or a service, in the words of VirtualService and DestinationRule.

use ripstop_yaml::Reader;

use crate::document::common::Decoder;
use crate::document::{connection_pool, http_route, load_balancer, traffic_policy};
use crate::resource::Defaults;

pub(super) fn decode(decoder: &Decoder<'_>, reader: Reader<'_>) -> Defaults {
    let defaults = Defaults {
        timeout: reader.duration("timeout"),
        retries: reader.map("retries").map(http_route::retries),
        load_balancer: reader.map("loadBalancer").map(load_balancer::decode),
        connection_pool: reader.map("connectionPool").map(connection_pool::decode).unwrap_or_default(),
        outlier: reader.map("outlierDetection").map(traffic_policy::outlier),
        retry_budget: reader.map("retryBudget").map(traffic_policy::retry_budget),
        origin: decoder.origin(&reader),
    };
    reader.finish();
    defaults
}
