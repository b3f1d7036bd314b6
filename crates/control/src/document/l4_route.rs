//! Reads the rules for connections: Istio's `TLSRoute` and `TCPRoute`.

use ripstop_model::Name;
use ripstop_model::cidr::CidrRange;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, cidr, host, label, labels, port};
use crate::document::destination::{check_weights, destination, weight};
use crate::document::virtual_service::gateways;
use crate::resource::{L4Destination, L4Match, TcpRoute, TlsMatch, TlsRoute};

pub(super) fn tls(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<TlsRoute> {
    let reader = field.map()?;
    let fields = reader.required("match").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        reader.error_with_help("match", "a rule for TLS has at least one condition", "write `sniHosts`");
    }
    let matches = fields.unwrap_or_default();
    let matches = matches.iter().filter_map(|one| tls_match(decoder, one, namespace)).collect();
    let route = routes(decoder, &reader);
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(TlsRoute { matches, route: route?, origin })
}

fn tls_match(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<TlsMatch> {
    let reader = field.map()?;
    let fields = reader.required("sniHosts").map(|field| field.list());
    if fields.as_ref().is_some_and(Vec::is_empty) {
        reader.error("sniHosts", "a rule for TLS asks for at least one name");
    }
    let sni_hosts: Vec<Name> =
        fields.unwrap_or_default().iter().filter_map(|field| host(field, true)).collect();
    let connection = connection(decoder, reader, "destinationSubnets", namespace);
    Some(TlsMatch { sni_hosts, connection })
}

pub(super) fn tcp(decoder: &Decoder<'_>, field: &Field<'_>, namespace: &str) -> Option<TcpRoute> {
    let reader = field.map()?;
    let matches = reader.list("match");
    let matches = matches
        .iter()
        .filter_map(|one| Some(connection(decoder, one.map()?, "destinationSubnets", namespace)))
        .collect();
    let route = routes(decoder, &reader);
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(TcpRoute { matches, route: route?, origin })
}

fn connection(decoder: &Decoder<'_>, reader: Reader<'_>, subnets: &str, namespace: &str) -> L4Match {
    let destination_subnets: Vec<CidrRange> = reader.list(subnets).iter().filter_map(cidr).collect();
    // The address of a client is behind its sidecar; Istio says of this that it has no effect.
    reader.known_but_unsupported("sourceSubnet", "write sourceLabels or sourceNamespace");
    let matched = L4Match {
        destination_subnets,
        port: port(&reader, "port"),
        source_labels: labels(&reader, "sourceLabels"),
        source_namespace: reader.field("sourceNamespace").and_then(|field| label(&field)),
        gateways: gateways(&reader, namespace),
        origin: decoder.origin(&reader),
    };
    reader.finish();
    matched
}

fn routes(decoder: &Decoder<'_>, reader: &Reader<'_>) -> Option<Vec<L4Destination>> {
    let fields = reader.required("route")?.list();
    if fields.is_empty() {
        reader.error("route", "a route has at least one destination");
        return None;
    }
    let route: Option<Vec<L4Destination>> = fields
        .iter()
        .map(|field| {
            let one = field.map()?;
            let destination = one.required("destination").and_then(|field| destination(decoder, &field));
            let weight = weight(&one, fields.len() == 1);
            one.finish();
            Some(L4Destination { destination: destination?, weight })
        })
        .collect();
    let route = route?;
    check_weights(reader, route.iter().map(|one| one.weight));
    Some(route)
}
