//! What came of one request, as a list of named fields that can be compared.

use crate::http1::Fields;
use crate::upstream::Seen;

/// Field names and values, in the order of a report.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub fields: Vec<(String, String)>,
}

/// Longest value that is shown; longer ones are shown by length and hash.
const MAX_SHOWN_BYTES: usize = 2000;

impl Answer {
    /// Adds a field.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }

    /// Adds headers: `PREFIX.header.NAME` with all values of that name, and the order of names.
    pub fn add_fields(&mut self, prefix: &str, fields: &Fields) {
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in fields {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in &names {
            let values: Vec<&str> =
                fields.iter().filter(|(other, _)| other == *name).map(|(_, value)| value.as_str()).collect();
            self.add(format!("{prefix}.{name}"), values.join(" ⏎ "));
        }
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
            self.add(format!("{prefix}-order"), names.join(" "));
        }
    }

    /// Adds a body.
    pub fn add_body(&mut self, name: &str, body: &[u8]) {
        self.add(name, shown(body));
    }

    /// Adds what reached the upstreams.
    pub fn add_seen(&mut self, seen: &[Seen]) {
        let names: Vec<&str> = seen.iter().map(|one| one.upstream.as_str()).collect();
        self.add("upstreams", names.join(" "));
        for (index, one) in seen.iter().enumerate() {
            let prefix = format!("upstream.{index}");
            self.add(format!("{prefix}.line"), &one.line);
            self.add_fields(&format!("{prefix}.header"), &one.fields);
            self.add_body(&format!("{prefix}.body"), &one.body);
            self.add_fields(&format!("{prefix}.trailer"), &one.trailers);
            if let Some(cut) = &one.cut {
                self.add(format!("{prefix}.cut"), cut);
            }
            if let Some(tls) = &one.tls {
                self.add(format!("{prefix}.tls"), tls);
            }
        }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The status, 0 if there is none.
    pub fn status(&self) -> u16 {
        self.get("status").and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

fn shown(body: &[u8]) -> String {
    if body.len() <= MAX_SHOWN_BYTES {
        return match std::str::from_utf8(body) {
            Ok(text) => text.to_owned(),
            Err(_) => body.escape_ascii().to_string(),
        };
    }
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{} bytes, hash {hash:016x}, begins {}", body.len(), body[..60].escape_ascii())
}
