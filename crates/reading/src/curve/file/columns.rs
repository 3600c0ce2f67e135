//! The names that tools give to what is read of a range test: one table, for every kind of file.

use Word::{Accuracy, Averaged, Loss, Neutral, Train, Val};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Number of the optimizer step.
    Iteration,
    /// Learning rate.
    Rate,
    /// Loss of the step's batch.
    TrainLoss,
    /// Its accuracy.
    TrainAccuracy,
    /// Norm of the gradient.
    GradNorm,
    /// Loss of images that were not trained on.
    ValLoss,
    /// Their accuracy.
    ValAccuracy,
    /// Nothing that a curve has: not worth a warning.
    Bookkeeping,
}

/// Whole names, in lower case without what stands between words, the one to prefer first.
const NAMES: [(Column, &[&str]); 4] = [
    (
        Column::Iteration,
        &[
            "iteration",
            "iterations",
            "iter",
            "iters",
            "it",
            "numiters",
            "numiter",
            "globalstep",
            "trainerglobalstep",
            "step",
            "steps",
            "trainstep",
            "trainiteration",
            "numupdates",
            "updates",
            "batch",
            "batches",
            "batchidx",
            "numbatch",
            "batchnumber",
        ],
    ),
    (
        Column::Rate,
        &[
            "lr",
            "lrs",
            "learningrate",
            "learningrates",
            "currentlr",
            "trainlr",
            "trainlearningrate",
            "baselr",
            "optimizerlr",
            "lrpg0",
            "lrgroup0",
            "lr0",
            "learningrate0",
            "rate",
            "rates",
        ],
    ),
    (Column::GradNorm, &["gradnorm", "gradientnorm", "traingradnorm", "gradnormtotal", "grad2normtotal"]),
    (
        Column::Bookkeeping,
        &[
            "",
            "unnamed0",
            "index",
            "id",
            "epoch",
            "epochs",
            "epochidx",
            "time",
            "date",
            "datetime",
            "timestamp",
            "runtime",
            "walltime",
            "relativetime",
            "seconds",
            "elapsed",
            "duration",
            "momentum",
        ],
    ),
];

/// What a word says of a column that holds a loss or an accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Loss,
    Accuracy,
    /// Of training images.
    Train,
    /// Of others.
    Val,
    /// Taken over several steps: second choice.
    Averaged,
    /// Nothing.
    Neutral,
}

/// Names of losses and accuracies are made of these words, in any order: `train/loss_step`, `LossTrain`,
/// `val_sparse_categorical_accuracy`, `metrics/accuracy_top1`. A name with any other word (`box_loss`, `accuracy_top5`) is another quantity.
const WORDS: [(Word, &[&str]); 6] = [
    (Loss, &["loss", "losses", "crossentropy", "nll", "xent", "ce", "cost"]),
    (Accuracy, &["accuracy", "accuracies", "acc", "accs", "top1", "prec1", "acc1"]),
    (Train, &["train", "training", "trn", "tr"]),
    (Val, &["val", "valid", "validation", "eval", "evaluation", "dev", "test", "testing", "tst"]),
    (Averaged, &["epoch", "smooth", "smoothed", "avg", "average", "averaged", "running", "mean", "ema", "moving"]),
    (
        Neutral,
        &[
            "batch",
            "step",
            "iter",
            "iteration",
            "raw",
            "total",
            "metric",
            "metrics",
            "categorical",
            "sparse",
            "binary",
            "multiclass",
            "softmax",
            "log",
            "with",
            "classification",
            "classifier",
            "cls",
            "dataloaderidx0",
            "per",
        ],
    ),
];

/// What follows `lr-NAME` in the names of Lightning's monitor, where it is no rate.
const NO_RATES: [&str; 4] = ["momentum", "decay", "beta", "betas"];

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    column: Column,
    /// Whether it says which images a loss or an accuracy is of.
    is_plain: bool,
    /// The lower, the better.
    rank: usize,
}

/// A name in lower case without what stands between words.
fn joined(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn meaning(name: &str) -> Option<Meaning> {
    // Weights & Biases puts the name of the run before that of the column.
    let name = name.rsplit_once(" - ").map_or(name, |(_, name)| name);
    let key = joined(name);
    for (column, names) in NAMES {
        if let Some(rank) = names.iter().position(|known| *known == key) {
            return Some(Meaning { column, is_plain: false, rank });
        }
    }
    rate_of_an_optimizer(name).or_else(|| measure(&key))
}

/// Lightning's monitor names rates by their optimizer and group: `lr-SGD`, `lr-Adam/pg1`.
fn rate_of_an_optimizer(name: &str) -> Option<Meaning> {
    let rest = name.trim().to_lowercase().strip_prefix("lr")?.to_owned();
    let is_a_part = rest.starts_with(|character: char| !character.is_alphanumeric());
    let is_a_rate = is_a_part && !NO_RATES.iter().any(|other| rest.ends_with(other));
    is_a_rate.then_some(Meaning { column: Column::Rate, is_plain: false, rank: 100 })
}

fn measure(key: &str) -> Option<Meaning> {
    let mut words = Vec::new();
    if !cut(key, &mut words) {
        return None;
    }
    let has = |word: Word| words.iter().any(|(found, _)| *found == word);
    let column = match (has(Loss), has(Accuracy), has(Train), has(Val)) {
        (true, false, _, false) => Column::TrainLoss,
        (true, false, false, true) => Column::ValLoss,
        (false, true, _, false) => Column::TrainAccuracy,
        (false, true, false, true) => Column::ValAccuracy,
        _ => return None,
    };
    let is_plain = !has(Train) && !has(Val);
    // `val_loss` before `test_loss`, and either before their averages.
    let place = words.iter().filter(|(word, _)| *word == Val).map(|(_, place)| *place).max().unwrap_or(0);
    let rank = 1000 * usize::from(has(Averaged)) + 100 * usize::from(is_plain) + place;
    Some(Meaning { column, is_plain, rank })
}

/// Cuts a key into known words, with the place of each in its list.
fn cut(key: &str, words: &mut Vec<(Word, usize)>) -> bool {
    if key.is_empty() {
        return true;
    }
    // More words than any name has: no key is cut in endless ways.
    if words.len() == 8 {
        return false;
    }
    let known =
        WORDS.iter().flat_map(|(word, names)| names.iter().enumerate().map(|(place, name)| (*word, place, *name)));
    for (word, place, name) in known {
        if let Some(rest) = key.strip_prefix(name) {
            words.push((word, place));
            if cut(rest, words) {
                return true;
            }
            words.pop();
        }
    }
    false
}

/// Which columns are read, by their indices.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) iteration: Option<usize>,
    pub(super) rate: usize,
    /// In the order of [`MEASURES`].
    pub(super) measures: [Option<usize>; 5],
    /// Those that hold something, and are not read.
    pub(super) unused: Vec<usize>,
}

/// What is measured at a rate.
pub(super) const MEASURES: [Column; 5] =
    [Column::TrainLoss, Column::TrainAccuracy, Column::GradNorm, Column::ValLoss, Column::ValAccuracy];

/// Finds the columns of a curve; `None` without a rate, or without a loss or an accuracy. `filled` counts the values of each
/// column: of two that say the same, one that is nearly empty (the mean of an epoch, a summary) is not taken.
pub(super) fn find(names: &[String], filled: &[usize]) -> Option<Found> {
    let meanings = resolved(names);
    let best = |column: Column| {
        let candidates = || (0..names.len()).filter(|index| meanings[*index].is_some_and(|m| m.column == column));
        let most = candidates().map(|index| filled[index]).max()?;
        let full = candidates().filter(|index| 2 * filled[*index] >= most);
        full.min_by_key(|index| meanings[*index].map_or(usize::MAX, |meaning| meaning.rank))
    };
    let rate = best(Column::Rate)?;
    let iteration = best(Column::Iteration);
    let measures = MEASURES.map(best);
    let of_gradients = MEASURES.iter().position(|column| *column == Column::GradNorm);
    if measures.iter().enumerate().all(|(index, measure)| measure.is_none() || Some(index) == of_gradients) {
        return None;
    }
    let read = |index: &usize| *index == rate || [iteration].iter().chain(&measures).any(|read| *read == Some(*index));
    let is_bookkeeping = |index: &usize| {
        meanings[*index].is_some_and(|meaning| matches!(meaning.column, Column::Bookkeeping | Column::Iteration))
    };
    let unused =
        (0..names.len()).filter(|index| filled[*index] > 0 && !read(index) && !is_bookkeeping(index)).collect();
    Some(Found { iteration, rate, measures, unused })
}

/// What the names say, side by side: where a tool writes a plain `accuracy` beside the losses of both kinds of images (fastai,
/// Ultralytics), and in Caffe's log of tests, plain names are of images that were not trained on.
fn resolved(names: &[String]) -> Vec<Option<Meaning>> {
    let mut meanings: Vec<Option<Meaning>> = names.iter().map(|name| meaning(name)).collect();
    let says = |column: Column, is_plain: bool| {
        meanings.iter().flatten().any(|m| m.column == column && m.is_plain == is_plain)
    };
    let both = says(Column::TrainLoss, false) && says(Column::ValLoss, false) && !says(Column::TrainLoss, true);
    let tests = is_log_of_caffes_tests(names);
    for meaning in meanings.iter_mut().flatten().filter(|meaning| meaning.is_plain) {
        meaning.column = match meaning.column {
            Column::TrainAccuracy if both || tests => Column::ValAccuracy,
            Column::TrainLoss if tests => Column::ValLoss,
            column => column,
        };
    }
    meanings
}

/// Whether names are those that Caffe's `parse_log.py` gives to the log of tests: it alone has an accuracy.
pub(super) fn is_log_of_caffes_tests(names: &[String]) -> bool {
    let is_there = |key: &str| names.iter().any(|name| joined(name) == key);
    is_there("numiters") && is_there("learningrate") && names.iter().any(|name| joined(name).starts_with("acc"))
}

/// Whether names are those of TensorBoard's export, which holds one quantity.
pub(super) fn is_tensorboard_export(names: &[String]) -> bool {
    ["walltime", "step", "value"].iter().all(|key| names.iter().any(|name| joined(name) == *key))
}

/// Whether a name is known.
pub(super) fn is_known(name: &str) -> bool {
    !joined(name).is_empty() && meaning(name).is_some()
}

/// Whether a name is that of a rate.
pub(super) fn is_rate(name: &str) -> bool {
    meaning(name).is_some_and(|meaning| meaning.column == Column::Rate)
}

/// Whether two names say the same, word for word.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let key = |name: &str| joined(name.rsplit_once(" - ").map_or(name, |(_, name)| name));
    key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(header: &str) -> Vec<String> {
        header.split(',').map(|name| name.trim().to_owned()).collect()
    }

    /// Iteration, rate, training loss and accuracy, validation loss and accuracy, by name.
    fn read(header: &str) -> Option<[String; 6]> {
        let names = names(header);
        let found = find(&names, &vec![100; names.len()])?;
        let name = |index: Option<usize>| index.map_or_else(String::new, |index| names[index].clone());
        let [train_loss, train_accuracy, _, val_loss, val_accuracy] = found.measures.map(name);
        Some([name(found.iteration), name(Some(found.rate)), train_loss, train_accuracy, val_loss, val_accuracy])
    }

    #[test]
    fn the_names_of_many_tools_are_known() {
        for (tool, header, expected) in [
            (
                "ours",
                "iteration,lr,train_loss,train_accuracy",
                ["iteration", "lr", "train_loss", "train_accuracy", "", ""],
            ),
            (
                "author",
                "iteration,lr,test_loss,test_accuracy",
                ["iteration", "lr", "", "", "test_loss", "test_accuracy"],
            ),
            ("caffe", "NumIters,Seconds,LearningRate,loss", ["NumIters", "LearningRate", "loss", "", "", ""]),
            (
                "caffe, tests",
                "NumIters,Seconds,LearningRate,accuracy,loss",
                ["NumIters", "LearningRate", "", "", "loss", "accuracy"],
            ),
            (
                "caffe, renamed",
                "iteration,trn_loss,lr,val_loss,val_acc",
                ["iteration", "lr", "trn_loss", "", "val_loss", "val_acc"],
            ),
            ("fastai", "lrs,losses", ["", "lrs", "losses", "", "", ""]),
            (
                "fastai",
                "epoch,train_loss,valid_loss,accuracy,lr",
                ["", "lr", "train_loss", "", "valid_loss", "accuracy"],
            ),
            ("pytorch-lr-finder", "lr,loss", ["", "lr", "loss", "", "", ""]),
            ("ignite", "num_iter,lr,loss", ["num_iter", "lr", "loss", "", "", ""]),
            (
                "lightning",
                "epoch,lr-SGD,lr-SGD-momentum,lr-SGD-weight_decay,step,train_loss_epoch,train_loss_step,val_acc",
                ["step", "lr-SGD", "train_loss_step", "", "", "val_acc"],
            ),
            ("lightning", "lr-Adam/pg1,lr-Adam/pg2,train/loss", ["", "lr-Adam/pg1", "train/loss", "", "", ""]),
            (
                "keras",
                "batch,accuracy,learning_rate,loss,val_accuracy,val_loss",
                ["batch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"],
            ),
            (
                "keras",
                "lr,loss,val_sparse_categorical_accuracy",
                ["", "lr", "loss", "", "", "val_sparse_categorical_accuracy"],
            ),
            (
                "timm",
                "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr",
                ["", "lr", "train_loss", "", "eval_loss", "eval_top1"],
            ),
            (
                "transformers",
                "epoch,grad_norm,learning_rate,loss,step,eval_accuracy",
                ["step", "learning_rate", "loss", "", "", "eval_accuracy"],
            ),
            (
                "ultralytics",
                "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0,lr/pg1",
                ["", "lr/pg0", "train/loss", "", "val/loss", "metrics/accuracy_top1"],
            ),
            ("burn", "Iteration,LearningRate,Loss,Accuracy", ["Iteration", "LearningRate", "Loss", "Accuracy", "", ""]),
            (
                "tensorboard",
                "Step,Loss/train,Learning Rate,Accuracy/val",
                ["Step", "Learning Rate", "Loss/train", "", "", "Accuracy/val"],
            ),
            (
                "wandb",
                "Step,calm-sun-1 - train/loss,calm-sun-1 - lr",
                ["Step", "calm-sun-1 - lr", "calm-sun-1 - train/loss", "", "", ""],
            ),
            (
                "detectron2",
                "iteration,lr,total_loss,cls_accuracy",
                ["iteration", "lr", "total_loss", "cls_accuracy", "", ""],
            ),
            ("smoothed beside raw", "lr,smooth_loss,loss", ["", "lr", "loss", "", "", ""]),
        ] {
            assert_eq!(read(header).unwrap_or_default(), expected, "{tool}: {header}");
        }
    }

    #[test]
    fn other_quantities_are_no_loss_and_no_accuracy() {
        for name in [
            "box_loss",
            "accuracy_top5",
            "loss_scale",
            "train_val_loss",
            "val_loss_acc",
            "lr-SGD-momentum",
            "weight_decay",
            "note",
        ] {
            assert!(read(&format!("lr,{name}")).is_none(), "{name}");
            let names = names(&format!("lr,loss,{name}"));
            assert_eq!(find(&names, &[9, 9, 9]).unwrap().unused, [2], "{name}");
            assert_eq!(find(&names, &[9, 9, 0]).unwrap().unused, [0; 0], "{name}, empty");
        }
        assert!(read("epoch,loss,accuracy").is_none(), "no rate");
        assert!(read("lr,grad_norm").is_none(), "a norm alone");
        assert_eq!(find(&names("epoch,time,lr,loss"), &[9; 4]).unwrap().unused, [0; 0]);
    }

    /// transformers ends its log with the mean loss of the training, under a better name than that of the steps' losses.
    #[test]
    fn a_column_that_is_nearly_empty_does_not_stand_in_for_a_full_one() {
        let names = names("learning_rate,loss,train_loss");
        assert_eq!(find(&names, &[100, 100, 1]).unwrap().measures[0], Some(1));
        assert_eq!(find(&names, &[100, 100, 60]).unwrap().measures[0], Some(2));
    }

    #[test]
    fn no_name_means_two_things() {
        let mut all: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        all.extend(
            WORDS
                .iter()
                .filter(|(word, _)| *word != Neutral && *word != Averaged)
                .flat_map(|(_, names)| names.iter().copied()),
        );
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let words = WORDS.iter().flat_map(|(_, names)| names.iter());
        assert!(all.iter().chain(words).all(|name| joined(name) == *name), "names are kept as they are compared");
    }
}
