//! What an application is told about the mesh through its environment. The mesh is optional for it: it sees URLs on
//! 127.0.0.1 and nothing else.

/// The variable that holds the URL of a service: `user-service` → `USER_SERVICE_URL`, `cart` → `CART_SERVICE_URL`.
///
/// Upper case, everything but letters and digits becomes `_`, `_SERVICE` is appended unless the name ends so already,
/// then `_URL`.
pub fn service_url_variable(service: &str) -> String {
    let mut name: String = service
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    if !(name == "SERVICE" || name.ends_with("_SERVICE")) {
        name.push_str("_SERVICE");
    }
    name.push_str("_URL");
    name
}

/// The variables that the mesh adds for an application whose sidecar has these local `upstreams` ports and this
/// `outbound` listener. What `run.env` of the workload says goes on top of them.
pub fn mesh_variables(upstreams: &[(String, u16)], outbound: Option<u16>) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = upstreams
        .iter()
        .map(|(service, port)| (service_url_variable(service), format!("http://127.0.0.1:{port}")))
        .collect();
    if let Some(port) = outbound {
        variables.push(("RIPSTOP_OUTBOUND".to_owned(), format!("http://127.0.0.1:{port}")));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_become_variables() {
        let cases = [
            ("user-service", "USER_SERVICE_URL"),
            ("product-service", "PRODUCT_SERVICE_URL"),
            ("cart", "CART_SERVICE_URL"),
            ("micro-service-2", "MICRO_SERVICE_2_SERVICE_URL"),
            ("microservice", "MICROSERVICE_SERVICE_URL"),
            ("service", "SERVICE_URL"),
            ("users.shop", "USERS_SHOP_SERVICE_URL"),
        ];
        for (service, variable) in cases {
            assert_eq!(service_url_variable(service), variable);
        }
    }

    #[test]
    fn urls_point_to_the_sidecar() {
        let upstreams = [("user-service".to_owned(), 15201), ("cart".to_owned(), 15202)];
        let variables = mesh_variables(&upstreams, Some(15105));
        let expected = [
            ("USER_SERVICE_URL", "http://127.0.0.1:15201"),
            ("CART_SERVICE_URL", "http://127.0.0.1:15202"),
            ("RIPSTOP_OUTBOUND", "http://127.0.0.1:15105"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(mesh_variables(&[], None).is_empty());
    }
}
