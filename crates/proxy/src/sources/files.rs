//! Follows files with resources: reads each when it is wanted and whenever it changes. A bad file changes nothing: what it
//! said before stays in force.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use ripstop_runtime::watch::FileWatch;
use ripstop_xds::client::{FileUpdate, Update, WantedFile, WantedFiles};
use ripstop_xds::discovery_file::{DiscoveryFile, read_file};
use tokio::sync::{mpsc, watch};

/// Longest file in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Ends when nobody wants files any more.
pub async fn follow_files(mut wanted: watch::Receiver<WantedFiles>, updates: mpsc::Sender<Update>) {
    let mut watch = FileWatch::default();
    let mut seen: BTreeMap<WantedFile, u64> = BTreeMap::new();
    loop {
        let files = wanted.borrow_and_update().clone();
        seen.retain(|file, _| files.contains(file));
        watch.set(files.iter().flat_map(|(_, file)| {
            let directory = file.watched_directory.as_deref();
            [Some(PathBuf::from(&*file.path)), directory.map(PathBuf::from)].into_iter().flatten()
        }));
        for file in files {
            let before = seen.get(&file).copied();
            let (content, read) = match tokio::task::spawn_blocking(move || look(file, before)).await {
                Ok((file, content, read)) => {
                    seen.insert(file.clone(), content);
                    (file, read)
                }
                // Reading has panicked, which ends the process.
                Err(_) => return,
            };
            let Some(DiscoveryFile { version, resources }) = read else { continue };
            let update = Update::File(FileUpdate { file: content, resources, version });
            if updates.send(update).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = watch.changed() => {}
        }
    }
}

/// What a file says, if it is not what it said before: `before` is a sum of that.
fn look(file: WantedFile, before: Option<u64>) -> (WantedFile, u64, Option<DiscoveryFile>) {
    let (kind, path) = (file.0, file.1.path.clone());
    let content = read_bounded(&path);
    let mut sum = DefaultHasher::new();
    content.hash(&mut sum);
    let sum = sum.finish();
    if before == Some(sum) {
        return (file, sum, None);
    }
    let read = match content {
        Ok(bytes) => read_file(kind, &path, &bytes),
        Err(error) => Err(vec![format!("{path}: {error}")]),
    };
    let read = match read {
        Ok(read) => {
            tracing::info!(%kind, %path, "read");
            Some(read)
        }
        Err(problems) => {
            for problem in problems {
                tracing::warn!(%kind, "refused: {problem}");
            }
            tracing::warn!(%kind, %path, "has errors; what it said before stays in force");
            None
        }
    };
    (file, sum, read)
}

fn read_bounded(path: &str) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("is longer than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
