//! How much a request matters, and how far requests of its kind may fill a cluster ([`crate::limits`]): when there are too
//! many, those that matter least are refused first, and those that matter most find room.

use http::{HeaderMap, HeaderName};
use ripstop_model::Percent;
use ripstop_model::load_shedding::LoadShedding;

/// A compiled [`LoadShedding`].
#[derive(Clone, Debug)]
pub struct Shedder {
    /// `None`: a name that no request can carry.
    header: Option<HeaderName>,
    levels: Vec<(Box<[u8]>, Percent)>,
    others: Percent,
}

impl Shedder {
    /// Compiles it.
    pub fn compile(config: &LoadShedding) -> Shedder {
        let level = |(value, share): &(ripstop_model::Name, Percent)| (value.as_bytes().into(), *share);
        Shedder {
            header: HeaderName::try_from(&*config.header).ok(),
            levels: config.levels.iter().map(level).collect(),
            others: config.others,
        }
    }

    /// The share of the limit that has to be free of others for a request with these headers.
    pub fn share(&self, headers: &HeaderMap) -> Percent {
        let value = self.header.as_ref().and_then(|name| headers.get(name));
        let level =
            value.and_then(|value| self.levels.iter().find(|(level, _)| **level == *value.as_bytes()));
        level.map_or(self.others, |(_, share)| *share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ClusterLimits;
    use http::HeaderValue;
    use ripstop_model::cluster::CircuitLimits;

    #[test]
    fn what_matters_least_is_refused_first() {
        let shedder = Shedder::compile(&LoadShedding {
            header: "x-priority".into(),
            levels: vec![("batch".into(), Percent::whole(50)), ("critical".into(), Percent::whole(100))],
            others: Percent::whole(80),
        });
        let share = |value: Option<&'static str>| {
            let value =
                value.map(|value| (HeaderName::from_static("x-priority"), HeaderValue::from_static(value)));
            shedder.share(&value.into_iter().collect())
        };
        let limits = ClusterLimits::new(&CircuitLimits { max_requests: 10, ..CircuitLimits::default() });
        let fill = |value| {
            let mut taken = Vec::new();
            while let Ok(permit) = limits.try_request_within(share(value)) {
                taken.push(permit);
            }
            taken
        };
        let batch = fill(Some("batch"));
        let normal = fill(None);
        assert!(fill(Some("unknown")).is_empty());
        let critical = fill(Some("critical"));
        assert_eq!((batch.len(), normal.len(), critical.len()), (5, 3, 2));
    }
}
