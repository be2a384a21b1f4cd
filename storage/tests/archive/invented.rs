//! Surveys and versions that nobody has heard of.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Table};
use serde_json::{Value as Json, json};

use crate::dump::{batches, rows};
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, datum, framed, lantern_datum, lsst, lsst_packet};
use crate::support::{assert_verified, empty, take_packets};

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_with_text_ids_works_by_adding_one_file() {
    let archive = empty().await;
    let packets: Vec<Vec<u8>> = (0..20)
        .map(|n| {
            let name = format!("L{n:03}/α");
            let changes = [
                ("before", Value::Items(2)),
                ("before[].light", Value::Each(vec![1.0.into(), Value::Null])),
                ("before[].access", "open".into()),
                ("mood", if n % 2 == 0 { "calm".into() } else { n.into() }),
                ("picture", Value::Bytes(vec![7; 10])),
            ];
            container(LANTERN_SCHEMA, "null", &[(1, lantern_datum(&name, n, &changes))])
        })
        .collect();
    let report = take_packets(&archive, "before the mapping", packets.clone()).await;
    assert_eq!(report.counts.quarantined, 20);
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let report = take_packets(&archive, "with the mapping", packets.clone()).await;
    assert_eq!((report.counts.stored, report.counts.flagged), (20, 0), "{report:?}");

    let snapshot = archive.snapshot().await.unwrap();
    for (n, packet) in packets.iter().enumerate() {
        for survey in [Some("lantern"), None] {
            let found = find(&archive, &snapshot, &format!("L{n:03}/α"), survey, &Access::Everything).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].bytes().unwrap(), *packet);
            assert_eq!(found[0].rights, "public");
        }
        assert!(
            find(&archive, &snapshot, &format!("L{n:03}/α"), Some("ztf"), &Access::Everything)
                .await
                .unwrap()
                .is_empty()
        );
    }
    let alerts = rows(&archive, &snapshot, Table::Alerts).await;
    let seventh = alerts.iter().find(|row| row["_alert"] == "L007/α").unwrap();
    assert_eq!(seventh["_object"], "star-2");
    assert_eq!(seventh["_visit"], "1");
    assert_eq!(seventh["_detector"], "3");
    assert_eq!(seventh["_ra"], "7.0");
    // 1775600280 s after 1970 is 2026-04-07 22:18 UTC, and two hours later it is the next day there.
    assert_eq!(seventh["_night"], "2026-04-08");
    assert_verified(&archive).await;

    // What waited in the quarantine is the same again.
    let retried = noctuary_storage::quarantine::retry(&archive, None, &Default::default()).await.unwrap();
    assert_eq!(retried.counts.duplicate, 20, "{retried:?}");
    assert_eq!(retried.counts.quarantined, -20);
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_unknown_survey_becomes_a_column() {
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let changes = [
        ("seen.light", Value::Real(f64::NAN)),
        ("mood", 4.into()),
        ("before", Value::Items(3)),
        ("before[].when", Value::Each(vec![1.0.into(), 2.0.into(), 3.0.into()])),
        ("extras", Value::Raw(vec![2, 2, b'k', 4, b'v', b'w', 0])),
    ];
    let packet = container(LANTERN_SCHEMA, "deflate", &[(1, lantern_datum("one", 1, &changes))]);
    take_packets(&archive, "one", vec![packet]).await;
    let snapshot = archive.snapshot().await.unwrap();
    let [alerts] = &batches(&archive, &snapshot, Table::Alerts).await[..] else { panic!("one file") };
    let own: Vec<_> =
        alerts.schema().fields().iter().map(|f| f.name().clone()).filter(|n| !n.starts_with('_')).collect();
    // The picture is an image, not a column, and what was seen before are rows of their own.
    assert_eq!(own, ["alertName", "star", "seen", "mood", "extras"]);
    let seen = alerts.column_by_name("seen").unwrap().as_struct();
    assert!(seen.column_by_name("light").unwrap().is_null(0), "NaN is null");
    assert_eq!(seen.column_by_name("access").unwrap().as_string::<i32>().value(0), "open");
    let mood = alerts.column_by_name("mood").unwrap().as_struct();
    assert_eq!(mood.column_by_name("long").unwrap().as_primitive::<Int64Type>().value(0), 4);
    assert!(mood.column_by_name("string").unwrap().is_null(0));
    let before = alerts.column_by_name("_history").unwrap().as_list::<i32>().value(0);
    assert_eq!(before.as_primitive::<Int32Type>().values(), &[0, 3]);
    let sources = rows(&archive, &snapshot, Table::Sources).await;
    let history: Vec<_> = sources.iter().filter(|row| row["_origin"] == "history").collect();
    assert_eq!(history.iter().map(|row| row["when"].as_str()).collect::<Vec<_>>(), ["1.0", "2.0", "3.0"]);
    assert!(history.iter().all(|row| row["_object"] == "star-0" && row["_rights"] == "sealed"), "{history:?}");
    assert_eq!(alerts.column_by_name("extras").unwrap().as_map().value(0).len(), 1);
}

/// LSST 11.1 as a later version might be: fields renamed, retyped, reordered, added; one record more.
fn lsst_12() -> Arc<Schema> {
    let text = lsst().json().replace("v11_1", "v12_0");
    let mut json: Json = serde_json::from_str(&text).unwrap();
    let fields = json["fields"].as_array_mut().unwrap();
    // The last come first, and there is something new among them.
    fields.reverse();
    fields.insert(
        2,
        json!({"name": "weather", "type": {"type": "record", "name": "weather", "fields": [
        {"name": "seeing", "type": ["null", "float"], "unit": "arcsec"}, {"name": "words", "type": "string"}]}}),
    );
    let trigger = find_record(&mut json, "diaSource").unwrap();
    let fields = trigger["fields"].as_array_mut().unwrap();
    for field in fields.iter_mut() {
        match field["name"].as_str().unwrap() {
            "psfFlux" => field["type"] = json!(["null", "double"]),
            "detector" => field["type"] = json!("long"),
            "apFlux" => field["name"] = json!("apertureFlux"),
            "snr" => field["type"] = json!({"type": "map", "values": "float"}),
            _ => {}
        }
    }
    fields.rotate_left(7);
    Arc::new(Schema::parse(&json.to_string()).unwrap())
}

fn find_record<'a>(json: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    let is_it = json.get("type").and_then(Json::as_str) == Some("record")
        && json.get("name").and_then(Json::as_str).is_some_and(|n| n.rsplit('.').next() == Some(name));
    if is_it {
        return Some(json);
    }
    match json {
        Json::Object(object) => object.values_mut().find_map(|v| find_record(v, name)),
        Json::Array(list) => list.iter_mut().find_map(|v| find_record(v, name)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_lsst_that_nobody_has_heard_of_passes_through() {
    let schema = lsst_12();
    assert_eq!((schema.name(), schema.version()), ("lsst.v12_0.alert", Some("12.0")));
    let packets: Vec<Vec<u8>> = (1..=30)
        .map(|id| {
            let mut values = crate::make::lsst_values(id);
            values.extend([
                ("weather.seeing", 0.75.into()),
                ("weather.words", "clear".into()),
                ("diaSource.apertureFlux", 17.5.into()),
                ("diaSource.psfFlux", 1e300.into()),
            ]);
            framed(1200, &datum(&schema, &values))
        })
        .collect();
    let archive = empty().await;
    let report = take_packets(&archive, "too early", packets.clone()).await;
    assert_eq!(report.counts.quarantined, 30);
    archive.add_schemas(&[(Arc::clone(&schema), Some(RegistryId(1200)))]).await.unwrap();
    let mut mixed = packets.clone();
    mixed.extend((101..=110).map(lsst_packet));
    let report = take_packets(&archive, "both versions", mixed.clone()).await;
    assert_eq!((report.counts.stored, report.counts.flagged), (40, 0), "{report:?}");

    let snapshot = archive.snapshot().await.unwrap();
    for (id, packet) in (1..=30).chain(101..=110).zip(&mixed) {
        let found = find(&archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bytes().unwrap(), *packet);
    }
    let labels: Vec<_> = snapshot.stored_schemas("lsst").iter().map(|(s, n)| (s.label(), *n)).collect();
    assert!(labels.contains(&("lsst.v12_0.alert 12.0".to_owned(), 30)), "{labels:?}");
    let all = batches(&archive, &snapshot, Table::Alerts).await;
    let new = all.iter().find(|b| b.column_by_name("weather").is_some()).unwrap();
    let weather = new.column_by_name("weather").unwrap().as_struct();
    assert_eq!(weather.column_by_name("words").unwrap().as_string::<i32>().value(0), "clear");
    let trigger = new.column_by_name("diaSource").unwrap().as_struct();
    assert_eq!(trigger.column_by_name("psfFlux").unwrap().data_type(), &DataType::Float64);
    assert!(trigger.column_by_name("apertureFlux").is_some() && trigger.column_by_name("apFlux").is_none());
    assert_verified(&archive).await;

    // The early ones were only too early.
    let retried = noctuary_storage::quarantine::retry(&archive, None, &Default::default()).await.unwrap();
    assert_eq!(retried.counts.duplicate, 30);
    assert_verified(&archive).await;
    // Opened anew, the archive still knows the version.
    let again = noctuary_storage::Archive::open(archive.location().clone()).await.unwrap();
    let found = find(&again, &again.snapshot().await.unwrap(), "7", None, &Access::Everything).await.unwrap();
    assert_eq!(found[0].schema.version(), Some("12.0"));
}
