//! What holds for calls to a service in the end, value by value, with the place that each comes from: the profile, the mesh,
//! the service, its DestinationRule, the rules of its VirtualService.

use std::fmt;
use std::time::Duration;

use crate::resource::{
    BalancerChoice, ConnectionPool, Defaults, HttpAction, ObjectKey, Origin, Outlier, Profile, Retries,
    TrafficPolicy,
};
use crate::world::callee::Callee;
use crate::world::{World, host};

/// One value that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveValue {
    /// Which, in the words of the documents; `http[0].` before what holds for requests of one rule alone.
    pub field: String,
    /// Its value, as documents write it.
    pub value: String,
    /// Who says so.
    pub from: Layer,
    /// Where that is written; nowhere for what comes with Ripstop.
    pub origin: Origin,
}

/// Who may say what holds, the widest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nobody: Istio's default.
    BuiltIn,
    /// The profile of the mesh.
    Profile(Profile),
    /// `defaults` of the Mesh.
    Mesh,
    /// `defaults` of the Service.
    Service(ObjectKey),
    /// A DestinationRule.
    DestinationRule(ObjectKey),
    /// A rule of a VirtualService.
    VirtualService(ObjectKey),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::BuiltIn => f.write_str("built-in default"),
            Layer::Profile(profile) => write!(f, "profile {profile}"),
            Layer::Mesh => f.write_str("Mesh"),
            Layer::Service(key) => write!(f, "Service {key}"),
            Layer::DestinationRule(key) => write!(f, "DestinationRule {key}"),
            Layer::VirtualService(key) => write!(f, "VirtualService {key}"),
        }
    }
}

impl World {
    /// What holds for calls to `callee` where no rule says otherwise.
    pub fn defaults_of(&self, callee: &Callee) -> Defaults {
        let mut joined = Defaults::default();
        for (_, layer) in self.default_layers(callee) {
            joined = layer.over(&joined);
        }
        joined
    }

    /// The layers of defaults for a host, the widest first.
    fn default_layers(&self, callee: &Callee) -> Vec<(Layer, Defaults)> {
        let profile = self.mesh.profile.map(|profile| (Layer::Profile(profile), profile.defaults()));
        let mesh = self.mesh.defaults.clone().map(|defaults| (Layer::Mesh, defaults));
        let service = callee.service().and_then(|service| {
            service.defaults.clone().map(|defaults| (Layer::Service(service.meta.key.clone()), defaults))
        });
        profile.into_iter().chain(mesh).chain(service).collect()
    }

    /// What holds for calls to a service from its own namespace, every value once, in a fixed order. `None`: there is no
    /// such service.
    pub fn effective(&self, service: &ObjectKey) -> Option<Vec<EffectiveValue>> {
        let callee = self.callee(&host::full_name(service), &service.namespace)?;
        let layers = self.default_layers(callee);
        let rule = self.rule_for(callee);
        let mut values = Vec::new();
        for (field, of) in FIELDS {
            let by_rule = rule.as_ref().and_then(|rule| rule.value(field, *of));
            let found = by_rule.or_else(|| {
                layers.iter().rev().find_map(|(layer, defaults)| {
                    Some((of(defaults)?, layer.clone(), defaults.origin.clone()))
                })
            });
            let nobody = || (built_in(field), Layer::BuiltIn, Origin::default());
            let (value, from, origin) = found.unwrap_or_else(nobody);
            values.push(EffectiveValue { field: (*field).to_owned(), value, from, origin });
        }
        values.extend(self.rule_values(callee));
        Some(values)
    }

    /// The rule for a host as its own namespace sees it, for its first port.
    fn rule_for(&self, callee: &Callee) -> Option<Rule> {
        let namespace = callee.namespace();
        let about = self.rules_by_host.about(&callee.host).map(|(_, rule)| rule);
        let rule = about.into_iter().find(|rule| {
            rule.selector.is_none()
                && (rule.meta.namespace() == namespace || *rule.meta.namespace() == self.mesh.root_namespace)
        })?;
        let port = callee.ports.first().map(|port| port.port).unwrap_or_default();
        let (layer, origin) = (Layer::DestinationRule(rule.meta.key.clone()), rule.meta.origin.clone());
        Some(Rule { layer, origin, policy: rule.policy.for_port(port) })
    }

    /// What rules for requests say in the place of the defaults.
    fn rule_values(&self, callee: &Callee) -> Vec<EffectiveValue> {
        let about = self.mesh_routing.about(&callee.host).map(|(_, vs)| vs);
        let visible = about.into_iter().find(|vs| vs.export_to.includes(callee.namespace()));
        let Some(vs) = visible else { return Vec::new() };
        let mut values = Vec::new();
        for (index, found) in self.http_rules(vs).into_iter().enumerate() {
            if !matches!(found.rule.action, HttpAction::Route(_)) {
                continue;
            }
            let written = Defaults {
                timeout: found.rule.timeout,
                retries: found.rule.retries.clone(),
                ..Defaults::default()
            };
            for (field, of) in FIELDS.iter().take_while(|(field, _)| !field.starts_with("loadBalancer")) {
                let Some(value) = of(&written) else { continue };
                values.push(EffectiveValue {
                    field: format!("http[{index}].{field}"),
                    value,
                    from: Layer::VirtualService(found.document.meta.key.clone()),
                    origin: found.rule.origin.clone(),
                });
            }
        }
        values
    }
}

/// A DestinationRule among the layers.
struct Rule {
    layer: Layer,
    origin: Origin,
    policy: TrafficPolicy,
}

impl Rule {
    /// What it says of a field. A section that it has is whole: what is not written there has its default, whatever wider
    /// levels say.
    fn value(&self, field: &str, of: Of) -> Option<(String, Layer, Origin)> {
        let policy = &self.policy;
        let has_section = match field.split('.').next() {
            Some("loadBalancer") => policy.load_balancer.is_some(),
            Some("connectionPool") => policy.connection_pool.is_some(),
            Some("outlierDetection") => policy.outlier.is_some(),
            Some("retryBudget") => policy.retry_budget.is_some(),
            _ => false,
        };
        if !has_section {
            return None;
        }
        let written = Defaults {
            load_balancer: policy.load_balancer.clone(),
            connection_pool: policy.connection_pool.unwrap_or_default(),
            outlier: policy.outlier,
            retry_budget: policy.retry_budget,
            ..Defaults::default()
        };
        let value = of(&written).unwrap_or_else(|| left_open(field));
        Some((value, self.layer.clone(), self.origin.clone()))
    }
}

type Of = fn(&Defaults) -> Option<String>;

/// Every field, with how it is read; those of requests first.
const FIELDS: &[(&str, Of)] = &[
    ("timeout", |d| d.timeout.map(time)),
    ("retries.attempts", |d| retries(d, |r| Some(r.attempts.to_string()))),
    ("retries.perTryTimeout", |d| retries(d, |r| r.per_try_timeout.map(time))),
    ("retries.retryOn", |d| retries(d, |r| r.on.map(|on| on.words().collect::<Vec<_>>().join(",")))),
    ("retries.backoff", |d| retries(d, |r| r.backoff.map(time))),
    ("loadBalancer", |d| d.load_balancer.as_ref().map(|balancer| choice(&balancer.choice))),
    ("connectionPool.tcp.maxConnections", |d| pool(d, |p| p.max_connections.map(number))),
    ("connectionPool.tcp.connectTimeout", |d| pool(d, |p| p.connect_timeout.map(time))),
    ("connectionPool.tcp.idleTimeout", |d| pool(d, |p| p.tcp_idle_timeout.map(time))),
    ("connectionPool.http.http1MaxPendingRequests", |d| pool(d, |p| p.max_pending_requests.map(number))),
    ("connectionPool.http.http2MaxRequests", |d| pool(d, |p| p.max_requests.map(number))),
    ("connectionPool.http.maxRequestsPerConnection", |d| {
        pool(d, |p| p.max_requests_per_connection.map(number))
    }),
    ("connectionPool.http.maxRetries", |d| pool(d, |p| p.max_retries.map(number))),
    ("connectionPool.http.idleTimeout", |d| pool(d, |p| p.idle_timeout.map(time))),
    ("connectionPool.http.maxConcurrentStreams", |d| pool(d, |p| p.max_concurrent_streams.map(number))),
    ("outlierDetection.consecutive5xxErrors", |d| outlier(d, |o| o.consecutive_5xx.map(number))),
    ("outlierDetection.consecutiveGatewayErrors", |d| {
        outlier(d, |o| o.consecutive_gateway_errors.map(number))
    }),
    ("outlierDetection.interval", |d| outlier(d, |o| o.interval.map(time))),
    ("outlierDetection.baseEjectionTime", |d| outlier(d, |o| o.base_ejection_time.map(time))),
    ("outlierDetection.maxEjectionPercent", |d| {
        outlier(d, |o| o.max_ejection_percent.map(|p| p.to_string()))
    }),
    ("outlierDetection.minHealthPercent", |d| outlier(d, |o| o.min_health_percent.map(|p| p.to_string()))),
    ("retryBudget.percent", |d| d.retry_budget.map(|budget| budget.budget.to_string())),
];

fn built_in(field: &str) -> String {
    let value = match field {
        "timeout" => "none",
        "retries.attempts" => "2",
        "retries.perTryTimeout" => "none",
        "retries.retryOn" => "connect-failure,refused-stream,cancelled,unavailable",
        "retries.backoff" => "25ms",
        "loadBalancer" => "LEAST_REQUEST",
        "connectionPool.tcp.connectTimeout" => "10s",
        "connectionPool.tcp.idleTimeout" | "connectionPool.http.idleTimeout" => "1h",
        "connectionPool.http.maxRetries" => "by budget",
        "retryBudget.percent" => "20%",
        other if other.starts_with("outlierDetection.") => "off",
        _ => "no limit",
    };
    value.to_owned()
}

/// What a section means for a field that it does not write.
fn left_open(field: &str) -> String {
    let value = match field {
        "outlierDetection.consecutive5xxErrors" => "5",
        "outlierDetection.interval" => "10s",
        "outlierDetection.baseEjectionTime" => "30s",
        "outlierDetection.maxEjectionPercent" => "10%",
        "outlierDetection.minHealthPercent" => "0%",
        other => return built_in(other),
    };
    value.to_owned()
}

fn retries(defaults: &Defaults, of: impl FnOnce(&Retries) -> Option<String>) -> Option<String> {
    defaults.retries.as_ref().and_then(of)
}

fn pool(defaults: &Defaults, of: impl FnOnce(&ConnectionPool) -> Option<String>) -> Option<String> {
    of(&defaults.connection_pool)
}

fn outlier(defaults: &Defaults, of: impl FnOnce(&Outlier) -> Option<String>) -> Option<String> {
    defaults.outlier.as_ref().and_then(of)
}

fn number(number: u32) -> String {
    number.to_string()
}

fn time(time: Duration) -> String {
    if time.is_zero() { "none".to_owned() } else { format!("{time:?}") }
}

fn choice(choice: &BalancerChoice) -> String {
    let word = match choice {
        BalancerChoice::LeastRequest => "LEAST_REQUEST",
        BalancerChoice::RoundRobin => "ROUND_ROBIN",
        BalancerChoice::Random => "RANDOM",
        BalancerChoice::Hash { .. } => "consistentHash",
    };
    word.to_owned()
}
