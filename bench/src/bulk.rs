//! Many bytes at little cost: they are sent out of the page cache and thrown away without being copied, so that the
//! proxy between has the work.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create, sendfile};
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::Outcome;

/// Bytes that are sent again and again.
const SOURCE_BYTES: u64 = 1 << 20;

/// Most bytes that are thrown away at once.
const DISCARD_BYTES: usize = 1 << 20;

/// Zeroes without end.
pub struct Source(OwnedFd);

impl Source {
    /// In memory.
    pub fn new() -> Outcome<Source> {
        let file = memfd_create("source", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, SOURCE_BYTES)?;
        Ok(Source(file))
    }

    /// Sends so many of them.
    pub async fn send(&self, to: &TcpStream, bytes: u64) -> Outcome<()> {
        let mut left = bytes;
        let mut offset = 0;
        while left > 0 {
            if offset == SOURCE_BYTES {
                offset = 0;
            }
            let most = usize::try_from(left.min(SOURCE_BYTES - offset))?;
            let sent =
                to.async_io(Interest::WRITABLE, || Ok(sendfile(to, &self.0, Some(&mut offset), most)?));
            left -= sent.await? as u64;
        }
        Ok(())
    }
}

/// Throws away what comes, with the buffer of one connection.
pub struct Sink(Vec<u8>);

impl Sink {
    /// Nothing of it is ever written to.
    pub fn new() -> Sink {
        Sink(vec![0; DISCARD_BYTES])
    }

    /// Throws away up to `most` bytes, and says how many came; 0 at the end.
    pub async fn take(&mut self, from: &TcpStream, most: u64) -> io::Result<u64> {
        let most = usize::try_from(most).unwrap_or(DISCARD_BYTES).min(DISCARD_BYTES);
        // On TCP, MSG_TRUNC means that the bytes are not copied: tcp(7).
        let buffer = &mut self.0[..most];
        let took = from.async_io(Interest::READABLE, || Ok(recv(from, &mut *buffer, RecvFlags::TRUNC)?.1));
        Ok(took.await? as u64)
    }

    /// Throws away exactly so many bytes.
    pub async fn take_all(&mut self, from: &TcpStream, bytes: u64) -> Outcome<()> {
        let mut left = bytes;
        while left > 0 {
            match self.take(from, left).await? {
                0 => return Err(format!("{left} bytes of {bytes} are missing").into()),
                took => left -= took,
            }
        }
        Ok(())
    }
}
