//! Ripstop beside Envoy: both run on the same file, are asked the same things, and have to do the same.
//!
//! `README.md` in this directory says how a case is written and how one of them is run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answer;
mod case;
mod certificates;
mod client;
mod compare;
mod coverage;
mod frames;
mod http1;
mod known;
mod normal;
mod proxy;
mod run;
mod template;
mod tls;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;

/// Cases under way at once. Most of their time is waiting.
const PARALLEL: usize = 4;

/// Longest time for one case.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run_all(&filters))
}

async fn run_all(filters: &[String]) -> ExitCode {
    let started = Instant::now();
    let envoy = match ripstop_e2e::envoy::path() {
        Ok(envoy) => envoy,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let ripstop = ripstop_e2e::binaries::path("ripstop");
    let (mut cases, mut failures) = (Vec::new(), Vec::new());
    for (name, path) in files() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        match case::read(&name, &path) {
            Ok(case) => cases.push(case),
            Err(error) => failures.push((name, error)),
        }
    }
    let all = files().into_iter().map(|(name, _)| name).collect();
    failures.extend(coverage::problems(&all).into_iter().map(|problem| ("coverage.md".to_owned(), problem)));
    let scratch = std::env::temp_dir().join(format!("ripstop-differential-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch).unwrap();
    certificates::write(&scratch.join("certs"));
    let context = run::Context { envoy, ripstop, scratch: scratch.clone(), known: known::differences() };
    let (mut passed, mut requests) = (0, 0);
    let running = cases.iter().map(|case| {
        let context = &context;
        async move {
            let outcome = tokio::time::timeout(CASE_TIMEOUT, run::case(context, case)).await;
            (case, outcome.unwrap_or_else(|_| Err(format!("not done after {CASE_TIMEOUT:?}"))))
        }
    });
    let mut running = futures_util::stream::iter(running).buffer_unordered(PARALLEL);
    let mut again = Vec::new();
    while let Some((case, outcome)) = running.next().await {
        requests += case.requests();
        match outcome {
            Ok(shown) => {
                passed += 1;
                println!("ok      {} ({} requests){shown}", case.name, case.requests());
            }
            Err(error) => {
                println!("differs {}\n{error}", case.name);
                again.push(case);
            }
        }
    }
    drop(running);
    // Beside others, a case may differ because one proxy was slower than the other. Alone, it must be alike.
    for case in again {
        let _ = std::fs::remove_dir_all(scratch.join(case.name.replace('/', "-")));
        let outcome = tokio::time::timeout(CASE_TIMEOUT, run::case(&context, case)).await;
        match outcome.unwrap_or_else(|_| Err(format!("not done after {CASE_TIMEOUT:?}"))) {
            Ok(_) => {
                passed += 1;
                println!("ok      {}, alone, at the second time", case.name);
            }
            Err(error) => {
                println!("FAILED  {}\n{error}", case.name);
                failures.push((case.name.clone(), String::new()));
            }
        }
    }
    for (name, error) in failures.iter().filter(|(_, error)| !error.is_empty()) {
        println!("FAILED  {name}\n{error}");
    }
    if failures.is_empty() {
        let _ = std::fs::remove_dir_all(&scratch);
    } else {
        println!("\nconfigurations and logs are in {}", scratch.display());
    }
    println!(
        "\n{passed} configurations alike, {} not; {requests} requests in {:.1} s",
        failures.len(),
        started.elapsed().as_secs_f64()
    );
    for (name, _) in &failures {
        println!("    {name}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the cases are.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// Every case as `AREA/NAME` with its file.
fn files() -> Vec<(String, PathBuf)> {
    let root = directory().join("cases");
    let mut found = Vec::new();
    for area in std::fs::read_dir(&root).unwrap().flatten() {
        for file in std::fs::read_dir(area.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let area = area.file_name().to_string_lossy().into_owned();
                found.push((format!("{area}/{}", path.file_stem().unwrap().to_string_lossy()), path));
            }
        }
    }
    found.sort();
    found
}
