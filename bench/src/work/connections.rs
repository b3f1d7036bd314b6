//! Ten thousand connections: what each takes while it lies idle, and what is left of them after they are gone.

use std::time::Duration;

use super::requests::{Running, on_load};
use crate::load::closed;
use crate::load::session::{Ask, Session};
use crate::peers::Peer;
use crate::report::{Metric, Row};
use crate::site::Shape;
use crate::{Context, Outcome};

/// How many.
const CONNECTIONS: usize = 10_000;
/// How many of them ask at once.
const AT_ONCE: usize = 64;
/// How many of a burst ask at once.
const BURST_AT_ONCE: usize = 2_000;
/// Time in which a proxy can tidy up.
const REST: Duration = Duration::from_secs(6);

/// Measures plain and TLS connections.
pub fn idle(context: &Context) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let works = [
        ("g1: 10,000 idle connections", Shape::Plain, Ask::Http1("/small")),
        ("g2: 10,000 idle connections, TLS", Shape::Tls, Ask::Https(context.tls.root.clone())),
    ];
    for (title, shape, ask) in works {
        for peer in context.peers.iter().filter(|peer| **peer != Peer::Direct && peer.can(&shape)) {
            let running = Running::start(context, *peer, &shape, context.upstream.http1)?;
            rows.push(measure(title, &running, &ask)?);
        }
    }
    Ok(rows)
}

fn measure(title: &str, running: &Running, ask: &Ask) -> Outcome<Row> {
    let mut row = Row::new(title, running.peer);
    row.set(Metric::IdleMegabytes, running.idle_megabytes()?);
    on_load(async {
        // What the first requests need is not what connections need.
        let sessions = Session::open(ask, running.port, AT_ONCE).await?;
        closed::drive(sessions, Duration::from_millis(500), &[]).await?;
        tokio::time::sleep(REST).await;
        let before = running.megabytes()?;
        row.set(Metric::BeforeMegabytes, before);

        let idle = open(ask, running.port, AT_ONCE).await?;
        tokio::time::sleep(REST).await;
        row.set(Metric::KilobytesPerConnection, (running.megabytes()? - before) * 1e3 / CONNECTIONS as f64);
        drop(idle);
        tokio::time::sleep(REST).await;

        drop(open(ask, running.port, BURST_AT_ONCE).await?);
        tokio::time::sleep(REST).await;
        let after = running.megabytes()?;
        row.set(Metric::AfterMegabytes, after);
        row.set(Metric::AfterToBefore, after / before);
        Ok(row)
    })
}

/// Opens all of them; each asks once, so many at a time.
async fn open(ask: &Ask, port: u16, at_once: usize) -> Outcome<Vec<Session>> {
    let mut open = Vec::with_capacity(CONNECTIONS);
    while open.len() < CONNECTIONS {
        let count = at_once.min(CONNECTIONS - open.len());
        let mut tasks = Vec::with_capacity(count);
        for mut session in Session::open(ask, port, count).await? {
            tasks.push(tokio::task::spawn_local(async move {
                session.ask().await?;
                session.rest();
                Outcome::Ok(session)
            }));
        }
        for task in tasks {
            open.push(task.await??);
        }
    }
    Ok(open)
}
