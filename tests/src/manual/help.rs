//! What clap prints for `--help`, read back.

/// A flag or an argument.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) heading: Option<String>,
    pub(super) short: Option<char>,
    pub(super) long: Option<String>,
    /// The name of its value, if it takes one.
    pub(super) value: Option<String>,
    /// Whether it takes several.
    pub(super) many: bool,
    /// Paragraphs.
    pub(super) text: Vec<String>,
    /// The values to choose from, each with what it means.
    pub(super) choices: Vec<(String, String)>,
}

/// A page of help.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Help {
    /// Paragraphs.
    pub(super) about: Vec<String>,
    pub(super) usage: Vec<String>,
    /// Subcommands, each with what it does.
    pub(super) commands: Vec<(String, String)>,
    pub(super) entries: Vec<Entry>,
    /// One a line: the code, and what it means.
    pub(super) exit_codes: Vec<String>,
}

/// Columns before a flag or a subcommand at most; text that goes on starts further to the right.
const INDENT: usize = 6;

impl Help {
    /// Reads a page; none where it is not one of clap's with the exit codes at its end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (text, codes) = text.split_once("\nExit codes:\n")?;
        let (about, rest) = text.split_once("\nUsage: ").or_else(|| Some(("", text.strip_prefix("Usage: ")?)))?;
        let mut help = Self { about: paragraphs(about), ..Self::default() };
        help.exit_codes = codes.lines().map(words).filter(|line| !line.is_empty()).collect();
        let mut lines = rest.lines();
        help.usage = lines.by_ref().take_while(|line| !line.is_empty()).map(words).collect();
        let (mut heading, mut bodies) = (String::new(), Vec::<(Entry, String)>::new());
        for line in lines {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if let Some(name) = line.strip_suffix(':').filter(|_| indent == 0) {
                name.clone_into(&mut heading);
            } else if heading == "Commands" {
                help.take_command(trimmed, indent);
            } else if (1..=INDENT).contains(&indent) && trimmed.starts_with(['-', '<', '[']) {
                let (spec, text) = trimmed.split_once("  ").unwrap_or((trimmed, ""));
                let entry = Entry { heading: Some(heading.clone()), ..specified(spec) };
                bodies.push((entry, text.trim().to_owned()));
            } else if let Some((_, body)) = bodies.last_mut() {
                body.push('\n');
                body.push_str(trimmed.trim_end());
            }
        }
        help.entries = bodies.into_iter().map(|(entry, body)| with_body(entry, &body)).collect();
        Some(help)
    }

    fn take_command(&mut self, trimmed: &str, indent: usize) {
        match trimmed.split_once("  ") {
            Some((name, text)) if indent <= INDENT => self.commands.push((name.to_owned(), text.trim().to_owned())),
            _ if trimmed.is_empty() => {}
            _ => {
                if let Some((_, text)) = self.commands.last_mut() {
                    *text = format!("{text} {trimmed}");
                }
            }
        }
        self.commands.retain(|(name, _)| name != "help");
    }
}

/// An entry by its names: `-h, --help`, `--out <FILE>`, `<RUN>...`.
fn specified(spec: &str) -> Entry {
    let mut entry = Entry::default();
    for word in spec.split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some(long) = word.strip_prefix("--") {
            entry.long = Some(long.to_owned());
        } else if let Some(short) = word.strip_prefix('-').filter(|_| entry.value.is_none()) {
            entry.short = short.chars().next();
        }
    }
    if let Some((_, rest)) = spec.split_once(['<', '[']) {
        let end = rest.find(['>', ']']).unwrap_or(rest.len());
        entry.value = Some(rest[..end].to_owned());
        entry.many = rest[end..].contains("...");
    }
    entry
}

/// An entry with its text: paragraphs, and the values to choose from.
fn with_body(mut entry: Entry, body: &str) -> Entry {
    let body = match body.split_once("Possible values:\n") {
        None => body.to_owned(),
        Some((before, list)) => {
            let (list, after) = list.split_once("\n\n").unwrap_or((list, ""));
            for line in list.lines() {
                match line.strip_prefix("- ") {
                    Some(item) => {
                        let (name, text) = item.split_once(':').unwrap_or((item, ""));
                        entry.choices.push((name.to_owned(), text.trim().to_owned()));
                    }
                    None => {
                        if let Some((_, text)) = entry.choices.last_mut() {
                            *text = format!("{text} {line}");
                        }
                    }
                }
            }
            format!("{before}\n\n{after}")
        }
    };
    entry.text = paragraphs(&body);
    for paragraph in &mut entry.text {
        let Some((before, rest)) = paragraph.split_once("[possible values: ") else { continue };
        let (list, after) = rest.split_once(']').unwrap_or((rest, ""));
        entry.choices.extend(list.split(", ").map(|name| (name.to_owned(), String::new())));
        *paragraph = format!("{}{after}", before.trim_end());
    }
    entry.text.retain(|paragraph| !paragraph.is_empty());
    entry
}

/// Paragraphs, each on one line.
fn paragraphs(text: &str) -> Vec<String> {
    let trimmed: Vec<&str> = text.lines().map(str::trim).collect();
    trimmed.join("\n").split("\n\n").map(words).filter(|paragraph| !paragraph.is_empty()).collect()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_that_clap_lays_out_help_are_read() {
        let long = "\
Measure what can
be measured

More words.

Usage: sc-x [OPTIONS] --kind <KIND> <RUN>...
       sc-x --replay FILE

Arguments:
  <RUN>...
          Folders

Options:
      --kind <KIND>
          What kind [with --x: a]

          Possible values:
          - a:   The first
          - bcd: The second, whose text
            goes on

          [default: a]

  -h, --help
          Print help

Exit codes:
  0    success
  130  interrupted
";
        let help = Help::read(long).unwrap();
        assert_eq!(help.about, ["Measure what can be measured", "More words."]);
        assert_eq!(help.usage, ["sc-x [OPTIONS] --kind <KIND> <RUN>...", "sc-x --replay FILE"]);
        assert_eq!(help.exit_codes, ["0 success", "130 interrupted"]);
        let [run, kind, flag] = &help.entries[..] else { panic!("{help:#?}") };
        assert_eq!((run.value.as_deref(), run.many, run.long.as_deref()), (Some("RUN"), true, None));
        assert_eq!((kind.long.as_deref(), kind.value.as_deref(), kind.many), (Some("kind"), Some("KIND"), false));
        assert_eq!(kind.text, ["What kind [with --x: a]", "[default: a]"]);
        let choices: Vec<(&str, &str)> =
            kind.choices.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(choices, [("a", "The first"), ("bcd", "The second, whose text goes on")]);
        assert_eq!((flag.short, flag.long.as_deref(), flag.value.as_deref()), (Some('h'), Some("help"), None));

        let short = "\
Look

Usage: sc-y <COMMAND>

Commands:
  one   Do one
        thing
  help  Print this message

Options:
      --net <NAME>  The net, of many
                    [possible values: a, b]
  -h, --help        Print help

Exit codes:
  0    success
";
        let help = Help::read(short).unwrap();
        assert_eq!(help.commands, [("one".to_owned(), "Do one thing".to_owned())]);
        assert_eq!(help.entries[0].text, ["The net, of many"]);
        assert_eq!(help.entries[0].choices, [("a".to_owned(), String::new()), ("b".to_owned(), String::new())]);
        assert_eq!(Help::read("usage: something else"), None);
    }
}
