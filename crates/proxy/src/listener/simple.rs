//! The two terminal filters that need no upstream: one sends back what it is sent, the other says one thing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::io::Rewound;

/// Bytes held at once.
const BUFFER_BYTES: usize = 4 * 1024;

/// Sends every byte back until the client has ended.
pub async fn echo(mut io: Rewound) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = io.read(&mut buffer).await?;
        if read == 0 {
            return io.shutdown().await;
        }
        io.write_all(&buffer[..read]).await?;
        io.flush().await?;
    }
}

/// Sends a text and closes.
pub async fn direct_response(mut io: Rewound, text: &str) -> std::io::Result<()> {
    io.write_all(text.as_bytes()).await?;
    io.flush().await?;
    io.shutdown().await
}
