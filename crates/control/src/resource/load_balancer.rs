//! How an instance is chosen: Istio's `LoadBalancerSettings`.

use std::time::Duration;

use ripstop_model::route::HashSource;
use ripstop_model::{Name, Percent};

/// How an instance is chosen, and which are preferred.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBalancer {
    /// Among equals.
    pub choice: BalancerChoice,
    /// Near and far ones.
    pub locality: Option<LocalitySetting>,
    /// New ones get less at first.
    pub warmup: Option<Warmup>,
}

/// How one is chosen among equals.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BalancerChoice {
    /// The one of two drawn by dice that has fewer requests under way.
    #[default]
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// By dice.
    Random,
    /// Equal requests go to the same one.
    Hash {
        /// What of a request decides.
        source: HashSource,
        /// How it decides.
        table: HashTable,
    },
}

/// How a hash decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashTable {
    /// A ring with at least so many places.
    Ring(u32),
    /// Maglev's table of this size.
    Maglev(u32),
}

/// Istio's `LocalityLoadBalancerSetting`. Localities are written `region/zone/subzone`, a `*` stands for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalitySetting {
    /// Off takes away what would hold otherwise; `None`: on.
    pub enabled: Option<bool>,
    /// Shares by locality of the caller; excludes the others.
    pub distribute: Vec<Distribute>,
    /// Region that takes over for another: from, to.
    pub failover: Vec<(Name, Name)>,
    /// Labels (`key`, or `key=value`) by which instances rank, those that share more of them from the first on going before;
    /// excludes the others.
    pub failover_priority: Vec<Name>,
}

/// Where the requests of callers in one locality go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribute {
    /// Where the caller is.
    pub from: Name,
    /// Shares by locality; their sum is 100.
    pub to: Vec<(Name, u32)>,
}

/// How the share of a new instance grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmup {
    /// How long an instance is new. Not zero.
    pub duration: Duration,
    /// Its share at first.
    pub minimum: Percent,
    /// How fast it grows, in thousandths; 1000: evenly.
    pub aggression_milli: u32,
}
