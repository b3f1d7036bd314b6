//! What a command shows: a table for people, or YAML or JSON for programs.

use clap::ValueEnum;
use serde_json::Value;

use crate::api::yaml::to_yaml;
use crate::terminal::{Terminal, Tone};

/// The form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs and people.
    Yaml,
    /// For programs.
    Json,
}

impl Output {
    /// Shows `value` if a program wants it. Says whether it did.
    pub fn show(self, terminal: &Terminal, value: &Value) -> bool {
        match self {
            Output::Table => return false,
            Output::Yaml => terminal.text(&to_yaml(value)),
            Output::Json => terminal.line(&format!("{value:#}")),
        }
        true
    }
}

/// Rows under headings, each column as wide as its widest cell. A cell may have a tone.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<(String, Option<Tone>)>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Table {
        let head = headings.iter().map(|text| ((*text).to_owned(), Some(Tone::Strong)));
        Table { rows: vec![head.collect()] }
    }

    /// One row more.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(|cell| (cell.into(), None)).collect());
    }

    /// One row more, of which the cell at `index` has a tone.
    pub fn row_with(
        &mut self,
        index: usize,
        tone: Option<Tone>,
        cells: impl IntoIterator<Item = impl Into<String>>,
    ) {
        self.row(cells);
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.get_mut(index)) {
            cell.1 = tone;
        }
    }

    /// Whether there is no row below the headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The lines.
    pub fn render(&self, terminal: &Terminal) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, (cell, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut lines = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let mut line = String::new();
            for (index, (cell, tone)) in row.iter().enumerate() {
                let shown = match tone {
                    Some(tone) => terminal.paint(*tone, cell),
                    None => cell.clone(),
                };
                line.push_str(&shown);
                if index + 1 < row.len() {
                    line.push_str(&" ".repeat(widths[index] - cell.chars().count() + 2));
                }
            }
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }
}

/// The text of a field; `-` where there is none.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The elements of a list; none where there is no list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "STATE"]);
        assert!(table.is_empty());
        table.row(["a", "good"]);
        table.row_with(1, Some(Tone::Bad), ["longer", ""]);
        assert_eq!(table.render(&Terminal::plain()), "NAME    STATE\na       good\nlonger");
    }
}
