//! How one endpoint of a cluster is chosen. The choosing itself is `ripstop-policy`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Name, Percent};

/// Everything that a cluster says about choosing an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancing {
    /// How an endpoint is chosen among equals.
    pub policy: LbPolicy,
    /// Below this share of healthy endpoints all are used, healthy or not; 50 % unless told.
    pub panic_threshold: Percent,
    /// How localities share the load.
    pub locality: LocalityBalancing,
    /// New endpoints get less at first. `ROUND_ROBIN` and `LEAST_REQUEST` obey it.
    pub slow_start: Option<SlowStart>,
    /// Names of reported numbers that [`LbPolicy::ClientWeighted`] takes for the use of an endpoint: the largest counts.
    pub utilization_metrics: Vec<Name>,
    /// Requests may ask for endpoints with certain labels.
    pub subsets: Option<Box<Subsets>>,
}

impl LoadBalancing {
    /// Envoy's default for [`LoadBalancing::panic_threshold`].
    pub const DEFAULT_PANIC_THRESHOLD: Percent = Percent::whole(50);

    /// A policy with Envoy's defaults for all else.
    pub fn new(policy: LbPolicy) -> LoadBalancing {
        LoadBalancing {
            policy,
            panic_threshold: LoadBalancing::DEFAULT_PANIC_THRESHOLD,
            locality: LocalityBalancing::default(),
            slow_start: None,
            utilization_metrics: Vec::new(),
            subsets: None,
        }
    }
}

/// How an endpoint is chosen among those that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbPolicy {
    /// In turn, by weight.
    RoundRobin,
    /// The one with fewest active requests of `choices` drawn by dice (Envoy's `LEAST_REQUEST`).
    LeastRequest {
        /// How many are drawn; at least 2.
        choices: u32,
        /// How strongly active requests count where weights are not equal, in thousandths: `weight / (active + 1)^bias`.
        /// 1000 unless told.
        active_request_bias_milli: u32,
    },
    /// By dice, whatever their weights.
    Random,
    /// By the hash of the request on a ring of hashes of the endpoints (ketama).
    RingHash {
        /// Least number of places on the ring; 1024 unless told.
        min_ring_size: u32,
        /// Most places on the ring; 8 Mi unless told.
        max_ring_size: u32,
        /// What places are hashed with.
        function: HashFunction,
        /// What of an endpoint is hashed, and how much load one may have.
        hashing: ConsistentHashing,
    },
    /// By the hash of the request in a table (Eisenbud et al., "Maglev", NSDI 2016).
    Maglev {
        /// Length of the table, a prime up to 5,000,011; 65,537 unless told.
        table_size: u32,
        /// What of an endpoint is hashed, and how much load one may have.
        hashing: ConsistentHashing,
    },
    /// In turn, by weights that follow from what endpoints say of their load (gRFC A58).
    ClientWeighted(ClientWeighted),
    /// The one of two drawn by dice that promises the shorter wait: peak-sensitive average of its response times, times
    /// its active requests. Ours; travels as `filter_metadata["ripstop"]`.
    LeastResponseTime {
        /// How long a slow answer is remembered; 10 s unless told.
        decay: Duration,
    },
}

impl LbPolicy {
    /// Envoy's `LEAST_REQUEST` as it is unless told otherwise.
    pub const LEAST_REQUEST: LbPolicy =
        LbPolicy::LeastRequest { choices: 2, active_request_bias_milli: 1000 };
    /// Envoy's `RING_HASH` as it is unless told otherwise.
    pub const RING_HASH: LbPolicy = LbPolicy::RingHash {
        min_ring_size: 1024,
        max_ring_size: LbPolicy::MAX_RING_SIZE,
        function: HashFunction::Xx,
        hashing: ConsistentHashing { use_hostname: false, balance_factor: None },
    };
    /// Envoy's `MAGLEV` as it is unless told otherwise.
    pub const MAGLEV: LbPolicy = LbPolicy::Maglev {
        table_size: 65_537,
        hashing: ConsistentHashing { use_hostname: false, balance_factor: None },
    };
    /// Largest ring.
    pub const MAX_RING_SIZE: u32 = 8 * 1024 * 1024;
    /// Largest Maglev table.
    pub const MAX_TABLE_SIZE: u32 = 5_000_011;
    /// Default of [`LbPolicy::LeastResponseTime`].
    pub const DEFAULT_DECAY: Duration = Duration::from_secs(10);

    /// Whether the hash of a request decides.
    pub fn is_consistent(&self) -> bool {
        matches!(self, LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. })
    }
}

/// Envoy's `ClientSideWeightedRoundRobin`: the weight of an endpoint is its requests in a second, divided by its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientWeighted {
    /// So long after its first report, and after a silence, an endpoint has the average weight; 10 s unless told.
    pub blackout: Duration,
    /// A weight is forgotten so long after the last report; 3 min unless told.
    pub expiration: Duration,
    /// How often weights are looked at; 1 s unless told, never below 100 ms.
    pub update_period: Duration,
    /// How much errors count as use, in thousandths: `use + errors / requests * penalty`; 1000 unless told.
    pub error_penalty_milli: u32,
}

impl Default for ClientWeighted {
    /// Envoy's.
    fn default() -> ClientWeighted {
        ClientWeighted {
            blackout: Duration::from_secs(10),
            expiration: Duration::from_secs(180),
            update_period: Duration::from_secs(1),
            error_penalty_milli: 1000,
        }
    }
}

impl ClientWeighted {
    /// Smallest [`ClientWeighted::update_period`].
    pub const MIN_UPDATE_PERIOD: Duration = Duration::from_millis(100);
}

/// What consistent hashing has in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsistentHashing {
    /// The host name of an endpoint is hashed, not its address.
    pub use_hostname: bool,
    /// No endpoint gets more than this many percent of the average load; at least 100. `None`: no bound. (Mirrokni et al.,
    /// "Consistent Hashing with Bounded Loads".)
    pub balance_factor: Option<u32>,
}

/// Envoy's `RingHashLbConfig.HashFunction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// xxHash.
    #[default]
    Xx,
    /// MurmurHash 2, as of libstdc++ on Linux.
    Murmur2,
}

/// How localities of one priority share the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalityBalancing {
    /// By their weights, times the share of their endpoints that are well.
    Weighted,
    /// The own zone first, as far as it can take its share. Of no effect where the proxy does not know who else sends to the
    /// cluster, and for policies that go by a hash.
    ZoneAware {
        /// For this share of requests; 100 % unless told.
        enabled: Percent,
        /// Only with at least this many endpoints; 6 unless told.
        min_cluster_size: u64,
        /// In panic nobody is asked, and the request fails.
        fail_traffic_on_panic: bool,
    },
}

impl Default for LocalityBalancing {
    /// Envoy's zone-aware routing as it is unless told otherwise.
    fn default() -> LocalityBalancing {
        LocalityBalancing::ZoneAware {
            enabled: Percent::ALL,
            min_cluster_size: 6,
            fail_traffic_on_panic: false,
        }
    }
}

/// Envoy's `SlowStartConfig`: the weight of a new endpoint grows from `min_weight` to all of it within the window, as
/// `(age / window)^(1 / aggression)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// How long an endpoint is new. Not zero.
    pub window: Duration,
    /// In thousandths. 1000: linearly; more: faster at first. Not zero.
    pub aggression_milli: u32,
    /// Never below this share of its weight; 10 % unless told.
    pub min_weight: Percent,
}

/// Labels that a request asks for, by name.
pub type Labels = BTreeMap<Name, Name>;

/// Envoy's `LbSubsetConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// Which names of labels make subsets.
    pub selectors: Vec<SubsetSelector>,
    /// What becomes of a request that no subset fits.
    pub fallback: SubsetFallback,
    /// The labels of the subset that [`SubsetFallback::Default`] means.
    pub default_subset: Labels,
}

/// The names of labels that a request must ask for, all of them and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsetSelector {
    /// Names, sorted, without repetition, at least one.
    pub keys: Vec<Name>,
    /// `None`: as the cluster has it.
    pub fallback: Option<SubsetFallback>,
    /// With [`SubsetFallback::Keys`]: the names that are tried instead, fewer than `keys`.
    pub fallback_keys: Vec<Name>,
}

/// What becomes of a request that no subset fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubsetFallback {
    /// No endpoint: 503.
    #[default]
    Nothing,
    /// Any endpoint.
    Any,
    /// Those with [`Subsets::default_subset`].
    Default,
    /// The subset by [`SubsetSelector::fallback_keys`].
    Keys,
}
