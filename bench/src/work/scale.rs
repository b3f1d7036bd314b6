//! A control plane and a thousand proxies: what each takes, and how long one changed endpoint is on its way.

use std::time::{Duration, Instant};

use super::requests::on_load;
use crate::fleet::{Control, Fleet, Mesh};
use crate::peers::Peer;
use crate::report::{Metric, Row};
use crate::{Context, Outcome};

/// A mesh and the proxies that follow it.
struct Case {
    title: &'static str,
    mesh: Mesh,
    proxies: usize,
    /// So many connect at once.
    at_once: usize,
}

const SCOPED: Mesh = Mesh { services: 1_000, instances_each: 10, scoped: true };

/// What is measured. Three have the same proxies, which see the same, in a mesh that grows around them.
const CASES: [Case; 5] = [
    Case {
        title: "l1: 1,000 proxies, 1,000 services, 10,000 endpoints, 40 services seen",
        mesh: SCOPED,
        proxies: 1_000,
        at_once: 1_000,
    },
    Case {
        title: "l2: 100 proxies, 1,000 endpoints",
        mesh: Mesh { services: 100, ..SCOPED },
        proxies: 100,
        at_once: 100,
    },
    Case { title: "l3: 100 proxies, 10,000 endpoints", mesh: SCOPED, proxies: 100, at_once: 100 },
    Case {
        title: "l4: 100 proxies, 50,000 endpoints",
        mesh: Mesh { services: 5_000, ..SCOPED },
        proxies: 100,
        at_once: 100,
    },
    // All at once they would want gigabytes, and lose connections to a machine that is busy with each other's.
    Case {
        title: "l5: as l1, but all services seen",
        mesh: Mesh { scoped: false, ..SCOPED },
        proxies: 1_000,
        at_once: 20,
    },
];

/// Changes that are measured, and with `--quick`.
const CHANGES: usize = 200;
const QUICK_CHANGES: usize = 20;
/// Rest after each change, in which bytes would come that nobody has to be sent.
const REST: Duration = Duration::from_millis(20);
/// Time after which memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures all cases, one after the other.
pub fn measure(context: &Context) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for case in &CASES {
        let row = on_load(case.measure(context)).map_err(|error| format!("{}: {error}", case.title))?;
        // Each takes a while.
        eprintln!("{row}");
        rows.push(row);
    }
    Ok(rows)
}

impl Case {
    async fn measure(&self, context: &Context) -> Outcome<Row> {
        let mut row = Row::new(self.title, Peer::Ripstop);
        let directory = context.directory.join("scale");
        Control::prepare(&directory, &self.mesh)?;
        Control::start(context, &directory).await?.fill(&self.mesh).await?;
        // Everything is in the store: this is the start that counts.
        let begun = Instant::now();
        let mut control = Control::start(context, &directory).await?;
        let alone = control.process.memory()?;
        row.set(Metric::IdleMegabytes, alone.resident as f64 / 1e6);
        let fleet = Fleet::connect(&control, &self.mesh, self.proxies, self.at_once).await?;
        row.set(Metric::ConvergeS, begun.elapsed().as_secs_f64());
        row.set(Metric::CpuSToConverge, control.process.cpu_seconds()?);
        tokio::time::sleep(SETTLE).await;
        let with_proxies = control.process.memory()?;
        let more = with_proxies.resident.saturating_sub(alone.resident);
        row.set(Metric::KilobytesPerProxy, more as f64 / 1e3 / self.proxies as f64);
        row.set(Metric::LoadMegabytes, with_proxies.resident as f64 / 1e6);
        self.change(context, &mut control, &fleet, &mut row).await?;
        row.set(Metric::AfterMegabytes, control.process.memory()?.resident as f64 / 1e6);
        Ok(row)
    }

    /// Moves one instance after the other to another address.
    async fn change(
        &self,
        context: &Context,
        control: &mut Control,
        fleet: &Fleet,
        row: &mut Row,
    ) -> Outcome<()> {
        let changes = if context.rounds == 1 { QUICK_CHANGES } else { CHANGES };
        let mut times = Vec::with_capacity(changes);
        let mut to_others = 0;
        let cpu = control.process.cpu_seconds()?;
        for change in 0..changes {
            // Spread over the services that somebody sees.
            let service = (change * 7 + 1) % self.proxies;
            let document = self.mesh.instance(service, 5, (change / self.proxies).is_multiple_of(2));
            let concerned = self.mesh.concerned(service, self.proxies);
            let before = fleet.received();
            let begun = Instant::now();
            let applied = control.api.apply(&document);
            let (applied, last) = tokio::join!(applied, fleet.acknowledged(&concerned, &before));
            applied?;
            times.push(last?.saturating_duration_since(begun));
            tokio::time::sleep(REST).await;
            let mut after: Vec<u64> = fleet.received().iter().zip(&before).map(|(a, b)| a - b).collect();
            concerned.iter().for_each(|number| after[*number] = 0);
            to_others += after.iter().sum::<u64>();
        }
        let cpu = control.process.cpu_seconds()? - cpu;
        times.sort();
        let milliseconds = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        row.set(Metric::ChangeP50Ms, milliseconds(50));
        row.set(Metric::ChangeP99Ms, milliseconds(99));
        row.set(Metric::CpuMsPerChange, cpu * 1e3 / changes as f64);
        row.set(Metric::UninterestedBytes, to_others as f64);
        Ok(())
    }
}
