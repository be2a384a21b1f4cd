//! Light curves of real objects, against what their packets say one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use noctuary_packet::id::Id;
use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_queries::lightcurve;
use noctuary_storage::ingest::Source;
use serde_json::Value;

use crate::make::{datum, framed};
use crate::plain::{alerts, at};
use crate::sent::data;
use crate::support::{ask, empty, session, session_of, take};

/// Time, band and value of a record, as text that compares.
fn measured(record: &Value, fields: [&str; 3]) -> Option<(String, String, String)> {
    let [time, band, value] = fields.map(|f| record.get(f).cloned().unwrap_or(Value::Null));
    let band = band.as_str().map(str::to_owned).or_else(|| band.as_i64().map(|b| b.to_string()))?;
    let value = value.as_f64()? as f32;
    Some((format!("{:.6}", time.as_f64()?), band, f64::from(value).to_string()))
}

/// The light curve of an object against its packets; how many of its measurements stand in history alone.
async fn agrees(
    folder: &str,
    survey: &str,
    object: Id,
    path: &str,
    trigger: &str,
    history: &str,
    fields: [&str; 3],
) -> usize {
    let session = session(&[data(folder)]).await;
    let mapping = session.snapshot().survey(survey).unwrap().clone();
    let sql = lightcurve::sql(&mapping, session.snapshot(), &object).unwrap();
    let rows = ask(&session, &sql).await;
    let own: Vec<Value> = alerts(&data(folder))
        .into_iter()
        .filter(|a| match at(a, path) {
            Value::String(text) => Id::from(text.as_str()) == object,
            other => other.as_i64().map(Id::Number).as_ref() == Some(&object),
        })
        .collect();
    assert!(own.len() > 1, "{} alerts of {object}", own.len());
    let triggers: BTreeSet<_> = own.iter().filter_map(|a| measured(at(a, trigger), fields)).collect();
    let times: Vec<(f64, &String)> = triggers.iter().map(|t| (t.0.parse().unwrap(), &t.1)).collect();
    let earlier: BTreeSet<_> = own
        .iter()
        .filter_map(|a| at(a, history).as_array())
        .flatten()
        .filter_map(|record| measured(record, fields))
        .filter(|r| !times.iter().any(|(t, band)| (t - r.0.parse::<f64>().unwrap()).abs() < 2e-6 && **band == r.1))
        .collect();
    let of = |origin: &str| -> BTreeSet<(String, String, String)> {
        rows.iter()
            .filter(|r| r[4] == origin)
            .map(|r| {
                let value: f64 = r[2].parse().unwrap();
                (format!("{:.6}", r[0].parse::<f64>().unwrap()), r[1].clone(), f64::from(value as f32).to_string())
            })
            .collect()
    };
    assert_eq!(of("trigger"), triggers);
    assert_eq!(of("history"), earlier);
    let order: Vec<f64> = rows.iter().map(|r| r[0].parse().unwrap()).collect();
    assert!(order.is_sorted());
    earlier.len()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn one_object_of_ztf_over_many_nights() {
    let object = Id::from("ZTF21abiuvdk");
    let fields = ["jd", "fid", "magpsf"];
    let folder = "ztf/v3.3-ZTF21abiuvdk";
    let earlier = agrees(folder, "ztf", object, "objectId", "candidate", "prv_candidates", fields).await;
    // The folder has the alert of every detection that the history tells of, so each is counted once, as trigger.
    assert_eq!(earlier, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn an_object_of_lsst_that_alerts_twice() {
    let folder = "lsst/v10.0-restored";
    let mut seen = BTreeSet::new();
    let twice = alerts(&data(folder)).iter().find_map(|a| {
        let id = at(a, "diaSource.diaObjectId").as_i64().filter(|id| *id != 0)?;
        (!seen.insert(id)).then_some(id)
    });
    let object = Id::Number(twice.unwrap());
    let fields = ["midpointMjdTai", "band", "psfFlux"];
    let earlier = agrees(folder, "lsst", object, "diaSource.diaObjectId", "diaSource", "prvDiaSources", fields).await;
    assert!(earlier > 0);
}

const BUOY_MAPPING: &str = r#"
name = "buoy"
title = "A survey that renamed its records, with words of its own for columns"
[[recognise]]
fields = ["buoyId"]
[ids]
alert = ["buoyId"]
object = ["post"]
[position]
ra = ["_now.Time", "seen.Time"]
dec = ["_now.Time", "seen.Time"]
[time]
field = ["_now.Time", "seen.Time"]
form = "mjd"
scale = "tai"
[night]
utc_offset_hours = 0.0
[records]
trigger = ["_now", "seen"]
history = ["before", "_old"]
[photometry]
time = "Time"
value = "Value"
error = "Error"
band = "Band"
[rights]
levels = ["public"]
"#;

fn buoy(version: u32) -> Arc<Schema> {
    let (now, before) = if version == 1 { ("seen", "_old") } else { ("_now", "before") };
    let record = r#"{"type": "record", "name": "r", "fields": [{"name": "Time", "type": "double"},
        {"name": "Value", "type": "float"}, {"name": "Error", "type": "float"}, {"name": "Band", "type": "string"}]}"#;
    let text = format!(
        r#"{{"type": "record", "name": "buoy", "version": "{version}", "fields": [
        {{"name": "buoyId", "type": "long"}}, {{"name": "post", "type": "long"}}, {{"name": "{now}", "type": {record}}},
        {{"name": "{before}", "type": {{"type": "array", "items": "r"}}}}]}}"#
    );
    Arc::new(Schema::parse(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_renamed_are_one_light_curve() {
    let archive = empty().await;
    archive.add_survey(BUOY_MAPPING).await.unwrap();
    archive.add_schemas(&[1, 2].map(|v| (buoy(v), Some(RegistryId(v))))).await.unwrap();
    for version in [1, 2] {
        let (now, before) = if version == 1 { ("seen", "_old") } else { ("_now", "before") };
        let paths = [(now, "Time"), (now, "Value"), (now, "Band")].map(|(record, field)| format!("{record}.{field}"));
        let lists =
            ["", ".Time", ".Value", ".Band"].map(|f| format!("{before}{}{f}", if f.is_empty() { "" } else { "[]" }));
        let time = f64::from(version) * 10.0;
        let values = [
            ("buoyId", i64::from(version).into()),
            ("post", 7.into()),
            (paths[0].as_str(), time.into()),
            (paths[1].as_str(), (time + 0.5).into()),
            (paths[2].as_str(), "r".into()),
            (lists[0].as_str(), crate::make::Value::Items(1)),
            (lists[1].as_str(), (time - 1.0).into()),
            (lists[2].as_str(), 4.25.into()),
            (lists[3].as_str(), "r".into()),
        ];
        let packet = framed(version, &datum(&buoy(version), &values));
        take(&archive, vec![Source::packets(&format!("v{version}"), Box::new([packet].into_iter()))]).await;
    }
    let session = session_of(archive).await;
    let mapping = session.snapshot().survey("buoy").unwrap().clone();
    let sql = lightcurve::sql(&mapping, session.snapshot(), &Id::Number(7)).unwrap();
    let columns = session.plan(&sql).await.unwrap().schema();
    let names: Vec<&str> = columns.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["time", "band", "value", "error", "origin"]);
    let rows: Vec<String> = ask(&session, &sql).await.into_iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        rows,
        ["9.0 r 4.25 0.0 history", "10.0 r 10.5 0.0 trigger", "19.0 r 4.25 0.0 history", "20.0 r 20.5 0.0 trigger"]
    );
}
