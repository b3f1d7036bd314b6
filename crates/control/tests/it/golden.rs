//! Whole translations, compared with files. `UPDATE_GOLDEN=1 cargo test -p ripstop-control` writes them anew.
//!
//! A case is a directory with `in.yaml`, `warnings.txt` and, for each proxy, `WORKLOAD.txt`. An output that no proxy of the
//! case produces any more fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ripstop_control::translate::{ProxyRef, translate};

use crate::render::render;
use crate::support::{build, lines};

#[test]
fn translations_are_as_written_down() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut differences = Vec::new();
    for case in &cases {
        let outputs = outputs(case);
        if update {
            write(case, &outputs);
        } else {
            compare(case, &outputs, &mut differences);
        }
    }
    assert!(
        differences.is_empty(),
        "{}\nif this is what is meant: UPDATE_GOLDEN=1 cargo test -p ripstop-control",
        differences.join("\n")
    );
}

/// File names and what should be in them.
fn outputs(case: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(case.join("in.yaml")).unwrap();
    let (world, mut warnings) =
        build(&text).unwrap_or_else(|problems| panic!("{}: {}", case.display(), lines(&problems).join("\n")));
    let mut outputs = BTreeMap::new();
    for instance in world.instances().filter(|instance| instance.workload.has_proxy()) {
        let key = instance.key();
        let proxy = ProxyRef::new(key.namespace.clone(), key.name.clone());
        let (snapshot, more) = translate(&world, &proxy).unwrap();
        assert_eq!(snapshot.dangling(), Vec::<String>::new(), "{}: {proxy}", case.display());
        warnings.extend(more);
        outputs.insert(format!("{}.txt", key.name), render(&snapshot));
    }
    let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let mut seen = BTreeSet::new();
    warnings.retain(|line| seen.insert(line.clone()));
    outputs.insert("warnings.txt".to_owned(), warnings.iter().map(|line| format!("{line}\n")).collect());
    outputs
}

fn existing(case: &Path) -> Vec<String> {
    let names = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !["in.yaml", "calls.txt"].contains(&name.as_str())).collect()
}

fn write(case: &Path, outputs: &BTreeMap<String, String>) {
    for name in existing(case) {
        fs::remove_file(case.join(name)).unwrap();
    }
    for (name, text) in outputs {
        fs::write(case.join(name), text).unwrap();
    }
}

fn compare(case: &Path, outputs: &BTreeMap<String, String>, differences: &mut Vec<String>) {
    for name in existing(case) {
        if !outputs.contains_key(&name) {
            differences.push(format!("{}: {name} is produced by nothing", case.display()));
        }
    }
    for (name, text) in outputs {
        let path = case.join(name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let line = expected.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = line.unwrap_or(expected.lines().count().min(text.lines().count()));
        if expected != *text {
            let (old, new) = (expected.lines().nth(line).unwrap_or(""), text.lines().nth(line).unwrap_or(""));
            differences.push(format!("{}:{}:\n  expected {old}\n  found    {new}", path.display(), line + 1));
        }
    }
}
