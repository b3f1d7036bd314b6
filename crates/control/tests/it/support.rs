//! Making worlds from text.

use std::path::PathBuf;

use ripstop_control::document::decode;
use ripstop_control::translate::{ProxyRef, translate};
use ripstop_control::world::World;
use ripstop_model::Snapshot;
use ripstop_yaml::{Problem, Severity, Source};

/// Root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Documents into a world, as the files of a mesh are loaded.
pub fn build(text: &str) -> Result<(World, Vec<Problem>), Vec<Problem>> {
    let (resources, problems) = decode(&Source::new("in.yaml", text));
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return Err(problems);
    }
    World::build(resources).map(|(world, more)| (world, problems.into_iter().chain(more).collect()))
}

/// A world that must be good; warnings are not looked at.
pub fn world(text: &str) -> World {
    build(text).unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n"))).0
}

/// What the proxy of a workload in the namespace `default` runs on; it must be whole.
pub fn snapshot(world: &World, workload: &str) -> Snapshot {
    let (snapshot, _) = translate(world, &ProxyRef::new("default", workload)).unwrap();
    assert_eq!(snapshot.dangling(), Vec::<String>::new());
    snapshot
}

/// Problems as they are shown, with the severity in front.
pub fn lines(problems: &[Problem]) -> Vec<String> {
    let severity = |problem: &Problem| match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    problems.iter().map(|problem| format!("{}: {problem}", severity(problem))).collect()
}

/// A service of one HTTP port 80 with one workload `NAME-1` on the given ports, labelled `version: v1`.
pub fn service(name: &str, app: u16) -> String {
    format!(
        "
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {{name: {name}-1, labels: {{app: {name}, version: v1}}}}
spec:
  service: {name}
  address: 127.0.0.1
  ports: {{http: {{app: {app}, sidecar: {sidecar}}}}}
  sidecar: {{admin: {admin}, outbound: {outbound}}}
",
        sidecar = app + 1,
        admin = app + 2,
        outbound = app + 3,
    )
}
