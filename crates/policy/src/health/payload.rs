//! Whether an answer holds what was expected.

/// Whether all `parts` are in `answer`, one behind the other, with anything between.
pub fn matches(parts: &[Vec<u8>], answer: &[u8]) -> bool {
    let mut rest = answer;
    parts.iter().all(|part| match find(rest, part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_order_with_anything_between() {
        let check = |parts: &[&str], answer: &str, expected| {
            let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
            assert_eq!(matches(&parts, answer.as_bytes()), expected, "{parts:?} in {answer}");
        };
        check(&[], "", true);
        check(&["OK"], "all OK now", true);
        check(&["a", "b"], "xaxbx", true);
        check(&["b", "a"], "xaxbx", false);
        check(&["aa", "a"], "aa", false);
        check(&["OK"], "O", false);
        check(&[""], "", true);
    }
}
