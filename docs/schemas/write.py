"""Writes the JSON Schemas beside it from the structs that read and write the files, with their comments as descriptions.

    make schemas

The sources are read as text: `pub name: Type,` under `///` comments. Real files are held against the schemas by the test
`schemas` in tests/chain.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent.parent / "crates/artifacts/src"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

# Schema: the struct, the sources that it and its parts are in, what it describes, and the value of its key `format`.
SCHEMAS = {
    "run": ("RunRecord", ["run"], "run.json", "superconv-run/1"),
    "result": ("ResultRecord", ["run"], "result.json", "superconv-run/1"),
    "metrics": ("Metrics", ["metrics"], "a line of metrics.jsonl", None),
    "test": ("TestMetrics", ["metrics"], "a line of test.jsonl", None),
    "timing": ("Timing", ["metrics"], "a line of timing.jsonl", None),
    "probe": ("Probe", ["run", "suggestion", "probe"], "probe.json", "superconv-probe/1"),
    "suggestion": ("Suggestion", ["setting", "suggestion"], "suggestion.json", "superconv-suggestion/1"),
    "choice": ("Choice", ["setting", "choice"], "choice.json", "superconv-choice/1"),
    "recipe": ("Recipe", ["setting", "recipe"], "recipe.json", "superconv-recipe/1"),
}
NUMBERS = {"f64": {"type": "number"}, "bool": {"type": "boolean"}, "String": {"type": "string"}, "Reason": {"type": "string"}}
NUMBERS.update({name: {"type": "integer", "minimum": 0} for name in ["u32", "u64", "usize"]})
# Every key of a setting may be missing: what is not said is not compared.
ALL_OPTIONAL = {"Setting"}


def structs(source):
    """Name: (struct or enum, its comment, its attributes, [(comment, attributes, line)]) of everything in a source."""
    text = (SOURCES / f"{source}.rs").read_text().split("#[cfg(test)]\n")[0]
    item = r"((?:^ *(?:///|#\[)[^\n]*\n)*)^pub (struct|enum) (\w+) \{\n(.*?)^\}"
    found = {}
    for head, kind, name, body in re.findall(item, text, re.M | re.S):
        fields, comments, attributes = [], [], []
        for line in map(str.strip, body.splitlines()):
            if line.startswith("///"):
                comments.append(line[3:].strip())
            elif line.startswith("#["):
                attributes.append(line)
            elif line:
                fields.append((plain(comments), " ".join(attributes), line.rstrip(",")))
                comments, attributes = [], []
        comment = plain(line.strip()[3:].strip() for line in head.splitlines() if line.strip().startswith("///"))
        found[name] = (kind, comment, head, fields)
    return found


def plain(comments):
    """A comment in one line, without links to other symbols."""
    return re.sub(r"\[`([\w:]+)(?:\(\))?`\]", r"`\1`", " ".join(comments))


def of_type(name, known, parts):
    """The schema of a type; structs and enums are added to `parts`."""
    if inner := re.fullmatch(r"Option<(.*)>", name):
        schema = of_type(inner[1], known, parts)
        return {"anyOf": [schema, {"type": "null"}]} if "$ref" in schema else schema and {**schema, "type": [schema["type"], "null"]}
    if inner := re.fullmatch(r"Vec<(.*)>", name):
        return {"type": "array", "items": of_type(inner[1], known, parts)}
    if inner := re.fullmatch(r"BTreeMap<String, (.*)>", name):
        return {"type": "object", "additionalProperties": of_type(inner[1], known, parts)}
    if name == "Value":
        return {}
    if name in NUMBERS:
        return dict(NUMBERS[name])
    if name not in parts:
        parts[name] = None  # its place, before those of its own parts
        parts[name] = definition(name, known, parts)
    return {"$ref": f"#/$defs/{name}"}


def definition(name, known, parts, file_format=None):
    kind, comment, head, fields = known[name]
    renamed = lambda attributes: (re.search(r'rename = "([^"]*)"', attributes) or [None, None])[1]
    if kind == "enum":
        words = lambda variant: re.sub(r"(?<!^)([A-Z])", r"-\1", variant).lower()
        return {"description": comment, "enum": [renamed(attributes) or words(line) for _, attributes, line in fields]}
    properties, required = {}, []
    for comment_of, attributes, line in fields:
        key, of = re.fullmatch(r"pub (\w+): (.*)", line).groups()
        if "serde(skip)" in attributes:
            continue
        key = renamed(attributes) or key
        if key == "format" and file_format:
            properties[key] = {"description": "Kind and version of the file.", "const": file_format}
        else:
            properties[key] = {"description": comment_of, **of_type(of, known, parts)}
        if "default" not in attributes and name not in ALL_OPTIONAL:
            required.append(key)
    return {"description": comment, "type": "object", "properties": properties, "required": required, "additionalProperties": False}


def main():
    for name, (root, sources, title, file_format) in SCHEMAS.items():
        known, parts = {}, {}
        for source in ["setting", *sources]:
            known.update(structs(source))
        schema = {"$schema": DRAFT, "title": title, **definition(root, known, parts, file_format)}
        if parts:
            schema["$defs"] = parts
        (HERE / f"{name}.schema.json").write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
