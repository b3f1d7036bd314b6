//! Waiting for a moment, to within some tens of microseconds: the timers of tokio know milliseconds only.

use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::Outcome;

/// A timer of the kernel. It is read like a pipe that gets eight bytes when the moment has come.
pub struct Timer(Receiver);

impl Timer {
    /// One that waits for nothing yet.
    pub fn new() -> Outcome<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Timer(Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until `moment`.
    pub async fn until(&mut self, moment: Instant) -> Outcome<()> {
        let left = moment.saturating_duration_since(Instant::now());
        if left < Duration::from_micros(1) {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: left.as_secs().try_into()?, tv_nsec: left.subsec_nanos().into() };
        let time = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &time)?;
        self.0.read_u64_le().await?;
        Ok(())
    }
}
