//! As fast as answers come: what a proxy can do at most, and what a request costs it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::session::Session;
use crate::Outcome;
use crate::process::Process;

/// Time before anything is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// Answers in a second.
    pub per_second: f64,
    /// Processor time of the proxies for each, in microseconds.
    pub cpu_us: f64,
    /// Resident memory of the first proxy in the middle of it, in bytes.
    pub resident: u64,
}

/// Lets all sessions ask one after the other for `time`.
pub async fn drive(sessions: Vec<Session>, time: Duration, proxies: &[&Process]) -> Outcome<Closed> {
    let (answers, going) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(true)));
    let mut tasks = Vec::new();
    for mut session in sessions {
        let (answers, going) = (answers.clone(), going.clone());
        tasks.push(tokio::task::spawn_local(async move {
            while going.get() {
                session.ask().await?;
                answers.set(answers.get() + 1);
            }
            Outcome::Ok(())
        }));
    }
    tokio::time::sleep(WARM_UP).await;
    let (cpu, begun, before) = (cpu(proxies)?, Instant::now(), answers.get());
    tokio::time::sleep(time / 2).await;
    let resident = proxies.first().map_or(Ok(0), |proxy| proxy.memory().map(|memory| memory.resident))?;
    tokio::time::sleep(time / 2).await;
    let (cpu, took) = (self::cpu(proxies)? - cpu, begun.elapsed());
    let answered = (answers.get() - before) as f64;
    going.set(false);
    for task in tasks {
        task.await??;
    }
    if answered == 0.0 {
        return Err("nothing was answered".into());
    }
    Ok(Closed { per_second: answered / took.as_secs_f64(), cpu_us: cpu * 1e6 / answered, resident })
}

/// Processor time of some processes so far, in seconds.
pub fn cpu(proxies: &[&Process]) -> Outcome<f64> {
    proxies.iter().map(|proxy| proxy.cpu_seconds()).sum()
}
