//! Columns, images and slim packets, held against the packets and against SQL; and that none of them knows the future.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use noctuary_engine::ErrorKind;
use noctuary_packet::cutout::cutouts;
use noctuary_packet::json::to_json;
use noctuary_packet::schema::{Schema, SchemaStore};
use noctuary_packet::survey::Surveys;
use noctuary_queries::replay::{Position, Request, last_place};
use noctuary_simulator::{Plan as Sky, Simulation, Survey};
use noctuary_storage::compact::{Level, compact};
use noctuary_storage::load::{LoadOptions, load};
use noctuary_storage::{Access, Meter, Table};
use parquet::arrow::ArrowWriter;

use super::{PLACE, archive_of, part, plan, policy, replays, rows, sky, take, text};

/// A datum as JSON, of a packet that came in a Confluent frame.
fn json(schema: &Schema, frame: &[u8]) -> serde_json::Value {
    to_json(schema, &frame[5..]).unwrap()
}

/// The rows that are of the same packets as those of another replay.
fn of_those(rows: &RecordBatch, others: &RecordBatch) -> RecordBatch {
    let known: BTreeSet<String> = text(others, &PLACE).into_iter().collect();
    let of_those: BooleanArray = text(rows, &PLACE).iter().map(|place| Some(known.contains(place))).collect();
    filter_record_batch(rows, &of_those).unwrap()
}

/// Sources of objects that no packet told of, as a file: detections of the nights that are replayed, and of later ones.
fn planted(folder: &Path, objects: &BTreeSet<i64>) -> PathBuf {
    let rows: Vec<(i64, f64)> = objects.iter().flat_map(|id| [61_353.2, 61_360.0].map(|time| (*id, time))).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("diaSourceId", Arc::new((0..rows.len()).map(|row| Some(9_000_000 + row as i64)).collect::<Int64Array>())),
        ("diaObjectId", Arc::new(rows.iter().map(|(id, _)| Some(*id)).collect::<Int64Array>())),
        ("midpointMjdTai", Arc::new(rows.iter().map(|(_, time)| Some(*time)).collect::<Float64Array>())),
        ("ra", Arc::new(rows.iter().map(|_| Some(150.0)).collect::<Float64Array>())),
        ("dec", Arc::new(rows.iter().map(|_| Some(2.0)).collect::<Float64Array>())),
        ("psfFlux", Arc::new(rows.iter().map(|_| Some(1e6)).collect::<Float64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.join("planted.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn no_alert_knows_what_came_after_it() {
    let nights = r#""nights": "2026-11-09..2026-11-10""#;
    let slim = |fields: &str| format!(r#"{{{nights}, "shape": "slim", "fields": [{fields}]}}"#);
    let lists = [
        (Survey::Lsst, "prvDiaSources", slim(r#""diaSourceId", "diaObject", "prvDiaSources", "prvDiaForcedSources""#)),
        (Survey::Ztf, "prv_candidates", slim(r#""candid", "prv_candidates""#)),
    ];
    for (survey, history, slim) in lists {
        let archive = archive_of(&[survey]).await;
        let before = replays(&archive, Access::Everything);
        let of_shape = |shape: &str| format!(r#"{{{nights}, "shape": "{shape}"}}"#);
        let requests = [of_shape("packets"), of_shape("alerts"), of_shape("sources"), slim];
        let mut then = Vec::new();
        for request in &requests {
            then.push(rows(&before, request).await);
        }
        let [packets, alerts, ..] = &then[..] else { panic!("four shapes") };
        let told: Vec<Option<usize>> = lengths(alerts, history);
        if survey == Survey::Lsst {
            let schema = SchemaStore::with_known().named("lsst/11.1").unwrap();
            let sent = packets.column_by_name("packet").unwrap().as_binary::<i64>().iter();
            let sent = sent.map(|packet| json(&schema, packet.unwrap())[history].as_array().map(Vec::len));
            assert_eq!(told, sent.collect::<Vec<_>>(), "histories are those of the packets");
        }
        assert!(told.iter().flatten().any(|length| *length > 0), "{survey:?}");
        let version = plan(&before, &requests[0]).await.version;
        // The same objects go on: weeks later, with histories that reach over all of it; sources become known that no
        // packet told of; and then everything is merged.
        let future = Simulation::new(Sky { nights: 6, ..sky(survey) }).unwrap();
        take(&archive, "future", &future.packets().collect::<Vec<_>>(), 2 << 20).await;
        if survey == Survey::Lsst {
            let objects = alerts.column_by_name("_object").unwrap().as_primitive::<Int64Type>().iter().flatten();
            let folder = tempfile::tempdir().unwrap();
            let file = planted(folder.path(), &objects.collect());
            let options = LoadOptions {
                survey: "lsst".into(),
                table: Table::Sources,
                columns: BTreeMap::new(),
                rights: None,
                schema: None,
                commit_rows: 1_000,
            };
            load(&archive, &[file], &options, &Arc::default()).await.unwrap();
        }
        compact(&archive, &policy(Level::Ever), &Meter::default()).await.unwrap();
        let after = replays(&archive, Access::Everything);
        for (request, then) in requests.iter().zip(&then) {
            for as_of in [String::new(), format!(r#""as_of": {version}, "#)] {
                let again = rows(&after, &format!("{{{as_of}{}", &request[1..])).await;
                assert_eq!(of_those(&again, then), *then, "{survey:?} {as_of}{request}");
                assert!(as_of.is_empty() || again.num_rows() == then.num_rows(), "{survey:?} {as_of}{request}");
            }
        }
    }
}

fn lengths(rows: &RecordBatch, list: &str) -> Vec<Option<usize>> {
    let lists = rows.column_by_name(list).unwrap().as_list::<i32>();
    (0..rows.num_rows()).map(|row| lists.is_valid(row).then(|| lists.value(row).len())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_those_of_sql_in_the_order_of_the_packets() {
    let archive = archive_of(&[Survey::Lsst]).await;
    // First every file by itself or with others, then all merged into one.
    for merged in [false, true] {
        if merged {
            compact(&archive, &policy(Level::Ever), &Meter::default()).await.unwrap();
        }
        let replays = replays(&archive, Access::Everything);
        let session = replays.engine().session(Default::default()).await.unwrap();
        let packets = rows(&replays, r#"{"chunk": 25}"#).await;
        let alerts = rows(&replays, r#"{"shape": "alerts", "chunk": 25}"#).await;
        let sources = rows(&replays, r#"{"shape": "sources"}"#).await;
        assert_eq!(text(&alerts, &PLACE), text(&packets, &PLACE));
        assert_eq!(text(&sources, &PLACE), text(&packets, &PLACE));
        let answer =
            session.plan("SELECT * FROM lsst.alerts ORDER BY _night, _visit, _detector, _commit, _seq").await.unwrap();
        let schema = answer.schema();
        let batches: Vec<RecordBatch> = answer.execute().await.unwrap().try_collect().await.unwrap();
        let by_sql = concat_batches(&schema, &batches).unwrap();
        assert_eq!(alerts, by_sql);
        let flat = by_sql.column_by_name("diaSource").unwrap().as_struct();
        for (name, column) in flat.column_names().iter().zip(flat.columns()) {
            assert_eq!(sources.column_by_name(name).unwrap(), column, "{name}");
        }
        // Less of them, and resumed anywhere.
        let less = rows(&replays, r#"{"shape": "alerts", "history": false, "forced": false}"#).await;
        assert!(less.column_by_name("prvDiaSources").is_none() && less.column_by_name("diaObject").is_some());
        let fields = rows(&replays, r#"{"shape": "sources", "fields": ["PSFFLUX", "band"]}"#).await;
        assert_eq!(fields.column_by_name("psfFlux"), sources.column_by_name("psfFlux"));
        assert_eq!(fields.num_columns(), 14);
        for shape in ["alerts", "sources"] {
            let plan = plan(&replays, &format!(r#"{{"shape": "{shape}", "pace": 1e9}}"#)).await;
            let [whole] = &plan.parts().unwrap()[..] else { panic!("one chunk") };
            let all = part(&replays, whole, &Position::default()).await;
            assert!(all.iter().all(|piece| {
                let visits: BTreeSet<String> = text(&piece.batch, &["_night", "_visit"]).into_iter().collect();
                visits.len() == 1 && piece.begins > 61_000.0
            }));
            let all = concat_batches(&plan.schema, all.iter().map(|piece| &piece.batch)).unwrap();
            for cut in [0, 1, 17, all.num_rows() - 2, all.num_rows() - 1] {
                let place = last_place(&all.slice(cut, 1)).unwrap().unwrap();
                let position = Position { after: BTreeMap::from([("lsst".to_owned(), place)]), done: 0 };
                let rest: Vec<RecordBatch> =
                    part(&replays, whole, &position).await.into_iter().map(|piece| piece.batch).collect();
                let rest = concat_batches(&plan.schema, &rest).unwrap();
                assert_eq!(rest, all.slice(cut + 1, all.num_rows() - cut - 1), "{shape} behind {cut}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_with_alerts_if_they_are_asked_for() {
    let archive = archive_of(&[Survey::Ztf]).await;
    let replays = replays(&archive, Access::Everything);
    let night = r#""survey": "ztf""#;
    let packets = rows(&replays, &format!("{{{night}}}")).await;
    let alerts = rows(&replays, &format!(r#"{{{night}, "shape": "alerts", "cutouts": true}}"#)).await;
    assert!(alerts.num_rows() > 30);
    let survey = Arc::clone(Surveys::built_in().get("ztf").unwrap());
    let writer = packets
        .schema()
        .metadata()
        .iter()
        .find_map(|(key, json)| key.starts_with("writer:").then(|| Schema::parse(json).unwrap()));
    let writer = writer.unwrap();
    for (row, packet) in packets.column_by_name("packet").unwrap().as_binary::<i64>().iter().enumerate() {
        let block = noctuary_packet::blocks::Blocks::open(packet.unwrap()).unwrap().next().unwrap().unwrap();
        for cutout in cutouts(&survey, &writer, &block.bytes).unwrap() {
            let column = alerts.column_by_name(&format!("_cutout_{}", cutout.kind)).unwrap();
            assert_eq!(column.as_binary::<i64>().value(row), cutout.fits);
        }
    }
}

/// A value without the fields that are not at one of the paths.
fn pruned(value: &serde_json::Value, paths: &[Vec<&str>]) -> serde_json::Value {
    use serde_json::Value;
    if paths.iter().any(Vec::is_empty) {
        return value.clone();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| pruned(item, paths)).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                let below: Vec<Vec<&str>> =
                    paths.iter().filter(|path| path[0] == name).map(|path| path[1..].to_vec()).collect();
                (!below.is_empty()).then(|| (name.clone(), pruned(value, &below)))
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slim_packets_hold_what_the_packets_hold() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let replays = replays(&archive, Access::Everything);
    let packets = rows(&replays, "{}").await;
    let known = SchemaStore::with_known();
    let writer = known.named("lsst/11.1").unwrap();
    for fields in [
        vec!["diaSourceId"],
        vec!["diaSource.psfFlux", "diaSource.band", "diaSourceId", "ssSource"],
        vec!["prvDiaSources.psfFlux", "prvDiaSources.midpointMjdTai", "diaObject", "prvDiaForcedSources"],
        vec!["cutoutScience", "diaSource"],
    ] {
        let request = serde_json::json!({"shape": "slim", "fields": fields}).to_string();
        let slim = rows(&replays, &request).await;
        assert_eq!(text(&slim, &PLACE), text(&packets, &PLACE));
        let (_, json_of) = slim
            .schema()
            .metadata()
            .iter()
            .find(|(key, _)| key.starts_with("writer:"))
            .map(|(a, b)| (a.clone(), b.clone()))
            .unwrap();
        let schema = Schema::parse(&json_of).unwrap();
        assert_eq!(text(&slim, &["_fingerprint"])[0], schema.fingerprint().to_hex());
        let paths: Vec<Vec<&str>> = fields.iter().map(|field| field.split('.').collect()).collect();
        let (a, b) = (packets.column_by_name("packet").unwrap(), slim.column_by_name("packet").unwrap());
        for row in 0..packets.num_rows() {
            let whole = json(&writer, a.as_binary::<i64>().value(row));
            let thin = to_json(&schema, b.as_binary::<i64>().value(row)).unwrap();
            assert_eq!(thin, pruned(&whole, &paths), "{fields:?}");
        }
    }
    let wrong = Request::parse(r#"{"shape": "slim", "fields": ["diaSource.flux"]}"#).unwrap();
    let refused = replays.plan(&wrong, 0).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains("diaSource.flux"), "{refused}");
}
