//! Requests whose client waits for a word before it sends its body, where that word is the upstream's.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Sleep;

/// An upstream that says nothing for so long is one that does not know the header; the client would not wait longer either.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps the body back.
pub struct Gate {
    word: Arc<Word>,
    patience: Pin<Box<Sleep>>,
}

/// The upstream's word.
#[derive(Default)]
pub struct Word {
    given: AtomicBool,
    waiting: AtomicWaker,
}

impl Word {
    /// The upstream wants the body.
    pub fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.waiting.wake();
    }
}

impl Gate {
    /// A gate that `word` opens.
    pub fn new(word: Arc<Word>) -> Gate {
        Gate { word, patience: Box::pin(tokio::time::sleep(PATIENCE)) }
    }

    /// Ready when the body may be sent.
    pub fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.word.waiting.register(cx.waker());
        if self.word.given.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.patience.as_mut().poll(cx)
    }
}
