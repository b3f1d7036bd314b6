//! Placeholders in configurations and requests: what differs between two processes on one machine, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use ripstop_e2e::ports;
use ripstop_xds::session_cookie;

/// What the placeholders stand for on one side. A port is given out when it is first named.
pub struct Names {
    /// `{{dir}}`: a directory of this side.
    pub directory: PathBuf,
    /// `{{certs}}`: keys and certificates, the same for both sides.
    pub certificates: PathBuf,
    /// `{{upstream:NAME}}`, given by whoever listens there.
    pub upstreams: BTreeMap<String, u16>,
    /// `{{listener:NAME}}`; `admin` is among them.
    pub listeners: BTreeMap<String, u16>,
    /// `{{port:NAME}}`: nobody listens there.
    pub closed: BTreeMap<String, u16>,
}

impl Names {
    /// Replaces every placeholder.
    ///
    /// # Errors
    /// With a placeholder that stands for nothing.
    pub fn render(&mut self, text: &str) -> Result<String, String> {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find("{{") {
            let end = rest[start..].find("}}").ok_or("a placeholder is not ended by `}}`")? + start;
            out.push_str(&rest[..start]);
            out.push_str(&self.value(rest[start + 2..end].trim())?);
            rest = &rest[end + 2..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&mut self, word: &str) -> Result<String, String> {
        let (kind, name) = word.split_once(':').unwrap_or((word, "main"));
        let port = |ports: &mut BTreeMap<String, u16>, name: &str| {
            ports.entry(name.to_owned()).or_insert_with(ports::free).to_string()
        };
        match kind {
            "listener" => Ok(port(&mut self.listeners, name)),
            "admin" => Ok(port(&mut self.listeners, "admin")),
            "port" => Ok(port(&mut self.closed, name)),
            "dir" => Ok(self.directory.display().to_string()),
            "certs" => Ok(self.certificates.display().to_string()),
            "log" if name == "main" => Ok(self.directory.join("access.log").display().to_string()),
            "log" => Ok(self.directory.join(format!("{name}.log")).display().to_string()),
            "upstream" => self.upstream(name).map(|port| port.to_string()),
            "endpoints" => self.endpoints(name),
            "cluster" => {
                let endpoints = self.endpoints(name)?;
                Ok(format!("{{name: {name}, connect_timeout: 1s, load_assignment: {endpoints}}}"))
            }
            "session" => self.upstream_or_closed(name).map(session),
            "cookie" => self.upstream_or_closed(name).map(cookie),
            _ => Err(format!("`{{{{{word}}}}}` stands for nothing")),
        }
    }

    fn upstream_or_closed(&mut self, name: &str) -> Result<u16, String> {
        let closed =
            |closed: &mut BTreeMap<String, u16>| *closed.entry(name.to_owned()).or_insert_with(ports::free);
        Ok(self.upstreams.get(name).copied().unwrap_or_else(|| closed(&mut self.closed)))
    }

    fn upstream(&self, name: &str) -> Result<u16, String> {
        self.upstreams.get(name).copied().ok_or_else(|| format!("there is no upstream `{name}`"))
    }

    fn endpoints(&self, names: &str) -> Result<String, String> {
        let mut endpoints = Vec::new();
        for name in names.split(',') {
            let port = self.upstream(name.trim())?;
            endpoints.push(format!(
                "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
            ));
        }
        let name = names.split(',').next().unwrap_or_default();
        Ok(format!("{{cluster_name: {name}, endpoints: [{{lb_endpoints: [{}]}}]}}", endpoints.join(", ")))
    }
}

/// How a header names the endpoint of a session.
pub fn session(port: u16) -> String {
    session_cookie::write_header(&format!("127.0.0.1:{port}"))
}

/// How a cookie without end names the endpoint of a session.
pub fn cookie(port: u16) -> String {
    session_cookie::write(&format!("127.0.0.1:{port}"), None, UNIX_EPOCH)
}

/// The names of the upstreams that a text speaks of.
pub fn upstreams(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in text.split("{{").skip(1) {
        let Some((kind, name)) = part.split("}}").next().unwrap_or_default().split_once(':') else {
            continue;
        };
        if ["upstream", "endpoints", "cluster"].contains(&kind.trim()) {
            names.extend(name.split(',').map(|name| name.trim().to_owned()));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// A file of `skeletons/` with the blocks of a case in place of its own `#{name}` lines. A block that the case does not
/// give is what stands in the skeleton's `#default name:` comment lines, or nothing.
///
/// # Errors
/// If there is no such skeleton, or it has no place for a block.
pub fn skeleton(name: &str, blocks: &BTreeMap<String, String>) -> Result<String, String> {
    let path = crate::directory().join(format!("skeletons/{name}.yaml"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("skeleton {name}: {error}"))?;
    let (mut out, mut places) = (String::new(), Vec::new());
    for line in text.lines() {
        let trimmed = line.trim_start();
        let Some(rest) = trimmed.strip_prefix("#{") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (place, default) = rest.split_once('}').ok_or("a place is not ended by `}`")?;
        places.push(place.to_owned());
        let indent = &line[..line.len() - trimmed.len()];
        let block = blocks.get(place).map_or(default.trim(), String::as_str);
        for line in block.lines() {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
    match blocks.keys().find(|block| !places.contains(block)) {
        Some(block) => {
            Err(format!("skeleton {name} has no place for `{block}`; it has {}", places.join(", ")))
        }
        None => Ok(out),
    }
}
