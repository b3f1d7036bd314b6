//! Files and API against each other, with a store on disk and no sockets.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;
use crate::resource::{Kind, ObjectKey};

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Fixture {
    scratch: Scratch,
    changes: Option<Changes>,
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n"
    )
}

fn route(name: &str, host: &str, timeout: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec:\n  hosts: [{host}]\n  http:\n  - route: [{{destination: {{host: {host}}}}}]\n    timeout: {timeout}\n"
    )
}

fn id(kind: Kind, name: &str) -> ObjectId {
    ObjectId { kind, key: ObjectKey::new("default", name) }
}

fn documents(text: &str) -> Result<source::Documents, Vec<Problem>> {
    source::decode(vec![Source::new("mesh.yaml", text)])
}

impl Fixture {
    fn start(files: &str) -> Fixture {
        let name = format!("ripstop-change-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let scratch = Scratch(std::env::temp_dir().join(name));
        std::fs::create_dir(&scratch.0).unwrap();
        let mut fixture = Fixture { scratch, changes: None };
        fixture.restart(files).unwrap();
        fixture
    }

    fn restart(&mut self, files: &str) -> Result<(), Refusal> {
        self.changes = None;
        let store = Arc::new(Store::open(&self.scratch.0.join("store.redb")).unwrap());
        let start = Start::open(store, documents(files))?;
        let pinned = Pinned::new(start.world().mesh(), None);
        self.changes = Some(Changes::new(start, pinned, Arc::default()).unwrap());
        Ok(())
    }

    fn changes(&self) -> &Changes {
        self.changes.as_ref().unwrap()
    }

    fn apply(&self, text: &str) -> Result<Outcome, Refusal> {
        let sources = [Source::new("shop.yaml", text)];
        self.changes().apply(&sources, &Reason::new("ada", "because"), false)
    }

    fn revision(&self) -> u64 {
        self.changes().in_force.borrow().revision
    }

    fn timeout_of(&self, name: &str) -> Option<u64> {
        let in_force = Arc::clone(&self.changes().in_force.borrow());
        let found = in_force.world.virtual_services().iter().find(|vs| &**vs.meta.name() == name)?;
        Some(found.http[0].timeout?.as_secs())
    }
}

#[test]
fn a_change_is_a_revision_and_survives_a_restart() {
    let mut fixture = Fixture::start(&service("shop"));
    assert_eq!(fixture.revision(), 1);
    let made = fixture.apply(&route("shop", "shop", "1s")).unwrap();
    assert_eq!((made.revision, made.changes.len(), made.changes[0].action()), (2, 1, "created"));
    let again = fixture.apply(&route("shop", "shop", "1s")).unwrap();
    assert_eq!((again.revision, again.changes.len()), (2, 0));
    assert_eq!(again.unchanged, [id(Kind::VirtualService, "shop")]);
    let updated = fixture.apply(&route("shop", "shop", "2s")).unwrap();
    assert_eq!((updated.revision, updated.changes[0].action()), (3, "updated"));
    assert!(
        updated.changes[0].diff().contains("-    timeout: 1s\n+    timeout: 2s\n"),
        "{}",
        updated.changes[0].diff()
    );

    fixture.restart(&service("shop")).unwrap();
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (3, Some(2)));
    let history = fixture.changes().store().revisions(u64::MAX, 10, |_| true).unwrap();
    let told: Vec<_> =
        history.iter().map(|one| (one.number, one.author.as_str(), one.message.as_str())).collect();
    assert_eq!(told, [(3, "ada", "because"), (2, "ada", "because"), (1, "files", "first start")]);

    let gone = fixture.changes().delete(
        &BTreeSet::from([id(Kind::VirtualService, "shop")]),
        &Reason::new("", ""),
        false,
    );
    assert_eq!((gone.unwrap().revision, fixture.timeout_of("shop")), (4, None));
}

#[test]
fn what_is_only_tried_changes_nothing() {
    let fixture = Fixture::start(&service("shop"));
    let sources = [Source::new("a.yaml", route("shop", "shop", "1s"))];
    let tried = fixture.changes().apply(&sources, &Reason::new("", ""), true).unwrap();
    assert_eq!((tried.revision, tried.changes.len()), (2, 1));
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (1, None));
    assert_eq!(fixture.changes().store().newest().unwrap(), 1);
}

#[test]
fn every_error_is_told_with_its_line_and_nothing_is_changed() {
    let fixture = Fixture::start(&service("shop"));
    let text =
        format!("{}---\n{}", route("a", "shop", "soon"), route("b", "shop", "1s").replace("hosts", "host"));
    let refused = fixture.apply(&text).unwrap_err();
    let Refusal::Problems(problems) = &refused else { panic!("{refused:?}") };
    let lines: Vec<(u32, &str)> = problems.iter().map(|one| (one.line, one.path.as_str())).collect();
    assert!(lines.contains(&(8, "spec.http[0].timeout")), "{problems:?}");
    assert!(lines.iter().any(|(line, path)| *line == 14 && path.starts_with("spec.host")), "{problems:?}");
    assert_eq!(fixture.revision(), 1);

    let twice = format!("{}---\n{}", route("a", "shop", "1s"), route("a", "shop", "2s"));
    let refused = fixture.apply(&twice).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Problems(problems) if problems[0].message.contains("twice")),
        "{refused:?}"
    );
    assert!(matches!(fixture.apply("# nothing\n").unwrap_err(), Refusal::Empty));
    // What goes together with nothing is refused as a whole, too: a second Mesh of another name.
    let two = "apiVersion: ripstop.io/v1\nkind: Mesh\nmetadata: {name: NAME}\nspec: {}\n";
    fixture.apply(&two.replace("NAME", "a")).unwrap();
    assert!(matches!(fixture.apply(&two.replace("NAME", "b")).unwrap_err(), Refusal::Problems(_)));
}

#[test]
fn what_a_file_has_only_the_file_changes() {
    let mut fixture = Fixture::start(&format!("{}---\n{}", service("shop"), route("shop", "shop", "1s")));
    let refused = fixture.apply(&route("shop", "shop", "2s")).unwrap_err();
    assert_eq!(refused.to_string(), "VirtualService default/shop belongs to mesh.yaml:6");
    let ids = BTreeSet::from([id(Kind::VirtualService, "shop")]);
    let refused = fixture.changes().delete(&ids, &Reason::new("", ""), false).unwrap_err();
    assert!(matches!(refused, Refusal::OfFiles(_)), "{refused:?}");

    // Out of the file, into the API, and back into the file, which takes it over.
    fixture.changes().files_changed(documents(&service("shop")));
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (2, None));
    fixture.apply(&route("shop", "shop", "2s")).unwrap();
    fixture.changes().files_changed(documents(&format!(
        "{}---\n{}",
        service("shop"),
        route("shop", "shop", "3s")
    )));
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (4, Some(3)));
    let object = fixture.changes().object(&id(Kind::VirtualService, "shop")).unwrap();
    assert_eq!((object.version.owner, object.revision, object.created), (Owner::Files, 4, 3));
    fixture.changes().files_changed(documents(&service("shop")));
    assert_eq!(fixture.timeout_of("shop"), None, "what was applied once does not come back");
    fixture.restart(&service("shop")).unwrap();
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (5, None));
}

#[test]
fn a_bad_edit_changes_nothing_even_over_a_restart() {
    let mut fixture = Fixture::start(&format!("{}---\n{}", service("shop"), route("shop", "shop", "1s")));
    let bad = "kind: VirtualService\n";
    fixture.changes().files_changed(documents(bad));
    let in_force = Arc::clone(&fixture.changes().in_force.borrow());
    assert_eq!((in_force.revision, in_force.refused.is_empty()), (1, false));
    fixture.apply(&service("cart")).unwrap();
    assert_eq!((fixture.revision(), fixture.timeout_of("shop")), (2, Some(1)));

    fixture.restart(bad).unwrap();
    let in_force = Arc::clone(&fixture.changes().in_force.borrow());
    assert_eq!((in_force.revision, in_force.refused.is_empty()), (2, false));
    assert_eq!(fixture.timeout_of("shop"), Some(1));
    let vs = in_force.world.virtual_services()[0].clone();
    assert_eq!(vs.meta.origin.place(), "mesh.yaml:6");
    fixture.changes().files_changed(documents(&service("shop")));
    let in_force = Arc::clone(&fixture.changes().in_force.borrow());
    assert_eq!((in_force.revision, in_force.refused.len(), fixture.timeout_of("shop")), (3, 0, None));
}

#[test]
fn a_document_that_moves_is_no_revision() {
    let fixture = Fixture::start(&service("shop"));
    fixture.changes().files_changed(documents(&format!("# a comment\n---\n{}", service("shop"))));
    assert_eq!(fixture.revision(), 1);
    let object = fixture.changes().object(&id(Kind::Service, "shop")).unwrap();
    assert_eq!((object.version.line, object.revision), (3, 1));
    assert_eq!(fixture.changes().store().objects().unwrap()[&id(Kind::Service, "shop")], object);
}

#[test]
fn a_rollback_is_a_revision_that_says_what_an_old_one_said() {
    let fixture = Fixture::start(&service("shop"));
    fixture.apply(&route("shop", "shop", "1s")).unwrap();
    fixture.apply(&route("shop", "shop", "2s")).unwrap();
    fixture.apply(&service("cart")).unwrap();
    let reason = Reason::new("ada", "back");
    let tried = fixture.changes().rollback(2, &reason, true).unwrap();
    assert_eq!((tried.changes.len(), fixture.revision()), (2, 4));
    let back = fixture.changes().rollback(2, &reason, false).unwrap();
    let actions: Vec<_> = back.changes.iter().map(|one| (one.id.to_string(), one.action())).collect();
    assert_eq!(
        actions,
        [
            ("Service default/cart".to_owned(), "deleted"),
            ("VirtualService default/shop".to_owned(), "updated"),
        ]
    );
    assert_eq!((back.revision, fixture.timeout_of("shop")), (5, Some(1)));
    let forth = fixture.changes().rollback(4, &reason, false).unwrap();
    assert_eq!((forth.revision, fixture.timeout_of("shop")), (6, Some(2)));
    assert!(fixture.changes().rollback(6, &reason, false).unwrap().changes.is_empty());
    for wrong in [0, 7] {
        let refused = fixture.changes().rollback(wrong, &reason, false).unwrap_err();
        assert!(matches!(refused, Refusal::NoRevision { oldest: 1, newest: 6, .. }), "{refused:?}");
    }
    // Files are not changed by anybody but their author.
    fixture.changes().files_changed(documents(&service("store")));
    let refused = fixture.changes().rollback(6, &reason, false).unwrap_err();
    assert!(matches!(refused, Refusal::OfFiles(_) | Refusal::Problems(_)), "{refused:?}");
}
