//! The schemas of docs/schemas describe the files that the programs write: real ones are held against them.

use std::fs;
use std::path::Path;

use end_to_end::{small_setting, succeed, workspace};
use serde_json::{Value, json};

/// What in `value` is not as `schema` has it, at the first place; of JSON Schema what docs/schemas use.
fn fault(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    let fault_of = |schema: &Value, value: &Value, place: &str| fault(root, schema, value, place);
    for keyword in schema.as_object().unwrap().keys() {
        let known = [
            "$schema",
            "$defs",
            "$ref",
            "title",
            "description",
            "type",
            "const",
            "enum",
            "anyOf",
            "items",
            "minimum",
            "properties",
            "required",
            "additionalProperties",
        ];
        assert!(known.contains(&keyword.as_str()), "this test does not know {keyword}");
    }
    if let Some(name) = schema["$ref"].as_str() {
        let part = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not defined"));
        return fault_of(part, value, place);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let faults: Option<Vec<String>> = choices.iter().map(|choice| fault_of(choice, value, place)).collect();
        return faults.map(|faults| faults.join(", and "));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{place}: {value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        return Some(format!("{place}: {value} is none of {}", schema["enum"]));
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        return Some(format!("{place}: {value} is no {types:?}"));
    }
    if value.as_f64().zip(schema["minimum"].as_f64()).is_some_and(|(number, least)| number < least) {
        return Some(format!("{place}: {value} is too small"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        return values.iter().enumerate().find_map(|(at, one)| fault_of(items, one, &format!("{place}[{at}]")));
    }
    let object = value.as_object()?;
    let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(key) = missing.into_iter().find(|key| !object.contains_key(*key)) {
        return Some(format!("{place}: {key} is missing"));
    }
    object.iter().find_map(|(key, one)| {
        let place = format!("{place}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(own), _) => fault_of(own, one, &place),
            (None, Value::Bool(false)) => Some(format!("{place}: not in the schema; write it anew: make schemas")),
            (None, Value::Null) => None,
            (None, others) => fault_of(others, one, &place),
        }
    })
}

fn schema(name: &str) -> Value {
    let path = workspace().join("docs/schemas").join(format!("{name}.schema.json"));
    serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
}

/// Holds a file, or every line of one, against a schema.
fn check(name: &str, path: &Path) {
    let schema = schema(name);
    let text = fs::read_to_string(path).unwrap();
    let is_lines = path.extension().is_some_and(|end| end == "jsonl");
    let values: Vec<&str> = if is_lines { text.lines().collect() } else { vec![&text] };
    assert!(!values.is_empty());
    for value in values {
        let value: Value = serde_json::from_str(value).unwrap();
        assert_eq!(fault(&schema, &schema, &value, name), None, "{}", path.display());
    }
}

#[test]
fn files_are_as_their_schemas_say() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";
    succeed(folder, "sc-probe", &format!("{shared} --out probe.json"));
    succeed(folder, "sc-rangetest", &format!("{shared} --iterations 60 --out range"));
    let training =
        format!("{shared} --schedule constant --iterations 12 --val-from-train 0.2 --val-every 4 --test-every 6");
    succeed(folder, "sc-train", &format!("{training} --lr 0.001 --out one"));
    succeed(folder, "sc-train", &format!("{training} --lr 0.002 --out two"));
    // It diverges, and says where.
    succeed(folder, "sc-train", &format!("{training} --lr 1e30 --out diverged"));
    succeed(folder, "sc-analyze", "suggest range --out suggestion.json");
    succeed(folder, "sc-analyze", "choose one two --out choice.json");
    succeed(folder, "sc-search", "start one --budget 60s --out recipe.json");
    for run in ["one", "two", "diverged", "range"] {
        for (name, file) in
            [("run", "run.json"), ("result", "result.json"), ("metrics", "metrics.jsonl"), ("timing", "timing.jsonl")]
        {
            check(name, &folder.join(run).join(file));
        }
    }
    check("test", &folder.join("one/test.jsonl"));
    for name in ["probe", "suggestion", "choice", "recipe"] {
        check(name, &folder.join(format!("{name}.json")));
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema = schema("metrics");
    let line = json!({
        "iteration": 1, "epoch": 0.5, "lr": 0.1, "momentum": 0.9, "train_loss": null, "train_accuracy": 0.5,
        "grad_norm": 1.0, "val_loss": null, "val_accuracy": null,
    });
    assert_eq!(fault(&schema, &schema, &line, "line"), None);
    let with = |key: &str, value: Value| {
        let mut line = line.clone();
        line[key] = value;
        fault(&schema, &schema, &line, "line").unwrap()
    };
    assert!(with("lr", json!("0.1")).contains("line.lr"));
    assert!(with("iteration", json!(-1)).contains("line.iteration"));
    assert!(with("iteration", json!(1.5)).contains("line.iteration"));
    assert!(with("speed", json!(1)).contains("make schemas"));
    let missing = json!({"iteration": 1});
    assert!(fault(&schema, &schema, &missing, "line").unwrap().contains("epoch is missing"));
}

/// The pages name every schema, and no other.
#[test]
fn every_schema_is_on_the_page_of_files() {
    let page = fs::read_to_string(workspace().join("docs/files.md")).unwrap();
    let mut found = 0;
    for entry in fs::read_dir(workspace().join("docs/schemas")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".schema.json") {
            assert!(page.contains(&format!("(schemas/{name})")), "docs/files.md lacks {name}");
            found += 1;
        }
    }
    assert!(found >= 9, "{found}");
}
