//! Configuration from environment variables. It reads and checks values; it opens nothing.

use reqwest::Url;

use crate::about::About;

/// The longest `VERSION` accepted, in bytes. It is sent with every answer.
const MAX_VERSION_LEN: usize = 64;

/// Looks an environment variable up by name. A parameter, so that tests need not change the process environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What every service is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which service this is, and in which version.
    pub about: About,
    /// The address to listen on: an IP address or a host name (`HOST`, default `127.0.0.1`).
    pub host: String,
    /// The port to listen on (`PORT`). 0 lets the system choose one.
    pub port: u16,
}

/// A variable whose value cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}=`{value}`: {problem}; leave it unset to use `{default}`")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    problem: &'static str,
    default: String,
}

impl Settings {
    /// Reads `HOST`, `PORT` and `VERSION`.
    ///
    /// # Errors
    /// When `PORT` is not a port number or `VERSION` cannot be sent as a header value.
    pub fn read(
        service: &'static str,
        default_port: u16,
        variable: Variable<'_>,
    ) -> Result<Self, ConfigError> {
        let default_port = default_port.to_string();
        let port = value_or_default("PORT", &default_port, variable);
        let port = port.parse().map_err(|_| ConfigError {
            name: "PORT",
            value: port,
            problem: "not a port number from 0 to 65535",
            default: default_port,
        })?;
        let version = value_or_default("VERSION", "v1", variable);
        if version.len() > MAX_VERSION_LEN || !version.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError {
                name: "VERSION",
                value: version,
                problem: "must be at most 64 printable ASCII characters without spaces",
                default: "v1".into(),
            });
        }
        let host = value_or_default("HOST", "127.0.0.1", variable);
        Ok(Self { about: About { service, version }, host, port })
    }
}

/// Reads the address of another service, without a slash at its end.
///
/// # Errors
/// When the value is not a plain `http://` URL.
pub fn peer_url(name: &'static str, default: &str, variable: Variable<'_>) -> Result<String, ConfigError> {
    let value = value_or_default(name, default, variable);
    let problem = match Url::parse(&value) {
        Err(_) => Some("not a URL; write it like `http://host:port`"),
        Ok(url) if url.scheme() != "http" => Some("only `http://` is spoken here"),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("must end with the path: no `?` and no `#`")
        }
        Ok(_) => None,
    };
    match problem {
        Some(problem) => Err(ConfigError { name, value, problem, default: default.into() }),
        None => Ok(value.trim_end_matches('/').to_owned()),
    }
}

/// The variable of this process. Bytes that are not UTF-8 become U+FFFD, which the checks then refuse.
#[must_use]
pub fn process_variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// An empty variable counts as unset.
fn value_or_default(name: &str, default: &str, variable: Variable<'_>) -> String {
    variable(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let settings = Settings::read("user-service", 8081, &with(&[("PORT", "")])).unwrap();
        assert_eq!(settings.host, "127.0.0.1");
        assert_eq!(settings.port, 8081);
        assert_eq!(settings.about.version, "v1");
    }

    #[test]
    fn a_bad_port_is_refused_by_name_and_value() {
        let error = Settings::read("user-service", 8081, &with(&[("PORT", "80810")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PORT=`80810`: not a port number from 0 to 65535; leave it unset to use `8081`"
        );
    }

    #[test]
    fn a_version_that_no_header_can_carry_is_refused() {
        assert!(Settings::read("product-service", 8082, &with(&[("VERSION", "v 2")])).is_err());
    }

    #[test]
    fn peer_urls_are_plain_http() {
        let url = |value| {
            peer_url("USER_SERVICE_URL", "http://localhost:8081", &with(&[("USER_SERVICE_URL", value)]))
        };
        assert_eq!(url("").unwrap(), "http://localhost:8081");
        assert_eq!(url("http://10.0.0.7:9000/").unwrap(), "http://10.0.0.7:9000");
        for bad in ["https://localhost:8081", "localhost", "http://localhost/?q=1"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
