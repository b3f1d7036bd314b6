//! The hub with worlds from texts and streams that are only held.

#![allow(clippy::unwrap_used)]

use std::time::SystemTime;

use super::*;
use crate::document::decode;
use crate::world::World;
use ripstop_yaml::Source;

const NODE: &str = "sidecar~127.0.0.1~cart-1.default~default.svc.cluster.local";
const CART: &str = "spiffe://cluster.local/ns/default/sa/cart";

/// `cart` calls nobody; `shop` is called with `timeout`.
fn world(cart_port: u16, timeout: &str) -> Arc<World> {
    let workload = |service: &str, app: u16, sidecar: u16| {
        format!(
            "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {{name: {service}}}\n\
             spec: {{ports: [{{name: http, port: 80, protocol: HTTP}}]}}\n---\n\
             apiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {{name: {service}-1}}\n\
             spec: {{service: {service}, address: 127.0.0.1, ports: {{http: {{app: {app}, sidecar: {sidecar}}}}}, \
             sidecar: {{admin: {}, outbound: {}}}}}\n---\n",
            sidecar + 1000,
            sidecar + 2000
        )
    };
    let text = format!(
        "{}{}apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\n\
         spec: {{hosts: [shop], http: [{{route: [{{destination: {{host: shop}}}}], timeout: {timeout}}}]}}\n",
        workload("cart", cart_port, 15001),
        workload("shop", 8082, 15002)
    );
    let (resources, problems) = decode(&Source::new("mesh.yaml", text));
    assert!(problems.is_empty(), "{problems:?}");
    Arc::new(World::build(resources).unwrap().0)
}

struct Fixture {
    hub: Hub,
    in_force: watch::Sender<Arc<InForce>>,
}

impl Fixture {
    fn new(world: Arc<World>) -> Fixture {
        let in_force = watch::Sender::new(Arc::new(in_force(world, 1)));
        Fixture { hub: Hub::new(in_force.subscribe()), in_force }
    }

    fn apply(&self, world: Arc<World>) {
        let revision = self.in_force.borrow().revision + 1;
        self.in_force.send_replace(Arc::new(in_force(world, revision)));
        self.hub.apply(self.in_force.borrow().clone());
    }

    fn connect(&self, node: &str, peer: &str) -> Result<View, Refusal> {
        let node = Node { id: node.to_owned(), ..Node::default() };
        self.hub.connect(&node, &Peer::Proved(ripstop_model::SpiffeId::new(peer).unwrap()))
    }

    async fn until(&self, what: &str, holds: impl Fn(&HubReport) -> bool) {
        for _ in 0..1000 {
            if holds(&self.hub.report()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("never came about: {what}");
    }
}

fn in_force(world: Arc<World>, revision: u64) -> InForce {
    let since = SystemTime::UNIX_EPOCH;
    InForce { revision, world, since, begun: Instant::now(), warnings: Vec::new(), refused: Vec::new() }
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let fixture = Fixture::new(world(8081, "1s"));
    let check = |node: &str, peer: &str, part: &str| {
        let refusal = fixture.connect(node, peer).err().unwrap().to_string();
        assert!(refusal.contains(part), "{refusal}");
    };
    check("envoy-1", CART, "node id 'envoy-1' does not have the form");
    check("sidecar~1~gone.default~x", CART, "there is no workload `gone` in namespace `default`");
    check("router~1~cart-1.default~x", CART, "role `sidecar`, but the node id says `router`");
    let other = "spiffe://cluster.local/ns/default/sa/shop";
    check(
        NODE,
        other,
        "the certificate is for spiffe://cluster.local/ns/default/sa/shop, but workload `cart-1`",
    );
    let node = Node { id: NODE.to_owned(), ..Node::default() };
    let refusal = fixture.hub.connect(&node, &Peer::Unknown).err().unwrap().to_string();
    assert!(refusal.contains("shows no valid certificate"), "{refusal}");
    let report = fixture.hub.report();
    assert_eq!((report.refused, report.proxies.len()), (5, 0));
}

fn named(id: &str, metadata: &[(&str, &str)]) -> Node {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Node { id: id.to_owned(), metadata: metadata.collect(), ..Node::default() }
}

#[tokio::test]
async fn a_foreign_proxy_names_its_workload() {
    let fixture = Fixture::new(world(8081, "1s"));
    let connect = |node: &Node| fixture.hub.connect(node, &Peer::Local);
    let view = connect(&named("cart-1", &[("NAMESPACE", "default"), ("SERVICE_ACCOUNT", "cart")])).unwrap();
    assert!(!view.snapshots.borrow().source().listeners.is_empty());
    let wrong = named("cart-1", &[("NAMESPACE", "default"), ("SERVICE_ACCOUNT", "shop")]);
    let refusal = connect(&wrong).err().unwrap().to_string();
    assert!(refusal.contains("has service account `cart`"), "{refusal}");
    let refusal = connect(&named("cart-1", &[])).err().unwrap().to_string();
    assert!(refusal.contains("node.metadata.NAMESPACE"), "{refusal}");
    let other =
        Peer::Proved(ripstop_model::SpiffeId::new("spiffe://cluster.local/ns/default/sa/shop").unwrap());
    let node = named("cart-1", &[("NAMESPACE", "default")]);
    assert!(fixture.hub.connect(&node, &other).is_err(), "a certificate goes before words");
}

#[tokio::test]
async fn a_library_sees_what_it_may_dial_in_the_namespace_it_has_proved() {
    let fixture = Fixture::new(world(8081, "1s"));
    let library = |namespace: &str| Node {
        user_agent: "gRPC C-core 1.85".to_owned(),
        ..named("client", &[("NAMESPACE", namespace)])
    };
    let view = fixture.hub.connect(&library("default"), &Peer::Local).unwrap();
    let snapshot = view.snapshots.borrow().clone();
    assert!(snapshot.get(ripstop_xds::ResourceType::Listener, "cart:80").is_some());
    assert_eq!(fixture.hub.report().proxies[0].identity, None);

    let proved = Peer::Proved(ripstop_model::SpiffeId::new(CART).unwrap());
    assert!(fixture.hub.connect(&library("default"), &proved).is_ok());
    let refusal = fixture.hub.connect(&library("other"), &proved).err().unwrap().to_string();
    assert!(refusal.contains("node.metadata.NAMESPACE says `other`"), "{refusal}");
    assert!(fixture.hub.connect(&library("default"), &Peer::Unknown).is_err());
}

#[tokio::test]
async fn only_what_changes_is_pushed() {
    let fixture = Fixture::new(world(8081, "1s"));
    let mut cart = fixture.connect(NODE, CART).unwrap();
    let mut shop = fixture
        .connect("sidecar~127.0.0.1~shop-1.default~x", "spiffe://cluster.local/ns/default/sa/shop")
        .unwrap();
    let first = cart.snapshots.borrow_and_update().clone();
    shop.snapshots.borrow_and_update();

    // The application of one moves to another port, which only its own sidecar must know.
    fixture.apply(world(9999, "1s"));
    assert!(cart.snapshots.has_changed().unwrap());
    assert!(!shop.snapshots.has_changed().unwrap());
    let second = cart.snapshots.borrow_and_update().clone();
    let (before, after) = (first.source().clusters, second.source().clusters);
    let shared =
        after.iter().filter(|(name, cluster)| before.get(*name).is_some_and(|old| Arc::ptr_eq(old, cluster)));
    assert!(shared.count() > 0, "unchanged clusters are shared");

    // A route concerns both.
    fixture.apply(world(9999, "2s"));
    assert!(cart.snapshots.has_changed().unwrap() && shop.snapshots.has_changed().unwrap());
    let report = fixture.hub.report();
    let revisions: Vec<_> = report.proxies.iter().map(|p| (p.revision, p.changed_in)).collect();
    assert_eq!(revisions, [(3, 3), (3, 3)]);
    assert_eq!((report.pushes, report.unchanged, report.applied), (5, 1, 2));
}

#[tokio::test]
async fn streams_share_an_entry_that_ends_with_the_last() {
    let fixture = Fixture::new(world(8081, "1s"));
    let one = fixture.connect(NODE, CART).unwrap();
    let two = fixture.connect(NODE, CART).unwrap();
    assert!(Arc::ptr_eq(&one.snapshots.borrow(), &two.snapshots.borrow()));
    assert_eq!(fixture.hub.report().proxies[0].streams.len(), 2);
    drop(one);
    assert_eq!(fixture.hub.report().proxies[0].streams.len(), 1);
    drop(two);
    fixture.until("no proxies", |report| report.proxies.is_empty()).await;
}

#[tokio::test]
async fn streams_of_one_workload_are_limited() {
    let fixture = Fixture::new(world(8081, "1s"));
    let held: Vec<View> = (0..MAX_STREAMS_PER_PROXY).map(|_| fixture.connect(NODE, CART).unwrap()).collect();
    assert!(fixture.connect(NODE, CART).is_err());
    drop(held);
    assert!(fixture.connect(NODE, CART).is_ok());
}

#[tokio::test]
async fn a_proxy_whose_workload_changes_identity_is_disconnected() {
    let fixture = Fixture::new(world(8081, "1s"));
    let mut view = fixture.connect(NODE, CART).unwrap();
    view.snapshots.borrow_and_update();
    let domain = ripstop_model::TrustDomain::new("example.org").unwrap();
    fixture.apply(Arc::new(World::clone(&world(8081, "1s")).with_trust_domain(&domain)));
    assert!(view.snapshots.changed().await.is_err(), "the channel is closed");
    assert!(fixture.connect(NODE, CART).is_err());
}

#[tokio::test]
async fn closing_ends_all_streams() {
    let fixture = Fixture::new(world(8081, "1s"));
    let mut view = fixture.connect(NODE, CART).unwrap();
    view.snapshots.borrow_and_update();
    fixture.hub.close();
    assert!(view.snapshots.changed().await.is_err());
    assert!(fixture.connect(NODE, CART).err().unwrap().to_string().contains("ending"));
}

#[tokio::test]
async fn clients_are_seen_from_this_machine_and_by_themselves() {
    use ripstop_xds::server::ClientSource as _;

    let fixture = Fixture::new(world(8081, "1s"));
    let shop = "spiffe://cluster.local/ns/default/sa/shop";
    let mut views = Vec::new();
    for (node, identity) in [(NODE, CART), (&NODE.replace("cart", "shop"), shop)] {
        // A stream is open from its first request on.
        let view = fixture.connect(node, identity);
        views.push(view.unwrap_or_else(|refusal| panic!("{refusal}")));
    }
    let seen = |peer: &Peer| fixture.hub.clients(peer).map(|clients| clients.len());
    let proved = |id: &str| Peer::Proved(ripstop_model::SpiffeId::new(id).unwrap());
    assert_eq!(seen(&Peer::Local).unwrap(), 2);
    assert_eq!(seen(&proved(CART)).unwrap(), 1);
    assert_eq!(seen(&proved("spiffe://cluster.local/ns/other/sa/cart")).unwrap(), 0);
    assert!(seen(&Peer::Unknown).is_err());
    drop(views);
    assert_eq!(seen(&Peer::Local).unwrap(), 0);
}
