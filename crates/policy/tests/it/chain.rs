//! A chain of five tiers whose last is dead: what retries make of the load on it. A discrete event simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::circuit_breaker::CircuitBreaker;
use ripstop_model::cluster::{BudgetBase, CircuitLimits, RetryBudget};
use ripstop_model::route::{RetryOn, RetryPolicy};
use ripstop_policy::breaker::{Breaker, Outcome, Pass};
use ripstop_policy::limits::{ClusterLimits, Permit};
use ripstop_policy::retry::rules::RetryRules;
use ripstop_policy::retry::{Attempt, AttemptOutcome, RequestFacts, RetryDecision, RetryState};

/// Each tier is called by the one before it; the first by the clients' gateway. All callers retry.
const TIERS: usize = 5;
const REQUESTS_PER_SECOND: u64 = 500;
const SECONDS: u64 = 4;

/// How the callers are set up.
#[derive(Clone, Copy)]
struct Setup {
    limits: CircuitLimits,
    /// What the dead leaf takes to answer 503.
    leaf_latency: Duration,
    /// Applications pass the attempt header on to what they call.
    header_passed_on: bool,
    /// The caller of the leaf has a circuit breaker with the defaults.
    breaker: bool,
}

/// A call of one tier by the one before it, through all of its tries.
struct Call {
    tier: usize,
    caller: Option<usize>,
    state: RetryState,
    /// Held while a try is under way.
    request: Option<Permit>,
    retry: Option<Permit>,
    pass: Option<Pass>,
}

struct Chain {
    setup: Setup,
    rules: Arc<RetryRules>,
    limits: Vec<Arc<ClusterLimits>>,
    calls: Vec<Call>,
    /// When, in which order, what.
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    sequence: u64,
    rng: fastrand::Rng,
    leaf_load: u64,
    breaker: Option<Arc<Breaker>>,
    start: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client's request arrives.
    Arrival,
    /// A call makes a try.
    Try(usize),
    /// The leaf answers a call.
    LeafAnswers(usize),
}

impl Chain {
    /// The load on the dead leaf, as a multiple of what the clients ask.
    fn amplification(setup: Setup) -> f64 {
        let policy = RetryPolicy { num_retries: 2, ..RetryPolicy::on(RetryOn::SERVER_ERROR) };
        let start = Instant::now();
        let mut chain = Chain {
            setup,
            rules: RetryRules::compile(&policy).expect("it has no patterns"),
            limits: (0..TIERS).map(|_| ClusterLimits::new(&setup.limits)).collect(),
            calls: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            rng: fastrand::Rng::with_seed(42),
            leaf_load: 0,
            breaker: setup.breaker.then(|| Arc::new(Breaker::new(CircuitBreaker::default(), start))),
            start,
        };
        let requests = REQUESTS_PER_SECOND * SECONDS;
        for n in 0..requests {
            chain.at(Duration::from_micros(n * 1_000_000 / REQUESTS_PER_SECOND), Event::Arrival);
        }
        while let Some(Reverse((now, _, event))) = chain.events.pop() {
            match event {
                Event::Arrival => {
                    let call = chain.call(0, None, None);
                    chain.attempt(call, now);
                }
                Event::Try(call) => chain.attempt(call, now),
                Event::LeafAnswers(call) => chain.failed(call, now),
            }
        }
        chain.leaf_load as f64 / requests as f64
    }

    fn at(&mut self, when: Duration, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((when, self.sequence, event)));
    }

    fn call(&mut self, tier: usize, caller: Option<usize>, outer_attempt: Option<u32>) -> usize {
        let facts = RequestFacts { idempotent: true, outer_attempt };
        let state = RetryState::new(Some(self.rules.clone()), facts);
        self.calls.push(Call { tier, caller, state, request: None, retry: None, pass: None });
        self.calls.len() - 1
    }

    fn attempt(&mut self, call: usize, now: Duration) {
        let tier = self.calls[call].tier;
        if let Some(breaker) = self.breaker.as_ref().filter(|_| tier + 1 == TIERS) {
            match breaker.admit(self.start + now).0 {
                Ok(pass) => self.calls[call].pass = Some(pass),
                // Answered at once, with the word that trying again does not help.
                Err(_) => {
                    self.calls[call].retry = None;
                    return self.calls[call].caller.map_or((), |caller| self.failed(caller, now));
                }
            }
        }
        self.calls[call].request = self.limits[tier].try_request().ok();
        assert!(self.calls[call].request.is_some(), "the limits of the simulation are wide enough");
        if tier + 1 == TIERS {
            self.leaf_load += 1;
            self.at(now + self.setup.leaf_latency, Event::LeafAnswers(call));
        } else {
            let header = self.calls[call].state.attempt_header().filter(|_| self.setup.header_passed_on);
            let next = self.call(tier + 1, Some(call), header);
            self.attempt(next, now);
        }
    }

    /// A try has ended with 503.
    fn failed(&mut self, call: usize, now: Duration) {
        let failed = &mut self.calls[call];
        failed.retry = None;
        if let Some(pass) = failed.pass.take() {
            let outcome = Outcome { failed: true, took: self.setup.leaf_latency };
            let _ = pass.record(outcome, self.start + now);
        }
        let attempt = Attempt::new(AttemptOutcome::Status(503));
        let decision = failed.state.decide(&attempt, None, &self.limits[failed.tier], &mut self.rng);
        failed.request = None;
        match (decision, failed.caller) {
            (RetryDecision::Retry { after, permit, .. }, _) => {
                failed.retry = permit;
                self.at(now + after, Event::Try(call));
            }
            (RetryDecision::No(_), Some(caller)) => self.failed(caller, now),
            (RetryDecision::No(_), None) => {}
        }
    }
}

#[test]
fn a_dead_leaf_is_spared() {
    let wide = CircuitLimits {
        max_connections: u32::MAX,
        max_pending_requests: u32::MAX,
        max_requests: u32::MAX,
        ..CircuitLimits::default()
    };
    let unlimited = CircuitLimits { max_retries: u32::MAX, retry_budget: None, ..wide };
    let leaf_latency = Duration::from_millis(100);
    let usual = Setup { limits: wide, leaf_latency, header_passed_on: true, breaker: false };
    let envoys = RetryBudget { of: BudgetBase::AllRequests, ..RetryBudget::default() };
    let envoys = Setup { limits: CircuitLimits { retry_budget: Some(envoys), ..wide }, ..usual };
    let budget_only = Setup { header_passed_on: false, ..usual };
    let bare = Chain::amplification(Setup { limits: unlimited, ..budget_only });
    let budget_only = Chain::amplification(budget_only);
    let defaults = Chain::amplification(usual);
    // The longer the leaf takes, the less the back-off helps.
    let slow = Chain::amplification(Setup { leaf_latency: Duration::from_secs(1), ..usual });
    let envoys = Chain::amplification(envoys);
    let breaker = Chain::amplification(Setup { breaker: true, ..usual });
    println!(
        "load on the dead leaf of a {TIERS}-tier chain, two retries a tier, as a multiple of what is asked:"
    );
    println!("  neither budget nor attempt header      {bare:8.2}");
    println!("  budget, attempt header not passed on   {budget_only:8.2}");
    println!("  defaults: budget and attempt header    {defaults:8.2} (answer after 0.1 s)");
    println!("                                         {slow:8.2} (answer after 1 s)");
    println!("  the same, budget counted as Envoy does {envoys:8.2}");
    println!("  defaults, and a circuit breaker        {breaker:8.2}");
    assert!(envoys > defaults && envoys <= 1.26, "{envoys}");
    assert!(breaker < 0.3, "{breaker}");
    assert!((bare - 243.0).abs() < 0.01, "3 tries to the power of 5 tiers, not {bare}");
    // Five hops that each add about a fifth. It is a little more than 1.2^5, because a budget bounds what is under way
    // at once, and retries that find inner budgets used up are over sooner than first tries.
    assert!(budget_only <= 3.0, "{budget_only}");
    for load in [defaults, slow] {
        assert!(load <= 1.2, "{load}");
        assert!(load > 1.05, "the budget is used, not only kept: {load}");
    }
}
