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
        self.touch_at(Instant::now());
    }

    /// The same for who knows the time.
    pub fn touch_at(&self, now: Instant) {
        self.moved.set(now);
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
            self.end_at(Instant::now());
        }
    }

    /// The same for who knows the time.
    pub fn end_at(&self, now: Instant) {
        if self.ended.get().is_none() {
            self.ended.set(Some(now));
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
    limits: ClockLimits,
    progress: Rc<Progress>,
    /// When the try that is under way has to be over.
    end_of_try: Option<Instant>,
    /// Until the first moment at which a limit may be exceeded.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Begins to look at the time.
    pub fn new(limits: ClockLimits, progress: &Rc<Progress>) -> Clock {
        Clock { limits, progress: progress.clone(), end_of_try: None, sleep: None }
    }

    /// The answer has begun: how long the rest of the request takes is limited no more.
    pub fn begin_answer(&mut self) {
        self.limits.whole = None;
    }

    /// A try begins now that may live so long; `None` or zero: for ever.
    pub fn begin_try(&mut self, limit: Option<Duration>) {
        let limit = limit.filter(|limit| !limit.is_zero());
        self.end_of_try = limit.and_then(|limit| deadline(Instant::now(), Some(limit)));
    }

    /// What is left of the time that the route or the client gives; `None` where there is no limit, or it does not count yet.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.answer_due().map(|due| due.saturating_duration_since(now))
    }

    /// Which limit was exceeded at `now`.
    pub fn exceeded(&self, now: Instant) -> Option<ProxyError> {
        let is_over = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_over(self.answer_due()) {
            return Some(ProxyError::RequestTimeout);
        }
        if is_over(self.limits.end) {
            return Some(self.too_old());
        }
        if is_over(self.end_of_try) {
            return Some(ProxyError::UpstreamMaxDuration);
        }
        if is_over(self.whole_due()) {
            return Some(ProxyError::TooSlow);
        }
        if is_over(self.idle_due(self.limits.try_idle)) {
            return Some(ProxyError::PerTryIdle);
        }
        is_over(self.idle_due(self.limits.idle)).then(|| self.silent())
    }

    /// When the answer has to be over; `None` as well where the time of the route does not count yet.
    fn answer_due(&self) -> Option<Instant> {
        let route = self.progress.forwarded_at().and_then(|whole| deadline(whole, self.limits.timeout));
        route.into_iter().chain(self.limits.until).min()
    }

    fn whole_due(&self) -> Option<Instant> {
        self.limits.whole.filter(|_| self.progress.ended_at().is_none())
    }

    fn idle_due(&self, limit: Option<Duration>) -> Option<Instant> {
        deadline(self.progress.moved.get(), limit)
    }

    /// The first moment at which something is exceeded, if nothing moves and the request does not end.
    fn due(&self) -> Option<Instant> {
        let Clock { limits, end_of_try, .. } = self;
        let idle = [limits.try_idle, limits.idle].map(|limit| self.idle_due(limit));
        let ends = [self.answer_due(), limits.end, *end_of_try, self.whole_due()];
        ends.into_iter().chain(idle).flatten().min()
    }

    /// Ready when a limit is exceeded.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if self.limits.timeout.is_some() {
            // Whoever waits has to look again when the time of the route begins.
            let _ = self.progress.poll_ended(cx);
        }
        loop {
            let Some(due) = self.due() else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
            // One that ends too early does no harm: then there is more to wait for.
            if sleep.deadline() > due.into() {
                sleep.as_mut().reset(due.into());
            }
            ready!(sleep.as_mut().poll(cx));
            if let Some(error) = self.exceeded(Instant::now()) {
                return Poll::Ready(error);
            }
            let due = self.due();
            if let Some((sleep, due)) = self.sleep.as_mut().zip(due) {
                sleep.as_mut().reset(due.into());
            }
        }
    }

    /// Waits until a limit is exceeded.
    pub async fn over(&mut self) -> ProxyError {
        std::future::poll_fn(|cx| self.poll_over(cx)).await
    }

    fn silent(&self) -> ProxyError {
        match self.progress.ended_at() {
            Some(_) => ProxyError::AnswerIdle,
            None => ProxyError::StreamIdle,
        }
    }

    fn too_old(&self) -> ProxyError {
        match self.progress.ended_at() {
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
        progress.end();
        assert!(tokio::time::timeout(hour, limit.over()).await.is_ok());
    }

    #[test]
    fn time_that_a_filter_takes_does_not_count() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        let limits = ClockLimits { timeout: Some(Duration::from_secs(5)), ..ClockLimits::default() };
        let limit = Clock::new(limits, &progress);
        assert_eq!(limit.left(Instant::now()), None, "the request is not whole yet");
        progress.end();
        let ended = progress.ended_at().unwrap();
        let waited = ended + Duration::from_secs(3);
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

    #[tokio::test]
    async fn one_timer_serves_all_limits() {
        let progress = Rc::new(Progress::begin(Instant::now()));
        let (short, long) = (Duration::from_millis(30), Duration::from_secs(600));
        let limits = ClockLimits { timeout: Some(short), idle: Some(long), ..ClockLimits::default() };
        let mut clock = Clock::new(limits, &progress);
        // It waits for the later limit until the request is whole.
        let end = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            progress.end();
        };
        let over = tokio::time::timeout(Duration::from_secs(30), clock.over());
        let (over, ()) = tokio::join!(over, end);
        assert_eq!(over.unwrap(), ProxyError::RequestTimeout);
        clock.begin_try(Some(Duration::from_nanos(1)));
        progress.resume(Instant::now() + long);
        assert_eq!(clock.over().await, ProxyError::UpstreamMaxDuration);
    }
}
