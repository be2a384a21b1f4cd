//! Packets read one by one and looked at as JSON: the other way to the same answer, without columns or SQL.

use std::path::Path;

use noctuary_packet::frame::Frame;
use noctuary_packet::json::to_json;
use serde_json::Value;

use crate::sent::packets;

/// Every alert below a folder that can be read without being told its schema.
pub fn alerts(folder: &Path) -> Vec<Value> {
    let told = packets(folder).into_iter().filter(|packet| packet.frame != Frame::Bare);
    told.map(|packet| to_json(&packet.schema, &packet.datum).unwrap()).collect()
}

/// A value of SQL: null is `None`.
pub type Sql<T> = Option<T>;

/// The value at a dotted path; a field of what is null is null.
pub fn at<'v>(alert: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(alert, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// A number, as the float that was sent.
pub fn float(alert: &Value, path: &str) -> Sql<f32> {
    at(alert, path).as_f64().map(|v| v as f32)
}

/// A number.
pub fn double(alert: &Value, path: &str) -> Sql<f64> {
    at(alert, path).as_f64()
}

/// A truth value.
pub fn flag(alert: &Value, path: &str) -> Sql<bool> {
    at(alert, path).as_bool()
}

/// SQL's AND: false wins over null.
pub fn and(values: &[Sql<bool>]) -> Sql<bool> {
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// SQL's OR: true wins over null.
pub fn or(values: &[Sql<bool>]) -> Sql<bool> {
    not(and(&values.iter().map(|v| not(*v)).collect::<Vec<_>>()))
}

/// SQL's NOT.
pub fn not(value: Sql<bool>) -> Sql<bool> {
    value.map(|v| !v)
}
