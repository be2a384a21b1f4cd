//! What changed between schemas.

use noctuary_packet::schema::{Change, Schema, diff, known_lsst};
use serde_json::json;

fn schema(fields: serde_json::Value) -> Schema {
    Schema::parse(&json!({"type": "record", "name": "r", "fields": fields}).to_string()).unwrap()
}

fn added(path: &str, to: &str) -> Change {
    Change::Added { path: path.into(), to: to.into() }
}

fn dropped(path: &str, from: &str) -> Change {
    Change::Dropped { path: path.into(), from: from.into() }
}

fn retyped(path: &str, from: &str, to: &str) -> Change {
    Change::Retyped { path: path.into(), from: from.into(), to: to.into() }
}

#[test]
fn each_kind_of_change_is_told() {
    let old = schema(json!([
        {"name": "gone", "type": "int"},
        {"name": "wider", "type": "float"},
        {"name": "nullable", "type": "long"},
        {"name": "flux", "type": "float", "unit": "nJy"},
        {"name": "same", "type": ["null", "string"]},
    ]));
    let new = schema(json!([
        {"name": "wider", "type": "double"},
        {"name": "nullable", "type": ["null", "long"]},
        {"name": "flux", "type": "float", "unit": "mag"},
        {"name": "same", "type": ["null", "string"]},
        {"name": "come", "type": {"type": "array", "items": "int"}},
    ]));
    let unit = Change::Unit { path: "flux".into(), from: "nJy".into(), to: "mag".into() };
    let expected = [
        unit,
        dropped("gone", "int"),
        retyped("nullable", "long", "long?"),
        retyped("wider", "float", "double"),
        added("come", "[int]"),
    ];
    assert_eq!(diff(&old, &new), expected);
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn a_record_comes_and_goes_as_one() {
    let inner = json!({"type": "record", "name": "inner", "fields": [
        {"name": "a", "type": "int"}, {"name": "b", "type": "int"}]});
    let with =
        schema(json!([{"name": "x", "type": "int"}, {"name": "list", "type": {"type": "array", "items": inner}}]));
    let without = schema(json!([{"name": "x", "type": "int"}]));
    assert_eq!(diff(&without, &with), [added("list", "[record]")]);
    assert_eq!(diff(&with, &without), [dropped("list", "[record]")]);
}

#[test]
fn another_order_is_a_change_even_if_nothing_else_is() {
    let inner = |a: &str, b: &str| json!({"type": "record", "name": "inner", "fields": [{"name": a, "type": "int"}, {"name": b, "type": "int"}]});
    let one = schema(json!([{"name": "x", "type": inner("a", "b")}, {"name": "y", "type": "int"}]));
    let two = schema(json!([{"name": "x", "type": inner("b", "a")}, {"name": "y", "type": "int"}]));
    assert_eq!(diff(&one, &two), [Change::Reordered { path: "x".into() }]);
    // A field in between does not move the others.
    let three = schema(json!([
        {"name": "new", "type": "int"}, {"name": "x", "type": inner("a", "b")}, {"name": "y", "type": "int"}]));
    assert_eq!(diff(&one, &three), [added("new", "int")]);
}

#[test]
fn versions_of_lsst_differ_as_the_survey_says() {
    let version = |v: &str| known_lsst(v).unwrap();
    let changes = diff(&version("11.0"), &version("11.1"));
    let new: Vec<_> = changes
        .iter()
        .filter_map(|c| match c {
            Change::Added { path, .. } if path.starts_with("diaSource.") => Some(path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(new.len(), 4, "{changes:?}");
    assert!(!changes.iter().any(|c| matches!(c, Change::Dropped { .. } | Change::Retyped { .. })), "{changes:?}");
    for v in ["7.4", "8.0", "9.0", "10.0", "11.0", "11.1"] {
        assert!(diff(&version(v), &version(v)).is_empty());
    }
    let renamed = diff(&version("8.0"), &version("9.0"));
    assert!(!renamed.is_empty());
    // What one direction adds, the other drops.
    let count = |changes: &[Change]| {
        let added = changes.iter().filter(|c| matches!(c, Change::Added { .. })).count();
        (added, changes.iter().filter(|c| matches!(c, Change::Dropped { .. })).count())
    };
    let (added, dropped) = count(&renamed);
    assert_eq!(count(&diff(&version("9.0"), &version("8.0"))), (dropped, added));
}
