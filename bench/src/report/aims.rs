//! What Ripstop wants to reach against others in the same run, and whether it does.

use serde_json::{Value, json};

use super::{Metric, Row};
use crate::peers::Peer;

/// An aim for one work.
struct Aim {
    what: &'static str,
    /// How the title of the work begins.
    work: &'static str,
    metric: Metric,
    against: Against,
    bar: f64,
    ambition: f64,
    /// Whether more is better.
    more: bool,
}

/// With what Ripstop's number is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    /// A ratio to a peer.
    Peer(Peer),
    /// A ratio to the better of nginx and HAProxy.
    Better,
    /// A ratio to a peer of what is added to a direct connection.
    Added(Peer),
    /// The number itself.
    Nothing,
}

const fn aim(
    what: &'static str,
    work: &'static str,
    metric: Metric,
    against: Against,
    bar: f64,
    ambition: f64,
) -> Aim {
    let more = matches!(metric, Metric::GigabytesPerSecond);
    Aim { what, work, metric, against, bar, ambition, more }
}

const ENVOY: Against = Against::Peer(Peer::Envoy);
const HAPROXY: Against = Against::Peer(Peer::Haproxy);

const AIMS: [Aim; 22] = [
    aim("a1: CPU per request against Envoy", "a1", Metric::CpuUs, ENVOY, 0.30, 0.20),
    aim(
        "a1: the same against the better of nginx and HAProxy",
        "a1",
        Metric::CpuUs,
        Against::Better,
        1.1,
        0.8,
    ),
    aim("a2: CPU per request against Envoy, 10 KB", "a2", Metric::CpuUs, ENVOY, 0.30, 0.20),
    aim(
        "a2: the same against the better of nginx and HAProxy",
        "a2",
        Metric::CpuUs,
        Against::Better,
        1.1,
        0.8,
    ),
    aim("b: CPU per request against Envoy with the same features", "b", Metric::CpuUs, ENVOY, 0.35, 0.22),
    aim("c: CPU of both hops against Envoy's two", "c", Metric::CpuUs, ENVOY, 0.30, 0.18),
    aim("d1: CPU per request against Envoy, HTTP/2", "d1", Metric::CpuUs, ENVOY, 0.40, 0.25),
    aim("d2: CPU per call against Envoy, gRPC", "d2", Metric::CpuUs, ENVOY, 0.40, 0.25),
    aim("e1: throughput against HAProxy, 1 connection", "e1", Metric::GigabytesPerSecond, HAPROXY, 1.0, 1.2),
    aim(
        "e2: throughput against HAProxy, 64 connections",
        "e2",
        Metric::GigabytesPerSecond,
        HAPROXY,
        1.0,
        1.2,
    ),
    aim("f1: throughput against HAProxy, 1 GiB down", "f1", Metric::GigabytesPerSecond, HAPROXY, 1.0, 1.2),
    aim("f2: throughput against HAProxy, 1 GiB up", "f2", Metric::GigabytesPerSecond, HAPROXY, 1.0, 1.2),
    aim(
        "p99 added at 1,000 requests/s against Envoy",
        "a1",
        Metric::P99,
        Against::Added(Peer::Envoy),
        0.6,
        0.4,
    ),
    aim("memory of an idle proxy, MB", "a1", Metric::IdleMegabytes, Against::Nothing, 10.0, 6.0),
    aim("memory of an idle connection, KB", "g1", Metric::KilobytesPerConnection, Against::Nothing, 6.0, 3.0),
    aim(
        "memory of an idle TLS connection, KB",
        "g2",
        Metric::KilobytesPerConnection,
        Against::Nothing,
        16.0,
        8.0,
    ),
    aim("memory after the burst against before", "g1", Metric::AfterToBefore, Against::Nothing, 1.3, 1.1),
    aim("the same with TLS", "g2", Metric::AfterToBefore, Against::Nothing, 1.3, 1.1),
    aim("h: CPU per handshake against Envoy", "h", Metric::CpuUs, ENVOY, 1.0, 0.8),
    aim("i: first load of 10,000 clusters, s", "i", Metric::FirstLoadS, Against::Nothing, 2.0, 1.0),
    aim("i: memory per cluster, B", "i", Metric::BytesPerCluster, Against::Nothing, 3000.0, 1500.0),
    aim("i: memory per endpoint, B", "i", Metric::BytesPerEndpoint, Against::Nothing, 300.0, 150.0),
];

/// An aim with what was measured.
pub struct Reached {
    aim: &'static Aim,
    value: f64,
}

/// All aims for which there are numbers.
pub fn reached(rows: &[Row]) -> Vec<Reached> {
    AIMS.iter().filter_map(|aim| Some(Reached { aim, value: value(aim, rows)? })).collect()
}

fn value(aim: &Aim, rows: &[Row]) -> Option<f64> {
    let of = |peer: Peer| {
        let mut rows = rows.iter().filter(|row| row.work.split(':').next() == Some(aim.work));
        rows.find(|row| row.peer == peer)?.get(aim.metric)
    };
    let ours = of(Peer::Ripstop)?;
    Some(match aim.against {
        Against::Nothing => ours,
        Against::Peer(peer) => ours / of(peer)?,
        Against::Better => ours / of(Peer::Nginx)?.min(of(Peer::Haproxy)?),
        Against::Added(peer) => (ours - of(Peer::Direct)?) / (of(peer)? - of(Peer::Direct)?),
    })
}

impl Reached {
    fn verdict(&self) -> &'static str {
        let better = |than: f64| if self.aim.more { self.value >= than } else { self.value <= than };
        match (better(self.aim.ambition), better(self.aim.bar)) {
            (true, _) => "beyond the ambition",
            (_, true) => "met",
            _ => "missed",
        }
    }

    /// A line of the table.
    pub fn markdown(&self) -> String {
        let Aim { what, metric, bar, ambition, more, .. } = self.aim;
        let sign = if *more { '≥' } else { '≤' };
        let (value, bar, ambition) = (metric.show(self.value), metric.show(*bar), metric.show(*ambition));
        format!("| {what} | {value} | {sign} {bar} | {sign} {ambition} | {} |\n", self.verdict())
    }

    /// The same as data.
    pub fn json(&self) -> Value {
        json!({ "aim": self.aim.what, "value": self.value, "bar": self.aim.bar, "verdict": self.verdict() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: &str, peer: Peer, metric: Metric, value: f64) -> Row {
        let mut row = Row::new(work, peer);
        row.set(metric, value);
        row
    }

    #[test]
    fn ratios_are_those_of_one_run() {
        let rows = [
            row("a1: x", Peer::Ripstop, Metric::CpuUs, 12.0),
            row("a1: x", Peer::Envoy, Metric::CpuUs, 50.0),
            row("a1: x", Peer::Nginx, Metric::CpuUs, 16.0),
            row("a1: x", Peer::Haproxy, Metric::CpuUs, 10.0),
            row("e1: x", Peer::Ripstop, Metric::GigabytesPerSecond, 3.0),
            row("e1: x", Peer::Haproxy, Metric::GigabytesPerSecond, 2.0),
        ];
        let reached = reached(&rows);
        let found: Vec<_> = reached.iter().map(|aim| (aim.value, aim.verdict())).collect();
        assert_eq!(found, [(0.24, "met"), (1.2, "missed"), (1.5, "beyond the ambition")]);
    }

    #[test]
    fn what_is_added_leaves_out_the_way_without_a_proxy() {
        let rows = [
            row("a1: x", Peer::Direct, Metric::P99, 100.0),
            row("a1: x", Peer::Ripstop, Metric::P99, 150.0),
            row("a1: x", Peer::Envoy, Metric::P99, 200.0),
        ];
        let reached = reached(&rows);
        assert_eq!((reached[0].value, reached[0].verdict()), (0.5, "met"));
    }
}
