//! Finds the heads of HTTP/2 frames in a stream of bytes, whatever pieces it comes in. Payloads are skipped.

use crate::listener::io::HTTP2_PREFACE;

/// Bytes of a head.
const HEAD_BYTES: usize = 9;

/// The head of a frame (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload.
    pub length: u32,
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Stream, 0 for the connection.
    pub stream: u32,
}

/// A stream of frames.
#[derive(Default)]
pub struct Frames {
    /// Bytes to be passed over.
    skip: usize,
    head: [u8; HEAD_BYTES],
    filled: usize,
}

impl Frames {
    /// What a client sends: the preface comes first.
    pub fn after_preface() -> Frames {
        Frames { skip: HTTP2_PREFACE.len(), ..Frames::default() }
    }

    /// Looks at the next bytes. Stops at the first frame that is not accepted.
    pub fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        mut accept: impl FnMut(Header) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD_BYTES - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD_BYTES {
                self.filled = 0;
                let header = self.header();
                // A length has 24 bits.
                self.skip = header.length as usize;
                accept(header)?;
            }
        }
        Ok(())
    }

    fn header(&self) -> Header {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        Header {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_in_any_pieces() {
        let mut bytes = HTTP2_PREFACE.to_vec();
        bytes.extend([0, 0, 3, 0, 1, 0, 0, 0, 5, b'a', b'b', b'c']);
        bytes.extend([0, 0, 0, 4, 0, 0x80, 0, 0, 0]);
        for size in 1..bytes.len() {
            let mut found = Vec::new();
            let mut frames = Frames::after_preface();
            for piece in bytes.chunks(size) {
                let fed = frames.feed(piece, |frame| {
                    found.push(frame);
                    Ok::<(), ()>(())
                });
                assert_eq!(fed, Ok(()));
            }
            let data = Header { length: 3, kind: 0, flags: 1, stream: 5 };
            let settings = Header { length: 0, kind: 4, flags: 0, stream: 0 };
            assert_eq!(found, [data, settings], "pieces of {size}");
        }
    }
}
