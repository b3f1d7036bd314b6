//! What goes out when, while snapshots come faster than answers.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn a_snapshot_is_answered_when_everything_that_follows_from_it_is() {
    let mut proxy = Delta::new(snapshot("c:a e:a l:x r:r"));
    let answered = |proxy: &Delta| proxy.session.answered().map(|(_, refused)| refused);
    proxy.subscribe(CDS, &[]);
    proxy.got();
    assert_eq!(answered(&proxy), None, "the clusters are under way");
    proxy.ack(CDS);
    proxy.got();
    assert_eq!(answered(&proxy), None, "it has not asked for the endpoints of a cluster that it has");
    proxy.subscribe(EDS, &["a"]);
    proxy.all();
    proxy.subscribe(LDS, &[]);
    proxy.subscribe(RDS, &["r"]);
    proxy.all();
    assert_eq!(answered(&proxy), Some(false));

    let next = snapshot("c:a e:a=1 l:x r:r=1");
    proxy.session.push(Arc::clone(&next));
    proxy.got();
    proxy.ack(EDS);
    assert_eq!(answered(&proxy), None, "the routes are not yet sent");
    proxy.got();
    proxy.nack(RDS, "no");
    proxy.got();
    let (snapshot, refused) = proxy.session.answered().unwrap();
    assert!(refused && Arc::ptr_eq(snapshot, &next));
}

#[test]
fn endpoints_that_always_change_do_not_starve_routes() {
    let mut proxy = Delta::running("c:a e:a r:r=1");
    let mut routes = 0;
    for round in 1..40 {
        proxy.session.push(snapshot(&format!("c:a e:a={round} r:r=2")));
        let got = proxy.got();
        routes += usize::from(got.contains(&"RDS +r".to_owned()));
        // The next change comes before the answer to this one, every time.
        proxy.session.push(snapshot(&format!("c:a e:a={} r:r=2", round + 100)));
        proxy.ack(EDS);
    }
    assert_eq!(routes, 1);
}

#[test]
fn routes_never_go_out_before_the_clusters_of_their_snapshot() {
    let mut proxy = Delta::running("c:c0 e:c0 r:r=0");
    let words = |round: u32| format!("c:c{round} e:c{round} r:r={round}");
    let rounds: BTreeMap<String, u32> =
        (0..200).map(|round| (snapshot(&words(round)).get(RDS, "r").unwrap().version(), round)).collect();
    let mut has = BTreeSet::from(["c0".to_owned()]);
    let mut routes = BTreeSet::new();
    for round in 1..100 {
        proxy.session.push(snapshot(&words(2 * round - 1)));
        let (mut coming, mut sent) = (Vec::new(), Vec::new());
        while let Some(response) = proxy.session.next() {
            let kind = ResourceType::from_type_url(&response.type_url).unwrap();
            proxy.nonces.insert(kind, response.nonce);
            sent.push(kind);
            if kind == CDS {
                for name in &response.removed_resources {
                    has.remove(name);
                }
                coming.extend(response.resources.iter().map(|resource| resource.name.clone()));
                let names: Vec<&str> = coming.iter().map(String::as_str).collect();
                proxy.subscribe(EDS, &names);
            } else if kind == RDS {
                let of = rounds[&response.resources[0].version];
                assert!(has.contains(&format!("c{of}")), "routes of {of} go out, and the proxy has {has:?}");
                routes.insert(of);
            }
        }
        // The next change comes before the answers, every time.
        proxy.session.push(snapshot(&words(2 * round)));
        sent.into_iter().for_each(|kind| proxy.ack(kind));
        has.extend(coming);
    }
    assert!(routes.len() > 5, "{routes:?}");
}
