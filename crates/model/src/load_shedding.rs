//! Which requests to a cluster are refused first when there are too many. Envoy has no such thing; it travels as
//! `filter_metadata["ripstop"]`.

use crate::{Name, Percent};

/// Requests say by a header how much they matter; those that matter less may fill the cluster less far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadShedding {
    /// The request header, in lower case.
    pub header: Name,
    /// By the value of the header: let through only while less than this share of `max_requests` is under way. In the order
    /// of the values, which differ; at most [`LoadShedding::MAX_LEVELS`].
    pub levels: Vec<(Name, Percent)>,
    /// The same for requests that have no such header or another value.
    pub others: Percent,
}

impl LoadShedding {
    /// Most levels.
    pub const MAX_LEVELS: usize = 16;
}
