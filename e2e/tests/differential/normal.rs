//! What may differ between two runs without being a difference. This is the whole list.
//!
//! | What | Becomes |
//! |---|---|
//! | paths, ports of listeners, upstreams and admin, wherever they stand | their placeholder |
//! | any other port behind `127.0.0.1:` or `[::1]:` | `{{port}}` |
//! | a UUID | `{{uuid}}` |
//! | header `date` with a date as HTTP writes it, and such a date in a log line | `{{date}}` |
//! | a time as ISO 8601 writes it | `{{time}}` |
//! | header `server`: `envoy` or `ripstop` | `{{server}}` |
//! | header `x-envoy-expected-rq-timeout-ms` above 1000 | rounded up to half a second |
//! | header `x-envoy-upstream-service-time` with digits, digits before `ms` in a log line | `{{ms}}` |

use std::sync::LazyLock;

use regex::Regex;

use crate::answer::Answer;
use crate::template::{self, Names};

static PORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(127\.0\.0\.1|\[::1\]):\d{4,5}\b").unwrap());
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b").unwrap()
});
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?").unwrap());
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT").unwrap()
});
static DIGITS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d+$").unwrap());
static MS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d+ms\b").unwrap());
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d{4,5}\b").unwrap());

/// What is to be replaced on one side.
pub struct Normal {
    paths: Vec<(String, String)>,
    ports: Vec<(u16, String)>,
}

impl Normal {
    /// From the names of one side.
    pub fn new(names: &Names) -> Normal {
        let kinds = [("upstream", &names.upstreams), ("listener", &names.listeners), ("port", &names.closed)];
        let ports = kinds.iter().flat_map(|(kind, ports)| {
            ports.iter().map(move |(name, port)| (*port, format!("{{{{{kind}:{name}}}}}")))
        });
        let sessions = names.upstreams.iter().chain(&names.closed).flat_map(|(name, port)| {
            [
                (template::cookie(*port), format!("{{{{cookie:{name}}}}}")),
                (template::session(*port), format!("{{{{session:{name}}}}}")),
            ]
        });
        let places = [
            (names.directory.display().to_string(), "{{dir}}".to_owned()),
            (names.certificates.display().to_string(), "{{certs}}".to_owned()),
        ];
        Normal { paths: places.into_iter().chain(sessions).collect(), ports: ports.collect() }
    }

    /// Every field of an answer.
    pub fn answer(&self, answer: &mut Answer) {
        for (name, value) in &mut answer.fields {
            if !name.ends_with("-order") {
                *value = self.field(name, value);
            }
        }
    }

    /// A line of an access log.
    pub fn log(&self, line: &str) -> String {
        let line = MS.replace_all(line, "{{ms}}");
        let line = DATE.replace_all(&line, "{{date}}");
        self.text(&line)
    }

    fn field(&self, name: &str, value: &str) -> String {
        let header = name.rsplit('.').next().unwrap_or_default();
        match header.to_ascii_lowercase().as_str() {
            "date" if DATE.is_match(value) && value.len() == 29 => "{{date}}".to_owned(),
            "server" if ["envoy", "ripstop"].contains(&value) => "{{server}}".to_owned(),
            // What is left for a later try depends on how long the ones before took.
            "x-envoy-expected-rq-timeout-ms" => value.parse().map_or_else(
                |_| value.to_owned(),
                |left: u64| if left > 1000 { left.next_multiple_of(500) } else { left }.to_string(),
            ),
            "x-envoy-upstream-service-time" if DIGITS.is_match(value) => "{{ms}}".to_owned(),
            _ => self.text(value),
        }
    }

    fn text(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for (path, placeholder) in &self.paths {
            value = value.replace(path, placeholder);
        }
        let known = |number: &regex::Captures| {
            let port = number[0].parse().ok();
            let known = self.ports.iter().find(|(known, _)| Some(*known) == port);
            known.map_or_else(|| number[0].to_owned(), |(_, placeholder)| placeholder.clone())
        };
        let value = NUMBER.replace_all(&value, known);
        let value = PORT.replace_all(&value, "$1:{{port}}");
        let value = UUID.replace_all(&value, "{{uuid}}");
        TIME.replace_all(&value, "{{time}}").into_owned()
    }
}
