//! Load: sessions with a proxy, driven as fast as they answer or by a fixed schedule.

pub mod closed;
pub mod http1;
mod http2;
pub mod open;
pub mod session;
mod timer;
mod tls;
mod tunnel;

/// Puts the tasks of hyper onto the thread that asks for them.
#[derive(Clone, Copy, Debug)]
pub struct LocalExec;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
