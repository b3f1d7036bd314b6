//! Reads Istio's `LoadBalancerSettings`.

use std::time::Duration;

use ripstop_model::route::{HashCookie, HashSource};
use ripstop_model::{LbPolicy, Name, Percent};
use ripstop_yaml::{Field, Reader};

use crate::document::common::{positive_duration, shorten};
use crate::resource::{BalancerChoice, Distribute, HashTable, LoadBalancer, LocalitySetting, Warmup};

/// Istio's default for `minimumRingSize`, which is Envoy's.
const DEFAULT_RING_SIZE: u32 = 1024;
/// Istio's default for `maglev.tableSize`, which is Envoy's.
const DEFAULT_TABLE_SIZE: u32 = 65_537;

#[derive(Clone, Copy)]
enum Simple {
    LeastRequest,
    RoundRobin,
    Random,
    PassThrough,
}

pub(super) fn decode(reader: Reader<'_>) -> LoadBalancer {
    let words = [
        ("UNSPECIFIED", Simple::LeastRequest),
        ("LEAST_REQUEST", Simple::LeastRequest),
        ("LEAST_CONN", Simple::LeastRequest),
        ("ROUND_ROBIN", Simple::RoundRobin),
        ("RANDOM", Simple::Random),
        ("PASSTHROUGH", Simple::PassThrough),
    ];
    let simple = reader.one_of("simple", &words);
    if matches!(simple, Some(Simple::PassThrough)) {
        reader.known_but_unsupported(
            "simple",
            "PASSTHROUGH needs the original destination; least request is used",
        );
    }
    let hash = reader.map("consistentHash").and_then(consistent_hash);
    if simple.is_some() && reader.has("consistentHash") {
        reader.error_here("only one of `simple` and `consistentHash` can hold");
    }
    let choice = hash.unwrap_or(match simple {
        Some(Simple::RoundRobin) => BalancerChoice::RoundRobin,
        Some(Simple::Random) => BalancerChoice::Random,
        Some(Simple::LeastRequest | Simple::PassThrough) | None => BalancerChoice::LeastRequest,
    });
    let warmup = warmup(&reader);
    if warmup.is_some() && !matches!(choice, BalancerChoice::LeastRequest | BalancerChoice::RoundRobin) {
        let key = if reader.has("warmup") { "warmup" } else { "warmupDurationSecs" };
        reader
            .warn(key, "only ROUND_ROBIN and LEAST_REQUEST can give new instances less, so it has no effect");
    }
    let locality = reader.map("localityLbSetting").map(locality);
    reader.finish();
    LoadBalancer { choice, locality, warmup }
}

fn consistent_hash(reader: Reader<'_>) -> Option<BalancerChoice> {
    let mut sources: Vec<HashSource> = Vec::new();
    if let Some(field) = reader.field("httpHeaderName") {
        let name = field.str().map(|name| Name::from(name.to_ascii_lowercase()));
        sources.extend(name.map(|name| HashSource::Header { name, rewrite: None }));
    }
    if let Some(cookie) = reader.map("httpCookie") {
        sources.extend(hash_cookie(cookie));
    }
    if reader.bool("useSourceIp") == Some(true) {
        sources.push(HashSource::SourceIp);
    }
    if let Some(name) = reader.str("httpQueryParameterName") {
        sources.push(HashSource::QueryParameter(name.into()));
    }
    if sources.len() != 1 {
        let words = "`httpHeaderName`, `httpCookie`, `useSourceIp` and `httpQueryParameterName`";
        reader.error_here(format!("exactly one of {words} must hold"));
    }
    let ring = reader.map("ringHash").map(|ring| {
        let size = ring.u64("minimumRingSize");
        ring.finish();
        size
    });
    let maglev = reader.map("maglev").map(|maglev| {
        let field = maglev.field("tableSize");
        let size = field.as_ref().and_then(|field| table_size(field));
        maglev.finish();
        size
    });
    let old_size = reader.u64("minimumRingSize");
    if ring.is_some() && maglev.is_some() {
        reader.error_here("only one of `ringHash` and `maglev` can hold");
    }
    let table = match maglev {
        Some(size) => HashTable::Maglev(size.unwrap_or(DEFAULT_TABLE_SIZE)),
        None => {
            let size = ring.flatten().or(old_size).unwrap_or(u64::from(DEFAULT_RING_SIZE));
            let largest = u64::from(LbPolicy::MAX_RING_SIZE);
            if size > largest {
                reader.error_here(format!("a ring has at most {largest} places"));
            }
            HashTable::Ring(u32::try_from(size.min(largest)).unwrap_or(LbPolicy::MAX_RING_SIZE))
        }
    };
    reader.finish();
    let source = sources.pop()?;
    Some(BalancerChoice::Hash { source, table })
}

fn hash_cookie(reader: Reader<'_>) -> Option<HashSource> {
    let name = reader.required_str("name");
    // Istio asks for a ttl; without one, no cookie is made.
    let ttl = reader.duration("ttl");
    let path = reader.str("path").unwrap_or_default();
    let attribute = |one: Reader<'_>| {
        let name = one.required_str("name");
        let value = one.str("value").unwrap_or_default();
        one.finish();
        Some((Name::from(name?), Name::from(value)))
    };
    let attributes = reader.maps("attributes").into_iter().filter_map(attribute).collect();
    reader.finish();
    Some(HashSource::Cookie(HashCookie { name: name?.into(), ttl, path: path.into(), attributes }))
}

fn table_size(field: &Field<'_>) -> Option<u32> {
    let size = field.u32()?;
    let prime = size >= 2 && (2..).take_while(|n| n * n <= size).all(|n| size % n != 0);
    if !prime || size > LbPolicy::MAX_TABLE_SIZE {
        let largest = LbPolicy::MAX_TABLE_SIZE;
        field.error_with_help(format!("{size} is not a prime up to {largest}"), "65537 is the usual size");
        return None;
    }
    Some(size)
}

fn warmup(reader: &Reader<'_>) -> Option<Warmup> {
    let old = positive_duration(reader, "warmupDurationSecs");
    let Some(written) = reader.map("warmup") else {
        return old.map(|duration| Warmup { duration, minimum: Percent::whole(10), aggression_milli: 1000 });
    };
    if old.is_some() {
        reader.error_here("only one of `warmup` and `warmupDurationSecs` can hold");
    }
    let duration = match written.required("duration") {
        Some(_) => positive_duration(&written, "duration"),
        None => None,
    };
    let minimum = written.f64("minimumPercent").map(|number| {
        let percent = Percent::from_f64(number);
        if percent.is_none() {
            written.error("minimumPercent", "a percentage is 0 to 100");
        }
        percent.unwrap_or(Percent::whole(10))
    });
    let aggression = written.f64("aggression").map(|number| {
        if !(1.0..=1_000_000.0).contains(&number) {
            written.error("aggression", "an aggression is 1 or more");
        }
        // In range by the check above, or refused.
        (number.clamp(1.0, 1_000_000.0) * 1000.0).round() as u32
    });
    written.finish();
    let duration: Duration = duration?;
    let minimum = minimum.unwrap_or(Percent::whole(10));
    Some(Warmup { duration, minimum, aggression_milli: aggression.unwrap_or(1000) })
}

fn locality(reader: Reader<'_>) -> LocalitySetting {
    let distribute: Vec<Distribute> = reader.maps("distribute").into_iter().filter_map(distribute).collect();
    let failover = reader.maps("failover").into_iter().filter_map(failover).collect();
    let failover_priority: Vec<Name> =
        reader.strings("failoverPriority").into_iter().map(Name::from).collect();
    let setting =
        LocalitySetting { enabled: reader.bool("enabled"), distribute, failover, failover_priority };
    if !setting.distribute.is_empty() && (reader.has("failover") || reader.has("failoverPriority")) {
        reader.error_here("`distribute` cannot be beside `failover` or `failoverPriority`");
    }
    reader.finish();
    setting
}

fn distribute(reader: Reader<'_>) -> Option<Distribute> {
    let from = reader.required("from").and_then(|field| locality_name(&field, field.str()?));
    let mut to = Vec::new();
    let fields = reader.required("to").map(|field| field.entries()).unwrap_or_default();
    for (locality, field) in fields {
        let (locality, share) = (locality_name(&field, locality.to_owned()), field.u32());
        if share.is_some_and(|share| !(1..=100).contains(&share)) {
            field.error("a share is 1 to 100");
        }
        to.extend(locality.zip(share));
    }
    let sum: u64 = to.iter().map(|(_, share)| u64::from(*share)).sum();
    if sum != 100 && !to.is_empty() {
        reader.error("to", format!("the shares add up to {sum}, not to 100"));
    }
    reader.finish();
    Some(Distribute { from: from?, to })
}

fn failover(reader: Reader<'_>) -> Option<(Name, Name)> {
    let region = |key: &str| reader.required(key).and_then(|field| locality_name(&field, field.str()?));
    let (from, to) = (region("from"), region("to"));
    if from.is_some() && from == to {
        reader.error_here("a region cannot take over for itself");
    }
    for (key, name) in [("from", &from), ("to", &to)] {
        if name.as_ref().is_some_and(|name| name.contains(['/', '*'])) {
            reader.error_with_help(key, "this is not a region", "write the first part of the locality alone");
        }
    }
    reader.finish();
    from.zip(to)
}

/// `region`, `region/zone`, `region/zone/subzone`, the last part maybe `*`.
fn locality_name(field: &Field<'_>, text: String) -> Option<Name> {
    let parts: Vec<&str> = text.split('/').collect();
    let star = parts.iter().position(|part| *part == "*");
    let ends_in_star = star.is_none_or(|at| at + 1 == parts.len());
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) || !ends_in_star {
        let message = format!("`{}` is not a locality", shorten(&text));
        field.error_with_help(message, "write region/zone/subzone, or * in the place of the last parts");
        return None;
    }
    Some(text.into())
}
