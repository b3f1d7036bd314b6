//! The way to an endpoint that has several addresses: one after the other, and beside each other when one is slow. The first
//! connection is taken, and the others are given up.

use std::io;

use futures_util::stream::{FuturesUnordered, StreamExt};
use ripstop_model::Address;
use ripstop_model::upstream_connection::UpstreamConnection;
use ripstop_policy::happy_eyeballs::{ATTEMPT_DELAY, order};
use ripstop_policy::host::Host;
use ripstop_runtime::socket;
use ripstop_runtime::stream::Stream;

use crate::generation::cluster::ActiveCluster;

/// Most addresses of one endpoint that are tried.
pub const MAX_ADDRESSES: usize = 8;

/// Connects to an endpoint, wherever it is reached.
pub(super) async fn connect(cluster: &ActiveCluster, host: &Host) -> io::Result<Stream> {
    let options = &cluster.config.connection;
    let entry = cluster.hosts.get(host.address());
    let more = entry.map_or(&[][..], |entry| entry.endpoint.extra().additional_addresses.as_slice());
    if more.is_empty() {
        return one(host.address(), options).await;
    }
    let mut addresses = order(options.happy_eyeballs, std::iter::once(host.address()).chain(more));
    addresses.truncate(MAX_ADDRESSES);
    several(&addresses, options).await
}

async fn several(addresses: &[&Address], options: &UpstreamConnection) -> io::Result<Stream> {
    let mut waiting = addresses.iter();
    let mut under_way = FuturesUnordered::new();
    under_way.extend(waiting.next().map(|address| one(address, options)));
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            done = under_way.next() => match done {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    last = error;
                    // Who fails need not be waited for.
                    under_way.extend(waiting.next().map(|address| one(address, options)));
                }
                None => return Err(last),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if more => {
                under_way.extend(waiting.next().map(|address| one(address, options)));
            }
        }
    }
}

async fn one(address: &Address, options: &UpstreamConnection) -> io::Result<Stream> {
    match address {
        Address::Socket(address) => {
            let stream = socket::connect(*address).await?;
            if let Some(keepalive) = &options.keepalive {
                socket::set_keepalive(&stream, keepalive.time, keepalive.interval, keepalive.probes)?;
            }
            Ok(Stream::Tcp(stream))
        }
        Address::Pipe(path) => socket::connect_unix(path).await.map(Stream::Unix),
    }
}
