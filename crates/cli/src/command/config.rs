//! `ripstop config`: what a proxy is told, piece by piece.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::api::{self, ApiArgs, encoded};
use crate::failure::Failure;
use crate::output::{Output, Table, cell, items};
use crate::terminal::Terminal;

/// Show what a proxy is told
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// WORKLOAD or WORKLOAD.NAMESPACE
    #[arg(value_name = "PROXY")]
    proxy: String,
    /// Which part; `all` is Envoy's whole /config_dump, as YAML or JSON
    #[arg(value_enum, default_value_t, value_name = "PART")]
    part: Part,
    /// Only those with this in their name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    api: ApiArgs,
}

/// A part of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Part {
    Listeners,
    Routes,
    Clusters,
    Endpoints,
    Secrets,
    #[default]
    All,
}

/// Shows.
///
/// # Errors
/// The control plane does not answer, or there is no such proxy.
pub fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let (workload, namespace) = args.proxy.rsplit_once('.').unwrap_or((&args.proxy, "default"));
    let path = format!("/api/v1/proxies/{}/{}/config", encoded(namespace), encoded(workload));
    let client = args.api.client()?;
    let dump = api::run(client.get(&path))?;
    let terminal = Terminal::stdout();
    if args.part == Part::All {
        let output = if args.output == Output::Table { Output::Yaml } else { args.output };
        output.show(&terminal, &dump);
        return Ok(());
    }
    let mut found = resources(&dump, args.part);
    if let Some(part) = &args.name {
        found.retain(|resource| name(resource).contains(part.as_str()));
    }
    if args.output.show(&terminal, &Value::Array(found.clone())) {
        return Ok(());
    }
    let table = table(&found, args.part);
    let none = match args.part {
        Part::Secrets => "none: proxies of the mesh make their own keys and get certificates for them",
        _ => "none",
    };
    terminal.line(&if table.is_empty() { none.to_owned() } else { table.render(&terminal) });
    Ok(())
}

/// The resources of a part, without what is around them.
fn resources(dump: &Value, part: Part) -> Vec<Value> {
    let (list, inner): (&str, &[&str]) = match part {
        Part::Listeners => ("dynamic_listeners", &["active_state", "listener"]),
        Part::Routes => ("dynamic_route_configs", &["route_config"]),
        Part::Clusters => ("dynamic_active_clusters", &["cluster"]),
        Part::Endpoints => ("dynamic_endpoint_configs", &["endpoint_config"]),
        Part::Secrets => ("dynamic_active_secrets", &["secret"]),
        Part::All => return Vec::new(),
    };
    let lists = items(&dump["configs"]).iter().flat_map(|config| items(&config[list]));
    lists.map(|one| inner.iter().fold(one, |value, key| &value[*key]).clone()).collect()
}

fn name(resource: &Value) -> String {
    match &resource["name"] {
        Value::Null => cell(&resource["cluster_name"]),
        name => cell(name),
    }
}

fn table(found: &[Value], part: Part) -> Table {
    match part {
        Part::Listeners => {
            let mut table = Table::new(&["LISTENER", "ADDRESS", "CHAINS", "ROUTES"]);
            for one in found {
                let chains = items(&one["filter_chains"]);
                let names: Vec<String> = chains.iter().map(|chain| cell(&chain["name"])).collect();
                let routes: Vec<String> = chains.iter().flat_map(routes_of).collect();
                let routes = routes.first().cloned().unwrap_or_else(|| "-".to_owned());
                table.row([name(one), address(&one["address"]), names.join(", "), routes]);
            }
            table
        }
        Part::Routes => {
            let mut table = Table::new(&["ROUTES", "VIRTUAL HOST", "DOMAINS", "MATCH", "TO"]);
            for one in found {
                for host in items(&one["virtual_hosts"]) {
                    let domains: Vec<String> = items(&host["domains"]).iter().take(2).map(cell).collect();
                    for route in items(&host["routes"]) {
                        table.row([
                            name(one),
                            cell(&host["name"]),
                            domains.join(", "),
                            matched(&route["match"]),
                            target(route),
                        ]);
                    }
                }
            }
            table
        }
        Part::Clusters => {
            let mut table = Table::new(&["CLUSTER", "TYPE", "BALANCER", "TLS"]);
            for one in found {
                let tls = if one["transport_socket"].is_null() { "-" } else { "mutual TLS" };
                let policy = match &one["lb_policy"] {
                    Value::Null => "ROUND_ROBIN".to_owned(),
                    policy => cell(policy),
                };
                let kind = if one["type"].is_null() { "STATIC".to_owned() } else { cell(&one["type"]) };
                table.row([name(one), kind, policy, tls.to_owned()]);
            }
            table
        }
        Part::Endpoints | Part::Secrets | Part::All => {
            let mut table = Table::new(&["CLUSTER", "ENDPOINT", "HEALTH", "WEIGHT", "PRIORITY"]);
            for one in found {
                for locality in items(&one["endpoints"]) {
                    for endpoint in items(&locality["lb_endpoints"]) {
                        let weight = &endpoint["load_balancing_weight"];
                        let health = &endpoint["health_status"];
                        table.row([
                            name(one),
                            address(&endpoint["endpoint"]["address"]),
                            if health.is_null() { "UNKNOWN".to_owned() } else { cell(health) },
                            if weight.is_null() { "1".to_owned() } else { cell(weight) },
                            if locality["priority"].is_null() {
                                "0".to_owned()
                            } else {
                                cell(&locality["priority"])
                            },
                        ]);
                    }
                }
            }
            table
        }
    }
}

fn routes_of(chain: &Value) -> Vec<String> {
    let filters = items(&chain["filters"]).iter();
    let name = |filter: &Value| {
        let config = &filter["typed_config"];
        let rds = &config["rds"]["route_config_name"];
        match (rds, &config["cluster"], &config["route_config"]["name"]) {
            (Value::String(name), ..) => Some(name.clone()),
            (_, Value::String(cluster), _) => Some(format!("to {cluster}")),
            (_, _, Value::String(inline)) => Some(format!("{inline} (inline)")),
            _ => None,
        }
    };
    filters.filter_map(name).collect()
}

fn address(value: &Value) -> String {
    let socket = &value["socket_address"];
    match &socket["address"] {
        Value::String(address) => format!("{address}:{}", socket["port_value"]),
        _ => cell(&value["pipe"]["path"]),
    }
}

fn matched(value: &Value) -> String {
    let path = ["prefix", "path", "path_separated_prefix"].iter().find_map(|key| {
        value[*key].as_str().map(|text| if *key == "path" { format!("= {text}") } else { format!("{text}*") })
    });
    let regex = || value["safe_regex"]["regex"].as_str().map(|regex| format!("~ {regex}"));
    let path = path.or_else(regex).unwrap_or_else(|| "-".to_owned());
    let conditions = items(&value["headers"]).len() + items(&value["query_parameters"]).len();
    if conditions == 0 { path } else { format!("{path} and {conditions} conditions") }
}

fn target(route: &Value) -> String {
    let forward = &route["route"];
    if let Some(cluster) = forward["cluster"].as_str() {
        return cluster.to_owned();
    }
    let shares = items(&forward["weighted_clusters"]["clusters"]);
    if !shares.is_empty() {
        let share = |one: &Value| format!("{} {}", cell(&one["weight"]), cell(&one["name"]));
        return shares.iter().map(share).collect::<Vec<_>>().join(", ");
    }
    match (&route["direct_response"], &route["redirect"]) {
        (Value::Null, Value::Null) => "-".to_owned(),
        (Value::Null, _) => "redirect".to_owned(),
        (direct, _) => format!("answers {}", direct["status"]),
    }
}
