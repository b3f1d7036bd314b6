//! The state-of-the-world dialect.

use super::*;
use crate::server::session::sotw::SotwSession;

/// A proxy that speaks the state-of-the-world dialect.
struct Sotw {
    session: SotwSession,
    last: HashMap<ResourceType, pb::DiscoveryResponse>,
}

impl Sotw {
    fn new(snapshot: Arc<EncodedSnapshot>) -> Sotw {
        Sotw { session: SotwSession::new(snapshot, Arc::default()), last: HashMap::new() }
    }

    fn send(&mut self, kind: ResourceType, list: &[&str], nonce: &str, version: &str) {
        let request = pb::DiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            resource_names: names(list),
            response_nonce: nonce.to_owned(),
            version_info: version.to_owned(),
            ..Default::default()
        };
        self.session.receive(request, SystemTime::UNIX_EPOCH).unwrap();
    }

    /// Acknowledges the last response of a type with this list.
    fn ack(&mut self, kind: ResourceType, list: &[&str]) {
        let last = self.last[&kind].clone();
        self.send(kind, list, &last.nonce, &last.version_info);
    }

    /// The responses that may go out now, as `CDS 2`: type and number of resources.
    fn got(&mut self) -> Vec<String> {
        let mut got = Vec::new();
        while let Some(response) = self.session.next() {
            let kind = ResourceType::from_type_url(&response.type_url).unwrap();
            got.push(format!("{kind} {}", response.resources.len()));
            self.last.insert(kind, response);
        }
        got
    }
}

#[test]
fn sotw_sends_clusters_whole_and_removes_them_last() {
    let mut proxy = Sotw::new(snapshot("c:a e:a l:x r:r=1"));
    // The version of another stream makes no difference.
    proxy.send(CDS, &[], "", "5");
    assert_eq!(proxy.got(), ["CDS 1"]);
    proxy.send(EDS, &["a"], "", "");
    assert_eq!(proxy.got(), ["EDS 1"]);
    proxy.ack(EDS, &["a"]);
    proxy.ack(CDS, &[]);
    proxy.send(RDS, &["r"], "", "");
    assert_eq!(proxy.got(), ["RDS 1"]);
    proxy.ack(RDS, &["r"]);
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("c:b e:a e:b l:x r:r=2"));
    assert_eq!(proxy.got(), ["CDS 2"], "old and new together");
    proxy.ack(CDS, &[]);
    assert_eq!(proxy.got(), ["RDS 1"]);
    proxy.ack(RDS, &["r"]);
    assert_eq!(proxy.got(), ["CDS 1"], "the old one goes when the routes are in force");
    proxy.ack(CDS, &[]);
    assert_eq!(proxy.got(), [""; 0]);
}

#[test]
fn sotw_holds_the_answer_for_names_that_nobody_knows() {
    let mut proxy = Sotw::new(snapshot("e:a"));
    proxy.send(EDS, &["b"], "", "");
    proxy.send(LDS, &["echo.mesh"], "", "");
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("e:a e:b"));
    assert_eq!(proxy.got(), ["EDS 1"]);
    proxy.ack(EDS, &["b"]);
    // More names: only what is new is sent.
    proxy.ack(EDS, &["a", "b"]);
    assert_eq!(proxy.got(), ["EDS 1"]);
    // A name that went away and comes back is sent again.
    proxy.ack(EDS, &["a"]);
    proxy.ack(EDS, &["a", "b"]);
    assert_eq!(proxy.got(), ["EDS 1"]);
}

#[test]
fn sotw_tells_who_comes_back_of_routes_before_clusters_that_are_gone() {
    let mut proxy = Sotw::new(snapshot("c:a e:a l:x r:r=1"));
    proxy.send(CDS, &["a", "gone"], "", "7");
    assert_eq!(proxy.got(), [""; 0]);
    proxy.send(EDS, &["a", "gone"], "", "7");
    proxy.send(LDS, &["x"], "", "7");
    assert_eq!(proxy.got(), ["EDS 1", "LDS 1"], "what is not there is not told before its routes are gone");
    proxy.ack(EDS, &["a", "gone"]);
    proxy.ack(LDS, &["x"]);
    proxy.send(RDS, &["r"], "", "7");
    assert_eq!(proxy.got(), ["RDS 1"]);
    assert!(proxy.session.waits_for_routes());
    proxy.ack(RDS, &["r"]);
    assert!(!proxy.session.waits_for_routes());
    assert_eq!(proxy.got(), ["CDS 1"]);
    proxy.ack(CDS, &["a"]);
    proxy.session.push(snapshot("c:a=1 e:a l:x r:r=2"));
    assert_eq!(proxy.got(), ["CDS 1"], "from then on the order is as ever");
}

#[test]
fn sotw_does_not_wait_for_routes_without_need() {
    // Nothing is missing; it has no routes to take back; it asks for everything; it has waited long enough.
    for (list, version) in [(&["a"][..], "7"), (&["a", "gone"], ""), (&["*", "gone"], "7"), (&[], "7")] {
        let mut proxy = Sotw::new(snapshot("c:a r:r"));
        proxy.send(CDS, list, "", version);
        assert_eq!(proxy.got(), ["CDS 1"], "{list:?} {version:?}");
    }
    let mut proxy = Sotw::new(snapshot("c:a r:r"));
    proxy.send(CDS, &["a", "gone"], "", "7");
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.wait_no_longer();
    assert_eq!(proxy.got(), ["CDS 1"]);
}

#[test]
fn sotw_keeps_a_cluster_for_as_long_as_it_is_asked_for_by_name() {
    let mut proxy = Sotw::new(snapshot("c:a c:b r:r=1"));
    proxy.send(CDS, &["a", "b"], "", "");
    proxy.send(RDS, &["r"], "", "");
    assert_eq!(proxy.got(), ["CDS 2"]);
    proxy.ack(CDS, &["a", "b"]);
    assert_eq!(proxy.got(), ["RDS 1"]);
    proxy.ack(RDS, &["r"]);
    proxy.session.push(snapshot("c:a c:c r:r=2"));
    assert_eq!(proxy.got(), ["RDS 1"]);
    proxy.ack(RDS, &["r"]);
    assert_eq!(proxy.got(), [""; 0]);
    // It takes the routes when it has their clusters, and lets go of the old one after that.
    proxy.ack(CDS, &["a", "b", "c"]);
    assert_eq!(proxy.got(), ["CDS 3"]);
    proxy.ack(CDS, &["a", "c"]);
    assert_eq!(proxy.got(), [""; 0]);
}

#[test]
fn sotw_answers_the_empty_wildcard_and_ignores_stale_requests() {
    let mut proxy = Sotw::new(snapshot(""));
    proxy.send(LDS, &[], "", "");
    assert_eq!(proxy.got(), ["LDS 0"]);
    proxy.send(LDS, &["x"], "999", "");
    proxy.session.push(snapshot("l:x l:y"));
    assert_eq!(proxy.got(), [""; 0], "the first response has not been answered");
    proxy.ack(LDS, &[]);
    assert_eq!(proxy.got(), ["LDS 2"]);
    // Names end the wildcard.
    proxy.ack(LDS, &["x"]);
    proxy.session.push(snapshot("l:x l:y=1"));
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("l:x=1 l:y=1"));
    assert_eq!(proxy.got(), ["LDS 1"]);
    proxy.ack(LDS, &["*", "x"]);
    assert_eq!(proxy.got(), ["LDS 2"]);
}

#[test]
fn sotw_does_not_repeat_what_was_refused() {
    let mut proxy = Sotw::new(snapshot("l:x"));
    proxy.send(LDS, &[], "", "");
    assert_eq!(proxy.got(), ["LDS 1"]);
    let request = pb::DiscoveryRequest {
        type_url: LDS.type_url().to_owned(),
        response_nonce: proxy.last[&LDS].nonce.clone(),
        error_detail: Some(pb::Status { message: "bad".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    proxy.session.receive(request, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(proxy.got(), [""; 0]);
    proxy.session.push(snapshot("l:x=1"));
    assert_eq!(proxy.got(), ["LDS 1"]);
}
