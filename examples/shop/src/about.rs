//! Who this service is (`GET /health`) and what a request looked like when it arrived (`GET /whoami`).

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderMap, web};
use serde::Serialize;
use serde_json::{Value, json};

/// Headers whose values never leave the service.
const SECRET_HEADERS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// The name and version of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// The service name, for example `user-service`.
    pub service: &'static str,
    /// The version, for example `v2`. Sent with every answer as `x-version`.
    pub version: String,
}

impl About {
    /// Describes this service together with the request headers it saw. Values of a repeated header are joined by
    /// `, `; those of headers that carry credentials are replaced by `[redacted]`.
    #[must_use]
    pub fn describe(&self, headers: &HeaderMap) -> Value {
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in headers {
            let secret = SECRET_HEADERS.contains(&name.as_str());
            let value = if secret { "[redacted]".into() } else { String::from_utf8_lossy(value.as_bytes()) };
            seen.entry(name.as_str())
                .and_modify(|joined| {
                    joined.push_str(", ");
                    joined.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        json!({ "service": self.service, "version": self.version, "headers": seen })
    }
}

/// Adds `/health` and `/whoami`.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/health").get(health)).service(web::resource("/whoami").get(whoami));
}

async fn health(about: web::Data<About>) -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({ "status": "healthy", "service": about.service, "version": about.version }))
}

async fn whoami(about: web::Data<About>, request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(about.describe(request.headers()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn headers_are_shown_joined_and_redacted() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        headers.append(HeaderName::from_static("b3"), HeaderValue::from_static("0"));
        headers.append(HeaderName::from_static("b3"), HeaderValue::from_static("1"));
        let about = About { service: "user-service", version: "v1".into() };
        let expected = json!({
            "service": "user-service",
            "version": "v1",
            "headers": { "authorization": "[redacted]", "b3": "0, 1" },
        });
        assert_eq!(about.describe(&headers), expected);
    }
}
