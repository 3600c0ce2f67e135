//! Where a search starts: a short run tells the setting and how fast this machine is.

use artifacts::dataset;
use artifacts::finished::Run;
use artifacts::recipe::{Budget, FORMAT, Recipe, Scope, Speed, Spent, Training};
use cli::Failure;
use schedules::Variant;
use serde_json::Value;

use crate::budget::Given;
use crate::{Result, pytorch};

/// The recipe that a search starts from: the setting of `run`, no rate, and the budget with the run's cost taken off.
/// The data set is read, for the number of its test images.
///
/// # Errors
/// When the run holds nothing out, or its data cannot be read.
pub(crate) fn recipe(run: &Run, budget: &Given) -> Result<Recipe> {
    let unusable = |what: &str| {
        let hint = "start from a short run of sc-train --validation-only";
        Failure::unusable(format_args!("{}: {what}", run.folder.display())).hint(hint)
    };
    let (record, config) = (&run.record, &run.record.config);
    if record.val_images == 0 {
        return Err(unusable("the run has no validation images, which every choice reads"));
    }
    let Some(speed) = run.result.images_per_second.filter(|speed| *speed > 0.0) else {
        return Err(unusable("the run measured no speed"));
    };
    let data = dataset::read(record.data.path.as_ref())?;
    let training = training(run);
    let images = run.result.iterations as f64 * config.batch_size as f64;
    let (unit, limit) = budget.in_units(config.batch_size);
    Ok(Recipe {
        format: FORMAT.to_owned(),
        setting: Scope {
            data_sha256: record.data.sha256.clone(),
            data_name: record.data_name.clone(),
            net: config.net.clone(),
            shortcut: config.shortcut.clone(),
            train_images: record.train_images,
            held_out_images: record.val_images,
            test_images: data.test.labels.len(),
            val_from_train: config.val_from_train,
        },
        decisions: Vec::new(),
        budget: Budget {
            given: budget.text.clone(),
            unit,
            limit,
            spent: Spent { seconds: run.result.wall_seconds, images, runs: 1 },
            speeds: vec![Speed { batch_size: config.batch_size, images_per_second: speed }],
            overhead_seconds: (run.result.wall_seconds - images / speed).max(0.0),
        },
        pytorch: pytorch::sentence(&training),
        training,
    })
}

/// How a run trained, its rates and length left open.
fn training(run: &Run) -> Training {
    let config = &run.record.config;
    let variant = config.schedule_parameters.get("variant").and_then(Value::as_str);
    Training {
        batch_size: config.batch_size,
        optimizer: config.optimizer.clone(),
        momentum: config.momentum,
        max_momentum: run.parameter("max_momentum"),
        min_momentum: run.parameter("min_momentum"),
        weight_decay: config.weight_decay,
        bn_momentum: config.bn_momentum,
        bn_reestimate: config.bn_reestimate,
        augment: config.augment.clone(),
        train_size: config.train_size,
        normalise: config.normalise.clone(),
        variant: variant.unwrap_or(Variant::default().name()).to_owned(),
        max_lr: None,
        min_lr: None,
        final_lr: None,
        step_size: None,
        iterations: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use artifacts::recipe::Training;

    /// Some training with nothing chosen yet.
    pub(crate) fn training() -> Training {
        Training {
            batch_size: 128,
            optimizer: "sgd".to_owned(),
            momentum: 0.9,
            max_momentum: None,
            min_momentum: None,
            weight_decay: 1e-4,
            bn_momentum: 0.1,
            bn_reestimate: 4,
            augment: "none".to_owned(),
            train_size: 0,
            normalise: String::new(),
            variant: "smith".to_owned(),
            max_lr: None,
            min_lr: None,
            final_lr: None,
            step_size: None,
            iterations: None,
        }
    }
}
