//! By a fixed schedule, whether answers come or not. A late request counts from the moment at which it should have been
//! sent, so that a proxy that stalls is not spared the requests it kept waiting ("coordinated omission").

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::session::Session;
use super::timer::Timer;
use crate::Outcome;

/// Longest time that is told from longer ones, in nanoseconds, and digits that count.
const MAX_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// Sends `per_second` requests for `time`, spread evenly over the sessions. The times are in nanoseconds.
pub async fn drive(sessions: Vec<Session>, per_second: u32, time: Duration) -> Outcome<Histogram<u64>> {
    let times = Rc::new(RefCell::new(Histogram::new_with_bounds(1, MAX_NS, DIGITS)?));
    let count = u32::try_from(sessions.len())?;
    let step = Duration::from_secs(1) * count / per_second;
    let begin = Instant::now() + Duration::from_millis(100);
    let mut tasks = Vec::new();
    for (place, mut session) in (0_u32..).zip(sessions) {
        let times = times.clone();
        tasks.push(tokio::task::spawn_local(async move {
            let mut timer = Timer::new()?;
            let mut due = begin + Duration::from_secs(1) * place / per_second;
            while due < begin + time {
                timer.until(due).await?;
                session.ask().await?;
                let took = u64::try_from(due.elapsed().as_nanos())?;
                times.borrow_mut().saturating_record(took);
                due += step;
            }
            Outcome::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let times = times.borrow().clone();
    Ok(times)
}
