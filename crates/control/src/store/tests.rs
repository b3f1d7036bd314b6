//! What the store keeps, and what it forgets.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use ripstop_yaml::Source;

use super::*;
use crate::resource::{Kind, ObjectKey};
use crate::role::Role;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!(
            "ripstop-store-{}-{:08x}",
            std::process::id(),
            fastrand::u32(..)
        ));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0.join("store.redb")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::VirtualService, key: ObjectKey::new("default", name) }
}

fn version(text: &str) -> Version {
    Version { owner: Owner::Api, file: "a.yaml".into(), line: 3, text: text.into() }
}

fn revision(number: u64, before: Option<Version>, after: Option<Version>) -> Revision {
    Revision {
        number,
        at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        author: "ada".to_owned(),
        message: "why not".to_owned(),
        changes: vec![Change { id: id("a"), before, after }],
    }
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let scratch = Scratch::new();
    let first = revision(1, None, Some(version("one\n")));
    let second = revision(2, Some(version("one\n")), Some(version("two\n")));
    let object = |text, revision| Object { version: version(text), created: 1, revision };
    {
        let store = scratch.open();
        assert_eq!((store.newest().unwrap(), store.objects().unwrap().len()), (0, 0));
        store.commit(&first, &[(&id("a"), Some(&object("one\n", 1)))]).unwrap();
        store.commit(&second, &[(&id("a"), Some(&object("two\n", 2)))]).unwrap();
    }
    let store = scratch.open();
    assert_eq!(store.newest().unwrap(), 2);
    assert_eq!(store.objects().unwrap().get(&id("a")), Some(&object("two\n", 2)));
    assert_eq!(store.revision(1).unwrap(), Some(first.clone()));
    assert_eq!(store.revision(3).unwrap(), None);
    assert_eq!(store.revisions(u64::MAX, 10, |_| true).unwrap(), [second.clone(), first.clone()]);
    assert_eq!(store.revisions(2, 10, |_| true).unwrap(), [first]);
    assert_eq!(store.revisions(u64::MAX, 1, |one| one.number == 2).unwrap(), std::slice::from_ref(&second));
    assert_eq!(second.changes[0].action(), "updated");
    store.commit(&revision(3, Some(version("two\n")), None), &[(&id("a"), None)]).unwrap();
    assert!(store.objects().unwrap().is_empty());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(scratch.0.join("store.redb")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_store_of_another_format_is_left_alone() {
    let scratch = Scratch::new();
    drop(scratch.open());
    {
        let database = redb::Database::create(scratch.0.join("store.redb")).unwrap();
        let write = database.begin_write().unwrap();
        let numbers: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("numbers");
        write.open_table(numbers).unwrap().insert("format", 2).unwrap();
        write.commit().unwrap();
    }
    let error = Store::open(&scratch.0.join("store.redb")).unwrap_err().to_string();
    assert!(error.contains("has format 2"), "{error}");
    std::fs::write(scratch.0.join("none.redb"), "this is no store").unwrap();
    let error = Store::open(&scratch.0.join("none.redb")).unwrap_err().to_string();
    assert!(error.contains("cannot be used") && error.contains("move the file away"), "{error}");
}

#[test]
fn tokens_are_kept_as_digests_until_they_are_deleted() {
    let scratch = Scratch::new();
    let token = StoredToken {
        selector: "0011223344556677".to_owned(),
        name: "ci".to_owned(),
        role: Role::Write,
        sha256: "ab".to_owned(),
        created: UNIX_EPOCH + Duration::from_secs(5),
        expires: None,
    };
    scratch.open().add_token(&token).unwrap();
    let store = scratch.open();
    assert_eq!(store.tokens().unwrap(), std::slice::from_ref(&token));
    assert!(store.remove_token(&token.selector).unwrap());
    assert!(!store.remove_token(&token.selector).unwrap());
    assert!(store.tokens().unwrap().is_empty());
}

#[test]
fn texts_are_split_where_their_documents_end() {
    let check = |text: &str, expected: &[(u32, &str)]| {
        let found = split(&Source::new("x", text)).unwrap();
        let found: Vec<(u32, &str)> = found.iter().map(|one| (one.line, one.text.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    };
    check("", &[]);
    check("# nothing\n", &[]);
    check("a: 1\n", &[(1, "a: 1\n")]);
    check(
        "---\na: 1\n---\n\n# of b\nb: 2 # two\n# end of b\n---\nc: 3",
        &[(2, "a: 1\n"), (5, "# of b\nb: 2 # two\n# end of b\n"), (9, "c: 3\n")],
    );
    check(
        "a: |\n  text\n  --- no marker\n---\n{b: 2}\n...\n",
        &[(1, "a: |\n  text\n  --- no marker\n"), (5, "{b: 2}\n")],
    );
    check("--- {a: 1}\n--- {b: 2}\n", &[(1, " {a: 1}\n"), (2, " {b: 2}\n")]);
    check("a: 1\r\n---\r\nb: 2\r\n", &[(1, "a: 1\n"), (3, "b: 2\n")]);
    // Each part reads as it did in the whole.
    for document in split(&Source::new("x", "a: 1\n---\nb: [1,\n  2]\n---\nc: {d: e}\n")).unwrap() {
        let part = Source::new("x", document.text.as_str()).starting_at_line(document.line);
        assert_eq!(ripstop_yaml::parse(&part).unwrap().len(), 1);
    }
}

#[test]
fn differences_are_shown_as_diff_shows_them() {
    assert_eq!(unified("x", "a\n", "a\n"), "");
    assert_eq!(unified("x", "", "a\nb\n"), "--- /dev/null\n+++ x\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_eq!(unified("x", "a\n", ""), "--- x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n");
    let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
    let new = old.replace("\n5\n", "\nfive\n").replace("\n18\n", "\n");
    assert_eq!(
        unified("x", &old, &new),
        "--- x\n+++ x\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n"
    );
}

#[test]
fn the_oldest_revisions_are_forgotten_first() {
    let scratch = Scratch::new();
    let store = scratch.open();
    // Three of these are more than may be kept.
    let large = "x".repeat(usize::try_from(database::MAX_HISTORY_BYTES / 3).unwrap());
    for number in 1..=4 {
        store.commit(&revision(number, None, Some(version(&large))), &[]).unwrap();
    }
    let kept: Vec<u64> =
        store.revisions(u64::MAX, 10, |_| true).unwrap().iter().map(|one| one.number).collect();
    assert_eq!(kept, [4, 3]);
    assert_eq!(store.newest().unwrap(), 4);
}
