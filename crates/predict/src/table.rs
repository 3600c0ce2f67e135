//! Predictions as lines.

use serde_json::json;

/// What a net says of a picture.
pub(crate) struct Answer {
    /// Of each class.
    pub(crate) probabilities: Vec<f64>,
    /// The classes, the most probable first.
    pub(crate) ranked: Vec<usize>,
}

/// A picture, and what the net says of it, or why it cannot be read.
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) answer: Result<Answer, String>,
}

/// `path,class,probability,class_2,probability_2,...,error`, the classes from the most probable one down.
pub(crate) fn csv(rows: &[Row], classes: &[String], top: usize) -> Vec<u8> {
    let top = top.min(classes.len());
    let mut head = vec!["path".to_owned(), "class".to_owned(), "probability".to_owned()];
    head.extend((2..=top).flat_map(|place| [format!("class_{place}"), format!("probability_{place}")]));
    head.push("error".to_owned());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: &[String]| writer.write_record(cells).expect("memory takes what is written");
    write(&head);
    for Row { path, answer } in rows {
        let mut cells = vec![path.clone()];
        match answer {
            Ok(answer) => {
                let named = |class: &usize| [classes[*class].clone(), answer.probabilities[*class].to_string()];
                cells.extend(answer.ranked[..top].iter().flat_map(named));
                cells.push(String::new());
            }
            Err(why) => {
                cells.resize(1 + 2 * top, String::new());
                cells.push(why.clone());
            }
        }
        write(&cells);
    }
    writer.into_inner().expect("memory takes what is written")
}

/// `{"path", "class", "probability", "top": [{"class", "probability"}, ...]}`, or `{"path", "error"}`.
pub(crate) fn jsonl(rows: &[Row], classes: &[String], top: usize) -> Vec<u8> {
    let mut text = String::new();
    for Row { path, answer } in rows {
        let line = match answer {
            Ok(answer) => {
                let named =
                    |class: &usize| json!({"class": classes[*class], "probability": answer.probabilities[*class]});
                let top: Vec<_> = answer.ranked.iter().take(top).map(named).collect();
                let best = answer.ranked[0];
                json!({"path": path, "class": classes[best], "probability": answer.probabilities[best], "top": top})
            }
            Err(why) => json!({"path": path, "error": why}),
        };
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let answer = Answer { probabilities: vec![0.25, 0.5, 0.125], ranked: vec![1, 0, 2] };
        vec![
            Row { path: "a,\"b\".png".into(), answer: Ok(answer) },
            Row { path: "c.png".into(), answer: Err("damaged: cut, off".into()) },
        ]
    }

    #[test]
    fn a_line_for_each_picture() {
        let classes = ["cat", "dog, wet", "owl"].map(String::from);
        let csv = String::from_utf8(csv(&rows(), &classes, 2)).unwrap();
        let expected = "path,class,probability,class_2,probability_2,error\n\
            \"a,\"\"b\"\".png\",\"dog, wet\",0.5,cat,0.25,\n\
            c.png,,,,,\"damaged: cut, off\"\n";
        assert_eq!(csv, expected);
        let jsonl = String::from_utf8(jsonl(&rows(), &classes, 9)).unwrap();
        let lines: Vec<serde_json::Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["top"].as_array().unwrap().len(), 3);
        assert_eq!((&lines[0]["class"], &lines[0]["probability"]), (&json!("dog, wet"), &json!(0.5)));
        assert_eq!(lines[1], json!({"path": "c.png", "error": "damaged: cut, off"}));
    }
}
