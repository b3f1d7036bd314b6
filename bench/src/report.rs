//! What was measured, as rows of numbers, and where they are written.

mod aims;
mod chart;
mod metric;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::path::Path;

use serde_json::{Value, json};

pub use metric::Metric;

use crate::Outcome;
use crate::peers::Peer;

/// One peer on one work.
#[derive(Clone, Debug)]
pub struct Row {
    /// Work, with its letter first.
    pub work: String,
    /// Peer.
    pub peer: Peer,
    values: BTreeMap<Metric, Vec<f64>>,
}

impl Row {
    /// Without numbers.
    pub fn new(work: &str, peer: Peer) -> Row {
        Row { work: work.to_owned(), peer, values: BTreeMap::new() }
    }

    /// Adds the result of a round.
    pub fn add(&mut self, metric: Metric, value: f64) {
        self.values.entry(metric).or_default().push(value);
    }

    /// Sets the only result.
    pub fn set(&mut self, metric: Metric, value: f64) {
        self.values.insert(metric, vec![value]);
    }

    /// The median of all rounds.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let mut values = self.values.get(&metric)?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            0 => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
            _ => values.get(middle).copied(),
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}:", self.work, self.peer.name())?;
        for metric in self.values.keys() {
            if let Some(value) = self.get(*metric) {
                write!(f, " {} {};", metric.show(value), metric.label())?;
            }
        }
        Ok(())
    }
}

/// All that was measured.
pub struct Report {
    machine: String,
    versions: Vec<(Peer, String)>,
    rows: Vec<Row>,
}

impl Report {
    /// Without rows.
    pub fn new(machine: String, versions: Vec<(Peer, String)>) -> Report {
        Report { machine, versions, rows: Vec::new() }
    }

    /// Adds a row; one of the same work and peer gives way.
    pub fn add(&mut self, row: Row) {
        self.rows.retain(|old| old.work != row.work || old.peer != row.peer);
        self.rows.push(row);
        self.rows.sort_by(|a, b| (&a.work, a.peer).cmp(&(&b.work, b.peer)));
    }

    /// Takes over the rows of an earlier run.
    pub fn take_over(&mut self, directory: &Path) -> Outcome<()> {
        let Ok(text) = std::fs::read_to_string(directory.join("results.json")) else { return Ok(()) };
        let data: Value = serde_json::from_str(&text)?;
        for row in data["rows"].as_array().into_iter().flatten() {
            let peer =
                Peer::ALL.into_iter().find(|peer| row["peer"] == peer.name()).ok_or("an unknown peer")?;
            let mut taken = Row::new(row["work"].as_str().unwrap_or_default(), peer);
            for (name, values) in row["values"].as_object().into_iter().flatten() {
                let metric = Metric::ALL.into_iter().find(|metric| metric.label() == name);
                let values = values.as_array().into_iter().flatten().filter_map(Value::as_f64);
                taken.values.insert(metric.ok_or("an unknown metric")?, values.collect());
            }
            self.add(taken);
        }
        Ok(())
    }

    /// Writes `results.md`, `results.json` and a chart for each work.
    pub fn write(&self, directory: &Path) -> Outcome<()> {
        std::fs::write(directory.join("results.md"), self.markdown())?;
        std::fs::write(directory.join("results.json"), format!("{:#}\n", self.json()))?;
        for work in self.works() {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.work == work).collect();
            if let Some((name, svg)) = chart::bars(work, &rows) {
                std::fs::write(directory.join(name), svg)?;
            }
        }
        Ok(())
    }

    fn works(&self) -> Vec<&str> {
        let mut works: Vec<&str> = self.rows.iter().map(|row| row.work.as_str()).collect();
        works.dedup();
        works
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let values: serde_json::Map<String, Value> = row
                .values
                .iter()
                .map(|(metric, values)| (metric.label().to_owned(), json!(values)))
                .collect();
            json!({ "work": row.work, "peer": row.peer.name(), "values": values })
        });
        let versions =
            self.versions.iter().map(|(peer, version)| json!({ "peer": peer.name(), "version": version }));
        json!({
            "machine": self.machine,
            "versions": versions.collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "aims": aims::reached(&self.rows).iter().map(aims::Reached::json).collect::<Vec<_>>(),
        })
    }

    /// The tables.
    pub fn markdown(&self) -> String {
        let mut text = format!("Measured on {}.\n\n", self.machine);
        for (peer, version) in &self.versions {
            // Writing to a string does not fail.
            let _ = writeln!(text, "- {}: {version}", peer.name());
        }
        let aims = aims::reached(&self.rows);
        if !aims.is_empty() {
            text.push_str("\n## Aims\n\n| What | Is | Bar | Ambition | |\n|---|---|---|---|---|\n");
            aims.iter().for_each(|aim| text.push_str(&aim.markdown()));
        }
        for work in self.works() {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.work == work).collect();
            let _ = writeln!(text, "\n## {work}\n\n{}", table(&rows));
        }
        text
    }
}

fn table(rows: &[&Row]) -> String {
    let metrics: Vec<Metric> =
        Metric::ALL.into_iter().filter(|metric| rows.iter().any(|row| row.get(*metric).is_some())).collect();
    let heads: Vec<&str> = metrics.iter().map(|metric| metric.label()).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(metrics.len()));
    for row in rows {
        let values =
            metrics.iter().map(|metric| row.get(*metric).map_or(String::new(), |value| metric.show(value)));
        let values: Vec<String> = values.collect();
        let _ = writeln!(text, "| {} | {} |", row.peer.name(), values.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts() {
        let mut row = Row::new("a", Peer::Ripstop);
        assert_eq!(row.get(Metric::CpuUs), None);
        for value in [9.0, 1.0, 2.0] {
            row.add(Metric::CpuUs, value);
        }
        assert_eq!(row.get(Metric::CpuUs), Some(2.0));
        row.add(Metric::CpuUs, 4.0);
        assert_eq!(row.get(Metric::CpuUs), Some(3.0));
    }

    #[test]
    fn a_later_row_takes_the_place_of_an_earlier_one() {
        let mut report = Report::new(String::new(), Vec::new());
        for value in [1.0, 2.0] {
            let mut row = Row::new("a1: work", Peer::Envoy);
            row.set(Metric::CpuUs, value);
            report.add(row);
        }
        assert_eq!(report.rows.len(), 1);
        assert_eq!(report.rows[0].get(Metric::CpuUs), Some(2.0));
    }
}
