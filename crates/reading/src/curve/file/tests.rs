//! Files as tools write them, read from disk.

use std::fs;

use super::*;
use crate::curve::Point;

fn read_bytes(name: &str, bytes: &[u8], given: &Given) -> Result<(Curve, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    read(&path, given)
}

fn read_text(text: &str) -> Result<(Curve, Vec<String>)> {
    read_bytes("lr finder.log.test", text.as_bytes(), &Given::default())
}

/// The points of a file that is read without a warning.
fn points(text: &str) -> Vec<Point> {
    let (curve, warnings) = read_text(text).unwrap();
    assert!(warnings.is_empty(), "{text}: {warnings:?}");
    curve.points
}

/// Message and hint of a file that is refused.
fn refusal(text: &str) -> String {
    match read_text(text).unwrap_err() {
        Error::Curve { message, hint } => {
            assert!(message.contains("lr finder.log.test: ") && !message.contains('\n') && !hint.is_empty());
            format!("{message}\n{hint}")
        }
        Error::File(other) => panic!("{other}"),
    }
}

fn assert_refused(text: &str, said: &[&str]) {
    let refusal = refusal(text);
    for said in said {
        assert!(refusal.contains(said), "{said:?} is not in: {refusal}");
    }
}

fn step(iteration: u64, lr: f64, train_loss: f64) -> Point {
    Point { iteration, lr, train_loss: Some(train_loss), ..Point::default() }
}

/// Two steps, as every tool would write them.
fn two_steps() -> [Point; 2] {
    [step(1, 0.1, 2.5), step(2, 0.25, 2.0)]
}

#[test]
fn columns_may_stand_in_any_order_beside_others() {
    let text = "note,test_loss,lr,iteration,val_accuracy\nfirst,87.3366,0,0,0.1\n,nan,0.015,100,0.28\n,1.5,,200,0.3\n";
    let (curve, warnings) = read_text(text).unwrap();
    assert_eq!(curve.points.len(), 2);
    let second = curve.points[1];
    assert_eq!((second.iteration, second.lr, second.val_accuracy), (100, 0.015, Some(0.28)));
    assert!(second.val_loss.unwrap().is_nan());
    assert_eq!(second.train_loss, None);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].ends_with("column note is not used"), "{warnings:?}");
    assert!(warnings[1].ends_with("dropped 1 row without a rate"), "{warnings:?}");
}

#[test]
fn separators_decimal_commas_and_comments_are_told_apart() {
    for text in [
        "step,lr,loss\n1,0.1,2.5\n2,0.25,2\n",
        "step;lr;loss\n1;0.1;2.5\n2;0.25;2\n",
        "step;lr;loss\n1;0,1;2,5\n2;0,25;2\n",
        "step\tlr\tloss\n1\t0,1\t2,5\n2\t0,25\t2\n",
        "step|lr|loss\n1|0.1|2.5\n2|0.25|2\n",
        "sep=;\nstep;lr;loss\n1;0,1;2,5\n2;0,25;2\n",
        "\"step\",\"lr\",\"loss\"\n\"1\",\"0,1\",\"2,5\"\n\"2\",\"0,25\",\"2,0\"\n",
        "step, lr , loss\n1, 0.1, 2.5\n2, 0.25 , 2\n\n\n",
        "# a range test\n\nstep,lr,loss\n# it starts\n1,0.1,2.5\n2,0.25,2,,\n",
        "# step lr loss\n1.0 0.1 2.5\n2.0 0.25 2.0\n",
        "  step     lr   loss\n     1    0.1    2.5\n     2   0.25      2\n",
        "Step,Learning Rate,Train/Loss\n1,1e-1,\"tensor(2.5000, device='cuda:0')\"\n2,np.float64(0.25),2.0\n",
        "step,lr,loss\n1,0.1,2.5\nstep,lr,loss\n2,0.25,2\n",
        ",step,lr,loss\n0,1,0.1,2.5\n1,2,0.25,2\n",
    ] {
        assert_eq!(points(text), two_steps(), "{text}");
    }
}

#[test]
fn spreadsheets_quote_cells_over_several_lines() {
    let text = "\u{feff}\"iteration\", lr ,test_loss,\"time\"\r\n1,\"0.1\",2,\"said \"\"so\"\"\r\non two lines\"\r\n2, 0.2 \r\n3,0.3,null,\r\n";
    let read: Vec<_> = points(text).iter().map(|point| (point.iteration, point.lr, point.val_loss)).collect();
    assert_eq!(read, [(1, 0.1, Some(2.0)), (2, 0.2, None), (3, 0.3, None)]);
}

#[test]
fn utf_16_is_a_text_like_any_other() {
    let text = "step\tlr\tloss\r\n1\t0,1\t2,5\r\n2\t0,25\t2\r\n";
    let bytes: Vec<u8> = b"\xff\xfe".iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(read_bytes("unicode.txt", &bytes, &Given::default()).unwrap().0.points, two_steps());
}

#[test]
fn histories_of_the_usual_finders_are_read() {
    for text in [
        r#"{"lr": [0.1, 0.25], "loss": [2.5, 2.0]}"#,
        r#"{"lr_min": 1e-8, "results": {"lr": [0.1, 0.25], "loss": [2.5, 2.0]}, "_optimal_idx": 1}"#,
        r#"{"num_iter": [1, 2], "lr": [[0.1], [0.25, 0.05]], "loss": [2.5, 2.0]}"#,
        r#"[{"step": 1, "lr": 0.1, "loss": 2.5}, {"step": 2, "lr": 0.25, "loss": 2.0}]"#,
        "{\"iter\": 1, \"lr\": 0.1, \"loss\": 2.5}\n{\"iter\": 2, \"lr\": 0.25, \"loss\": 2.0}\n",
        r#"{"lr": {"0": 0.1, "1": 0.25}, "loss": {"0": 2.5, "1": 2.0}}"#,
        r#"{"columns": ["lr", "loss"], "index": [0, 1], "data": [[0.1, 2.5], [0.25, 2.0]]}"#,
        r#"{"lr": [0.1, 0.25], "train": {"loss": [2.5, 2.0]}}"#,
        "{\"lr\": 0.1, \"train\": {\"loss\": 2.5}}\n{\"lr\": 0.25, \"train\": {\"loss\": 2.0}}\n",
    ] {
        assert_eq!(points(text), two_steps(), "{text}");
    }
}

/// transformers' trainer_state.json: evaluations in entries of their own, and the mean loss of the training at the end.
#[test]
fn the_log_of_a_trainer_is_read_step_by_step() {
    let text = r#"{"best_metric": null, "global_step": 30, "log_history": [
        {"epoch": 0.5, "grad_norm": 1.5, "learning_rate": 0.1, "loss": 2.5, "step": 10},
        {"epoch": 0.5, "eval_accuracy": 0.25, "eval_loss": 2.25, "step": 10},
        {"epoch": 1.0, "grad_norm": NaN, "learning_rate": 0.25, "loss": 2.0, "step": 20},
        {"epoch": 1.5, "grad_norm": 1.0, "learning_rate": 0.5, "loss": 1.5, "step": 30},
        {"epoch": 1.5, "step": 30, "train_loss": 2.2, "train_runtime": 7.5}]}"#;
    let (curve, warnings) = read_text(text).unwrap();
    assert_eq!(curve.points.len(), 3);
    let first = Point { grad_norm: Some(1.5), val_loss: Some(2.25), val_accuracy: Some(0.25), ..step(10, 0.1, 2.5) };
    assert_eq!(curve.points[0], first);
    assert!(curve.points[1].grad_norm.unwrap().is_nan());
    assert_eq!((curve.points[1].lr, curve.points[1].train_loss), (0.25, Some(2.0)));
    assert!(
        warnings.len() == 1 && warnings[0].contains("columns train_loss, train_runtime are not used"),
        "{warnings:?}"
    );
}

#[test]
fn json_without_a_history_is_named_for_what_it_holds() {
    assert_refused("[2.5, 2.4, 2.3]", &["holds a list of 3 numbers, and no learning rates", "an object of lists"]);
    assert_refused(r#"{"format": "superconv-probe/1", "critical": 1}"#, &["holds format, critical, and no learning"]);
    assert_refused(r#"[{"loss": 2.5}, {"loss": 2.4}]"#, &["holds a list of 2 entries of loss"]);
    assert_refused(r#"{"lr": [0.1, 0.2], "loss": [2.5]}"#, &["there are 2 rates, but of loss 1", "one length"]);
    assert_refused(r#"{"lr": [0.1, 0.2}"#, &["is not valid JSON: "]);
    assert_refused("{}", &["holds nothing"]);
    assert_refused(&"[".repeat(5000), &["is not valid JSON: recursion limit"]);
}

#[test]
fn what_was_measured_at_other_times_and_a_torn_end_are_left_out_with_a_word() {
    let (curve, warnings) = read_text(r#"{"lr": [0.1, 0.25], "loss": [2.5, 2.0], "val_loss": [2.0]}"#).unwrap();
    assert_eq!(curve.points, two_steps());
    assert!(warnings[0].ends_with("there are 2 rates, but of val_loss 1: these are not used"), "{warnings:?}");
    let lines = "{\"lr\": 0.1, \"loss\": 2.5}\n{\"lr\": 0.25, \"loss\": 2.0}\n{\"lr\": 0.5, \"lo";
    let (curve, warnings) = read_text(lines).unwrap();
    assert_eq!(curve.points, two_steps());
    assert!(warnings[0].ends_with("dropped a torn last entry"), "{warnings:?}");
}

/// Lightning's CSVLogger writes rate and loss of a step in rows of their own.
#[test]
fn rows_of_one_step_are_one() {
    assert_eq!(points("lr,step,loss,epoch\n0.1,1,,\n,1,2.5,0\n0.25,2,,\n,2,2.0,0\n"), two_steps());
    assert_eq!(points("lr,loss\n0.1,\n,2.5\n0.25,\n,2.0\n"), two_steps(), "without a number of the step");
    assert_eq!(points("lr,step,loss\n0.1,1,2.5\n0.1,1,2.5\n0.25,2,2.0\n"), two_steps(), "written twice");
    let twice = "lr,step,loss\n0.1,1,2.5\n0.1,1,2.4\n0.25,2,2.0\n";
    assert_refused(twice, &["rate 0.1 appears twice, in line 2 and line 3"]);
}

/// The first row of a linear ramp was measured before anything was learnt; all others at 0 are of no rate.
#[test]
fn rows_at_rate_0_disturb_nothing() {
    let text = "NumIters,Seconds,LearningRate,accuracy,loss\n0.0,0.0,0.0,0.1,87.3\n100.0,0.0,0.0,0.4,1.9\n200.0,0.0,0.06,0.6,1.1\n300.0,0.0,0.0,0.6,1.1\n";
    let (curve, warnings) = read_text(text).unwrap();
    let read: Vec<_> = curve.points.iter().map(|point| (point.iteration, point.lr, point.val_accuracy)).collect();
    assert_eq!(read, [(0, 0.0, Some(0.1)), (200, 0.06, Some(0.6))]);
    assert!(warnings.iter().any(|warning| warning.ends_with("dropped 2 rows at rate 0")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("one row behind")), "{warnings:?}");
}

#[test]
fn a_turn_a_fall_and_a_duplicate_are_named_with_their_rows() {
    assert_refused(
        "lr,loss\n0.1,2.5\n0.2,2.4\n0.1,2.3\n0.05,2.2\n",
        &["after 0.2 in line 3 comes 0.1 in line 4", "keep the rows up to line 3"],
    );
    assert_refused(
        "lr,loss\n0.1,2.5\n0.2,2.4\n0.1,2.3\n\n0.3,2.2\n",
        &["after 0.2 in line 3 comes 0.1 in line 4", "one range test in a file"],
    );
    assert_refused(
        "lr,loss\n0.1,2.5\n0.2,2.4\n0.2,2.3\n0.1,2.2\n",
        &["rate 0.2 appears twice, in line 3 and line 4", "keep the rows up to line 3"],
    );
    assert_refused("lr,loss\n0.3,2.5\n0.2,2.4\n0.1,2.3\n", &["after 0.3 in line 2", "turn the rows around"]);
    assert_refused("lr,loss\n0.1,2.5\n\n0.1,2.4\n", &["rate 0.1 appears twice, in line 2 and line 4", "the mean"]);
    assert_refused(r#"{"lr": [0.2, 0.1], "loss": [1, 2]}"#, &["after 0.2 in entry 1 comes 0.1 in entry 2"]);
}

#[test]
fn steps_that_start_anew_are_counted() {
    let (curve, warnings) = read_text("batch,lr,loss\n8,0.1,2.5\n0,0.25,2.0\n").unwrap();
    assert_eq!(curve.points, two_steps());
    assert!(warnings[0].ends_with("the step numbers do not rise with the rate: rows are counted instead"));
}

#[test]
fn percent_is_said_and_divided() {
    let (curve, warnings) = read_text("iteration,lr,test_accuracy\n1,0.1,10\n2,0.2,55.5%\n").unwrap();
    assert_eq!(curve.points[1].val_accuracy, Some(0.555));
    assert!(warnings[0].contains("percent"));
    assert_refused("lr,acc\n0.1,10\n0.2,640\n", &["column acc, line 3: 640 is neither a share nor a percentage"]);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, said) in [
        ("step,rate,note\n1,0.1,0.5\n", &["has columns step, rate, note, but a range test needs a rate"][..]),
        ("iteration,lr,test_loss\n1,0.1,2\n\n2,fast,2\n", &["column lr, line 4: \"fast\" is not a number"]),
        ("# of 2019\niteration,lr,test_loss\n1,0.1,2\n# here\n2,fast,2\n", &["column lr, line 5: \"fast\""]),
        ("iteration,lr,test_loss\n1,-0.1,2\n", &["-0.1 is not a learning rate", "the logarithm"]),
        ("iteration,lr,test_loss\n1,inf,2\n", &["inf is not a learning rate", "leave the cell empty"]),
        ("iteration,lr,test_loss\n1.5,0.1,2\n", &["line 2: 1.5 is not a whole number"]),
        ("iteration,lr,test_loss\n,0.1,2\n", &["column iteration, line 2: the cell is empty"]),
        ("iteration,lr,LR,loss\n1,0.1,2,1\n", &["\"lr\" appears twice"]),
        ("iteration,lr,test_loss\n1,0.1,2,3\n", &["line 2 has 4 cells, but the header names 3"]),
        ("step,lr,loss\n1,0,1,2,5\n", &["line 2 has 5 cells", "for decimal points and between the cells"]),
        ("step;lr;loss\n1;0.1;1.234,5\n", &["\"1.234,5\" is not a number", "without commas between thousands"]),
        ("0.1,2.5\n0.25,2.0\n", &["line 1 holds numbers: the columns have no names", "a header row"]),
        ("\n\n# nothing\n", &["there is no header row"]),
        ("Wall time,Step,Value\n1.7e9,1,0.5\n", &["TensorBoard's export of one quantity", "join them by Step"]),
        ("epoch\n1,2\n", &["has columns epoch, but"]),
    ] {
        assert_refused(text, said);
    }
}

#[test]
fn a_file_says_what_it_holds_for_and_a_flag_counts_more() {
    let text = "# superconv: critical_lr=0.5 noise_scale=8.7 optimizer=SGD momentum=0.95 weight_decay=0.0001 batch_size=32 for_iterations=144 classes=10\nlr,loss\n0.1,2.5\n";
    let (curve, warnings) = read_text(text).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((curve.classes, curve.critical_lr, curve.noise_scale), (Some(10), Some(0.5), Some(8.7)));
    assert_eq!(curve.for_iterations, Some(144));
    let setting = &curve.setting;
    assert_eq!((setting.optimizer.as_deref(), setting.momentum), (Some("sgd"), Some(0.95)));
    assert_eq!((setting.weight_decay, setting.batch_size), (Some(1e-4), Some(32)));
    let given = Given { momentum: Some(0.9), classes: Some(10), ..Given::default() };
    let (curve, warnings) = read_bytes("curve", text.as_bytes(), &given).unwrap();
    assert_eq!((curve.setting.momentum, curve.critical_lr), (Some(0.9), Some(0.5)));
    assert!(
        warnings.len() == 1 && warnings[0].ends_with("--momentum 0.9 is taken, though the file says 0.95"),
        "{warnings:?}"
    );
}

#[test]
fn what_a_first_line_cannot_mean_is_refused_and_what_nobody_knows_is_said() {
    let first = |line: &str| format!("# superconv: {line}\nlr,loss\n0.1,2.5\n");
    for (line, said) in [
        ("critical_lr=fast", "\"critical_lr=fast\" is not a number above 0"),
        ("critical_lr=0", "is not a number above 0"),
        ("momentum=1", "is not a number from 0 on and below 1"),
        ("classes=1", "is not a whole number from 2 on"),
        ("critical_lr", "\"critical_lr\" is not of the form key=value"),
    ] {
        assert_refused(&first(line), &[said, "critical_lr=0.5 optimizer=sgd"]);
    }
    let warned = |line: &str| read_text(&first(line)).unwrap().1.join("\n");
    assert!(warned("critcal_lr=0.5").ends_with("what the first line says of critcal_lr is not used"));
    assert!(warned("critical_lr=0.5").contains("the optimizer is not known"));
    assert!(warned("critical_lr=0.5 optimizer=sgd").contains("the momentum is not known"));
    assert!(warned("critical_lr=0.5 optimizer=lion").contains("was not judged on the optimizer lion"));
    assert_eq!(warned("critical_lr=0.5 optimizer=adamw"), "");
}

#[test]
fn a_file_too_large_for_a_range_test_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge.csv");
    // A hole: it takes no room on the disk.
    File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
    let refusal = read(&path, &Given::default()).unwrap_err().to_string();
    assert!(refusal.ends_with("huge.csv: more than 64 MiB, too large for a range test"), "{refusal}");
}
