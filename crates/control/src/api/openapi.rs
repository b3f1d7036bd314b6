//! `/api/v1/openapi.json`: this API as an OpenAPI 3.1 document. Paths come from the table of pages, schemas from `schema`.

mod schema;

use std::future::Ready;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::page::{PAGES, Page};
use super::reply;

/// Its type must not depend on its body, which reads the table that it is in.
pub(super) fn page() -> Ready<Response> {
    std::future::ready(reply::document(StatusCode::OK, &document()))
}

/// The document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for page in PAGES {
        let path = paths.entry(page.path).or_insert_with(|| json!({}));
        path[page.method.to_lowercase()] = operation(page);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ripstop control plane",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "What is in force in a mesh, how it came to be, and how to change it. Over the network a bearer token says who calls; the Unix socket control.sock in the state directory needs none.",
        },
        "paths": paths,
        "components": {
            "schemas": schema::all(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(page: &Page) -> Value {
    let in_path = page.path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let in_path = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = page.query.iter().map(|(name, meaning)| {
        json!({"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let good = match page.answer {
        Some(name) => json!({"description": "as asked for", "content": json_of(name)}),
        None => {
            json!({"description": "as asked for", "content": {"text/plain": {"schema": {"type": "string"}}}})
        }
    };
    let bad = json!({"description": "what is wrong, and what can be done", "content": json_of("Error")});
    let mut operation = json!({
        "summary": page.purpose,
        "operationId": operation_id(page),
        "parameters": parameters,
        "responses": {"2XX": good, "4XX": bad, "5XX": bad},
    });
    if let Some(role) = page.role {
        operation["security"] = json!([{"token": []}]);
        operation["description"] = format!("Needs the role {}.", role.as_str()).into();
    }
    if let Some(name) = page.body {
        operation["requestBody"] = json!({"required": true, "content": json_of(name)});
    }
    operation
}

fn json_of(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

/// `getApiV1HistoryRevision`.
fn operation_id(page: &Page) -> String {
    let mut id = page.method.to_lowercase();
    for word in page.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.extend(letters);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_named_is_there_and_the_other_way_round() {
        let document = document();
        let mut named: Vec<&str> =
            PAGES.iter().flat_map(|page| page.body.into_iter().chain(page.answer)).collect();
        named.push("Error");
        let text = document["components"]["schemas"].to_string();
        for name in &named {
            assert!(document["components"]["schemas"][*name].is_object(), "there is no schema {name}");
        }
        for name in document["components"]["schemas"].as_object().into_iter().flatten().map(|(name, _)| name)
        {
            let used = named.contains(&name.as_str()) || text.contains(&format!("schemas/{name}\""));
            assert!(used, "nothing uses the schema {name}");
        }
        let ids: Vec<String> = PAGES.iter().map(operation_id).collect();
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        assert_eq!(operation_id(&PAGES[0]), "get");
    }
}
