//! The file into documents: for each service a Service, its instances, a VirtualService and a DestinationRule; in front of
//! all of them one gateway.

use ripstop_yaml::{Document, Node};

use super::read::{Host, InstanceConfig, MeshConfig, ServiceConfig, Strategy};
use super::tree::{At, document, list, map, number, seconds, text, yes};

const OWN: &str = "ripstop.io/v1";
const NETWORKING: &str = "networking.istio.io/v1";

/// Port by which services are called.
const SERVICE_PORT: u16 = 80;
/// Where the gateway takes requests and shows how it is.
const GATEWAY_PORT: u16 = 8000;
const GATEWAY_ADMIN: u16 = 9900;
/// Name of the gateway and its label.
const GATEWAY: &str = "gateway";
/// What is worth another try.
const RETRY_ON: &str = "5xx,reset,connect-failure,refused-stream";

/// The documents of the mesh.
pub(super) fn documents(config: &MeshConfig) -> Vec<Document> {
    let mut documents = Vec::new();
    for service in &config.services {
        let one = One { config, service };
        documents.extend(one.members());
        documents.push(one.virtual_service());
        documents.push(one.destination_rule());
    }
    documents.extend(gateway(config));
    documents
}

struct One<'a> {
    config: &'a MeshConfig,
    service: &'a ServiceConfig,
}

impl One<'_> {
    fn text(&self, value: impl Into<String>) -> Node {
        text(value, self.service.span)
    }

    /// Policies are those of the first instance.
    fn first<T: Copy>(&self, of: impl Fn(&InstanceConfig) -> Option<At<T>>) -> Option<At<T>> {
        self.service.instances.first().and_then(of)
    }

    /// Service and workloads; an entry instead where some instance is at a name that DNS has to be asked for.
    fn members(&self) -> Vec<Document> {
        let ips: Option<Vec<_>> = self
            .service
            .instances
            .iter()
            .map(|one| match &one.host {
                Host::Ip(ip) => Some(ip),
                Host::Name(_) => None,
            })
            .collect();
        let Some(ips) = ips else { return vec![self.entry()] };
        let span = self.service.span;
        let port = map(
            [
                ("name", Some(self.text("http"))),
                ("port", Some(number(SERVICE_PORT, span))),
                ("protocol", Some(self.text("HTTP"))),
            ],
            span,
        );
        let spec = map([("ports", Some(list(vec![port], span)))], span);
        let mut documents = vec![document(OWN, "Service", &self.service.name, spec, span)];
        for (index, (instance, ip)) in self.service.instances.iter().zip(ips).enumerate() {
            let span = instance.span;
            let app = map([("app", Some(number(instance.port.value, instance.port.span)))], span);
            let health = instance.health_check.as_ref();
            let health = health.map(|path| map([("path", Some(text(&path.value, path.span)))], path.span));
            let spec = map(
                [
                    ("service", Some(self.text(&self.service.name))),
                    ("address", Some(text(ip.to_string(), instance.port.span))),
                    ("ports", Some(map([("http", Some(app))], span))),
                    ("health", health),
                ],
                span,
            );
            let name = format!("{}-{}", self.service.name, index + 1);
            documents.push(document(OWN, "Workload", &name, spec, span));
        }
        documents
    }

    fn entry(&self) -> Document {
        let span = self.service.span;
        let port = map(
            [
                ("name", Some(self.text("http"))),
                ("number", Some(number(SERVICE_PORT, span))),
                ("protocol", Some(self.text("HTTP"))),
            ],
            span,
        );
        let endpoint = |one: &InstanceConfig| {
            let host = match &one.host {
                Host::Ip(ip) => ip.to_string(),
                Host::Name(name) => name.clone(),
            };
            let ports = map([("http", Some(number(one.port.value, one.port.span)))], one.port.span);
            map([("address", Some(text(host, one.port.span))), ("ports", Some(ports))], one.span)
        };
        let endpoints = self.service.instances.iter().map(endpoint).collect();
        let spec = map(
            [
                ("hosts", Some(list(vec![self.text(&self.service.name)], span))),
                ("ports", Some(list(vec![port], span))),
                ("location", Some(self.text("MESH_EXTERNAL"))),
                ("resolution", Some(self.text("DNS"))),
                ("endpoints", Some(list(endpoints, span))),
            ],
            span,
        );
        document(NETWORKING, "ServiceEntry", &self.service.name, spec, span)
    }

    fn virtual_service(&self) -> Document {
        let span = self.service.span;
        let spec = map(
            [
                ("hosts", Some(list(vec![self.text(&self.service.name)], span))),
                ("http", Some(list(vec![self.rule(None, None)], span))),
            ],
            span,
        );
        document(NETWORKING, "VirtualService", &self.service.name, spec, span)
    }

    /// A rule that leads to the service, with its timeout and retries.
    fn rule(&self, matched: Option<&str>, rewritten: Option<&str>) -> Node {
        let span = self.service.span;
        let condition = matched.map(|prefix| {
            let uri = map([("prefix", Some(self.text(prefix)))], span);
            list(vec![map([("uri", Some(uri))], span)], span)
        });
        let rewrite = rewritten.map(|uri| map([("uri", Some(self.text(uri)))], span));
        let destination = map([("host", Some(self.text(&self.service.name)))], span);
        let route = list(vec![map([("destination", Some(destination))], span)], span);
        let timeout = self.first(|one| one.timeout).or(self.config.timeout);
        map(
            [
                ("match", condition),
                ("rewrite", rewrite),
                ("route", Some(route)),
                ("timeout", timeout.as_ref().map(seconds)),
                ("retries", self.retries()),
            ],
            span,
        )
    }

    /// The file counts all tries, the documents those after the first.
    fn retries(&self) -> Option<Node> {
        let tries = self.first(|one| one.retry_count).or(self.config.attempts)?;
        let attempts = number(tries.value.saturating_sub(1), tries.span);
        let delay = self.first(|one| one.retry_delay).or(self.config.retry_delay);
        let retried = tries.value > 1;
        let retry_on = retried.then(|| text(RETRY_ON, tries.span));
        let backoff = delay.as_ref().filter(|_| retried).map(seconds);
        Some(map([("attempts", Some(attempts)), ("retryOn", retry_on), ("backoff", backoff)], tries.span))
    }

    fn destination_rule(&self) -> Document {
        let span = self.service.span;
        let spec = map(
            [
                ("host", Some(self.text(&self.service.name))),
                (
                    "trafficPolicy",
                    Some(map(
                        [
                            ("loadBalancer", self.config.strategy.map(balancer)),
                            ("outlierDetection", self.outlier()),
                            ("tls", self.tls()),
                        ],
                        span,
                    )),
                ),
            ],
            span,
        );
        document(NETWORKING, "DestinationRule", &self.service.name, spec, span)
    }

    /// The breaker of an instance: so many failures in a row put it aside for so long. All of them may be, as in the file.
    fn outlier(&self) -> Option<Node> {
        let failures = self.config.failures?;
        let timeout = self.first(|one| one.circuit_timeout).or(self.config.circuit_timeout);
        Some(map(
            [
                ("consecutive5xxErrors", Some(number(failures.value, failures.span))),
                ("baseEjectionTime", timeout.as_ref().map(seconds)),
                ("maxEjectionPercent", Some(number(100u32, failures.span))),
            ],
            failures.span,
        ))
    }

    fn tls(&self) -> Option<Node> {
        let tls = self.service.instances.first().is_some_and(|one| one.tls);
        tls.then(|| map([("mode", Some(self.text("SIMPLE")))], self.service.span))
    }
}

fn balancer(strategy: At<Strategy>) -> Node {
    let simple = |word: &str| map([("simple", Some(text(word, strategy.span)))], strategy.span);
    match strategy.value {
        Strategy::RoundRobin => simple("ROUND_ROBIN"),
        Strategy::LeastConnections => simple("LEAST_REQUEST"),
        Strategy::Random => simple("RANDOM"),
        Strategy::IpHash => {
            let hash = map([("useSourceIp", Some(yes(strategy.span)))], strategy.span);
            map([("consistentHash", Some(hash))], strategy.span)
        }
    }
}

/// One door for all services: `/SERVICE/…` leads to the service without that part, and `/ws/SERVICE` to its `/ws`.
fn gateway(config: &MeshConfig) -> Vec<Document> {
    let span = config.span;
    let word = |value: &str| text(value, span);
    let admin = map([("admin", Some(number(GATEWAY_ADMIN, span)))], span);
    let workload = map([("address", Some(word("127.0.0.1"))), ("gateway", Some(admin))], span);
    let protocol = if config.ssl.is_some() { "HTTPS" } else { "HTTP" };
    let port = map(
        [
            ("number", Some(number(GATEWAY_PORT, span))),
            ("name", Some(word(&protocol.to_lowercase()))),
            ("protocol", Some(word(protocol))),
        ],
        span,
    );
    let tls = config.ssl.as_ref().map(|(certificate, key)| {
        map(
            [
                ("mode", Some(text("SIMPLE", certificate.span))),
                ("serverCertificate", Some(text(&certificate.value, certificate.span))),
                ("privateKey", Some(text(&key.value, key.span))),
            ],
            certificate.span,
        )
    });
    let all = || Some(list(vec![word("*")], span));
    let server = map([("port", Some(port)), ("hosts", all()), ("tls", tls)], span);
    let edge = map([("servers", Some(list(vec![server], span)))], span);
    let rules = config.services.iter().flat_map(|service| {
        let one = One { config, service };
        let (own, socket) = (format!("/{}/", service.name), format!("/ws/{}", service.name));
        [one.rule(Some(&socket), Some("/ws")), one.rule(Some(&own), Some("/"))]
    });
    let routing = map(
        [
            ("hosts", all()),
            ("gateways", Some(list(vec![word(GATEWAY)], span))),
            ("http", Some(list(rules.collect(), span))),
        ],
        span,
    );
    vec![
        document(OWN, "Workload", GATEWAY, workload, span),
        document(NETWORKING, "Gateway", GATEWAY, edge, span),
        document(NETWORKING, "VirtualService", GATEWAY, routing, span),
    ]
}
