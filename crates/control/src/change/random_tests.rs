//! Random changes, one after the other: what is in force, and what each proxy is shown, is what would be if everything were
//! read, checked and translated anew.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use ripstop_model::Node;
use ripstop_xds::server::{Peer, View, ViewSource as _};

use super::*;
use crate::push::Hub;
use crate::resource::{Kind, ObjectKey};
use crate::translate::translate;
use crate::world::World;

const SEEDS: u64 = 6;
const STEPS: usize = 120;

/// What never changes: services, and rules that look at workloads and at callers in every way there is.
const BASE: &str = "\
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: a}
spec: {ports: [{name: http, port: 80}, {name: tcp, port: 90, protocol: TCP}]}
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: b}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: c, namespace: other}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vms}
spec:
  hosts: [vms.internal]
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  workloadSelector: {labels: {app: vm}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: names}
spec:
  hosts: [names.internal]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  workloadSelector: {labels: {app: named}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec:
  host: a
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 5}
    loadBalancer: {localityLbSetting: {failoverPriority: [rack]}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a-gold}
spec:
  host: a
  workloadSelector: {matchLabels: {tier: gold}}
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: b}
spec: {host: b, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
    - match: [{sourceLabels: {tier: gold}}]
      route: [{destination: {host: a, subset: v2, port: {number: 80}}}]
    - route: [{destination: {host: a, subset: v1, port: {number: 80}}, weight: 50}, {destination: {host: a, subset: gone, port: {number: 80}}, weight: 50}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: other}
spec: {egress: [{hosts: [\"./*\", \"default/a.default.svc.cluster.local\"]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict-v2}
spec: {selector: {matchLabels: {version: v2}}, mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {role: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: [\"*\"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: [\"*\"], gateways: [edge], http: [{route: [{destination: {host: b}}]}]}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: edge, labels: {role: edge}}
spec: {address: 10.9.9.9, gateway: {admin: 9901}}
";

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Fixture {
    rng: fastrand::Rng,
    changes: Changes,
    hub: Hub,
    views: Vec<View>,
    /// Changes that were made piece by piece.
    amended: usize,
    _scratch: Scratch,
}

fn base() -> source::Documents {
    source::decode(vec![Source::new("mesh.yaml", BASE)]).unwrap()
}

impl Fixture {
    fn new(seed: u64) -> Fixture {
        let name = format!("ripstop-random-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let scratch = Scratch(std::env::temp_dir().join(name));
        std::fs::create_dir(&scratch.0).unwrap();
        let store = Arc::new(Store::open(&scratch.0.join("store.redb")).unwrap());
        let start = Start::open(store, Ok(base())).unwrap();
        let pinned = Pinned::new(start.world().mesh(), None);
        let changes = Changes::new(start, pinned, Arc::default()).unwrap();
        let hub = Hub::new(changes.in_force());
        let rng = fastrand::Rng::with_seed(seed);
        Fixture { rng, changes, hub, views: Vec::new(), amended: 0, _scratch: scratch }
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.rng.usize(..words.len())]
    }

    fn workload(&mut self) -> String {
        let number = self.rng.u8(..10);
        let namespace = self.one_of(&["default", "default", "other"]);
        // Some name a service that is not there, or lack a port of it.
        let service = match namespace {
            "other" => self.one_of(&["service: c, ", "service: c, ", ""]),
            _ => self.one_of(&[
                "service: a, ",
                "service: a, ",
                "service: b, ",
                "service: b, ",
                "",
                "service: z, ",
            ]),
        };
        let mut ports = vec!["http"];
        if service == "service: a, " && self.rng.u8(..8) != 0 {
            ports.push("tcp");
        }
        let sidecar = self.rng.u8(..4) != 0;
        let ports: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(place, name)| match sidecar {
                true => format!("{name}: {{app: {}, sidecar: {}}}", 8000 + place, 15006 + place),
                false => format!("{name}: {{app: {}}}", 8000 + place),
            })
            .collect();
        let address = match self.rng.u8(..10) {
            0 => format!("127.0.0.{number}"),
            1 => "10.0.0.1".to_owned(),
            _ => format!("10.0.{}.{number}", self.rng.u8(..2)),
        };
        let labels = [
            self.one_of(&["version: v1", "version: v2", "version: v3"]),
            self.one_of(&["app: vm", "app: named", "app: none"]),
            self.one_of(&["tier: gold", "tier: iron"]),
            self.one_of(&["rack: r1", "rack: r2"]),
        ];
        let (weight, locality) = (self.rng.u8(1..4), self.one_of(&["eu/a", "eu/b", "us/c"]));
        let account = self.one_of(&["one", "two"]);
        let outbound = self.one_of(&["", ", outbound: 15001", ", outbound: 15001"]);
        let sidecar = if sidecar { format!("sidecar: {{admin: 15000{outbound}}}, ") } else { String::new() };
        format!(
            "apiVersion: ripstop.io/v1\nkind: Workload\n\
             metadata: {{name: w{number}, namespace: {namespace}, labels: {{{}}}}}\n\
             spec: {{{service}address: {address}, ports: {{{}}}, {sidecar}weight: {weight}, locality: {locality}, \
             serviceAccount: {account}}}\n",
            labels.join(", "),
            ports.join(", "),
        )
    }

    fn entry(&mut self) -> String {
        let (number, last) = (self.rng.u8(..5), self.rng.u8(..4));
        let address = self.one_of(&["vm.example.org", "10.7.0."]);
        let address = if address.ends_with('.') { format!("{address}{last}") } else { address.to_owned() };
        let app = self.one_of(&["vm", "named", "none"]);
        format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: e{number}}}\n\
             spec: {{address: {address}, labels: {{app: {app}}}, weight: {}}}\n",
            self.rng.u8(1..4)
        )
    }

    fn rule(&mut self) -> String {
        match self.rng.u8(..3) {
            0 => format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: b}}\n\
                 spec: {{hosts: [b], http: [{{timeout: {}s, route: [{{destination: {{host: {}}}}}]}}]}}\n",
                self.rng.u8(1..9),
                self.one_of(&["b", "vms.internal", "names.internal"])
            ),
            1 => format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: c, namespace: other}}\n\
                 spec: {{host: c, trafficPolicy: {{loadBalancer: {{simple: {}}}}}}}\n",
                self.one_of(&["ROUND_ROBIN", "RANDOM"])
            ),
            _ => format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default}}\n\
                 spec: {{mtls: {{mode: {}}}}}\n",
                self.one_of(&["STRICT", "PERMISSIVE", "DISABLE"])
            ),
        }
    }

    /// Makes some change, or fails to.
    fn step(&mut self) {
        let reason = Reason::new("somebody", "");
        let before = Arc::clone(&self.changes.in_force().borrow().world);
        let revision = self.changes.in_force().borrow().revision;
        if self.rng.u8(..5) == 0 {
            let kind = if self.rng.bool() { Kind::Workload } else { Kind::WorkloadEntry };
            let of_kind: Vec<ObjectId> =
                self.changes.objects().into_keys().filter(|id| id.kind == kind).collect();
            if !of_kind.is_empty() {
                let id = of_kind[self.rng.usize(..of_kind.len())].clone();
                let _ = self.changes.delete(&BTreeSet::from([id]), &reason, false);
            }
        } else {
            let count = self.rng.usize(1..4);
            let documents: Vec<String> = (0..count)
                .map(|_| match self.rng.u8(..12) {
                    0 => self.rule(),
                    1..4 => self.entry(),
                    _ => self.workload(),
                })
                .collect();
            let sources = [Source::new("shop.yaml", documents.join("---\n"))];
            let dry_run = self.rng.u8(..10) == 0;
            let _ = self.changes.apply(&sources, &reason, dry_run);
        }
        let after = Arc::clone(&self.changes.in_force().borrow().world);
        let is_new = self.changes.in_force().borrow().revision > revision;
        if is_new && !before.difference(&after).everything {
            self.amended += 1;
        }
    }

    /// Connects a proxy or a library, if it is let in.
    fn connect(&mut self) {
        let namespace = self.one_of(&["default", "other"]);
        let library = self.rng.u8(..5) == 0;
        let id = match self.rng.u8(..8) {
            0 => "edge".to_owned(),
            _ => format!("w{}", self.rng.u8(..10)),
        };
        let node = Node {
            id,
            metadata: [(Node::NAMESPACE.to_owned(), namespace.to_owned())].into(),
            user_agent: if library { "gRPC C-core".to_owned() } else { "envoy".to_owned() },
            ..Node::default()
        };
        self.views.extend(self.hub.connect(&node, &Peer::Local));
    }

    /// The world of the same documents, read and checked as a whole.
    fn anew(&self) -> (World, Vec<Problem>) {
        let source::Documents { mut resources, mut warnings, .. } = base();
        let objects = self.changes.objects();
        let mut applied: Vec<_> =
            objects.iter().filter(|(_, object)| object.version.owner == Owner::Api).collect();
        applied.sort_by_key(|(id, object)| (object.created, (*id).clone()));
        for (id, object) in applied {
            let one = compose::decode_version(id, &object.version, object.created).unwrap();
            resources.push(crate::resource::Resource::clone(&one.resource));
            warnings.extend(one.warnings.iter().cloned());
        }
        source::build(resources, warnings).unwrap()
    }

    fn check(&self, at: &str) {
        let in_force = Arc::clone(&self.changes.in_force().borrow());
        let (world, warnings) = self.anew();
        assert!(*in_force.world == world, "{at}: another world is in force");
        assert_eq!(in_force.warnings, warnings, "{at}");
        for report in self.hub.report().proxies {
            let (expected, warnings) = translate(&world, &report.proxy).unwrap();
            let shown = self.hub.shown(&report.proxy).unwrap().source();
            assert_eq!(shown, expected, "{at}: {}", report.proxy);
            assert_eq!(report.warnings, warnings, "{at}: {}", report.proxy);
        }
    }
}

#[tokio::test]
async fn piece_by_piece_comes_to_the_same_as_a_whole() {
    let (mut amended, mut shown) = (0, 0);
    for seed in 0..SEEDS {
        let mut fixture = Fixture::new(seed);
        for step in 0..STEPS {
            fixture.step();
            if step % 4 == 0 {
                fixture.connect();
            }
            // Now and then several changes are pushed as one.
            if fixture.rng.u8(..4) != 0 {
                let in_force = Arc::clone(&fixture.changes.in_force().borrow());
                fixture.hub.apply(in_force);
                fixture.check(&format!("seed {seed}, step {step}"));
                shown += fixture.hub.report().proxies.len();
            }
            let at_most = if fixture.rng.u8(..20) == 0 { 2 } else { usize::MAX };
            fixture.views.truncate(at_most);
            tokio::task::yield_now().await;
        }
        amended += fixture.amended;
    }
    assert!(amended > 100, "only {amended} changes were made piece by piece");
    assert!(shown > 1_000, "only {shown} snapshots were compared");
}

#[test]
fn an_instance_of_a_service_is_put_in_force_by_itself() {
    let fixture = Fixture::new(0);
    let apply = |text: &str| {
        let before = Arc::clone(&fixture.changes.in_force().borrow().world);
        let sources = [Source::new("shop.yaml", text)];
        let outcome = fixture.changes.apply(&sources, &Reason::new("ada", ""), false).unwrap();
        let after = Arc::clone(&fixture.changes.in_force().borrow().world);
        (outcome, before.difference(&after))
    };
    let instance = |name: &str, address: &str| {
        format!(
            "apiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {{name: {name}, labels: {{version: v1}}}}\n\
             spec: {{service: b, address: {address}, ports: {{http: {{app: 8000}}}}}}\n"
        )
    };
    // The first one takes a warning away.
    assert!(apply(&instance("b-1", "10.0.0.1")).1.everything);
    let (outcome, difference) = apply(&instance("b-2", "10.0.0.2"));
    assert_eq!((outcome.revision, outcome.changes[0].action()), (3, "created"));
    assert!(!difference.everything);
    assert_eq!(difference.workloads, BTreeSet::from([ObjectKey::new("default", "b-2")]));
    assert_eq!(difference.hosts, BTreeSet::from(["b.default.svc.cluster.local".into()]));
    let (outcome, difference) = apply(&instance("b-2", "10.0.0.3"));
    assert_eq!((outcome.changes[0].action(), difference.everything), ("updated", false));
    let (outcome, difference) = apply(&instance("b-2", "10.0.0.3"));
    assert_eq!((outcome.revision, outcome.unchanged.len(), difference), (4, 1, Default::default()));
    // Two on one port of one machine are refused, as always.
    let sources = [Source::new("shop.yaml", instance("b-2", "10.0.0.1"))];
    let refused = fixture.changes.apply(&sources, &Reason::new("ada", ""), false).unwrap_err();
    assert!(matches!(refused, Refusal::Problems(_)), "{refused}");
    let id = ObjectId { kind: Kind::Workload, key: ObjectKey::new("default", "b-2") };
    let before = Arc::clone(&fixture.changes.in_force().borrow().world);
    fixture.changes.delete(&BTreeSet::from([id.clone()]), &Reason::new("ada", ""), false).unwrap();
    let difference = before.difference(&fixture.changes.in_force().borrow().world);
    assert_eq!((difference.everything, difference.workloads.len()), (false, 1));
    assert_eq!(fixture.changes.object(&id), None);
    assert_eq!(fixture.changes.store().objects().unwrap(), fixture.changes.objects());
}
