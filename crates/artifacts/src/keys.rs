//! What each key of a run's configuration stands with, for programs that put runs side by side: which keys every run has,
//! and which follow another one that was varied.

/// What a key of the configuration goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every run has it, and it stands for itself.
    Shared,
    /// Follows from the net.
    OfNet,
    /// A parameter of the schedule that is a learning rate, or is made of some.
    Rate,
    /// Another parameter of the schedule.
    OfSchedule,
}

/// Every key of [`crate::run::Config`].
const CONFIG: [(&str, Class); 29] = [
    ("kind", Class::Shared),
    ("net", Class::Shared),
    ("shortcut", Class::OfNet),
    ("seed", Class::Shared),
    ("batch_size", Class::Shared),
    ("iterations", Class::Shared),
    ("schedule", Class::Shared),
    ("schedule_parameters", Class::OfSchedule),
    ("optimizer", Class::Shared),
    ("momentum", Class::Shared),
    ("weight_decay", Class::Shared),
    ("bn_momentum", Class::Shared),
    ("bn_reestimate", Class::Shared),
    ("augment", Class::Shared),
    ("train_size", Class::Shared),
    ("normalise", Class::Shared),
    ("train_limit", Class::Shared),
    ("val_from_train", Class::Shared),
    ("val_every", Class::Shared),
    ("test_every", Class::Shared),
    ("exact_conv", Class::Shared),
    ("precision", Class::Shared),
    ("engine", Class::Shared),
    ("freeze", Class::Shared),
    ("freeze_bn", Class::Shared),
    ("group_rates", Class::Shared),
    ("label_smoothing", Class::Shared),
    ("class_weights", Class::Shared),
    ("ema", Class::Shared),
];

/// The parameter that says that a range test's rates were laid around the critical rate of its initial weights.
pub const CRITICAL_LR: &str = "critical_lr";

/// Every key of `schedule_parameters`, whichever the schedule.
const PARAMETERS: [(&str, Class); 20] = [
    ("lr", Class::Rate),
    ("min_lr", Class::Rate),
    ("max_lr", Class::Rate),
    ("final_lr", Class::Rate),
    (CRITICAL_LR, Class::Rate),
    ("pieces", Class::Rate),
    ("scale", Class::OfSchedule),
    ("variant", Class::OfSchedule),
    ("step_size", Class::OfSchedule),
    ("pct_start", Class::OfSchedule),
    ("max_momentum", Class::OfSchedule),
    ("min_momentum", Class::OfSchedule),
    ("gamma", Class::OfSchedule),
    ("factor", Class::OfSchedule),
    ("patience", Class::OfSchedule),
    ("threshold", Class::OfSchedule),
    ("cooldown", Class::OfSchedule),
    ("t_0", Class::OfSchedule),
    ("t_mult", Class::OfSchedule),
    ("power", Class::OfSchedule),
];

/// The class of a key of the configuration or of the schedule's parameters; none of a key that no run of ours has.
pub fn class_of(key: &str) -> Option<Class> {
    let mut known = CONFIG.iter().chain(&PARAMETERS);
    known.find(|(known, _)| *known == key).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::run::RunRecord;
    use crate::run::tests::old_record;

    /// A key that is added to the configuration has to be classified here; those of the schedules are checked where both are
    /// known (`crates/learner/tests/keys.rs`).
    #[test]
    fn every_key_of_the_configuration_is_classified_and_no_other() {
        let mut record: RunRecord = serde_json::from_value(old_record()).unwrap();
        // Entries that are left out where they say nothing.
        (record.config.freeze, record.config.freeze_bn) = ("body".to_owned(), "running".to_owned());
        (record.config.group_rates, record.config.class_weights) = (vec![1.0; 3], vec![1.0; 2]);
        (record.config.label_smoothing, record.config.ema) = (0.1, 0.9);
        (record.config.train_size, record.config.normalise) = (64, "imagenet".to_owned());
        let written = serde_json::to_value(&record.config).unwrap();
        let written: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(CONFIG.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>(), written);
        let all: BTreeSet<&str> = CONFIG.iter().chain(&PARAMETERS).map(|(key, _)| *key).collect();
        assert_eq!(all.len(), CONFIG.len() + PARAMETERS.len(), "no key stands twice");
    }
}
