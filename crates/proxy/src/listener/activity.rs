//! When something last happened on a client connection, and who is told when it has to end. What follows from that is
//! decided where the connection is served.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ripstop_policy::http1::head::Refusal;
use tokio::sync::Notify;

/// What the reading side of a connection and its requests tell each other: when the first bytes after a silence came, and
/// how many requests are over. It can be sent to other threads although nobody does.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    at: AtomicU64,
    ended: AtomicU64,
    refused: AtomicBool,
    late: AtomicBool,
    holding: AtomicBool,
    unsettled: AtomicBool,
    waiting: Mutex<Option<Waker>>,
    refusal: Mutex<Refused>,
    /// Something is refused and has to be answered.
    to_answer: Notify,
}

/// What is refused, and how far its answer is.
#[derive(Debug, Default)]
struct Refused {
    why: Option<Refusal>,
    head: Vec<u8>,
    answer: Option<Bytes>,
    waiting: Option<Waker>,
}

/// What the times in [`Heard`] count from.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Heard {
    /// When that was.
    pub fn get(&self) -> Option<Instant> {
        // Nanoseconds and one; 0 stands for nothing.
        let nanos = self.0.at.load(Ordering::Relaxed).checked_sub(1)?;
        Some(*BEGINNING + Duration::from_nanos(nanos))
    }

    /// Keeps when it was.
    pub fn set(&self, at: Option<Instant>) {
        let nanos = at.map(|at| at.saturating_duration_since(*BEGINNING).as_nanos());
        let nanos =
            nanos.map_or(0, |nanos| u64::try_from(nanos).map_or(u64::MAX, |nanos| nanos.saturating_add(1)));
        self.0.at.store(nanos, Ordering::Relaxed);
    }

    /// One more request is over.
    fn end(&self) {
        // One thread alone writes it.
        self.0.ended.store(self.0.ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // Only who refuses something waits for that.
        if self.is_refused()
            && let Some(waker) = self.0.waiting.lock().ok().and_then(|mut waiting| waiting.take())
        {
            waker.wake();
        }
    }

    /// Ready when so many requests are over.
    pub fn poll_ended(&self, requests: u64, cx: &Context<'_>) -> Poll<()> {
        if self.0.ended.load(Ordering::Relaxed) >= requests {
            return Poll::Ready(());
        }
        if let Ok(mut waiting) = self.0.waiting.lock() {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// What the client sends is refused; of its head, so much is kept.
    pub fn refuse(&self, why: Refusal, head: &[u8]) {
        self.0.refused.store(true, Ordering::Relaxed);
        if let Ok(mut refused) = self.0.refusal.lock() {
            refused.why = Some(why);
            refused.head = head.to_vec();
        }
    }

    /// The answer to what is refused, as soon as somebody has given one.
    pub fn poll_answer(&self, cx: &Context<'_>) -> Poll<Bytes> {
        let Ok(mut refused) = self.0.refusal.lock() else { return Poll::Ready(Bytes::new()) };
        if let Some(answer) = refused.answer.take() {
            return Poll::Ready(answer);
        }
        refused.waiting = Some(cx.waker().clone());
        self.0.to_answer.notify_one();
        Poll::Pending
    }

    /// Waits until something is refused and everything before it is answered; gives why, and what was kept of its head.
    pub async fn refused(&self) -> (Refusal, Vec<u8>) {
        loop {
            self.0.to_answer.notified().await;
            if let Ok(mut refused) = self.0.refusal.lock()
                && let Some(why) = refused.why.take()
            {
                return (why, std::mem::take(&mut refused.head));
            }
        }
    }

    /// Gives the answer to that.
    pub fn answer(&self, answer: Bytes) {
        if let Ok(mut refused) = self.0.refusal.lock() {
            refused.answer = Some(answer);
            if let Some(waker) = refused.waiting.take() {
                waker.wake();
            }
        }
    }

    /// Whether it is.
    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// The head that is coming takes too long.
    pub fn expire(&self) {
        self.0.late.store(true, Ordering::Relaxed);
    }

    /// Whether the beginning of a head has come and is held back.
    pub fn hold(&self, holding: bool) {
        self.0.holding.store(holding, Ordering::Relaxed);
    }

    /// Whether all that came was passed on, ended a request, and was answered.
    pub fn settle(&self, settled: bool) {
        self.0.unsettled.store(!settled, Ordering::Relaxed);
    }

    /// Whether that is so.
    pub fn is_settled(&self) -> bool {
        !self.0.unsettled.load(Ordering::Relaxed)
    }

    /// Whether it does.
    pub fn is_late(&self) -> bool {
        self.0.late.load(Ordering::Relaxed)
    }
}

/// What a silence on a connection is long enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// To rest until something comes.
    Rest,
    /// To end it.
    Over,
}

/// What happens on one client connection.
#[derive(Debug)]
pub struct Activity {
    open: Cell<u32>,
    quiet_since: Cell<Instant>,
    heard: Heard,
    stalled: Notify,
    taken: Cell<u32>,
    last: Cell<bool>,
    spent: Notify,
    tunnels: Cell<u32>,
    tunnel_over: Notify,
}

/// What an idle connection waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A request is under way.
    Busy,
    /// Nothing was heard since then.
    Quiet(Instant),
    /// A request head began to come then.
    Head(Instant),
}

impl Activity {
    /// A connection on which nothing has happened.
    pub fn new(heard: Heard) -> Activity {
        Activity {
            open: Cell::new(0),
            quiet_since: Cell::new(Instant::now()),
            heard,
            stalled: Notify::new(),
            taken: Cell::new(0),
            last: Cell::new(false),
            spent: Notify::new(),
            tunnels: Cell::new(0),
            tunnel_over: Notify::new(),
        }
    }

    /// One more request is under way.
    pub fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.heard.set(None);
    }

    /// One more of at most so many requests is taken.
    pub fn take(&self, most: u32) {
        self.taken.set(self.taken.get().saturating_add(1));
        if self.taken.get() >= most {
            self.make_last();
        }
    }

    /// No further request is taken.
    pub fn make_last(&self) {
        self.last.set(true);
        self.spent.notify_one();
    }

    /// Whether that is so.
    pub fn is_last(&self) -> bool {
        self.last.get()
    }

    /// Returns when no further request is taken.
    pub async fn spent(&self) {
        self.spent.notified().await;
    }

    /// What the reading side knows.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// One request is over now.
    pub fn end(&self, now: Instant) {
        self.heard.end();
        self.open.set(self.open.get().saturating_sub(1));
        // The next head may have begun while this request was under way.
        let holding = self.heard.0.holding.load(Ordering::Relaxed);
        self.heard.set(holding.then_some(now));
        self.quiet_since.set(now);
    }

    /// What the connection waits for.
    pub fn waiting(&self) -> Waiting {
        match (self.open.get(), self.heard.get()) {
            (0, None) => Waiting::Quiet(self.quiet_since.get()),
            (0, Some(since)) => Waiting::Head(since),
            _ => Waiting::Busy,
        }
    }

    /// The bytes of the connection, or of one of its streams, are those of a tunnel from now on.
    pub fn begin_tunnel(&self) {
        self.tunnels.set(self.tunnels.get() + 1);
    }

    /// A tunnel is over.
    pub fn end_tunnel(&self) {
        self.tunnels.set(self.tunnels.get().saturating_sub(1));
        self.tunnel_over.notify_one();
    }

    /// Returns when no tunnel is open.
    pub async fn tunnels_over(&self) {
        while self.tunnels.get() > 0 {
            self.tunnel_over.notified().await;
        }
    }

    /// The client reads no more of an answer that was given up.
    pub fn stall(&self) {
        self.stalled.notify_one();
    }

    /// Returns when [`Activity::stall`] was called.
    pub async fn stalled(&self) {
        self.stalled.notified().await;
    }

    /// Returns when no head has come for `head` since its first byte, or when nothing has happened for `idle`. Looks in
    /// steps of the shorter one, so that either may take up to twice as long.
    pub async fn over(&self, head: Option<Duration>, idle: Option<Duration>) {
        self.silence(head, idle, None).await;
    }

    /// The same, and also returns when nothing has happened for `rest`.
    pub async fn silence(
        &self,
        head: Option<Duration>,
        idle: Option<Duration>,
        rest: Option<Duration>,
    ) -> Silence {
        let steps = head.into_iter().chain(idle).chain(rest);
        let Some(step) = steps.min() else { return std::future::pending().await };
        loop {
            let now = Instant::now();
            let due = match self.waiting() {
                Waiting::Busy => None,
                Waiting::Quiet(since) => {
                    if rest.is_some_and(|rest| since + rest <= now) && self.tunnels.get() == 0 {
                        return Silence::Rest;
                    }
                    idle.map(|limit| since + limit)
                }
                Waiting::Head(since) => head.or(idle).map(|limit| since + limit),
            };
            if due.is_some_and(|due| due <= now) {
                return Silence::Over;
            }
            let next = due.map_or(now + step, |due| due.min(now + step));
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_makes_a_connection_busy_and_its_end_quiet() {
        let heard = Heard::default();
        let activity = Activity::new(heard.clone());
        assert!(matches!(activity.waiting(), Waiting::Quiet(_)));
        heard.set(Some(*BEGINNING + Duration::from_millis(3)));
        let now = *BEGINNING + Duration::from_millis(3);
        assert_eq!(activity.waiting(), Waiting::Head(now));
        activity.begin();
        heard.set(Some(now));
        assert_eq!(activity.waiting(), Waiting::Busy);
        activity.end(Instant::now());
        assert!(matches!(activity.waiting(), Waiting::Quiet(_)));
    }
}
