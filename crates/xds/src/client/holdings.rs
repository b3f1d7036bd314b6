//! What the client has, whichever dialect of ADS brought it: the resources, and what was said of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ripstop_model::{Name, Snapshot};

use super::following::Update;
use super::graph::{Accepted, Graph};
use super::status::{ClientReport, ClientStatus};
use super::trial::Trial;
use crate::decode::{self, Decoded, Rejection, Unsupported, WorkloadSecrets};
use crate::{ResourceType, pb};

/// Longest text of a refusal in bytes.
const MAX_NACK_BYTES: usize = 8 << 10;
/// Most warnings kept for the status.
const MAX_WARNINGS: usize = 1000;
/// gRPC's number for a request that makes no sense.
const INVALID_ARGUMENT: i32 = 3;

/// The resources and their reputation.
pub(super) struct Holdings {
    pub(super) status: Arc<ClientStatus>,
    pub(super) graph: Graph,
    workload: WorkloadSecrets,
    trial: Box<dyn Trial>,
    /// What the accepted resources say without effect.
    warnings: BTreeMap<(ResourceType, Name), Vec<Unsupported>>,
}

impl Holdings {
    pub(super) fn new(graph: Graph, status: Arc<ClientStatus>, trial: Box<dyn Trial>) -> Holdings {
        let workload = graph.workload();
        Holdings { status, graph, workload, trial, warnings: BTreeMap::new() }
    }

    /// Reads one resource, as [`read`].
    pub(super) fn read(&self, kind: ResourceType, resource: Option<&pb::Any>) -> Result<Read, Rejection> {
        read(kind, self.workload, "", resource)
    }

    /// Reads a resource that is sent with its name.
    pub(super) fn read_named(&self, kind: ResourceType, resource: &pb::Resource) -> Result<Read, Rejection> {
        let read = read(kind, self.workload, &resource.name, resource.resource.as_ref())?;
        if *read.0 != *resource.name {
            let message = format!("holds a resource named '{}'", read.0);
            let problems = vec![decode::Problem { path: String::new(), message }];
            return Err(Rejection { name: resource.name.clone(), problems });
        }
        Ok(read)
    }

    /// Takes a resource that was understood.
    ///
    /// # Errors
    /// It cannot be put in force; the one from before stays.
    pub(super) fn accept(
        &mut self,
        kind: ResourceType,
        name: Name,
        value: Accepted,
        warnings: Vec<Unsupported>,
    ) -> Result<(), Rejection> {
        if let Err(message) = self.try_out(&value) {
            self.graph.refuse(kind, name.clone());
            let problems = vec![decode::Problem { path: String::new(), message }];
            return Err(Rejection { name: name.to_string(), problems });
        }
        for warning in &warnings {
            tracing::warn!(%kind, %name, "{warning}");
        }
        self.warnings.insert((kind, name.clone()), warnings);
        self.graph.accept(name, value);
        Ok(())
    }

    fn try_out(&mut self, value: &Accepted) -> Result<(), String> {
        match value {
            Accepted::Listener(listener) => self.trial.listener(listener),
            Accepted::Cluster(cluster) => self.trial.cluster(cluster),
            Accepted::Routes(routes) => self.trial.routes(routes),
            Accepted::Endpoints(_) | Accepted::Secret(_) | Accepted::Runtime(_) => Ok(()),
        }
    }

    /// Takes what has come by another way than ADS.
    pub(super) fn take(&mut self, update: Update) {
        let update = match update {
            Update::File(update) => update,
            Update::Secret(reference, secret) => return self.graph.take_secret(reference, secret),
        };
        let kind = update.file.0;
        self.graph.take_file(update.file, update.resources);
        self.status.update(|report| {
            report.accepted += 1;
            report.by_type.entry(kind).or_default().0 += 1;
            report.versions.insert(kind, update.version);
        });
    }

    /// Forgets what was said of a resource.
    pub(super) fn drop_record(&mut self, kind: ResourceType, name: &Name) {
        self.warnings.remove(&(kind, name.clone()));
    }

    /// A snapshot, if there is a new one to hand out.
    pub(super) fn emit(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        let snapshot = self.graph.emit(now)?;
        self.status.update(|report| report.snapshots += 1);
        Some(snapshot)
    }

    /// Tells the status, and makes the error of the answer if something was refused.
    pub(super) fn report(
        &mut self,
        kind: ResourceType,
        version: String,
        refusals: &[Rejection],
    ) -> Option<pb::Status> {
        let warnings = self.warnings.iter().flat_map(|((kind, name), list)| {
            list.iter().map(move |warning| format!("{kind} {name}: {warning}"))
        });
        let warnings: Vec<String> = warnings.take(MAX_WARNINGS).collect();
        if refusals.is_empty() {
            self.status.update(|report: &mut ClientReport| {
                report.accepted += 1;
                report.by_type.entry(kind).or_default().0 += 1;
                report.versions.insert(kind, version);
                report.warnings = warnings;
            });
            return None;
        }
        let list: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        let mut message = list.join("\n");
        message.truncate(message.floor_char_boundary(MAX_NACK_BYTES));
        tracing::error!(%kind, version, "refused: {message}");
        self.status.update(|report| {
            report.rejected += 1;
            report.by_type.entry(kind).or_default().1 += 1;
            report.last_error = Some(format!("{kind} refused: {message}"));
            report.warnings = warnings;
        });
        Some(pb::Status { code: INVALID_ARGUMENT, message, ..Default::default() })
    }
}

/// What was read of one resource: its name, itself, and what it says without effect.
pub(crate) type Read = (Name, Accepted, Vec<Unsupported>);

/// Reads one resource and checks that it is of the kind which it is sent as. `name` is what it is called, as far as that is
/// known without looking inside.
pub(crate) fn read(
    kind: ResourceType,
    workload: WorkloadSecrets,
    name: &str,
    resource: Option<&pb::Any>,
) -> Result<Read, Rejection> {
    let refuse = |message: String| Rejection {
        name: name.to_owned(),
        problems: vec![decode::Problem { path: String::new(), message }],
    };
    let Some(any) = resource else { return Err(refuse("holds no resource".to_owned())) };
    if any.type_url != kind.type_url() {
        return Err(refuse(format!("is a {}, not a {}", any.type_url, kind.type_url())));
    }
    let bytes = any.value.as_slice();
    Ok(match kind {
        ResourceType::Cluster => {
            let Decoded { value, warnings } = decode::decode_cluster_for(workload, bytes)?;
            (value.name.clone(), Accepted::Cluster(Box::new(value)), warnings)
        }
        ResourceType::Endpoint => {
            let Decoded { value, warnings } = decode::decode_load_assignment(bytes)?;
            (value.cluster_name.clone(), Accepted::Endpoints(value), warnings)
        }
        ResourceType::Listener => {
            let Decoded { value, warnings } = decode::decode_listener_for(workload, bytes)?;
            (value.name.clone(), Accepted::Listener(Box::new(value)), warnings)
        }
        ResourceType::Route => {
            let Decoded { value, warnings } = decode::decode_route_configuration(bytes)?;
            (value.name.clone(), Accepted::Routes(value), warnings)
        }
        ResourceType::Secret => {
            let Decoded { value, warnings } = decode::decode_secret(bytes)?;
            (value.name.clone(), Accepted::Secret(value), warnings)
        }
        ResourceType::Runtime => {
            let Decoded { value, warnings } = decode::decode_runtime(bytes)?;
            (value.name.clone(), Accepted::Runtime(value), warnings)
        }
    })
}
