//! Many bytes: streams of TCP, and bodies of a gigabyte.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::requests::{Running, on_load};
use crate::bulk::{Sink, Source};
use crate::load::closed::cpu;
use crate::load::session::request;
use crate::peers::Peer;
use crate::process::Process;
use crate::report::{Metric, Row};
use crate::site::{Shape, domain};
use crate::upstream::LARGE_BODY;
use crate::{Context, Outcome};

const GIGA: f64 = 1e9;

/// Streams from the upstream, as many at once as asked for.
pub fn streams(context: &Context, title: &str, count: usize) -> Outcome<Vec<Row>> {
    let running = Running::all(context, &Shape::Tcp, context.upstream.source)?;
    let mut rows: Vec<Row> = running.iter().map(|running| Row::new(title, running.peer)).collect();
    for _ in 0..context.rounds {
        for (row, running) in rows.iter_mut().zip(&running) {
            let processes: Vec<&Process> = running.processes.iter().collect();
            let (gigabytes, seconds, cpu) = on_load(receive(context, running.port, count, &processes))?;
            row.add(Metric::GigabytesPerSecond, gigabytes / seconds);
            if running.peer != Peer::Direct {
                row.add(Metric::CpuMsPerGigabyte, cpu * 1e3 / gigabytes);
                row.add(Metric::LoadMegabytes, running.megabytes()?);
            }
        }
    }
    Ok(rows)
}

async fn receive(
    context: &Context,
    port: u16,
    count: usize,
    processes: &[&Process],
) -> Outcome<(f64, f64, f64)> {
    let (bytes, going) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(true)));
    let mut tasks = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (bytes, going) = (bytes.clone(), going.clone());
        tasks.push(tokio::task::spawn_local(async move {
            let mut sink = Sink::new();
            while going.get() {
                match sink.take(&stream, u64::MAX).await? {
                    0 => return Err("the stream has ended".into()),
                    took => bytes.set(bytes.get() + took),
                }
            }
            Outcome::Ok(())
        }));
    }
    // The windows of TCP grow first.
    tokio::time::sleep(context.time / 4).await;
    let (used, begun, before) = (cpu(processes)?, Instant::now(), bytes.get());
    tokio::time::sleep(context.time).await;
    let (used, took) = (cpu(processes)? - used, begun.elapsed());
    let gigabytes = (bytes.get() - before) as f64 / GIGA;
    going.set(false);
    for task in tasks {
        task.await??;
    }
    if gigabytes == 0.0 {
        return Err("nothing came".into());
    }
    Ok((gigabytes, took.as_secs_f64(), used))
}

/// A gigabyte down and a gigabyte up over HTTP/1.
pub fn large_bodies(context: &Context) -> Outcome<Vec<Row>> {
    let running = Running::all(context, &Shape::Plain, context.upstream.http1)?;
    let mut rows = Vec::new();
    for (title, up) in [("f1: 1 GiB down", false), ("f2: 1 GiB up", true)] {
        let mut these: Vec<Row> = running.iter().map(|running| Row::new(title, running.peer)).collect();
        for _ in 0..context.rounds {
            for (row, running) in these.iter_mut().zip(&running) {
                let processes: Vec<&Process> = running.processes.iter().collect();
                let (used, begun) = (cpu(&processes)?, Instant::now());
                on_load(async {
                    if up { upload(running.port).await } else { download(running.port).await }
                })?;
                let gigabytes = LARGE_BODY as f64 / GIGA;
                row.add(Metric::GigabytesPerSecond, gigabytes / begun.elapsed().as_secs_f64());
                if running.peer != Peer::Direct {
                    row.add(Metric::CpuMsPerGigabyte, (cpu(&processes)? - used) * 1e3 / gigabytes);
                    row.add(Metric::LoadMegabytes, running.megabytes()?);
                }
            }
        }
        rows.append(&mut these);
    }
    Ok(rows)
}

async fn connect(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn download(port: u16) -> Outcome<()> {
    let mut stream = connect(port).await?;
    stream.write_all(&request(&domain(1), "/large", "")).await?;
    read_head(&mut stream).await?;
    Sink::new().take_all(&stream, LARGE_BODY).await
}

async fn upload(port: u16) -> Outcome<()> {
    let mut stream = connect(port).await?;
    let head = format!("POST /small HTTP/1.1\r\nhost: {}\r\ncontent-length: {LARGE_BODY}\r\n\r\n", domain(1));
    stream.write_all(head.as_bytes()).await?;
    Source::new()?.send(&stream, LARGE_BODY).await?;
    read_head(&mut stream).await
}

/// Reads up to the end of the head of an answer, which has to be 200.
async fn read_head(stream: &mut TcpStream) -> Outcome<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    match head.starts_with(b"HTTP/1.1 200") {
        true => Ok(()),
        false => Err(format!("not answered: {}", String::from_utf8_lossy(&head)).into()),
    }
}
