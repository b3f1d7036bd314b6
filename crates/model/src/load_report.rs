//! What an endpoint says of its own load (ORCA, "Open Request Cost Aggregation"). What follows is `ripstop-policy`'s.

/// A report that came with an answer. Numbers that were not said are 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Use of its processors; 1 is all, and it may be more.
    pub cpu_utilization: f64,
    /// Its use by a measure of its own; goes before the processors where it is said.
    pub application_utilization: f64,
    /// Requests that it serves in a second.
    pub requests_per_second: f64,
    /// Errors that it answers in a second.
    pub errors_per_second: f64,
    /// Further numbers by name, such as `named_metrics.queue`.
    pub named: Vec<(String, f64)>,
}

impl LoadReport {
    /// Most numbers by name that are kept.
    pub const MAX_NAMED: usize = 64;

    /// Takes note of a number. Names that mean nothing here are left out.
    pub fn set(&mut self, name: &str, value: f64) {
        match name {
            "cpu_utilization" => self.cpu_utilization = value,
            "application_utilization" => self.application_utilization = value,
            "rps_fractional" => self.requests_per_second = value,
            "eps" => self.errors_per_second = value,
            _ if self.named.len() < LoadReport::MAX_NAMED && name.contains('.') => {
                self.named.push((name.to_owned(), value));
            }
            _ => {}
        }
    }
}
