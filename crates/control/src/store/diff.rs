//! Two texts as a unified diff, as `diff -u` writes it.

use std::fmt::Write;

/// Lines shown around a change.
const CONTEXT: usize = 3;
/// Most lines that are compared cell by cell (after what is alike at both ends); longer texts are shown as replaced.
const MAX_CELLS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The changes from `old` to `new` under the name of what they are of. Empty if there are none.
pub(crate) fn unified(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = edits(&old, &new);
    let header = |text: &[&str]| if text.is_empty() { "/dev/null".to_owned() } else { name.to_owned() };
    let mut out = format!("--- {}\n+++ {}\n", header(&old), header(&new));
    let changed: Vec<usize> =
        edits.iter().enumerate().filter(|(_, edit)| **edit != Edit::Keep).map(|(at, _)| at).collect();
    let mut next = 0;
    while next < changed.len() {
        let begin = changed[next].saturating_sub(CONTEXT);
        let mut end = changed[next] + 1;
        while next < changed.len() && changed[next] <= end + 2 * CONTEXT {
            end = changed[next] + 1;
            next += 1;
        }
        hunk(&mut out, &edits, begin, (end + CONTEXT).min(edits.len()), &old, &new);
    }
    out
}

fn hunk(out: &mut String, edits: &[Edit], begin: usize, end: usize, old: &[&str], new: &[&str]) {
    let count = |edits: &[Edit], other: Edit| edits.iter().filter(|edit| **edit != other).count();
    let (mut at_old, mut at_new) = (count(&edits[..begin], Edit::Add), count(&edits[..begin], Edit::Remove));
    let (of_old, of_new) = (count(&edits[begin..end], Edit::Add), count(&edits[begin..end], Edit::Remove));
    let first = |at: usize, lines: usize| if lines == 0 { at } else { at + 1 };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "@@ -{},{of_old} +{},{of_new} @@", first(at_old, of_old), first(at_new, of_new));
    for edit in &edits[begin..end] {
        let (mark, line) = match edit {
            Edit::Keep => (' ', old[at_old]),
            Edit::Remove => ('-', old[at_old]),
            Edit::Add => ('+', new[at_new]),
        };
        let _ = writeln!(out, "{mark}{line}");
        at_old += usize::from(*edit != Edit::Add);
        at_new += usize::from(*edit != Edit::Remove);
    }
}

/// The longest common subsequence by dynamic programming; resources are short.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut edits = vec![Edit::Keep; head];
    if old.len().saturating_mul(new.len()) > MAX_CELLS {
        edits.extend(std::iter::repeat_n(Edit::Remove, old.len()));
        edits.extend(std::iter::repeat_n(Edit::Add, new.len()));
    } else {
        middle(old, new, &mut edits);
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, tail));
    edits
}

fn middle(old: &[&str], new: &[&str], edits: &mut Vec<Edit>) {
    let width = new.len() + 1;
    // Length of the longest common subsequence of the rests from each pair of lines.
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            longest[a * width + b] = match old[a] == new[b] {
                true => longest[(a + 1) * width + b + 1] + 1,
                false => longest[(a + 1) * width + b].max(longest[a * width + b + 1]),
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        let edit = if a < old.len() && b < new.len() && old[a] == new[b] {
            Edit::Keep
        } else if b == new.len()
            || (a < old.len() && longest[(a + 1) * width + b] >= longest[a * width + b + 1])
        {
            Edit::Remove
        } else {
            Edit::Add
        };
        a += usize::from(edit != Edit::Add);
        b += usize::from(edit != Edit::Remove);
        edits.push(edit);
    }
}
