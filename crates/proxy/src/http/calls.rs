//! Counts the messages and the outcome of a call of gRPC, where the connection manager is configured to.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::grpc_stats::{CountedMethods, GrpcStats};
use ripstop_policy::grpc::{MessageCounter, method_of_path};

use crate::stats::grpc::{MethodName, MethodStats};

/// What one call is counted in.
pub struct Call {
    stats: Arc<MethodStats>,
    request: Cell<MessageCounter>,
    response: Cell<MessageCounter>,
    /// What comes back are messages.
    answers: Cell<bool>,
    timed: bool,
}

/// The name under which a call with this path is counted; `None`: it calls no method.
pub fn counted_as(config: &GrpcStats, path: &str) -> Option<MethodName> {
    let (service, method) = method_of_path(path)?;
    let own = match &config.methods {
        CountedMethods::None => false,
        CountedMethods::All => true,
        CountedMethods::These(services) => services
            .iter()
            .any(|of| *of.name == *service && of.methods.iter().any(|counted| **counted == *method)),
    };
    if !own {
        return Some(MethodName::default());
    }
    let service = if config.replace_dots { service.replace('.', "_").into() } else { service.into() };
    Some(MethodName { service, method: method.into() })
}

impl Call {
    /// A call that has begun.
    pub fn begin(stats: Arc<MethodStats>, config: &GrpcStats) -> Call {
        Call {
            stats,
            request: Cell::default(),
            response: Cell::default(),
            answers: Cell::default(),
            timed: config.upstream_times,
        }
    }

    /// Bytes of the request have come.
    pub fn received(&self, bytes: &[u8]) {
        self.stats.request_messages.add(counted(&self.request, bytes));
    }

    /// The answer is one of gRPC.
    pub fn answer_begins(&self) {
        self.answers.set(true);
    }

    /// Bytes of the answer have come.
    pub fn answered(&self, bytes: &[u8]) {
        if self.answers.get() {
            self.stats.response_messages.add(counted(&self.response, bytes));
        }
    }

    /// It is over, after so long.
    pub fn end(&self, status: u32, took: Option<Duration>) {
        self.stats.ended(status);
        if let Some(took) = took.filter(|_| self.timed) {
            self.stats.upstream_time.record(took);
        }
    }
}

fn counted(counter: &Cell<MessageCounter>, bytes: &[u8]) -> u64 {
    let mut state = counter.get();
    let messages = state.take(bytes);
    counter.set(state);
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use ripstop_model::grpc_stats::CountedService;

    #[test]
    fn methods_are_counted_under_the_names_that_are_wanted() {
        let check = |methods: CountedMethods, path: &str, expected: Option<(&str, &str)>| {
            let config = GrpcStats { methods, upstream_times: false, replace_dots: false };
            let name = counted_as(&config, path);
            let name = name.as_ref().map(|name| (&*name.service, &*name.method));
            assert_eq!(name, expected, "{path}");
        };
        check(CountedMethods::None, "/shop.Cart/Add", Some(("", "")));
        check(CountedMethods::All, "/shop.Cart/Add", Some(("shop.Cart", "Add")));
        check(CountedMethods::All, "/shop.Cart/Add/x", None);
        check(CountedMethods::All, "/nothing", None);
        let these = |method: &str| {
            CountedMethods::These(vec![CountedService {
                name: "shop.Cart".into(),
                methods: vec![method.into()],
            }])
        };
        check(these("Add"), "/shop.Cart/Add", Some(("shop.Cart", "Add")));
        check(these("Add"), "/shop.Cart/Drop", Some(("", "")));
        let dots = GrpcStats { methods: CountedMethods::All, upstream_times: false, replace_dots: true };
        assert_eq!(counted_as(&dots, "/a.b.C/D").map(|name| name.service), Some("a_b_C".into()));
    }
}
