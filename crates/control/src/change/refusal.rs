//! Why a change is not accepted.

use ripstop_yaml::{Problem, Severity, nearest};

use crate::store::{ObjectId, StoreError};

/// Why a change is not accepted. Nothing is different then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// The documents have errors, or they do not go together with the rest.
    #[error("{}", count(.0))]
    Problems(Vec<Problem>),
    /// Files have these resources, at these places.
    #[error("{}", of_files(.0))]
    OfFiles(Vec<(ObjectId, String)>),
    /// There is no such resource.
    #[error("there is no {0}")]
    Missing(ObjectId, Option<String>),
    /// There is no document in the request.
    #[error("there is no document in it")]
    Empty,
    /// More resources than a request may have.
    #[error("there are more than {0} resources in it")]
    TooMany(usize),
    /// The revision is not kept.
    #[error("revision {wanted} is not there: revisions {oldest} to {newest} are kept")]
    NoRevision {
        /// What was asked for.
        wanted: u64,
        /// The oldest that can be gone back to.
        oldest: u64,
        /// The one in force.
        newest: u64,
    },
    /// A text that was accepted does not hold its resource any more.
    #[error("the stored text of {0} holds no such resource")]
    NotInText(ObjectId),
    /// The change cannot be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// `id` is not among `known`.
    pub(crate) fn missing<'a>(id: &ObjectId, known: impl Iterator<Item = &'a ObjectId>) -> Refusal {
        let paths: Vec<String> = known.filter(|other| other.kind == id.kind).map(ObjectId::path).collect();
        let near = nearest(&id.path(), paths.iter().map(String::as_str)).map(str::to_owned);
        Refusal::Missing(id.clone(), near)
    }

    /// What can be done.
    pub(crate) fn help(&self) -> String {
        match self {
            Refusal::Problems(_) => "mend what is listed and send it again; nothing was changed".to_owned(),
            Refusal::OfFiles(_) => {
                "change the file, which the control plane follows, or take the resource out of it first"
                    .to_owned()
            }
            Refusal::Missing(_, Some(near)) => format!("did you mean {near}?"),
            Refusal::Missing(_, None) => "`ripstop get` lists what there is".to_owned(),
            Refusal::Empty => "a document begins with `apiVersion` and `kind`".to_owned(),
            Refusal::TooMany(_) => "send them in several requests".to_owned(),
            Refusal::NoRevision { .. } => "`ripstop history` lists them".to_owned(),
            Refusal::NotInText(_) => "apply the resource again".to_owned(),
            Refusal::Store(_) => "see the log of the control plane; nothing was changed".to_owned(),
        }
    }
}

fn count(problems: &[Problem]) -> String {
    match problems.iter().filter(|problem| problem.severity == Severity::Error).count() {
        1 => "1 error".to_owned(),
        errors => format!("{errors} errors"),
    }
}

fn of_files(found: &[(ObjectId, String)]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> =
        found.iter().take(SHOWN).map(|(id, place)| format!("{id} belongs to {place}")).collect();
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
