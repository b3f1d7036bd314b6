//! Two answers side by side: what differs, and whether it may.

use crate::answer::Answer;
use crate::case::{Differs, Step};

/// The fields of two answers beside each other, with what differs marked.
pub struct Comparison {
    rows: Vec<Row>,
}

struct Row {
    field: String,
    envoy: Option<String>,
    ripstop: Option<String>,
    /// Not compared, or meant to differ.
    excused: bool,
}

impl Row {
    fn differs(&self) -> bool {
        self.envoy != self.ripstop
    }
}

/// Whether a field is what a pattern means: the name itself, or any that is like it but for what its `*` stands for.
fn means(pattern: &str, field: &str) -> bool {
    match pattern.split_once('*') {
        Some((beginning, end)) => {
            field.len() >= beginning.len() + end.len() && field.starts_with(beginning) && field.ends_with(end)
        }
        None => field == pattern,
    }
}

impl Comparison {
    /// Compares, leaving out what the step ignores and what `differs` allows.
    pub fn new(envoy: &Answer, ripstop: &Answer, differs: &[Differs], step: &Step) -> Comparison {
        let mut fields: Vec<&String> = envoy.fields.iter().map(|(name, _)| name).collect();
        for (name, _) in &ripstop.fields {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        let row = |field: &String| Row {
            field: field.clone(),
            envoy: envoy.get(field).map(str::to_owned),
            ripstop: ripstop.get(field).map(str::to_owned),
            excused: (!step.order && field.ends_with("-order"))
                || step.ignore.iter().any(|pattern| means(pattern, field))
                || differs.iter().any(|one| means(&one.field, field)),
        };
        Comparison { rows: fields.into_iter().map(row).collect() }
    }

    /// Whether nothing differs that must not.
    pub fn is_alike(&self) -> bool {
        !self.rows.iter().any(|row| row.differs() && !row.excused)
    }

    /// The patterns of `differs` under which nothing differs.
    pub fn stale<'a>(&self, differs: &'a [Differs]) -> Vec<&'a str> {
        let used =
            |one: &&Differs| !self.rows.iter().any(|row| row.differs() && means(&one.field, &row.field));
        differs.iter().filter(used).map(|one| one.field.as_str()).collect()
    }

    /// Both answers, with `≠` before what differs and `~` before what may.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let absent = || "(absent)".to_owned();
            if row.differs() {
                let mark = if row.excused { '~' } else { '≠' };
                let envoy = row.envoy.clone().unwrap_or_else(absent);
                let ripstop = row.ripstop.clone().unwrap_or_else(absent);
                out.push_str(&format!("  {mark} {}\n      Envoy    {envoy:?}\n", row.field));
                out.push_str(&format!("      Ripstop  {ripstop:?}\n"));
            } else {
                let value = row.envoy.clone().unwrap_or_default();
                out.push_str(&format!("    {}  {value:?}\n", row.field));
            }
        }
        out
    }
}
