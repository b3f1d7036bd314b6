//! Hosts that the mesh knows though no `Service` describes them: Istio's `ServiceEntry`, with `WorkloadEntry` and
//! `WorkloadGroup`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ripstop_model::Name;
use ripstop_model::cidr::CidrRange;
use ripstop_model::endpoint::Locality;

use super::{ExportTo, Labels, Metadata, Origin, ServicePort};

/// `ServiceEntry` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceEntry {
    /// Name and place.
    pub meta: Metadata,
    /// Full names or `*.suffix`; at least one.
    pub hosts: Vec<(Name, Origin)>,
    /// Addresses that callers may use instead of the hosts.
    pub addresses: Vec<CidrRange>,
    /// Names and numbers are unique; at least one.
    pub ports: Vec<EntryPort>,
    /// Whether its endpoints belong to the mesh.
    pub location: Location,
    /// How the endpoints are found.
    pub resolution: Resolution,
    /// Where it is reached; empty: by its own names, or by [`ServiceEntry::selector`].
    pub endpoints: Vec<EntryEndpoint>,
    /// Labels of the WorkloadEntries and Workloads of its namespace that are its endpoints.
    pub selector: Option<Labels>,
    /// Where it can be seen.
    pub export_to: ExportTo,
    /// Names of which the certificate of an endpoint must have one.
    pub subject_alt_names: Vec<Name>,
}

/// A port of a [`ServiceEntry`].
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPort {
    /// What callers use.
    pub port: ServicePort,
    /// Where endpoints listen that do not say; `None`: at the same number.
    pub target: Option<u16>,
}

/// Istio's `ServiceEntry.Location`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Location {
    /// Outside the mesh.
    #[default]
    External,
    /// Part of the mesh.
    Internal,
}

/// Istio's `ServiceEntry.Resolution`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The address that the caller wanted to reach.
    #[default]
    None,
    /// The addresses that are written.
    Static,
    /// Every address that DNS gives.
    Dns,
    /// The first address that DNS gives.
    DnsRoundRobin,
}

/// One endpoint: Istio's `WorkloadEntry` as it stands within others.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryEndpoint {
    /// Where it is; `None` only in the template of a [`WorkloadGroup`].
    pub address: Option<EntryAddress>,
    /// Ports by the names that the entry gives them.
    pub ports: BTreeMap<Name, u16>,
    /// What subsets look at.
    pub labels: Labels,
    /// Where in the world it is.
    pub locality: Locality,
    /// Its share among those of its locality; at least 1.
    pub weight: u32,
    /// Name of its identity within the namespace.
    pub service_account: Option<Name>,
    /// Where it was written.
    pub origin: Origin,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryAddress {
    /// An address.
    Ip(IpAddr),
    /// A name for DNS.
    Name(Name),
    /// A Unix socket.
    Pipe(Name),
}

/// `WorkloadEntry` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadEntry {
    /// Name and place; its labels count beside those of the endpoint.
    pub meta: Metadata,
    /// The endpoint.
    pub endpoint: EntryEndpoint,
}

/// `WorkloadGroup` of `networking.istio.io`: what entries of a group have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadGroup {
    /// Name and place.
    pub meta: Metadata,
    /// Labels of each member.
    pub labels: Labels,
    /// What each member is like.
    pub template: EntryEndpoint,
}
