//! The head of an experiment's file: comment lines with what it asks and claims.
//!
//! ```text
//! # Title.
//! #
//! # question: ...
//! # published: ...
//! # cost: ...
//! #
//! # Arms: ...
//! #
//! # claim: What is claimed.
//! #   published: The number.
//! #   at: full
//! #   holds if: 1cycle > customary + 5
//! #   why: A sentence.
//! ```
//!
//! A line without a key goes on with the line before; an empty one ends it. The head ends with the comments.

use std::fs;
use std::path::{Path, PathBuf};

use artifacts::{Action, ArtifactError};
use cli::Failure;

use crate::Result;

/// What an experiment's file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub(super) path: PathBuf,
    pub(super) title: String,
    pub(super) question: String,
    pub(super) published: String,
    pub(super) cost: String,
    pub(super) arms: String,
    pub(super) claims: Vec<Asserted>,
}

/// A claim as the file states it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asserted {
    /// The line that it begins at.
    pub line: usize,
    pub says: String,
    pub published: String,
    /// The scale that it is about, if not any.
    pub at: Option<String>,
    pub holds_if: String,
    pub why: String,
}

const KEYS: [&str; 8] = ["question", "published", "cost", "arms", "claim", "at", "holds if", "why"];

impl Head {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// When it cannot be read, or lacks something.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| ArtifactError::io(path, Action::Read, error))?;
        Self::parse(path, &text)
    }

    /// Name of the experiment.
    pub(super) fn name(&self) -> String {
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    /// A refusal of the file, at a line.
    pub(super) fn refused(&self, line: usize, what: &str) -> Failure {
        refused(&self.path, line, what)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut head = Self {
            path: path.to_owned(),
            title: String::new(),
            question: String::new(),
            published: String::new(),
            cost: String::new(),
            arms: String::new(),
            claims: Vec::new(),
        };
        for entry in entries(text) {
            head.take(entry)?;
        }
        head.check()?;
        Ok(head)
    }

    fn take(&mut self, Entry { line, key, text }: Entry) -> Result<()> {
        let outside =
            |key: &str| refused(&self.path, line, &format!("`{key}:` belongs to a claim; expected `claim:` before it"));
        let place = match (key, self.claims.last_mut()) {
            ("title", _) => &mut self.title,
            ("question", _) => &mut self.question,
            ("cost", _) => &mut self.cost,
            ("arms", _) => &mut self.arms,
            ("claim", _) => {
                self.claims.push(Asserted { line, says: text, ..Asserted::default() });
                return Ok(());
            }
            ("published", None) => &mut self.published,
            ("published", Some(claim)) => &mut claim.published,
            ("at", Some(claim)) => claim.at.insert(String::new()),
            ("holds if", Some(claim)) => &mut claim.holds_if,
            ("why", Some(claim)) => &mut claim.why,
            (key, _) => return Err(outside(key)),
        };
        *place = text;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let needed = [("a title", &self.title), ("`question:`", &self.question), ("`cost:`", &self.cost)];
        if let Some((what, _)) = needed.iter().find(|(_, text)| text.is_empty()) {
            return Err(refused(&self.path, 1, &format!("the head lacks {what}")));
        }
        if self.claims.is_empty() {
            return Err(refused(&self.path, 1, "the head makes no `claim:`"));
        }
        for claim in &self.claims {
            let needed = [("`published:`", &claim.published), ("`holds if:`", &claim.holds_if)];
            if let Some((what, _)) = needed.iter().find(|(_, text)| text.is_empty()) {
                return Err(refused(&self.path, claim.line, &format!("the claim lacks {what}")));
            }
        }
        Ok(())
    }
}

fn refused(path: &Path, line: usize, what: &str) -> Failure {
    Failure::unusable(format!("{}: line {line}: {what}", path.display()))
        .hint("docs/papers.md shows how an experiment's file begins")
}

/// A key, or `title`, with its text over all of its lines.
struct Entry {
    line: usize,
    key: &'static str,
    text: String,
}

fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_open = false;
    let comments = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    for (line, content) in (1..).zip(comments) {
        let key = KEYS.into_iter().find_map(|key| Some((key, after_key(content, key)?)));
        match (key, entries.last_mut()) {
            (Some((key, rest)), _) => entries.push(Entry { line, key, text: rest.to_owned() }),
            (None, _) if content.is_empty() => {}
            (None, None) => entries.push(Entry { line, key: "title", text: content.to_owned() }),
            (None, Some(entry)) if is_open => entry.text = format!("{} {content}", entry.text),
            (None, Some(_)) => {}
        }
        is_open = !content.is_empty() && (is_open || key.is_some() || entries.len() == 1);
    }
    entries
}

/// What follows `key:`, whatever case it begins with.
fn after_key<'a>(content: &'a str, key: &str) -> Option<&'a str> {
    let start = content.get(..key.len())?;
    content[key.len()..].strip_prefix(':').filter(|_| start.eq_ignore_ascii_case(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# One title.\n#\n# question: Does it\n#   hold?\n# published: A paper.\n# cost: small 1 minute\n#\n# Arms: two,\n# of them\n#\n\
                         # claim: A is above B.\n#   published: 2 against 1\n#   holds if: a > b\n# claim: C\n#   published: 3\n#   at: full\n\
                         #   holds if: a = b\n#   why: Because.\n\nrules := 1\n# claim: not the head any more\n";

    fn message(text: &str) -> String {
        Head::parse(Path::new("x.mk"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_head_is_read_to_the_end_of_the_comments() {
        let head = Head::parse(Path::new("pipelines/paper/some.mk"), WHOLE).unwrap();
        assert_eq!((head.name().as_str(), head.title.as_str()), ("some", "One title."));
        assert_eq!((head.question.as_str(), head.published.as_str()), ("Does it hold?", "A paper."));
        assert_eq!((head.cost.as_str(), head.arms.as_str()), ("small 1 minute", "two, of them"));
        assert_eq!(head.claims.len(), 2);
        let [first, second] = &head.claims[..] else { panic!() };
        assert_eq!((first.line, first.says.as_str(), first.published.as_str()), (11, "A is above B.", "2 against 1"));
        assert_eq!((first.holds_if.as_str(), &first.at, first.why.as_str()), ("a > b", &None, ""));
        assert_eq!((second.at.as_deref(), second.why.as_str()), (Some("full"), "Because."));
    }

    #[test]
    fn what_a_head_lacks_is_named_with_its_line() {
        assert!(message("rules := 1\n").contains("x.mk: line 1: the head lacks a title"));
        assert!(message(&WHOLE.replace("# cost: small 1 minute\n", "")).contains("the head lacks `cost:`"));
        assert!(
            message(&WHOLE.replace("#   holds if: a > b\n", "")).contains("x.mk: line 11: the claim lacks `holds if:`")
        );
        assert!(message("# T\n#\n# why: no claim yet\n").contains("line 3: `why:` belongs to a claim"));
    }
}
