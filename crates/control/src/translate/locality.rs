//! Near before far: members in groups by locality, with the shares or priorities that Istio gives them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use ripstop_model::Name;
use ripstop_model::endpoint::Locality;

use crate::resource::{LocalitySetting, Workload};
use crate::world::Member;

/// The members of one locality at one priority.
pub(super) struct Group<'a> {
    /// Where they are.
    pub(super) locality: Locality,
    /// 0 goes first.
    pub(super) priority: u32,
    /// Share among those of the priority.
    pub(super) weight: NonZeroU32,
    /// Who they are.
    pub(super) members: Vec<Member<'a>>,
}

/// The groups for calls of `viewer`, and whether their weights say how the load is shared. Priorities need to know who
/// fails: as in Istio, they are given only where instances are ejected.
pub(super) fn groups<'a>(
    viewer: &Workload,
    members: Vec<Member<'a>>,
    setting: Option<&LocalitySetting>,
    ejects: bool,
) -> (Vec<Group<'a>>, bool) {
    let off = setting.is_some_and(|setting| setting.enabled == Some(false));
    if !off && let Some(to) = setting.and_then(|setting| shares(setting, &viewer.locality)) {
        return (distributed(members, to), true);
    }
    let priorities = match (setting, off || !ejects) {
        (_, true) => vec![0; members.len()],
        (Some(setting), _) if !setting.failover_priority.is_empty() => {
            by_labels(viewer, &members, &setting.failover_priority)
        }
        (setting, _) => {
            let failover = setting.map(|setting| setting.failover.as_slice()).unwrap_or_default();
            members.iter().map(|member| distance(&viewer.locality, member.locality, failover)).collect()
        }
    };
    (grouped(members, &without_gaps(priorities)), false)
}

/// Members in order, each with its priority, by locality.
fn grouped<'a>(members: Vec<Member<'a>>, priorities: &[u32]) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(u32, Locality), Vec<Member<'a>>> = BTreeMap::new();
    for (member, priority) in members.into_iter().zip(priorities) {
        groups.entry((*priority, member.locality.clone())).or_default().push(member);
    }
    if groups.is_empty() {
        groups.insert((0, Locality::default()), Vec::new());
    }
    let group = |((priority, locality), members): ((u32, Locality), Vec<Member<'a>>)| {
        let weight = members.iter().fold(0u32, |sum, member| sum.saturating_add(member.weight));
        Group { locality, priority, weight: NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN), members }
    };
    groups.into_iter().map(group).collect()
}

/// How far away a member is: in the same place 0, then in the same zone, the same region, elsewhere; the region that takes
/// over goes before the others.
fn distance(from: &Locality, to: &Locality, failover: &[(Name, Name)]) -> u32 {
    if from.region.is_empty() {
        return 0;
    }
    let takes_over = failover.iter().find(|(region, _)| *region == from.region).map(|(_, to)| to);
    match () {
        () if from == to => 0,
        () if from.region == to.region && from.zone == to.zone => 1,
        () if from.region == to.region => 2,
        () if takes_over.is_none_or(|region| *region == to.region) => 3,
        () => 4,
    }
}

/// Those that share all labels with the caller first, then those that share all but the last, and so on.
fn by_labels(viewer: &Workload, members: &[Member<'_>], labels: &[Name]) -> Vec<u32> {
    let shares = |member: &Member<'_>, label: &Name| {
        let (key, wanted) = match label.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (&**label, own_value(viewer, label)),
        };
        wanted.is_some() && value_of(member, key) == wanted
    };
    let rank =
        |member: &Member<'_>| labels.len() - labels.iter().take_while(|label| shares(member, label)).count();
    members.iter().map(|member| u32::try_from(rank(member)).unwrap_or(u32::MAX)).collect()
}

/// Kubernetes' names for the parts of a locality, which nobody has to write as labels.
fn of_locality<'a>(locality: &'a Locality, key: &str) -> Option<&'a str> {
    let part = match key {
        "topology.kubernetes.io/region" => &locality.region,
        "topology.kubernetes.io/zone" => &locality.zone,
        "topology.istio.io/subzone" => &locality.sub_zone,
        _ => return None,
    };
    Some(part).filter(|part| !part.is_empty()).map(|part| &**part)
}

fn own_value<'a>(viewer: &'a Workload, key: &str) -> Option<&'a str> {
    viewer.meta.labels.get(key).map(|value| &**value).or_else(|| of_locality(&viewer.locality, key))
}

fn value_of<'a>(member: &Member<'a>, key: &str) -> Option<&'a str> {
    member.labels.get(key).map(|value| &**value).or_else(|| of_locality(member.locality, key))
}

/// The shares for a caller in `from`, if the setting has any for it.
fn shares<'a>(setting: &'a LocalitySetting, from: &Locality) -> Option<&'a [(Name, u32)]> {
    setting.distribute.iter().find(|one| covers(&one.from, from)).map(|one| one.to.as_slice())
}

/// Whether `region/zone/*` or the like covers a locality.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let parts = [&locality.region, &locality.zone, &locality.sub_zone];
    pattern.split('/').zip(parts).all(|(pattern, part)| pattern == "*" || pattern == &**part)
}

/// Each share is divided among the localities that it covers, by their members; what no share covers is left out.
fn distributed<'a>(members: Vec<Member<'a>>, to: &[(Name, u32)]) -> Vec<Group<'a>> {
    /// Shares are multiplied by this before they are divided, so that little is lost.
    const FINE: u64 = 10_000;
    let zeros = vec![0; members.len()];
    let mut groups: Vec<Group<'a>> = grouped(members, &zeros);
    // The first share that covers a locality has it.
    let share_of = |group: &Group<'_>| to.iter().position(|(pattern, _)| covers(pattern, &group.locality));
    let mut sums = vec![0u64; to.len()];
    for group in &groups {
        if let Some(share) = share_of(group) {
            sums[share] += u64::from(group.weight.get());
        }
    }
    groups.retain(|group| share_of(group).is_some());
    for group in &mut groups {
        let Some(share) = share_of(group) else { continue };
        let weight = u64::from(to[share].1) * FINE * u64::from(group.weight.get()) / sums[share].max(1);
        group.weight = u32::try_from(weight).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    }
    if groups.is_empty() {
        return grouped(Vec::new(), &[]);
    }
    groups
}

/// The same order with no number left out: proxies want priorities without gaps.
fn without_gaps(priorities: Vec<u32>) -> Vec<u32> {
    let mut used = priorities.clone();
    used.sort_unstable();
    used.dedup();
    let place = |priority: u32| used.binary_search(&priority).unwrap_or(0);
    priorities.into_iter().map(|priority| u32::try_from(place(priority)).unwrap_or(u32::MAX)).collect()
}
