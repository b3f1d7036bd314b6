//! Values of the store as bytes: JSON, so that a person can read what a broken program has left. What is not what this
//! version writes is an error, never a guess.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Change, Object, ObjectId, Owner, Revision, StoredToken, Version};
use crate::role::Role;

pub(super) fn of_version(version: &Version) -> Value {
    json!({"owner": version.owner.as_str(), "file": &*version.file, "line": version.line, "text": &*version.text})
}

pub(super) fn of_object(object: &Object) -> Vec<u8> {
    let value = json!({
        "version": of_version(&object.version), "created": object.created, "revision": object.revision,
    });
    value.to_string().into_bytes()
}

pub(super) fn of_revision(revision: &Revision) -> Vec<u8> {
    let version = |version: &Option<Version>| version.as_ref().map(of_version);
    let changes: Vec<Value> = revision
        .changes
        .iter()
        .map(|one| json!({"id": one.id.path(), "before": version(&one.before), "after": version(&one.after)}))
        .collect();
    let value = json!({
        "at_ms": unix_ms(revision.at),
        "author": revision.author,
        "message": revision.message,
        "changes": changes,
    });
    value.to_string().into_bytes()
}

pub(super) fn of_token(token: &StoredToken) -> Vec<u8> {
    let value = json!({
        "name": token.name,
        "role": token.role.as_str(),
        "sha256": token.sha256,
        "created_ms": unix_ms(token.created),
        "expires_ms": token.expires.map(unix_ms),
    });
    value.to_string().into_bytes()
}

pub(super) fn object(bytes: &[u8]) -> Option<Object> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(Object {
        version: version(value.get("version")?)?,
        created: value.get("created")?.as_u64()?,
        revision: value.get("revision")?.as_u64()?,
    })
}

pub(super) fn revision(number: u64, bytes: &[u8]) -> Option<Revision> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let changes = value.get("changes")?.as_array()?.iter().map(change).collect::<Option<_>>()?;
    Some(Revision {
        number,
        at: from_unix_ms(value.get("at_ms")?.as_u64()?),
        author: text(&value, "author")?,
        message: text(&value, "message")?,
        changes,
    })
}

pub(super) fn token(selector: &str, bytes: &[u8]) -> Option<StoredToken> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(StoredToken {
        selector: selector.to_owned(),
        name: text(&value, "name")?,
        role: Role::parse(value.get("role")?.as_str()?)?,
        sha256: text(&value, "sha256")?,
        created: from_unix_ms(value.get("created_ms")?.as_u64()?),
        expires: match value.get("expires_ms")? {
            Value::Null => None,
            ms => Some(from_unix_ms(ms.as_u64()?)),
        },
    })
}

fn change(value: &Value) -> Option<Change> {
    let optional = |key: &str| match value.get(key)? {
        Value::Null => Some(None),
        one => version(one).map(Some),
    };
    let id = ObjectId::from_path(value.get("id")?.as_str()?)?;
    Some(Change { id, before: optional("before")?, after: optional("after")? })
}

fn version(value: &Value) -> Option<Version> {
    Some(Version {
        owner: Owner::parse(value.get("owner")?.as_str()?)?,
        file: value.get("file")?.as_str()?.into(),
        line: u32::try_from(value.get("line")?.as_u64()?).ok()?,
        text: value.get("text")?.as_str()?.into(),
    })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// Whole milliseconds since 1970.
pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let ms = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(ms).unwrap_or(u64::MAX)
}

fn from_unix_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}
