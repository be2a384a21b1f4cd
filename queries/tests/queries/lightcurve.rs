//! Light curves of real objects, against what their packets say one by one.

use std::collections::BTreeSet;

use noctuary_packet::id::Id;
use noctuary_queries::lightcurve;
use serde_json::Value;

use crate::plain::{alerts, at};
use crate::support::{ask, data, session};

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
