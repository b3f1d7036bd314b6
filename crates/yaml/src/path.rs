//! Paths of fields as operators read them: `spec.http[0].match["x-user"]`. Text only, nothing is looked up.

/// The path of `key` in the mapping at `path`. Keys that would be misread with a dot are put in brackets and quotes.
pub fn join_key(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@'));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{key:?}]"),
    }
}

/// The path of the element `index` of the list at `path`, counted from 0.
pub fn join_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_dots_are_quoted() {
        assert_eq!(join_key("", "spec"), "spec");
        assert_eq!(join_key("spec", "http"), "spec.http");
        assert_eq!(join_index("spec.http", 2), "spec.http[2]");
        assert_eq!(
            join_key("metadata.labels", "app.kubernetes.io/name"),
            "metadata.labels[\"app.kubernetes.io/name\"]"
        );
        assert_eq!(join_key("", ""), "[\"\"]");
        assert_eq!(join_key("a", "x\ny"), "a[\"x\\ny\"]");
    }
}
