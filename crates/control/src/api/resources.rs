//! `/api/v1/resources`: everything that is in force, where it is written, whose it is, and its text.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ripstop_yaml::nearest;
use serde_json::{Value, json};

use super::apply::{id_fields, refused};
use super::body::Refused;
use super::{Api, reply};
use crate::change::Refusal;
use crate::resource::{Kind, ObjectKey};
use crate::store::{Object, ObjectId};

/// `GET /api/v1/resources?kind=&namespace=&name=&text=true`.
pub(super) async fn page(
    State(api): State<Arc<Api>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = match Filter::read(&query) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let with_text = query.get("text").is_some_and(|text| text == "true");
    let objects = api.changes.objects();
    let found = objects.iter().filter(|(id, _)| wanted.takes(id));
    let resources: Vec<Value> = found.map(|(id, object)| resource(id, object, with_text)).collect();
    let document = json!({"revision": api.in_force().revision, "resources": resources});
    reply::document(StatusCode::OK, &document)
}

/// `GET /api/v1/resources/{kind}/{namespace}/{name}`.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    Path((kind, namespace, name)): Path<(String, String, String)>,
) -> Response {
    let id = match id(&kind, &namespace, &name) {
        Ok(id) => id,
        Err(refused) => return *refused,
    };
    match api.changes.object(&id) {
        Some(object) => reply::document(StatusCode::OK, &resource(&id, &object, true)),
        None => refused(&Refusal::missing(&id, api.changes.objects().keys())),
    }
}

/// Which resources are asked for. What is not said does not count.
#[derive(Debug, Default)]
pub(super) struct Filter {
    kind: Option<Kind>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Filter {
    /// Reads `kind`, `namespace` and `name` of a query.
    pub(super) fn read(query: &HashMap<String, String>) -> Result<Filter, Refused> {
        Ok(Filter {
            kind: query.get("kind").map(|word| kind(word)).transpose()?,
            namespace: query.get("namespace").cloned(),
            name: query.get("name").cloned(),
        })
    }

    /// Whether it takes everything.
    pub(super) fn is_open(&self) -> bool {
        self.kind.is_none() && self.namespace.is_none() && self.name.is_none()
    }

    /// Whether a resource is asked for.
    pub(super) fn takes(&self, id: &ObjectId) -> bool {
        self.kind.is_none_or(|kind| kind == id.kind)
            && self.namespace.as_ref().is_none_or(|namespace| **namespace == *id.key.namespace)
            && self.name.as_ref().is_none_or(|name| **name == *id.key.name)
    }
}

/// The resource that a path names.
pub(super) fn id(word: &str, namespace: &str, name: &str) -> Result<ObjectId, Refused> {
    Ok(ObjectId { kind: kind(word)?, key: ObjectKey::new(namespace, name) })
}

fn kind(word: &str) -> Result<Kind, Refused> {
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(word));
    found.ok_or_else(|| {
        let all = Kind::ALL.map(Kind::as_str);
        let help = match nearest(word, all.into_iter()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("kinds are {}", all.join(", ")),
        };
        let shown: String = word.chars().take(64).collect();
        Box::new(reply::error(StatusCode::BAD_REQUEST, &format!("`{shown}` is not a kind"), &help))
    })
}

fn resource(id: &ObjectId, object: &Object, with_text: bool) -> Value {
    let version = &object.version;
    let mut value = id_fields(id);
    value["owner"] = version.owner.as_str().into();
    value["file"] = (&*version.file).into();
    value["line"] = version.line.into();
    value["created_in"] = object.created.into();
    value["changed_in"] = object.revision.into();
    if with_text {
        value["text"] = (&*version.text).into();
    }
    value
}
