use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{CompactError, MAX_DEPTH, parse};
use crate::container::Header;

const DEFINITIONS: [(&str, u32, &str); 6] = [
    ("7_4", 704, include_str!("../../../schemas/lsst-7.4.schema")),
    ("8_0", 800, include_str!("../../../schemas/lsst-8.0.schema")),
    ("9_0", 900, include_str!("../../../schemas/lsst-9.0.schema")),
    ("10_0", 1000, include_str!("../../../schemas/lsst-10.0.schema")),
    ("11_0", 1100, include_str!("../../../schemas/lsst-11.0.schema")),
    ("11_1", 1101, include_str!("../../../schemas/lsst-11.1.schema")),
];

fn error(text: &str) -> CompactError {
    match parse(text) {
        Err(error) => error,
        Ok(schema) => panic!("accepted as {}", schema.json),
    }
}

/// The definition of one field, in a schema that is otherwise sound.
fn field(line: &str) -> Result<Value, CompactError> {
    parse(&format!("schema a.b\nrecord b\n  {line}")).map(|schema| schema.json["fields"][0].clone())
}

#[test]
fn a_definition_becomes_an_avro_schema() {
    let text = "\
# Of no survey.
schema sky.v1.alert id 101   # registered

record alert
  id       long
  point    point
  history  [point]?
  stamp    bytes?

record point
  mjd    double  d
  slope  float?  1e-10 au/d**2   # a unit may have spaces
  at     timestamp-micros?
";
    let schema = parse(text).unwrap();
    assert_eq!(schema.name, "sky.v1.alert");
    assert_eq!(schema.registry_id, Some(101));
    let expected = json!({
        "type": "record",
        "name": "sky.v1.alert",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "point", "type": {
                "type": "record",
                "name": "sky.v1.point",
                "fields": [
                    {"name": "mjd", "type": "double", "unit": "d"},
                    {"name": "slope", "type": ["null", "float"], "default": null, "unit": "1e-10 au/d**2"},
                    {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
                     "default": null},
                ],
            }},
            {"name": "history", "type": ["null", {"type": "array", "items": "sky.v1.point"}], "default": null},
            {"name": "stamp", "type": ["null", "bytes"], "default": null},
        ],
    });
    // As text, so that the order of the attributes counts too.
    assert_eq!(schema.json.to_string(), expected.to_string());
}

#[test]
fn a_record_is_declared_where_it_is_first_used() {
    let schema = parse("schema a\nrecord a\n  x [c?]\n  y b\nrecord b\n  c c\nrecord c\n  z int\n").unwrap();
    assert_eq!(schema.registry_id, None);
    let c = json!({"type": "record", "name": "c", "fields": [{"name": "z", "type": "int"}]});
    assert_eq!(schema.json["fields"][0]["type"], json!({"type": "array", "items": ["null", c]}));
    assert_eq!(schema.json["fields"][1]["type"]["fields"][0]["type"], json!("c"));
}

#[test]
fn a_field_may_have_the_name_of_a_keyword() {
    assert_eq!(field("record string").unwrap()["name"], "record");
    assert_eq!(field("schema\tint").unwrap()["name"], "schema");
}

#[test]
fn every_type_has_its_avro_form() {
    for name in super::PRIMITIVES {
        assert_eq!(field(&format!("x {name}")).unwrap(), json!({"name": "x", "type": name}));
    }
    for (name, primitive) in super::LOGICAL {
        let json = field(&format!("x {name}")).unwrap();
        assert_eq!(json["type"], json!({"type": primitive, "logicalType": name}));
    }
    for wrong in ["int??", "?", "[int", "int]", "[]", "null", "[null]?", "a.b", "time-of-day", "[int]]"] {
        let error = field(&format!("x {wrong}")).unwrap_err();
        assert!(matches!(error, CompactError::Malformed { line: 3, .. }), "{wrong}: {error}");
    }
}

#[test]
fn lines_of_another_form_are_named() {
    let cases = [
        ("record b\n  x int", 1),
        ("  schema a.b\nrecord b\n  x int", 1),
        ("schema a.b id many\nrecord b\n  x int", 1),
        ("schema a.b id 99999999999\nrecord b\n  x int", 1),
        ("schema a..b\nrecord b\n  x int", 1),
        ("schema a.b\n\n  x int", 3),
        ("schema a.b\nrecord b c\n  x int", 2),
        ("schema a.b\nrecord\n  x int", 2),
        ("schema a.b\nrecord b\nx int", 3),
        ("schema a.b\nrecord b\n  x int\nschema c.d", 4),
        ("schema a.b\nrecord b\n  x", 3),
        ("schema a.b\nrecord b\n  2x int", 3),
        ("schema a.b\nrecord b\n  x # int", 3),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(matches!(error, CompactError::Malformed { line, .. } if line == expected), "{text}: {error}");
    }
    assert!(matches!(error(""), CompactError::Incomplete { line: 1, .. }));
    assert!(matches!(error("# nothing\n\nschema a.b\n"), CompactError::Incomplete { line: 3, .. }));
}

#[test]
fn names_are_given_once() {
    let twice = error("schema a.b\nrecord b\n  x int\n  y int\n  x long");
    assert_eq!(
        twice.to_string(),
        "line 5: the name `x` is taken by a field on line 3; choose another or remove this line"
    );
    for text in [
        "schema a.b\nrecord b\n  x int\nrecord b\n  y int",
        "schema a.b\nrecord b\n  x int\nrecord long\n  y int",
        "schema a.b\nrecord b\n  x int\nrecord null\n  y int",
    ] {
        assert!(matches!(error(text), CompactError::Taken { line: 4, .. }), "{text}");
    }
}

#[test]
fn records_must_fit_together() {
    let unknown = error("schema a.b\nrecord b\n  x [c]?");
    assert_eq!(
        unknown.to_string(),
        "line 3: `c` is neither an Avro type nor a record of this file; correct it or add `record c`"
    );
    let first = error("schema a.alert\nrecord point\n  x int\nrecord alert\n  p point");
    assert!(matches!(first, CompactError::FirstRecord { line: 2, .. }));
    let empty = error("schema a.b\nrecord b\n  x c\nrecord c\n");
    assert_eq!(empty, CompactError::EmptyRecord { line: 4, name: "c".into() });
    let unused = error("schema a.b\nrecord b\n  x int\nrecord c\n  y int");
    assert_eq!(unused, CompactError::UnusedRecord { line: 4, name: "c".into() });
}

#[test]
fn a_record_cannot_hold_itself() {
    let direct = error("schema a.b\nrecord b\n  parent b?");
    assert_eq!(direct, CompactError::Recursive { line: 3, name: "b".into() });
    let around = error("schema a.b\nrecord b\n  c c\nrecord c\n  b [b]?");
    assert_eq!(around, CompactError::Recursive { line: 5, name: "b".into() });
}

#[test]
fn nesting_ends_before_a_stack_does() {
    let arrays = |n: usize| format!("x {}int{}", "[".repeat(n), "]".repeat(n));
    assert!(matches!(field(&arrays(100_000)), Err(CompactError::TooDeep { line: 3 })));
    assert!(field(&format!("x int{}", "?".repeat(100_000))).is_err());

    let chain = |n: usize| {
        let records: String = (0..n).map(|i| format!("record r{i}\n  x [r{}?]?\n", i + 1)).collect();
        format!("schema r0\n{records}record r{n}\n  x int\n")
    };
    let mut deepest = 0;
    while let Ok(schema) = parse(&chain(deepest + 1)) {
        serde_json::from_str::<Value>(&schema.json.to_string()).expect("shallow enough to be read back");
        deepest += 1;
    }
    assert!((1..MAX_DEPTH).contains(&deepest));
    assert!(matches!(error(&chain(deepest + 1)), CompactError::TooDeep { .. }));
}

#[test]
fn definitions_of_lsst_have_the_names_and_ids_of_the_survey() {
    for (version, id, text) in DEFINITIONS {
        let schema = parse(text).unwrap();
        assert_eq!(schema.name, format!("lsst.v{version}.alert"));
        assert_eq!(schema.registry_id, Some(id));
    }
}

#[test]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
fn agrees_with_the_containers_of_the_survey() {
    for (version, _, text) in DEFINITIONS {
        let container = data_folder().join(format!("lsst/schemas/fakeAlert_v{version}.avro"));
        let theirs = structure(&writer_schema(&container));
        let ours = structure(&parse(text).unwrap().json);
        assert_eq!(ours["name"], theirs["name"]);
        if let Some(path) = difference(&ours, &theirs, "") {
            panic!("schema {version} differs from {} at {path}", container.display());
        }
    }
}

fn data_folder() -> PathBuf {
    PathBuf::from(option_env!("NOCTUARY_REAL_PACKETS").unwrap_or_default())
}

/// A schema without prose, units and what else is no concern of a decoder.
fn structure(json: &Value) -> Value {
    const KEPT: [&str; 9] =
        ["type", "name", "namespace", "fields", "items", "values", "symbols", "size", "logicalType"];
    match json {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| KEPT.contains(&key.as_str()));
            let mut out: serde_json::Map<_, _> = kept.map(|(key, value)| (key.clone(), structure(value))).collect();
            // A default is a value, in which nothing is an attribute.
            if let Some(default) = object.get("default") {
                out.insert("default".to_owned(), default.clone());
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(structure).collect(),
        other => other.clone(),
    }
}

/// Where two schemas part first, since two of them printed in full are no message.
fn difference(ours: &Value, theirs: &Value, path: &str) -> Option<String> {
    let step = |key: &dyn std::fmt::Display, a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) => difference(a, b, &format!("{path}/{key}")),
        (None, _) => Some(format!("{path}/{key}, which is not here")),
        (_, None) => Some(format!("{path}/{key}, which is not there")),
    };
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys()).find_map(|key| step(key, a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|i| step(&i, a.get(i), b.get(i))),
        _ if ours == theirs => None,
        _ => {
            let [ours, theirs] = [ours, theirs].map(|v| v.to_string().chars().take(80).collect::<String>());
            Some(format!("{path}: {ours} here, {theirs} there"))
        }
    }
}

/// The schema in the header of an object container.
fn writer_schema(container: &Path) -> Value {
    let bytes = std::fs::read(container).unwrap_or_else(|e| panic!("{}: {e}", container.display()));
    let (header, _) = Header::parse(&bytes).expect("an object container");
    serde_json::from_str(header.schema()).expect("a schema in JSON")
}
