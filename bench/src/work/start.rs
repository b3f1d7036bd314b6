//! From the start of a process to its first answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::requests::on_load;
use crate::load::session::{Ask, Session};
use crate::peers::Peer;
use crate::report::{Metric, Row};
use crate::site::{Shape, Site};
use crate::{Context, Outcome, ports};

/// Measures all peers, more often than other work: it is short.
pub fn measure(context: &Context) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for peer in context.peers.iter().filter(|peer| **peer != Peer::Direct) {
        let mut row = Row::new("j: start to the first answer", *peer);
        for _ in 0..context.rounds * 3 {
            let (shape, tls) = (Shape::Plain, context.tls.clone());
            let site = Site { port: ports::free()?, upstream: context.upstream.http1, shape, tls };
            let begun = Instant::now();
            let process = peer.spawn(context, &site)?;
            wait_until_it_answers(site.port)?;
            row.add(Metric::StartMs, begun.elapsed().as_secs_f64() * 1e3);
            row.add(Metric::CpuMsToStart, process.cpu_seconds()? * 1e3);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn wait_until_it_answers(port: u16) -> Outcome<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let begun = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err("it does not listen".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    on_load(async {
        for mut session in Session::open(&Ask::Http1("/small"), port, 1).await? {
            session.ask().await?;
        }
        Ok(())
    })
}
