//! Changes of health as JSON, one object a line, as Envoy writes its `HealthCheckEvent`.

use std::time::SystemTime;

use ripstop_model::health_check::HealthCheck;
use ripstop_model::{Address, Endpoint};
use ripstop_policy::health::HealthEvent;
use ripstop_policy::host::HostEntry;
use serde_json::Value;

use super::cluster::ClusterCheck;
use crate::format::civil::write_rfc3339_millis;

/// Writes down what a check has changed. `status` is that of a wrong HTTP answer, else 0.
pub fn write(
    cluster: &str,
    check: &HealthCheck,
    compiled: &ClusterCheck,
    entry: &HostEntry,
    events: &[HealthEvent],
    status: u16,
) {
    if compiled.sinks.is_empty() {
        return;
    }
    for event in events {
        let text = line(cluster, check.probe.kind(), entry, *event, status, SystemTime::now());
        compiled.sinks.iter().for_each(|sink| sink.write(text.as_bytes()));
    }
}

/// The fields stand in the order of their numbers, as Envoy has them.
fn line(
    cluster: &str,
    kind: &str,
    entry: &HostEntry,
    event: HealthEvent,
    status: u16,
    now: SystemTime,
) -> String {
    let mut time = Vec::new();
    write_rfc3339_millis(now, &mut time);
    let (number, name, said) = match event {
        HealthEvent::EjectUnhealthy(kind) => {
            let kind = kind.as_str();
            (
                4,
                "eject_unhealthy_event",
                format!(r#"{{"failure_type":"{kind}","http_status_code":{status}}}"#),
            )
        }
        HealthEvent::AddHealthy { first_check } => {
            (5, "add_healthy_event", format!(r#"{{"first_check":{first_check}}}"#))
        }
        HealthEvent::Failure { kind, first_check } => {
            let kind = kind.as_str();
            let said = format!(
                r#"{{"failure_type":"{kind}","first_check":{first_check},"http_status_code":{status}}}"#
            );
            (7, "health_check_failure_event", said)
        }
        HealthEvent::Degraded => (8, "degraded_healthy_host", "{}".to_owned()),
        HealthEvent::NoLongerDegraded => (9, "no_longer_degraded_host", "{}".to_owned()),
        HealthEvent::Success => (12, "successful_health_check_event", "{}".to_owned()),
    };
    let text = |text: &str| Value::from(text).to_string();
    let locality = &entry.locality;
    let place = format!(
        r#"{{"region":{},"zone":{},"sub_zone":{}}}"#,
        text(&locality.region),
        text(&locality.zone),
        text(&locality.sub_zone)
    );
    let mut fields = vec![
        (1, "health_checker_type", text(kind)),
        (2, "host", host(entry.host.address())),
        (3, "cluster_name", text(cluster)),
        (number, name, said),
        (6, "timestamp", text(&String::from_utf8_lossy(&time))),
        (11, "locality", place),
    ];
    fields.extend(metadata(&entry.endpoint).map(|metadata| (10, "metadata", metadata)));
    fields.sort_by_key(|(number, _, _)| *number);
    let fields: Vec<String> = fields.iter().map(|(_, name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}\n", fields.join(","))
}

/// The labels of an endpoint; `None` where it has none.
fn metadata(endpoint: &Endpoint) -> Option<String> {
    let extra = endpoint.extra();
    let namespaces = [("envoy.lb", &extra.labels), ("envoy.transport_socket_match", &extra.transport_labels)];
    let labels = namespaces.into_iter().filter(|(_, labels)| !labels.is_empty()).map(|(name, labels)| {
        let texts = labels.iter().map(|(key, value)| (key.to_string(), Value::from(&**value)));
        (name.to_owned(), Value::Object(texts.collect()))
    });
    let labels: serde_json::Map<String, Value> = labels.collect();
    let text =
        format!(r#"{{"filter_metadata":{},"typed_filter_metadata":{{}}}}"#, Value::from(labels.clone()));
    (!labels.is_empty()).then_some(text)
}

fn host(address: &Address) -> String {
    match address {
        Address::Socket(socket) => format!(
            concat!(
                r#"{{"socket_address":{{"protocol":"TCP","address":"{}","port_value":{},"#,
                r#""resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}}}}"#
            ),
            socket.ip(),
            socket.port()
        ),
        Address::Pipe(path) => format!(r#"{{"pipe":{{"path":{},"mode":0}}}}"#, Value::from(&**path)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ripstop_model::ClusterLoadAssignment;
    use ripstop_model::endpoint::EndpointExtra;
    use ripstop_policy::health::FailureKind;
    use ripstop_policy::host::HostSet;

    use super::*;

    #[test]
    fn a_line_is_envoys() {
        let mut endpoint = Endpoint::new(Address::socket([127, 0, 0, 1], 80));
        let labels = [("v".into(), "\"1\"".into())].into();
        endpoint.extra = EndpointExtra { labels, ..EndpointExtra::default() }.boxed();
        let assignment = ClusterLoadAssignment::flat("c", vec![endpoint]);
        let set = HostSet::update(None, &assignment, std::time::Instant::now());
        let event = HealthEvent::Failure { kind: FailureKind::NetworkTimeout, first_check: true };
        let line = line("c\n", "HTTP", &set.entries()[0], event, 0, SystemTime::UNIX_EPOCH);
        assert_eq!(
            line,
            concat!(
                r#"{"health_checker_type":"HTTP","host":{"socket_address":{"protocol":"TCP","address":"127.0.0.1","#,
                r#""port_value":80,"resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}},"#,
                r#""cluster_name":"c\n","timestamp":"1970-01-01T00:00:00.000Z","health_check_failure_event":"#,
                r#"{"failure_type":"NETWORK_TIMEOUT","first_check":true,"http_status_code":0},"metadata":"#,
                r#"{"filter_metadata":{"envoy.lb":{"v":"\"1\""}},"typed_filter_metadata":{}},"#,
                r#""locality":{"region":"","zone":"","sub_zone":""}}"#,
                "\n"
            )
        );
        assert!(serde_json::from_str::<Value>(&line).is_ok());
    }
}
