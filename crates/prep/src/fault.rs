//! Faults of many files, for one message.

use std::fmt::Display;

use crate::Refusal;

/// So many are listed; the rest is counted.
const SHOWN: usize = 20;

/// What is wrong with the files of a tree: a line each, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    lines: Vec<String>,
}

impl Faults {
    /// Adds what is wrong with the file at `place`.
    pub fn add(&mut self, place: impl Display, problem: impl Display) {
        self.lines.push(Refusal::at(place, problem).to_string());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// All of them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The first of them, and how many more there are.
    pub fn shown(&self) -> Vec<String> {
        let more = self.lines.len().saturating_sub(SHOWN);
        let rest = (more > 0).then(|| format!("and {more} more"));
        self.lines.iter().take(SHOWN).cloned().chain(rest).collect()
    }

    /// One fault as it is; of several, `N` and what they have in common, with a list.
    pub fn refusal(&self, place: &str, in_common: &str) -> Refusal {
        match self.lines.as_slice() {
            [only] => Refusal::new(only),
            lines => Refusal::at(place, format!("{} {in_common}", lines.len())).details(self.shown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_the_message_and_many_are_listed() {
        let mut faults = Faults::default();
        faults.add("a.png", "empty");
        assert_eq!(faults.refusal("set", "pictures").to_string(), "a.png: empty");
        (0..24).for_each(|n| faults.add(format!("{n}.png"), "damaged"));
        let refusal = faults.refusal("set", "pictures cannot be read");
        assert_eq!(refusal.to_string(), "set: 25 pictures cannot be read");
        let lines = refusal.list();
        assert_eq!((lines.len(), lines[1].as_str(), lines[20].as_str()), (21, "0.png: damaged", "and 5 more"));
    }
}
