//! Whether a request has any of the headers by which Envoy's users ask a proxy for something. Most have none, and then they are not
//! looked for one by one.

use http::HeaderMap;

/// Whether the name of some header begins with `x-envoy-`.
pub fn any(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-envoy-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_beginning_of_the_name_counts() {
        let mut headers = HeaderMap::new();
        headers.insert("x-env", HeaderValue::from_static("x-envoy-"));
        assert!(!any(&headers));
        headers.insert(
            "X-Envoy-Retry-On".parse::<http::HeaderName>().unwrap_or(http::header::VIA),
            HeaderValue::from_static("5xx"),
        );
        assert!(any(&headers));
    }
}
