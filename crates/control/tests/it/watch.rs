//! Edits of files that are followed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ripstop_control::source::{State, load, watch};
use tokio::sync::watch::{Receiver, channel};

use crate::support::{lines, service};

const DEADLINE: Duration = Duration::from_secs(20);

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("ripstop-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn until(states: &mut Receiver<Arc<State>>, what: &str, holds: impl Fn(&State) -> bool) -> Arc<State> {
    let found = tokio::time::timeout(DEADLINE, states.wait_for(|state| holds(state))).await;
    Arc::clone(&found.unwrap_or_else(|_| panic!("{what}")).unwrap())
}

/// As editors save: a new file beside the old one, then in its place.
fn save(path: &Path, text: &str) {
    let beside = path.with_extension("swp");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

async fn edits_are_followed(name: &str, watched: impl Fn(&Path) -> PathBuf) {
    let directory = Directory::new(name);
    let file = directory.0.join("mesh.yaml");
    fs::write(&file, service("web", 8000)).unwrap();
    let paths = vec![watched(&directory.0)];
    let (world, warnings) = load(&paths).unwrap();
    let (sink, mut states) = channel(Arc::new(State::new(world, warnings)));
    let guard = watch(paths, sink).unwrap();
    let first = states.borrow().world.clone();

    save(&file, &(service("web", 8000) + &service("api", 8010)));
    let second = until(&mut states, "a good edit", |state| state.world.services().count() == 2).await;
    assert!(!Arc::ptr_eq(&first, &second.world) && second.refused.is_empty());

    save(&file, &(service("web", 8000) + &service("api", 8000)));
    let bad = until(&mut states, "a bad edit", |state| !state.refused.is_empty()).await;
    assert!(Arc::ptr_eq(&bad.world, &second.world), "the last good world stays in force");
    let refused = lines(&bad.refused);
    assert!(
        refused[0].contains("mesh.yaml:") && refused[0].contains("port 8000 of 127.0.0.1"),
        "{refused:?}"
    );

    fs::write(&file, service("web", 8000) + &service("api", 8010)).unwrap();
    let healed = until(&mut states, "the edit undone", |state| state.refused.is_empty()).await;
    assert!(Arc::ptr_eq(&healed.world, &second.world), "nothing has changed");
    drop(guard);
}

#[tokio::test]
async fn edits_in_a_directory_are_followed() {
    edits_are_followed("directory", Path::to_path_buf).await;
}

#[tokio::test]
async fn edits_of_a_file_are_followed() {
    edits_are_followed("file", |directory| directory.join("mesh.yaml")).await;
}

#[tokio::test]
async fn new_and_removed_files_are_noticed_and_the_thread_ends_with_the_guard() {
    let directory = Directory::new("files");
    fs::write(directory.0.join("web.yaml"), service("web", 8000)).unwrap();
    let paths = vec![directory.0.clone()];
    let (world, warnings) = load(&paths).unwrap();
    let (sink, mut states) = channel(Arc::new(State::new(world, warnings)));
    let guard = watch(paths, sink).unwrap();
    fs::write(directory.0.join("api.yaml"), service("api", 8010)).unwrap();
    until(&mut states, "a new file", |state| state.world.services().count() == 2).await;
    fs::remove_file(directory.0.join("api.yaml")).unwrap();
    until(&mut states, "a removed file", |state| state.world.services().count() == 1).await;
    drop(guard);
    let ended = tokio::time::timeout(DEADLINE, async { while states.changed().await.is_ok() {} }).await;
    assert!(ended.is_ok(), "the thread still holds the sink");
}

#[tokio::test]
async fn a_directory_that_is_put_in_place_of_another_is_followed() {
    let directory = Directory::new("replaced");
    let (mesh, other) = (directory.0.join("mesh"), directory.0.join("other"));
    for (place, text) in
        [(&mesh, service("web", 8000)), (&other, service("web", 8000) + &service("api", 8010))]
    {
        fs::create_dir(place).unwrap();
        fs::write(place.join("mesh.yaml"), text).unwrap();
    }
    let paths = vec![mesh.clone()];
    let (world, warnings) = load(&paths).unwrap();
    let (sink, mut states) = channel(Arc::new(State::new(world, warnings)));
    let guard = watch(paths, sink).unwrap();

    fs::remove_dir_all(&mesh).unwrap();
    let gone = until(&mut states, "a directory removed", |state| !state.refused.is_empty()).await;
    assert_eq!(gone.world.services().count(), 1, "the last good world stays in force");
    fs::rename(&other, &mesh).unwrap();
    until(&mut states, "another directory", |state| state.world.services().count() == 2).await;
    save(&mesh.join("mesh.yaml"), &service("web", 8000));
    until(&mut states, "an edit in the other directory", |state| state.world.services().count() == 1).await;
    drop(guard);
}

#[tokio::test]
async fn a_mesh_is_not_lost_when_its_last_document_goes() {
    let directory = Directory::new("emptied");
    let file = directory.0.join("mesh.yaml");
    fs::write(&file, service("web", 8000)).unwrap();
    let paths = vec![directory.0.clone()];
    let (world, warnings) = load(&paths).unwrap();
    let (sink, mut states) = channel(Arc::new(State::new(world, warnings)));
    let guard = watch(paths, sink).unwrap();
    fs::write(&file, "").unwrap();
    let emptied = until(&mut states, "no document", |state| !state.refused.is_empty()).await;
    assert_eq!(emptied.world.services().count(), 1);
    let refused = lines(&emptied.refused);
    assert!(refused[0].contains("there are no documents in this directory"), "{refused:?}");
    drop(guard);
}
