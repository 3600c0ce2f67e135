//! What a suggestion, a choice, a recipe or a probe was made for, and in what two settings differ: one comparison for all.

use serde::{Deserialize, Serialize};

/// A setting: what the rate that trains best depends on. `None` is not said, and then not compared: a curve of another
/// tool's says nothing, an older file less than a newer one.
///
/// Compared are data, net, shortcut, batch size, optimizer, momentum, weight decay, what is trained, what of the images is seen and the engine, and for a
/// probe the weights. Engines differ in rounding alone, but are there to be held against each other: what one measured is not
/// taken for what the other did. What runs may differ in besides is not compared: batch norm's momentum and re-estimation, and
/// the validation images, act on measurements
/// alone; precision and exact convolutions on rounding; augmentation and the number of steps shift the best rate by less
/// than its interval, and a range test is shorter than the training that it is made for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// SHA-256 of the data set.
    pub data_sha256: Option<String>,
    /// Its name: for people to read, not compared.
    pub data_name: Option<String>,
    /// SHA-256 of the weights, where it holds for these alone; its files keep it elsewhere.
    #[serde(skip)]
    pub init_sha256: Option<String>,
    /// The net.
    pub net: Option<String>,
    /// Its shortcut; empty where it has none.
    pub shortcut: Option<String>,
    /// Images per step.
    pub batch_size: Option<usize>,
    /// The optimizer.
    pub optimizer: Option<String>,
    /// Momentum.
    pub momentum: Option<f64>,
    /// Weight decay.
    pub weight_decay: Option<f64>,
    /// The engine.
    pub engine: Option<String>,
    /// What of the net is trained, at which rates: [`tuning`]. A setting with an optimizer that does not say it trains all at
    /// one rate.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub tuning: Option<String>,
    /// What of the images the net sees, and how: [`input`]. A setting with an optimizer that does not say it sees all of them, by
    /// their own statistics.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub input: Option<String>,
    /// Steps of the runs that it was made from: for people to read, not compared.
    pub iterations: Option<u64>,
}

/// Whether there is nothing to say of what is trained, or seen.
#[expect(clippy::ref_option, reason = "as serde asks")]
fn is_usual(words: &Option<String>) -> bool {
    words.as_ref().is_none_or(String::is_empty)
}

/// What of a net is trained, at which rates, in words: empty where all is, at one rate.
pub fn tuning(freeze: &str, freeze_bn: &str, group_rates: &[f64]) -> String {
    let frozen = (!freeze.is_empty()).then(|| format!("{freeze} frozen ({freeze_bn} statistics)"));
    let rates: Vec<String> = group_rates.iter().map(f64::to_string).collect();
    let rates = (!rates.is_empty()).then(|| format!("group rates {}", rates.join(",")));
    frozen.into_iter().chain(rates).collect::<Vec<_>>().join(", ")
}

/// What of the images a net sees, and how, in words: empty where it sees all of them, normalised by their own statistics.
pub fn input(train_size: usize, normalise: &str) -> String {
    let size = (train_size > 0).then(|| format!("{train_size}x{train_size} of each image"));
    let by = (!normalise.is_empty()).then(|| format!("normalised by {normalise}"));
    size.into_iter().chain(by).collect::<Vec<_>>().join(", ")
}

/// What settings are compared in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The data set, by its SHA-256.
    Data,
    /// The weights, by their SHA-256.
    Init,
    /// The net.
    Net,
    /// Its shortcut.
    Shortcut,
    /// Images per step.
    BatchSize,
    /// The optimizer.
    Optimizer,
    /// Momentum.
    Momentum,
    /// Weight decay.
    WeightDecay,
    /// The engine.
    Engine,
    /// What of the net is trained, at which rates.
    Tuning,
    /// What of the images is seen, and how.
    Input,
}

impl Parameter {
    /// Its key in the table of a run's configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Init => "init",
            Self::Net => "net",
            Self::Shortcut => "shortcut",
            Self::BatchSize => "batch_size",
            Self::Optimizer => "optimizer",
            Self::Momentum => "momentum",
            Self::WeightDecay => "weight_decay",
            Self::Engine => "engine",
            Self::Tuning => "tuning",
            Self::Input => "input",
        }
    }

    /// What sentences call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BatchSize => "batch size",
            Self::WeightDecay => "weight decay",
            Self::Init => "weights",
            other => other.key(),
        }
    }

    /// A value as messages show it.
    fn shown(self, value: String) -> String {
        match self {
            Self::Data | Self::Init => value.chars().take(SHOWN_OF_HASH).collect(),
            _ if value.is_empty() => "none".to_owned(),
            _ => value,
        }
    }
}

/// Something that both settings say, and say differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In what they differ.
    pub parameter: Parameter,
    /// What one says; the beginning of a SHA-256.
    pub one: String,
    /// What the other says, likewise.
    pub other: String,
}

/// How much of a SHA-256 tells files apart for a reader.
const SHOWN_OF_HASH: usize = 12;

impl Setting {
    /// Everything in which two settings differ, of what both say.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for ((parameter, one), (_, other)) in self.compared().into_iter().zip(other.compared()) {
            if let Some((one, other)) = one.zip(other).filter(|(one, other)| one != other) {
                let (one, other) = (parameter.shown(one), parameter.shown(other));
                differences.push(Difference { parameter, one, other });
            }
        }
        differences
    }

    /// What is compared. A key that is added to a setting has to be placed here, or left out on purpose.
    fn compared(&self) -> [(Parameter, Option<String>); 11] {
        let Self {
            data_sha256,
            data_name: _,
            init_sha256,
            net,
            shortcut,
            batch_size,
            optimizer,
            momentum,
            weight_decay,
            engine,
            tuning,
            input,
            iterations: _,
        } = self;
        // What a setting that says anything of a run leaves out is as usual.
        let or_usual = |words: &Option<String>| words.clone().or(optimizer.as_ref().map(|_| String::new()));
        let number = |value: Option<f64>| value.map(|value| value.to_string());
        [
            (Parameter::Data, data_sha256.clone()),
            (Parameter::Init, init_sha256.clone()),
            (Parameter::Net, net.clone()),
            (Parameter::Shortcut, shortcut.clone()),
            (Parameter::BatchSize, batch_size.map(|size| size.to_string())),
            (Parameter::Optimizer, optimizer.clone()),
            (Parameter::Momentum, number(*momentum)),
            (Parameter::WeightDecay, number(*weight_decay)),
            (Parameter::Engine, engine.clone()),
            (Parameter::Tuning, or_usual(tuning)),
            (Parameter::Input, or_usual(input)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Setting {
        Setting {
            data_sha256: Some("a".repeat(64)),
            data_name: Some("digits".into()),
            init_sha256: Some("b".repeat(64)),
            net: Some("resnet8".into()),
            shortcut: Some("a".into()),
            batch_size: Some(64),
            optimizer: Some("sgd".into()),
            momentum: Some(0.9),
            weight_decay: Some(1e-4),
            engine: Some("fast".into()),
            tuning: None,
            input: None,
            iterations: Some(100),
        }
    }

    type Change = fn(&mut Setting);

    #[test]
    fn every_parameter_is_compared_and_shown() {
        let cases: [(Change, Parameter, &str, &str); 11] = [
            (|s| s.data_sha256 = Some("c".repeat(64)), Parameter::Data, "aaaaaaaaaaaa", "cccccccccccc"),
            (|s| s.init_sha256 = Some("c".repeat(64)), Parameter::Init, "bbbbbbbbbbbb", "cccccccccccc"),
            (|s| s.net = Some("lenet".into()), Parameter::Net, "resnet8", "lenet"),
            (|s| s.shortcut = Some(String::new()), Parameter::Shortcut, "a", "none"),
            (|s| s.batch_size = Some(128), Parameter::BatchSize, "64", "128"),
            (|s| s.optimizer = Some("adamw".into()), Parameter::Optimizer, "sgd", "adamw"),
            (|s| s.momentum = Some(0.95), Parameter::Momentum, "0.9", "0.95"),
            (|s| s.weight_decay = Some(0.0), Parameter::WeightDecay, "0.0001", "0"),
            (|s| s.engine = Some("candle".into()), Parameter::Engine, "fast", "candle"),
            (
                |s| s.tuning = Some(tuning("body", "running", &[0.1, 1.0, 1.0])),
                Parameter::Tuning,
                "none",
                "body frozen (running statistics), group rates 0.1,1,1",
            ),
            (
                |s| s.input = Some(input(96, "imagenet")),
                Parameter::Input,
                "none",
                "96x96 of each image, normalised by imagenet",
            ),
        ];
        assert_eq!(full().differences(&full()), []);
        for (change, parameter, one, other) in cases {
            let mut changed = full();
            change(&mut changed);
            let expected = Difference { parameter, one: one.to_owned(), other: other.to_owned() };
            assert_eq!(full().differences(&changed), [expected]);
        }
        let mut two = full();
        (two.net, two.momentum) = (Some("lenet".into()), Some(0.5));
        let found: Vec<Parameter> = full().differences(&two).iter().map(|difference| difference.parameter).collect();
        assert_eq!(found, [Parameter::Net, Parameter::Momentum]);
    }

    #[test]
    fn what_one_does_not_say_and_what_does_not_matter_is_not_compared() {
        assert_eq!(full().differences(&Setting::default()), []);
        assert_eq!(Setting::default().differences(&full()), []);
        let mut other = full();
        (other.data_name, other.iterations) = (Some("others".into()), Some(7));
        assert_eq!(full().differences(&other), []);
    }

    #[test]
    fn a_setting_without_some_keys_is_read() {
        let read: Setting = serde_json::from_str(r#"{"net": "lenet"}"#).unwrap();
        assert_eq!(read, Setting { net: Some("lenet".into()), ..Setting::default() });
        assert!(serde_json::from_str::<Setting>(r#"{"neet": "lenet"}"#).is_err());
    }
}
