//! Texts with a number each, found by equality. All of them lie in one piece of memory, so that a look-up among very many
//! touches little of it. Not a map for what clients send: it only grows while a configuration is compiled.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use crate::balance::hash::xx;

/// The texts and their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: String,
    entries: HashTable<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its text begins and ends in [`Names::texts`].
    from: usize,
    end: usize,
    number: usize,
}

impl Names {
    /// The number that `name` was given.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let is_it = |entry: &Entry| self.texts[entry.from..entry.end] == *name;
        self.entries.find(xx(name.as_bytes()), is_it).map(|entry| entry.number)
    }

    /// Gives `name` a number, unless it has one; that is returned then.
    pub(super) fn insert(&mut self, name: &str, number: usize) -> Option<usize> {
        let Names { texts, entries } = self;
        let text = |entry: &Entry| &texts[entry.from..entry.end];
        let place = entries.entry(
            xx(name.as_bytes()),
            |entry| text(entry) == name,
            |entry| xx(text(entry).as_bytes()),
        );
        match place {
            Place::Occupied(taken) => Some(taken.get().number),
            Place::Vacant(free) => {
                let (from, end) = (texts.len(), texts.len() + name.len());
                free.insert(Entry { from, end, number });
                texts.push_str(name);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_keeps_its_first_number() {
        let mut names = Names::default();
        for number in 0..1000 {
            assert_eq!(names.insert(&format!("host-{number}"), number), None);
        }
        assert_eq!(names.insert("host-7", 1000), Some(7));
        for number in 0..1000 {
            assert_eq!(names.find(&format!("host-{number}")), Some(number));
        }
        for other in ["host-1000", "host-", "", "HOST-7"] {
            assert_eq!(names.find(other), None, "{other}");
        }
        assert_eq!(names.insert("", 5), None);
        assert_eq!(names.find(""), Some(5));
    }
}
