//! The time limits of a request. As Envoy has it, they count from the moment at which the request has been received
//! whole, so that a long upload is no slow answer.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use ripstop_model::http_manager::HttpConnectionManager;
use ripstop_policy::timeout::deadline;
use tokio::time::Sleep;

use super::calls::Call;
use crate::error::ProxyError;

/// How far the request of a client has come.
pub struct Progress {
    received: Cell<u64>,
    moved: Cell<Instant>,
    ended: Cell<Option<Instant>>,
    resumed: Cell<Option<Instant>>,
    waiting: RefCell<Option<Waker>>,
    call: RefCell<Option<Rc<Call>>>,
}

impl Progress {
    /// A request whose head had been read at that moment.
    pub fn begin(at: Instant) -> Progress {
        Progress {
            received: Cell::new(0),
            moved: Cell::new(at),
            ended: Cell::new(None),
            resumed: Cell::new(None),
            waiting: RefCell::new(None),
            call: RefCell::new(None),
        }
    }

    /// Something moved, in whatever direction.
    pub fn touch(&self) {
        self.moved.set(Instant::now());
    }

    /// It is a call whose messages are counted.
    pub fn count_call(&self, call: &Rc<Call>) {
        *self.call.borrow_mut() = Some(call.clone());
    }

    /// A part of the body has come.
    pub fn received_body(&self, bytes: &[u8]) {
        if let Some(call) = &*self.call.borrow() {
            call.received(bytes);
        }
        self.received(bytes.len());
    }

    /// So many more bytes of body have come.
    pub fn received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
        self.touch();
    }

    /// Bytes of body that have come so far.
    pub fn bytes(&self) -> u64 {
        self.received.get()
    }

    /// The request is whole. Only the first call counts.
    pub fn end(&self) {
        if self.ended.get().is_none() {
            self.ended.set(Some(Instant::now()));
            if let Some(waker) = self.waiting.take() {
                waker.wake();
            }
        }
    }

    /// When the request was whole; `None`: it is not.
    pub fn ended_at(&self) -> Option<Instant> {
        self.ended.get()
    }

    /// A filter has kept it waiting until `now`.
    pub fn resume(&self, now: Instant) {
        self.resumed.set(Some(now));
    }

    /// When the request was whole and nothing kept it any more: its route counts the time from then on.
    pub fn forwarded_at(&self) -> Option<Instant> {
        let ended = self.ended.get()?;
        Some(self.resumed.get().map_or(ended, |resumed| resumed.max(ended)))
    }

    fn poll_ended(&self, cx: &Context<'_>) -> Poll<Instant> {
        match self.ended.get() {
            Some(at) => Poll::Ready(at),
            None => {
                *self.waiting.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A limit that begins to count when the request is whole.
pub struct Deadline {
    limit: Option<Duration>,
    progress: Rc<Progress>,
    begins: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// `None`: no limit.
    pub fn new(limit: Option<Duration>, progress: &Rc<Progress>) -> Deadline {
        Deadline { limit, progress: progress.clone(), begins: None, sleep: None }
    }

    /// If the request is whole already, the time counts from now.
    pub fn restart(&mut self) {
        if self.progress.ended.get().is_some() {
            self.begins = Some(Instant::now());
        }
    }

    /// What is left; `None` where there is no limit, or it does not count yet.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let at = deadline(self.begins.or(self.progress.forwarded_at())?, self.limit)?;
        Some(at.saturating_duration_since(now))
    }

    /// Ready when the time is up.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() {
            if self.limit.is_none() {
                return Poll::Pending;
            }
            let whole = ready!(self.progress.poll_ended(cx));
            let whole = self.progress.forwarded_at().unwrap_or(whole);
            let Some(at) = deadline(self.begins.unwrap_or(whole), self.limit) else { return Poll::Pending };
            self.sleep = Some(Box::pin(tokio::time::sleep_until(at.into())));
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Waits until the time is up.
    pub async fn over(&mut self) {
        std::future::poll_fn(|cx| self.poll_over(cx)).await;
    }
}

/// How long nothing may move on a stream of `config`, whose route may say otherwise.
pub fn stream_idle_timeout(config: &HttpConnectionManager, route: Option<Duration>) -> Option<Duration> {
    let default = HttpConnectionManager::DEFAULT_STREAM_IDLE_TIMEOUT;
    let idle = route.or(config.stream_idle_timeout).unwrap_or(default);
    Some(idle).filter(|limit| !limit.is_zero())
}

/// A limit that begins anew whenever something moves.
struct Idle {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    fn due(&self, progress: &Progress) -> Option<Instant> {
        deadline(progress.moved.get(), self.limit)
    }

    fn poll_over(&mut self, progress: &Progress, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(due) = self.due(progress) else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
            ready!(sleep.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due.into());
        }
    }
}

/// What limits a request; `None`: nothing.
#[derive(Clone, Copy, Default)]
pub struct ClockLimits {
    /// From the end of the request to the end of its answer.
    pub timeout: Option<Duration>,
    /// How long nothing may move.
    pub idle: Option<Duration>,
    /// How long nothing may move in one try.
    pub try_idle: Option<Duration>,
    /// When the answer has to be over, because nobody waits any longer.
    pub until: Option<Instant>,
    /// When the stream has to be over.
    pub end: Option<Instant>,
    /// When the request has to be whole.
    pub whole: Option<Instant>,
}

/// The limits of a request: the time that its route gives, the time in which something has to move, and the time at which
/// its stream has to be over.
pub struct Clock {
    deadline: Deadline,
    idle: Idle,
    try_idle: Idle,
    until: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
    end: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
    whole: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
    /// When the try that is under way has to be over.
    end_of_try: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
}

impl Clock {
    /// Begins to look at the time.
    pub fn new(limits: ClockLimits, progress: &Rc<Progress>) -> Clock {
        Clock {
            deadline: Deadline::new(limits.timeout, progress),
            idle: Idle { limit: limits.idle, sleep: None },
            try_idle: Idle { limit: limits.try_idle, sleep: None },
            until: limits.until.map(|until| (until, None)),
            end: limits.end.map(|end| (end, None)),
            whole: limits.whole.map(|whole| (whole, None)),
            end_of_try: None,
        }
    }

    /// The answer has begun: how long the rest of the request takes is limited no more.
    pub fn begin_answer(&mut self) {
        self.whole = None;
    }

    /// A try begins now that may live so long; `None` or zero: for ever.
    pub fn begin_try(&mut self, limit: Option<Duration>) {
        let limit = limit.filter(|limit| !limit.is_zero());
        let end = limit.and_then(|limit| deadline(Instant::now(), Some(limit)));
        self.end_of_try = end.map(|end| (end, None));
    }

    /// What is left of the time that the route or the client gives; `None` where there is no limit, or it does not count yet.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let until = self.until.as_ref().map(|(until, _)| until.saturating_duration_since(now));
        self.deadline.left(now).into_iter().chain(until).min()
    }

    /// Which limit was exceeded at `now`. For who cannot wait.
    pub fn exceeded(&self, now: Instant) -> Option<ProxyError> {
        if self.left(now).is_some_and(|left| left.is_zero()) {
            return Some(ProxyError::RequestTimeout);
        }
        if self.end.as_ref().is_some_and(|(end, _)| *end <= now) {
            return Some(self.too_old());
        }
        if self.end_of_try.as_ref().is_some_and(|(end, _)| *end <= now) {
            return Some(ProxyError::UpstreamMaxDuration);
        }
        let slow = self.deadline.progress.ended_at().is_none();
        if slow && self.whole.as_ref().is_some_and(|(whole, _)| *whole <= now) {
            return Some(ProxyError::TooSlow);
        }
        let due = |idle: &Idle| idle.due(&self.deadline.progress).is_some_and(|due| due <= now);
        if due(&self.try_idle) {
            return Some(ProxyError::PerTryIdle);
        }
        due(&self.idle).then(|| self.silent())
    }

    /// Ready when a limit is exceeded.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if self.deadline.poll_over(cx).is_ready() {
            return Poll::Ready(ProxyError::RequestTimeout);
        }
        if let Some((until, sleep)) = &mut self.until {
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until((*until).into())));
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(ProxyError::RequestTimeout);
            }
        }
        if let Some((end, sleep)) = &mut self.end {
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until((*end).into())));
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(self.too_old());
            }
        }
        if let Some((end, sleep)) = &mut self.end_of_try {
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until((*end).into())));
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(ProxyError::UpstreamMaxDuration);
            }
        }
        let slow = self.deadline.progress.ended_at().is_none();
        if let Some((whole, sleep)) = self.whole.as_mut().filter(|_| slow) {
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until((*whole).into())));
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(ProxyError::TooSlow);
            }
        }
        if self.try_idle.poll_over(&self.deadline.progress, cx).is_ready() {
            return Poll::Ready(ProxyError::PerTryIdle);
        }
        ready!(self.idle.poll_over(&self.deadline.progress, cx));
        Poll::Ready(self.silent())
    }

    /// Waits until a limit is exceeded.
    pub async fn over(&mut self) -> ProxyError {
        std::future::poll_fn(|cx| self.poll_over(cx)).await
    }

    fn silent(&self) -> ProxyError {
        match self.deadline.progress.ended_at() {
            Some(_) => ProxyError::AnswerIdle,
            None => ProxyError::StreamIdle,
        }
    }

    fn too_old(&self) -> ProxyError {
        match self.deadline.progress.ended_at() {
            Some(_) => ProxyError::MaxDurationAnswer,
            None => ProxyError::MaxDuration,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_end_of_the_request() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        let mut limit = Deadline::new(Some(Duration::from_secs(5)), &progress);
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, limit.over()).await.is_err(), "the request is not whole yet");
        assert_eq!(limit.left(Instant::now()), None);
        progress.end();
        assert!(limit.left(Instant::now()).is_some());
        assert!(tokio::time::timeout(hour, limit.over()).await.is_ok());
    }

    #[test]
    fn time_that_a_filter_takes_does_not_count() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        progress.end();
        let ended = progress.ended_at().unwrap();
        let waited = ended + Duration::from_secs(3);
        let limit = Deadline::new(Some(Duration::from_secs(5)), &progress);
        assert_eq!(limit.left(waited), Some(Duration::from_secs(2)));
        progress.resume(waited);
        assert_eq!(limit.left(waited), Some(Duration::from_secs(5)));
        assert_eq!(progress.ended_at(), Some(ended), "it was whole before all the same");
    }

    #[tokio::test]
    async fn whatever_moves_begins_the_idle_time_anew() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        let limit = Duration::from_millis(40);
        let limits = ClockLimits { idle: Some(limit), ..ClockLimits::default() };
        let mut clock = Clock::new(limits, &progress);
        let begun = Instant::now();
        assert_eq!(clock.exceeded(begun), None);
        let move_on = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            progress.touch();
        };
        let (over, ()) = tokio::join!(clock.over(), move_on);
        assert_eq!(over, ProxyError::StreamIdle);
        assert!(begun.elapsed() >= Duration::from_millis(60));
        assert_eq!(clock.exceeded(Instant::now()), Some(ProxyError::StreamIdle));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_request_wakes_who_waits() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        let mut limit = Deadline::new(Some(Duration::from_millis(1)), &progress);
        let end = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            progress.end();
        };
        tokio::join!(limit.over(), end);
        let mut none = Deadline::new(None, &progress);
        assert!(tokio::time::timeout(Duration::from_secs(9), none.over()).await.is_err());
    }
}
