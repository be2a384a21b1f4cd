//! Columns, images and slim packets, held against the packets and against SQL; and that none of them knows the future.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use futures::TryStreamExt;
use noctuary_engine::ErrorKind;
use noctuary_packet::cutout::cutouts;
use noctuary_packet::json::to_json;
use noctuary_packet::schema::{Schema, SchemaStore};
use noctuary_packet::survey::Surveys;
use noctuary_queries::replay::{Position, Request, last_place};
use noctuary_simulator::{Plan as Sky, Simulation, Survey};
use noctuary_storage::compact::{Level, compact};
use noctuary_storage::{Access, Meter};

use super::{PLACE, archive_of, part, plan, policy, replays, rows, sky, take, text, told};

/// A datum as JSON, of a packet that came in a Confluent frame.
fn json(schema: &Schema, frame: &[u8]) -> serde_json::Value {
    to_json(schema, &frame[5..]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_alert_knows_what_came_after_it() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let before = replays(&archive, Access::Everything);
    let nights = r#""nights": "2026-11-09..2026-11-10""#;
    let packets = rows(&before, &format!("{{{nights}}}")).await;
    let alerts = rows(&before, &format!(r#"{{{nights}, "shape": "alerts"}}"#)).await;
    let schemas = SchemaStore::with_known();
    let schema = schemas.named("lsst/11.1").unwrap();
    let counts = |rows: &RecordBatch| -> Vec<Option<usize>> {
        let lists = rows.column_by_name("prvDiaSources").unwrap().as_list::<i32>();
        (0..rows.num_rows()).map(|row| lists.is_valid(row).then(|| lists.value(row).len())).collect()
    };
    let sent: Vec<Option<usize>> = packets
        .column_by_name("packet")
        .unwrap()
        .as_binary::<i64>()
        .iter()
        .map(|packet| json(&schema, packet.unwrap())["prvDiaSources"].as_array().map(Vec::len))
        .collect();
    assert_eq!(counts(&alerts), sent, "histories are those of the packets");
    // The same objects go on: weeks later, with histories that reach over all of it, and then everything is merged.
    let future = Simulation::new(Sky { nights: 6, ..sky(Survey::Lsst) }).unwrap();
    take(&archive, "future", &future.packets().collect::<Vec<_>>(), 2 << 20).await;
    compact(&archive, &policy(Level::Ever), &Meter::default()).await.unwrap();
    let after = replays(&archive, Access::Everything);
    let version = plan(&before, &format!("{{{nights}}}")).await.version;
    for as_of in [String::new(), format!(r#", "as_of": {version}"#)] {
        let again = rows(&after, &format!("{{{nights}{as_of}}}")).await;
        let old: BTreeMap<_, _> = told(&packets).into_iter().map(|(id, hash)| (hash, id)).collect();
        let known: Vec<_> = told(&again).into_iter().filter(|(_, hash)| old.contains_key(hash)).collect();
        assert_eq!(known.len(), packets.num_rows(), "every packet of these nights is what it was{as_of}");
        let again = rows(&after, &format!(r#"{{{nights}, "shape": "alerts"{as_of}}}"#)).await;
        let lists: BTreeMap<String, Option<usize>> =
            text(&again, &["_sha256"]).into_iter().zip(counts(&again)).collect();
        for (hash, count) in text(&alerts, &["_sha256"]).iter().zip(counts(&alerts)) {
            assert_eq!(lists.get(hash), Some(&count), "{as_of}");
        }
    }
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
    let night = r#""nights": "2026-11-09""#;
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
