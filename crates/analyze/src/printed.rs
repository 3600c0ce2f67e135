//! A suggestion as a person reads it in a terminal: the rates first, then what they hold for, and why.

use artifacts::number;
use artifacts::setting::Setting;
use artifacts::suggestion::{Interval, Suggestion};
use reading::suggest::name_of;

/// Sentences are wrapped at so many columns.
const WIDTH: usize = 92;
/// Columns that the names of facts take.
const NAMES: usize = 14;

/// The answer, line by line; `is_styled` sets the highest rate in bold.
pub fn lines(suggestion: &Suggestion, is_styled: bool) -> Vec<String> {
    let highest = suggestion.max_lr.map_or_else(|| "none".to_owned(), number::rate);
    let highest = if is_styled { format!("\x1b[1m{highest}\x1b[0m") } else { highest };
    let lowest = suggestion.min_lr.map_or_else(|| "none".to_owned(), number::rate);
    let mut lines = vec![
        fact("highest rate", &(highest + &interval(suggestion.max_lr_interval))),
        fact("lowest rate", &(lowest + &interval(suggestion.min_lr_interval))),
        fact("outcome", name_of(suggestion.outcome)),
        fact("confidence", &suggestion.confidence.to_string()),
    ];
    let holds_for = setting(&suggestion.setting, suggestion.for_iterations);
    if !holds_for.is_empty() {
        lines.push(fact("holds for", &holds_for));
    }
    lines.push(String::new());
    for reason in &suggestion.reasons {
        lines.extend(wrapped(&reason.sentence));
    }
    lines
}

fn fact(name: &str, value: &str) -> String {
    format!("{name:<NAMES$}{value}")
}

fn interval(interval: Option<Interval>) -> String {
    let wide = interval.filter(|interval| interval.low < interval.high);
    wide.map_or_else(String::new, |Interval { low, high }| {
        format!("  ({} to {})", number::rate(low), number::rate(high))
    })
}

/// What is known of the training, with commas between.
fn setting(setting: &Setting, iterations: Option<u64>) -> String {
    let with = |name: &str, value: Option<String>| value.map(|value| format!("{name}{value}"));
    let parts = [
        setting.net.clone(),
        with("on ", setting.data_name.clone()),
        setting.optimizer.clone(),
        with("momentum ", setting.momentum.map(|momentum| momentum.to_string())),
        with("weight decay ", setting.weight_decay.map(number::rate)),
        with("batch ", setting.batch_size.map(|size| size.to_string())),
        iterations.map(|steps| format!("{} steps", number::count(steps))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A sentence as an item of a list.
fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = "-".to_owned();
    for word in sentence.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".to_owned()));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_between_words() {
        let sentence = "learning ".repeat(30);
        let lines = wrapped(&sentence);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("- learning") && lines[1].starts_with("  learning"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH) && lines[0].len() > WIDTH - 10);
        assert_eq!(lines.concat().matches("learning").count(), 30);
    }

    #[test]
    fn a_style_is_asked_for_and_touches_the_highest_rate_alone() {
        let text = r#"{"format": "superconv-suggestion/1", "outcome": "hill", "min_lr": 0.01, "max_lr": 0.5,
            "min_lr_interval": null, "max_lr_interval": {"low": 0.25, "high": 1.0}, "confidence": 0.72,
            "reasons": ["hill: because."], "rivals": {}, "setting": {}, "sources": ["a"]}"#;
        let suggestion: Suggestion = serde_json::from_str(text).unwrap();
        let plain = [
            "highest rate  0.5  (0.25 to 1)",
            "lowest rate   0.01",
            "outcome       hill",
            "confidence    0.72",
            "",
            "- hill: because.",
        ];
        assert_eq!(lines(&suggestion, false), plain);
        let styled = lines(&suggestion, true);
        assert_eq!(styled[0], "highest rate  \x1b[1m0.5\x1b[0m  (0.25 to 1)");
        assert_eq!(styled[1..], plain[1..]);
    }

    #[test]
    fn a_setting_says_what_is_known_of_it() {
        assert_eq!(setting(&Setting::default(), None), "");
        assert_eq!(setting(&Setting::default(), Some(12_000)), "12,000 steps");
        let known = Setting { optimizer: Some("sgd".into()), momentum: Some(0.9), ..Setting::default() };
        assert_eq!(setting(&known, Some(60)), "sgd, momentum 0.9, 60 steps");
    }
}
