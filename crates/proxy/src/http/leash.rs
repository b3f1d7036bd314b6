//! Ends the reading of a request body from outside: when a try is given up, or its answer is over before the request is,
//! the connection that still reads the body must not wait for more of it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};

/// The reader's end.
#[derive(Default)]
pub struct Leash {
    cut: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// The other end. The reader is stopped when this is dropped.
pub struct LeashHolder(Weak<Leash>);

impl Leash {
    /// Both ends.
    pub fn new() -> (Rc<Leash>, LeashHolder) {
        let leash = Rc::new(Leash::default());
        let holder = LeashHolder(Rc::downgrade(&leash));
        (leash, holder)
    }

    /// Whether the reader has to stop.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// The reader waits, and wants to know when it has to stop.
    pub fn wait(&self, cx: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *reader = Some(cx.waker().clone());
        }
    }
}

impl LeashHolder {
    /// Whether somebody still reads the body.
    pub fn is_read(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Drop for LeashHolder {
    fn drop(&mut self) {
        let Some(leash) = self.0.upgrade() else { return };
        leash.cut.set(true);
        if let Some(reader) = leash.reader.take() {
            reader.wake();
        }
    }
}
