//! Lists and records of real packets, against what the packets say one by one.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_engine::Session;
use serde_json::Value;

use crate::plain::{alerts, at};
use crate::sent::data;
use crate::support::session;

/// A value without what is null in it; fields in the order of their names.
fn known(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> =
                fields.iter().map(|(name, v)| (name, known(v))).filter(|(_, v)| !v.is_null()).collect();
            fields.into_iter().map(|(name, v)| (name.clone(), v)).collect()
        }
        Value::Array(items) => items.iter().map(known).collect(),
        other => other.clone(),
    }
}

/// A value of a column as the packet's own value would be shown.
fn shown(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        // As the shortest digits that read back as the same single.
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string().parse::<f64>().unwrap().into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|item| shown(&items, item)).collect()
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            columns.map(|(field, column)| (field.name().clone(), shown(column, row))).collect()
        }
        // Keys of the archive, which nothing is compared to.
        _ => Value::Null,
    }
}

async fn rows(session: &Session, sql: &str) -> Vec<Value> {
    let batches: Vec<RecordBatch> = session.sql(sql).await.unwrap().try_collect().await.unwrap();
    let row = |batch: &RecordBatch, row: usize| -> Value {
        let (schema, columns) = (batch.schema(), batch.columns());
        schema.fields().iter().zip(columns).map(|(field, column)| (field.name().clone(), shown(column, row))).collect()
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect()
}

/// The records of a table without the archive's own columns.
fn own(rows: &[Value]) -> BTreeSet<String> {
    let own = |row: &serde_json::Map<String, Value>| {
        let fields = row.iter().filter(|(name, _)| !name.starts_with('_'));
        known(&fields.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
    };
    rows.iter().filter_map(Value::as_object).map(own).collect()
}

/// Asks for lists and for the rows that they are made of; how many records there are.
async fn agrees(folder: &str, survey: &str, id: &str, lists: &[(&str, &str, &str)]) -> usize {
    let session = session(&[data(folder)]).await;
    let packets = alerts(&data(folder));
    let mut records = 0;
    for (list, table, origin) in lists {
        let sent: BTreeSet<String> = packets
            .iter()
            .map(|alert| serde_json::json!([at(alert, id), known(at(alert, list))]).to_string())
            .collect();
        let told = rows(&session, &format!("SELECT {id} AS id, {list} AS list FROM {survey}.alerts")).await;
        let told: BTreeSet<String> =
            told.iter().map(|row| serde_json::json!([at(row, "id"), known(at(row, "list"))]).to_string()).collect();
        assert_eq!(told, sent, "{folder} {list}");

        // The items of a list may be null in what a broker rewrote; then they are no rows of their own.
        if folder == "lsst/v9.0-ocf" {
            records += sent.len();
            continue;
        }
        let sent: BTreeSet<String> =
            packets.iter().filter_map(|a| at(a, list).as_array()).flatten().map(|r| known(r).to_string()).collect();
        let told = rows(&session, &format!("SELECT * FROM {survey}.{table} WHERE _origin = '{origin}'")).await;
        assert_eq!(own(&told), sent, "{folder} {table}");
        records += sent.len();
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn lists_of_lsst_are_what_was_sent() {
    let lists = [("prvDiaSources", "sources", "history"), ("prvDiaForcedSources", "forced", "forced")];
    for (folder, id, least) in [
        ("lsst/v10.0-raw", "diaSourceId", 1_000),
        ("lsst/v10.0-restored", "diaSourceId", 10_000),
        ("lsst/v9.0-ocf", "diaSourceId", 100),
        ("lsst/v7.4-raw", "alertId", 5),
    ] {
        let records = agrees(folder, "lsst", id, &lists).await;
        assert!(records > least, "{folder}: {records}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn lists_of_ztf_are_what_was_sent() {
    let history = ("prv_candidates", "sources", "history");
    let forced = ("fp_hists", "forced", "forced");
    for folder in ["ztf/v3.2-2018-11-29", "ztf/v3.3-2020-01-01", "ztf/v3.0-2018-08-19_ampel", "ztf/v3.3-ZTF21abiuvdk"] {
        assert!(agrees(folder, "ztf", "candid", &[history]).await > 0, "{folder}");
    }
    assert!(agrees("ztf/v3.3-v4.01_kowalski", "ztf", "candid", &[history, forced]).await > 0);
    assert!(agrees("ztf/v4.02-boom", "ztf", "candid", &[history, forced]).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn every_trigger_is_a_source() {
    for (folder, survey, trigger) in
        [("lsst/v10.0-restored", "lsst", "diaSource"), ("ztf/v3.3-2020-01-01", "ztf", "candidate")]
    {
        let session = session(&[data(folder)]).await;
        let sent: BTreeSet<String> = alerts(&data(folder)).iter().map(|a| known(at(a, trigger)).to_string()).collect();
        let told = rows(&session, &format!("SELECT * FROM {survey}.sources WHERE _origin = 'trigger'")).await;
        assert_eq!(own(&told), sent, "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn objects_are_what_was_sent() {
    let folder = "lsst/v10.0-restored";
    let session = session(&[data(folder)]).await;
    let packets = alerts(&data(folder));
    let sent: BTreeSet<String> =
        packets.iter().map(|a| at(a, "diaObject")).filter(|o| !o.is_null()).map(|o| known(o).to_string()).collect();
    let told = rows(&session, "SELECT * FROM lsst.objects").await;
    assert_eq!(own(&told), sent);
    let bodies = rows(&session, "SELECT count(*) AS n FROM lsst.ssobjects").await;
    let sent = packets.iter().filter(|a| !at(a, "ssSource").is_null() || !at(a, "mpc_orbits").is_null()).count();
    assert_eq!(at(&bodies[0], "n").as_u64(), Some(sent as u64));
}
