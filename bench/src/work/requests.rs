//! Requests through a proxy: as fast as answers come, then a thousand in a second.

use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use crate::load::session::{Ask, Session};
use crate::load::{closed, open};
use crate::peers::Peer;
use crate::process::Process;
use crate::report::{Metric, Row};
use crate::site::{Shape, Site};
use crate::{Context, Outcome, ports};

/// Who ask at once where answers come as fast as they can …
const CLOSED_SESSIONS: usize = 64;
/// … and where they come by a schedule.
const OPEN_SESSIONS: usize = 16;
/// Requests a second of the schedule.
const PER_SECOND: u32 = 1000;

/// How long a proxy may take after its start until it is idle.
const START: Duration = Duration::from_secs(3);

/// A peer that serves, with all its processes.
pub struct Running {
    /// Who.
    pub peer: Peer,
    /// Where it listens.
    pub port: u16,
    /// The first of them meets the client.
    pub processes: Vec<Process>,
}

impl Running {
    /// Starts a peer for `shape`, before the endpoint at `upstream`.
    pub fn start(context: &Context, peer: Peer, shape: &Shape, upstream: u16) -> Outcome<Running> {
        if peer == Peer::Direct {
            return Ok(Running { peer, port: upstream, processes: Vec::new() });
        }
        let site = |shape: &Shape, upstream| -> Outcome<Site> {
            Ok(Site { port: ports::free()?, upstream, shape: shape.clone(), tls: context.tls.clone() })
        };
        let mut processes = Vec::new();
        let mut next = upstream;
        if *shape == Shape::Front {
            let back = site(&Shape::Back, upstream)?;
            processes.push(peer.start(context, &back)?);
            next = back.port;
        }
        let front = site(shape, next)?;
        processes.insert(0, peer.start(context, &front)?);
        Ok(Running { peer, port: front.port, processes })
    }

    /// Starts all peers that can do it.
    pub fn all(context: &Context, shape: &Shape, upstream: u16) -> Outcome<Vec<Running>> {
        let able = context.peers.iter().filter(|peer| peer.can(shape));
        able.map(|peer| Running::start(context, *peer, shape, upstream)).collect()
    }

    /// That of a proxy that was started and has nothing to do.
    pub fn idle_megabytes(&self) -> Outcome<f64> {
        std::thread::sleep(START);
        self.megabytes()
    }

    /// Resident memory of all its processes in megabytes.
    pub fn megabytes(&self) -> Outcome<f64> {
        let bytes = self.processes.iter().map(|process| Ok(process.memory()?.resident));
        Ok(bytes.sum::<Outcome<u64>>()? as f64 / 1e6)
    }
}

/// Runs something on the thread of the load.
pub fn on_load<T>(task: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?.block_on(task)
}

/// Measures all peers. They take turns in each round, so that what disturbs the machine disturbs all of them.
pub fn measure(context: &Context, title: &str, shape: &Shape, ask: &Ask, upstream: u16) -> Outcome<Vec<Row>> {
    let running = Running::all(context, shape, upstream)?;
    let mut rows: Vec<Row> = running.iter().map(|running| Row::new(title, running.peer)).collect();
    for (row, running) in rows.iter_mut().zip(&running).filter(|(_, running)| running.peer != Peer::Direct) {
        row.set(Metric::IdleMegabytes, running.idle_megabytes()?);
    }
    for _ in 0..context.rounds {
        for (row, running) in rows.iter_mut().zip(&running) {
            as_fast_as_can_be(context, running, ask, row)
                .map_err(|error| format!("{title}, {:?}: {error}", running.peer))?;
        }
    }
    // Clients cannot shake hands a thousand times a second beside an upstream.
    let scheduled = !matches!(ask, Ask::Handshake(_));
    for (row, running) in rows.iter_mut().zip(&running).filter(|_| scheduled) {
        by_schedule(context, running, ask, row)
            .map_err(|error| format!("{title}, {:?}: {error}", running.peer))?;
    }
    Ok(rows)
}

fn as_fast_as_can_be(context: &Context, running: &Running, ask: &Ask, row: &mut Row) -> Outcome<()> {
    let processes: Vec<&Process> = running.processes.iter().collect();
    let measured = on_load(async {
        let sessions = Session::open(ask, running.port, CLOSED_SESSIONS).await?;
        closed::drive(sessions, context.time, &processes).await
    })?;
    row.add(Metric::PerSecond, measured.per_second);
    if running.peer != Peer::Direct {
        row.add(Metric::CpuUs, measured.cpu_us);
        row.add(Metric::LoadMegabytes, measured.resident as f64 / 1e6);
    }
    Ok(())
}

fn by_schedule(context: &Context, running: &Running, ask: &Ask, row: &mut Row) -> Outcome<()> {
    let time = context.time.max(Duration::from_secs(2)) * 2;
    let times = on_load(async {
        let sessions = Session::open(ask, running.port, OPEN_SESSIONS).await?;
        open::drive(sessions, PER_SECOND, time).await
    })?;
    let quantiles = [(Metric::P50, 0.5), (Metric::P99, 0.99), (Metric::P999, 0.999)];
    for (metric, quantile) in quantiles {
        row.set(metric, times.value_at_quantile(quantile) as f64 / 1000.0);
    }
    Ok(())
}
