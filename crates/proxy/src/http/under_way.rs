//! The answers that are on their way to clients, for who looks after them from outside: a client that reads nothing lets
//! nobody ask for more of its answer, and then no time limit inside the answer is looked at.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Instant;

use slab::Slab;

use super::response_body::Passing;

/// The answers of one worker that are under way. There is one for each request, so they are bounded by connections and
/// streams.
#[derive(Default)]
pub struct UnderWay {
    answers: RefCell<Slab<Weak<RefCell<Passing>>>>,
}

/// An answer that is looked after until this is dropped.
pub struct LookedAfter {
    by: Rc<UnderWay>,
    place: usize,
}

impl UnderWay {
    /// Looks after an answer.
    pub fn add(self: &Rc<Self>, answer: &Rc<RefCell<Passing>>) -> LookedAfter {
        let place = self.answers.borrow_mut().insert(Rc::downgrade(answer));
        LookedAfter { by: self.clone(), place }
    }

    /// Ends the answers whose time is up.
    pub fn sweep(&self, now: Instant) {
        let answers: Vec<_> =
            self.answers.borrow().iter().filter_map(|(_, answer)| answer.upgrade()).collect();
        for answer in answers {
            answer.borrow_mut().expire(now);
        }
        let mut answers = self.answers.borrow_mut();
        if answers.capacity() > 4 * answers.len().max(64) {
            answers.shrink_to_fit();
        }
    }
}

impl Drop for LookedAfter {
    fn drop(&mut self) {
        self.by.answers.borrow_mut().try_remove(self.place);
    }
}
