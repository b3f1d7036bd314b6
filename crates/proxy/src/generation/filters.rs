//! The HTTP filters before the router, and what routes say to them, ready for requests.

use std::sync::Arc;

use ripstop_model::Name;
use ripstop_model::cors::CorsPolicy;
use ripstop_model::http_filter::{FilterOverride, FilterOverrides, HttpFilter, HttpFilterKind};
use ripstop_model::route::{Route, RouteAction, RouteConfiguration, VirtualHost, WeightedCluster};
use ripstop_policy::cors::CorsRules;
use ripstop_policy::fault::FaultRules;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::runtime::Runtime;

use crate::http::session::SessionRules;

/// A compiled [`HttpFilter`].
pub struct ActiveHttpFilter {
    /// What routes call it.
    pub name: Name,
    /// It does nothing, unless a route has something for it.
    pub disabled: bool,
    /// What it does.
    pub kind: ActiveHttpFilterKind,
}

/// A compiled [`HttpFilterKind`].
pub enum ActiveHttpFilterKind {
    /// Answers for pages of other origins.
    Cors,
    /// Makes up faults.
    Fault(Arc<FaultRules>),
    /// Keeps sessions with their endpoints; `None`: unless a route says how, it does not.
    Session(Option<Arc<SessionRules>>),
}

impl ActiveHttpFilter {
    /// Whether it does something where no route says anything to it.
    pub fn acts_alone(&self) -> bool {
        match &self.kind {
            ActiveHttpFilterKind::Cors => false,
            ActiveHttpFilterKind::Fault(rules) => !self.disabled && rules.does_something(),
            ActiveHttpFilterKind::Session(rules) => !self.disabled && rules.is_some(),
        }
    }

    /// Compiles the filters of a connection manager.
    pub fn compile_all(filters: &[HttpFilter], runtime: &Runtime) -> Result<Box<[Self]>, RegexError> {
        let compile = |filter: &HttpFilter| -> Result<ActiveHttpFilter, RegexError> {
            let kind = match &filter.kind {
                HttpFilterKind::Cors => ActiveHttpFilterKind::Cors,
                HttpFilterKind::Fault(fault) => {
                    ActiveHttpFilterKind::Fault(Arc::new(FaultRules::compile(fault, runtime)?))
                }
                HttpFilterKind::Session(session) => {
                    ActiveHttpFilterKind::Session(SessionRules::compile(session).map(Arc::new))
                }
            };
            Ok(ActiveHttpFilter { name: filter.name.clone(), disabled: filter.disabled, kind })
        };
        filters.iter().map(compile).collect()
    }
}

/// What a route and what it is in say to filters.
pub struct RouteFilters {
    said: Box<[(Name, Said)]>,
    /// What Envoy's older fields say of pages of other origins.
    cors: Option<Arc<CorsRules>>,
}

/// What is said to one filter.
#[derive(Default)]
pub struct Said {
    /// It does nothing here.
    pub disabled: bool,
    /// What holds for pages of other origins.
    cors: Option<Arc<CorsRules>>,
    /// The fault in the place of the filter's own.
    pub fault: Option<Arc<FaultRules>>,
    /// The sessions in the place of the filter's own; `None` in it: none.
    pub session: Option<Option<Arc<SessionRules>>>,
}

/// All that is said to filters where a route is.
pub struct FilterLevels<'a> {
    /// The most specific one first.
    levels: Vec<&'a FilterOverrides>,
    /// The same for Envoy's older fields.
    cors: Vec<&'a CorsPolicy>,
}

impl<'a> FilterLevels<'a> {
    /// Of a route (`None`: of one that says nothing itself).
    pub fn of(
        route: Option<&'a Route>,
        host: &'a VirtualHost,
        config: &'a RouteConfiguration,
    ) -> FilterLevels<'a> {
        let own = route.and_then(|route| match &route.action {
            RouteAction::Forward(forward) => forward.cors.as_deref(),
            _ => None,
        });
        let levels = route.map(|route| &route.filters).into_iter().chain([&host.filters, &config.filters]);
        FilterLevels { levels: levels.collect(), cors: own.into_iter().chain(host.cors.as_deref()).collect() }
    }

    /// Compiles it; `None`: nothing.
    pub fn compile(&self, runtime: &Runtime) -> Result<Option<Arc<RouteFilters>>, RegexError> {
        RouteFilters::compile(&self.levels, &self.cors, runtime)
    }

    /// The same for a share of a split.
    pub fn compile_share(
        &self,
        share: &WeightedCluster,
        runtime: &Runtime,
    ) -> Result<Option<Arc<RouteFilters>>, RegexError> {
        if share.filters.is_empty() {
            return Ok(None);
        }
        let levels: Vec<_> = [&share.filters].into_iter().chain(self.levels.iter().copied()).collect();
        RouteFilters::compile(&levels, &self.cors, runtime)
    }
}

impl RouteFilters {
    /// Compiles what several levels say, the most specific one first; `cors` are the older fields, in the same order. `None`:
    /// nothing.
    fn compile(
        levels: &[&FilterOverrides],
        cors: &[&CorsPolicy],
        runtime: &Runtime,
    ) -> Result<Option<Arc<RouteFilters>>, RegexError> {
        let mut names: Vec<&Name> = levels.iter().flat_map(|level| level.keys()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() && cors.is_empty() {
            return Ok(None);
        }
        let said = |name: &Name| -> Result<(Name, Said), RegexError> {
            let all: Vec<_> = levels.iter().filter_map(|level| level.get(name)).collect();
            Ok((name.clone(), Said::compile(&all, runtime)?))
        };
        Ok(Some(Arc::new(RouteFilters {
            said: names.into_iter().map(said).collect::<Result<_, _>>()?,
            cors: CorsRules::compile(cors, runtime)?.map(Arc::new),
        })))
    }

    /// What is said to the filter of this name.
    pub fn to(&self, name: &Name) -> Option<&Said> {
        self.said.iter().find(|(other, _)| other == name).map(|(_, said)| said)
    }

    /// What holds for pages of other origins, in the eyes of the filter to which `said` is said.
    pub fn cors<'a>(&'a self, said: Option<&'a Said>) -> Option<&'a Arc<CorsRules>> {
        said.and_then(|said| said.cors.as_ref()).or(self.cors.as_ref())
    }
}

impl Said {
    /// The most specific of `all` stands first.
    fn compile(all: &[&FilterOverride], runtime: &Runtime) -> Result<Said, RegexError> {
        let disabled = matches!(all.first(), Some(FilterOverride::Disabled));
        let policies: Vec<&CorsPolicy> = all
            .iter()
            .filter_map(|said| match said {
                FilterOverride::Cors(policy) => Some(&**policy),
                FilterOverride::Disabled | FilterOverride::Fault(_) | FilterOverride::Session(_) => None,
            })
            .collect();
        let fault = all.iter().find_map(|said| match said {
            FilterOverride::Fault(fault) => Some(&**fault),
            FilterOverride::Disabled | FilterOverride::Cors(_) | FilterOverride::Session(_) => None,
        });
        let session = all.iter().find_map(|said| match said {
            FilterOverride::Session(session) => Some(SessionRules::compile(session).map(Arc::new)),
            FilterOverride::Disabled | FilterOverride::Cors(_) | FilterOverride::Fault(_) => None,
        });
        Ok(Said {
            disabled,
            cors: CorsRules::compile(&policies, runtime)?.map(Arc::new),
            fault: fault.map(|fault| FaultRules::compile(fault, runtime)).transpose()?.map(Arc::new),
            session,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn level(said: FilterOverride) -> FilterOverrides {
        [(Name::from("f"), said)].into()
    }

    #[test]
    fn the_most_specific_level_decides_whether_a_filter_is_off() {
        let (off, on) = (level(FilterOverride::Disabled), level(FilterOverride::Fault(Box::default())));
        let disabled = |levels: &[&FilterOverrides]| {
            let filters = RouteFilters::compile(levels, &[], &Runtime::default()).unwrap().unwrap();
            let said = filters.to(&"f".into()).unwrap();
            (said.disabled, said.fault.is_some())
        };
        let none = FilterOverrides::new();
        assert_eq!(disabled(&[&none, &off, &on]), (true, true));
        assert_eq!(disabled(&[&on, &off]), (false, true));
        assert!(RouteFilters::compile(&[&none, &none], &[], &Runtime::default()).unwrap().is_none());
    }

    #[test]
    fn older_fields_count_where_the_filter_is_told_nothing() {
        let (older, newer) = (CorsPolicy::default(), level(FilterOverride::Cors(Box::default())));
        let filters = RouteFilters::compile(&[&newer], &[&older], &Runtime::default()).unwrap().unwrap();
        let to_f = filters.to(&"f".into());
        assert!(!Arc::ptr_eq(filters.cors(to_f).unwrap(), filters.cors(None).unwrap()));
    }
}
