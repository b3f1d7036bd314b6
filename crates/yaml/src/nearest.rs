//! "Did you mean": the candidate nearest to a misspelt word.

/// The candidate that was probably meant by `word`, if one is near enough.
///
/// Case, `_` and `-` do not count. Near enough are at most two edits (one for words of up to four characters), where
/// an edit inserts, deletes or replaces a character or swaps two neighbours (optimal string alignment), or one word
/// being the beginning of the other with at least three characters in common. Fewer edits win, then the earlier one.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    if word.is_empty() || word.len() > MAX_WORD {
        return None;
    }
    let allowed = if word.len() <= 4 { 1 } else { 2 };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let folded = fold(candidate);
        let common = word.len().min(folded.len());
        let mut distance = usize::MAX;
        if word.len().abs_diff(folded.len()) <= allowed {
            distance = edits(&word, &folded);
        }
        if distance > allowed {
            let begins = common >= 3 && word[..common] == folded[..common];
            distance = if begins { allowed + 1 } else { continue };
        }
        if best.is_none_or(|(so_far, _)| distance < so_far) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Longer words are no misspelt field names; the bound keeps a hostile key cheap.
const MAX_WORD: usize = 128;

fn fold(word: &str) -> Vec<char> {
    word.chars().take(MAX_WORD + 1).filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment distance, three rows at a time.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_the_meant_one() {
        let words = ["attempts", "perTryTimeout", "retryOn", "to", "host", "hosts"];
        let find = |word| nearest(word, words.into_iter());
        assert_eq!(find("atempts"), Some("attempts"), "a letter missing");
        assert_eq!(find("attmepts"), Some("attempts"), "two letters swapped");
        assert_eq!(find("per_try_timeout"), Some("perTryTimeout"), "another style");
        assert_eq!(find("RETRYON"), Some("retryOn"), "another case");
        assert_eq!(find("retry"), Some("retryOn"), "only the beginning");
        assert_eq!(find("host"), Some("host"));
        assert_eq!(find("hosst"), Some("host"), "the earlier of two equally near");
        assert_eq!(find("zz"), None);
        assert_eq!(find("banana"), None);
        assert_eq!(find(""), None);
        assert_eq!(find(&"a".repeat(100_000)), None);
    }
}
