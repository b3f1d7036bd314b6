//! A check by TCP: a connection, and perhaps bytes over it.

use ripstop_model::health_check::TcpProbe;
use ripstop_policy::health::payload;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ask::{AskError, Asked, Question};
use super::connection::{Kept, open};
use crate::upstream::connect::Transport;

/// Bytes of an answer that are looked at; one that has not come by then is none.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Asks with `kept`, or a new connection.
pub async fn ask(question: &Question<'_>, probe: &TcpProbe, kept: Option<Kept>) -> Result<Asked, AskError> {
    let mut transport = match kept {
        Some(Kept::Tcp(transport)) => {
            let mut transport = *transport;
            // That the other side let go of it in between says nothing about its health.
            match talk_over(&mut transport, probe).await {
                Ok(()) => return Ok(success(question, transport)),
                Err(_) => open(&question.to).await?,
            }
        }
        _ => open(&question.to).await?,
    };
    talk_over(&mut transport, probe).await?;
    if probe.receive.is_empty() {
        // There is nothing to be read, so that nothing could be learned over the same connection again.
        return Ok(Asked::success(false));
    }
    Ok(success(question, transport))
}

fn success(question: &Question<'_>, transport: Transport) -> Asked {
    let kept = question.check.reuse_connection.then(|| Kept::Tcp(Box::new(transport)));
    Asked { kept, ..Asked::success(false) }
}

async fn talk_over(transport: &mut Transport, probe: &TcpProbe) -> Result<(), AskError> {
    match transport {
        Transport::Plain(stream) => talk(stream, probe).await,
        Transport::Tls(stream) => talk(stream, probe).await,
    }
}

async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), probe: &TcpProbe) -> Result<(), AskError> {
    if let Some(sent) = &probe.send {
        stream.write_all(sent).await.map_err(|_| AskError::Network)?;
        stream.flush().await.map_err(|_| AskError::Network)?;
    }
    let mut answer = Vec::new();
    while !payload::matches(&probe.receive, &answer) {
        let read = stream.read_buf(&mut answer).await.map_err(|_| AskError::Network)?;
        if read == 0 || answer.len() > MAX_ANSWER_BYTES {
            return Err(AskError::Network);
        }
    }
    Ok(())
}
