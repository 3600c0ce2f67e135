//! Commands as they are printed: lines that a shell takes apart again, whatever their paths hold.

use cli::Failure;

use crate::Result;

/// The words of a command, or of a part of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// A program without arguments.
    pub(crate) fn program(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Adds a flag that takes no value.
    pub(crate) fn switch(&mut self, flag: &str) {
        self.0.push(flag.to_owned());
    }

    /// Adds a flag with its value.
    pub(crate) fn flag(&mut self, flag: &str, value: &impl ToString) {
        self.0.extend([flag.to_owned(), value.to_string()]);
    }

    /// Adds the words of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The words with spaces between, not quoted: what a name is made from, not what a shell is given.
    pub(crate) fn text(&self) -> String {
        self.0.join(" ")
    }

    /// The words on one line, quoted for a shell.
    ///
    /// # Errors
    /// When one of them does not fit on a line.
    pub(crate) fn line(&self) -> Result<String> {
        if let Some(word) = self.0.iter().find(|word| word.contains('\n')) {
            let message = format!("{word:?} holds a line break, and commands are printed one on a line");
            return Err(Failure::unusable(message).hint("use paths without line breaks"));
        }
        shlex::try_join(self.0.iter().map(String::as_str)).map_err(Failure::unusable)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_takes_a_line_apart_into_the_same_words() {
        let odd = "my runs/it's $HOME; \"x\" * ~ # é";
        let mut words = Words::program("sc-train");
        words.flag("--out", &odd);
        words.switch("--resume");
        let script = format!("printf '%s\\n' {}", words.line().unwrap());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().collect::<Vec<_>>(), ["sc-train", "--out", odd, "--resume"]);
    }

    #[test]
    fn plain_words_are_printed_as_they_are() {
        let mut words = Words::program("sc-train");
        words.flag("--max-lr", &0.05);
        words.flag("--out", &"runs/streamline_mnist5k_bs32/momentum/0.95-0.85-seed1-0123abcd");
        assert_eq!(words.line().unwrap(), words.text());
    }

    #[test]
    fn a_line_break_is_refused() {
        let mut words = Words::program("sc-train");
        words.flag("--out", &"a\nb");
        let refusal = words.line().unwrap_err();
        assert!(refusal.message.starts_with("\"a\\nb\" holds a line break"), "{refusal}");
    }
}
