//! What is asked for, who may see it, and what is not there.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use chrono::Utc;
use futures::TryStreamExt;
use noctuary_engine::ErrorKind;
use noctuary_queries::replay::{Position, Request};
use noctuary_simulator::{Plan as Sky, Simulation, Survey};
use noctuary_storage::Access;
use noctuary_storage::purge::{CutoutsOrder, Order, purge};

use super::{PLACE, archive_of, part, plan, replays, rows, sky, take, text};
use crate::support::empty;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_what_sql_finds() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let replays = replays(&archive, Access::Everything);
    let session = replays.engine().session(Default::default()).await.unwrap();
    let all = rows(&replays, r#"{"shape": "sources"}"#).await;
    let middle = |name: &str| all.column_by_name(name).unwrap().as_primitive::<Float64Type>().value(20);
    let (ra, dec, time) = (middle("_ra"), middle("_dec"), middle("_mjd_tai"));
    let objects = all.column_by_name("_object").unwrap().as_primitive::<Int64Type>();
    let object = objects.iter().flatten().next().unwrap();
    let visits = all.column_by_name("_visit").unwrap().as_primitive::<Int64Type>();
    let (first, last) = (visits.value(30), visits.value(all.num_rows() - 30));
    for (request, sql) in [
        (r#"{"nights": "20261109"}"#.to_owned(), "_night = DATE '2026-11-09'".to_owned()),
        (format!(r#"{{"from": {time:?}}}"#), format!("_mjd_tai >= {time:?}")),
        (
            format!(r#"{{"from": {time:?}, "to": {:?}}}"#, time + 0.5),
            format!("_mjd_tai BETWEEN {time:?} AND {:?}", time + 0.5),
        ),
        (format!(r#"{{"from_visit": {first}, "to_visit": {last}}}"#), format!("_visit BETWEEN {first} AND {last}")),
        (r#"{"where": "diaSource.snr > 8 -- bright"}"#.to_owned(), "diaSource.snr > 8".to_owned()),
        (
            r#"{"where": {"lsst": "cardinality(prvDiaSources) > 1 OR ssSource IS NOT NULL"}}"#.to_owned(),
            "cardinality(prvDiaSources) > 1 OR ssSource IS NOT NULL".to_owned(),
        ),
        (format!(r#"{{"objects": [{object}, "no number"]}}"#), format!("diaSource.diaObjectId = {object}")),
        (
            format!(r#"{{"region": {{"circle": {{"ra": {ra:?}, "dec": {dec:?}, "radius": 0.5}}}}}}"#),
            format!("cone(_ra, _dec, {ra:?}, {dec:?}, 0.5)"),
        ),
        (
            format!(
                r#"{{"region": {{"box": {{"ra": [{:?}, {:?}], "dec": [{:?}, {:?}]}}}}}}"#,
                ra - 0.3,
                ra + 0.3,
                dec - 0.4,
                dec + 0.4
            ),
            format!(
                "_ra BETWEEN {:?} AND {:?} AND _dec BETWEEN {:?} AND {:?}",
                ra - 0.3,
                ra + 0.3,
                dec - 0.4,
                dec + 0.4
            ),
        ),
        (
            format!(
                r#"{{"region": {{"polygon": [[{:?}, {:?}], [{:?}, {:?}], [{:?}, {:?}]]}}}}"#,
                ra - 1.0,
                dec - 0.5,
                ra + 1.0,
                dec - 0.5,
                ra,
                dec + 0.7
            ),
            format!(
                "in_polygon(_ra, _dec, {:?}, {:?}, {:?}, {:?}, {:?}, {:?})",
                ra - 1.0,
                dec - 0.5,
                ra + 1.0,
                dec - 0.5,
                ra,
                dec + 0.7
            ),
        ),
    ] {
        let sql = format!("SELECT {} FROM lsst.alerts WHERE {sql}", PLACE.join(", "));
        let answer = session.plan(&sql).await.unwrap();
        let schema = answer.schema();
        let batches: Vec<RecordBatch> = answer.execute().await.unwrap().try_collect().await.unwrap();
        let mut wanted = text(&concat_batches(&schema, &batches).unwrap(), &PLACE);
        wanted.sort();
        assert!(!wanted.is_empty(), "{request} finds nothing");
        for shape in ["packets", "alerts", "sources"] {
            let request = format!(r#"{{"shape": "{shape}", {}"#, &request[1..]);
            let mut found = text(&rows(&replays, &request).await, &PLACE);
            found.sort();
            assert_eq!(found, wanted, "{request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_hold_in_every_shape_and_ticket() {
    let archive = empty().await;
    for (seed, restricted_share) in [(11, 0.0), (12, 1.0)] {
        let sky = Sky { seed, restricted_share, nights: 1, ..sky(Survey::Ztf) };
        let packets: Vec<_> = Simulation::new(sky).unwrap().packets().collect();
        take(&archive, &format!("seed {seed}"), &packets, 1 << 20).await;
    }
    let (operator, public) = (replays(&archive, Access::Everything), replays(&archive, Access::public()));
    let all = rows(&operator, "{}").await;
    let labels = text(&all, &["_rights"]);
    let allowed: Vec<String> = text(&all, &PLACE)
        .into_iter()
        .zip(&labels)
        .filter(|(_, label)| *label == "public")
        .map(|(place, _)| place)
        .collect();
    assert!(!allowed.is_empty() && allowed.len() < all.num_rows());
    for shape in ["packets", "alerts", "sources", "slim"] {
        let fields = if shape == "slim" { r#", "fields": ["candid"]"# } else { "" };
        let request = format!(r#"{{"shape": "{shape}"{fields}}}"#);
        assert_eq!(text(&rows(&public, &request).await, &PLACE), allowed, "{shape}");
        // A ticket of somebody who may see more shows no more.
        let mut seen = Vec::new();
        for own in plan(&operator, &request).await.parts().unwrap() {
            seen.extend(part(&public, &own, &Position::default()).await.iter().flat_map(|p| text(&p.batch, &PLACE)));
        }
        assert_eq!(seen, allowed, "{shape}: ticket");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_were_purged_are_said_to_be_and_the_rest_goes_on() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let before = replays(&archive, Access::Everything);
    let whole = rows(&before, "{}").await;
    let old = plan(&before, "{}").await;
    let order = Order::Cutouts(CutoutsOrder { survey: "lsst".into(), before: "2026-11-10".parse().unwrap() });
    purge(&archive, &order, "no room", Utc::now(), false).await.unwrap();
    let after = replays(&archive, Access::Everything);
    for (what, replays) in [("another server", &after), ("the same server", &before)] {
        let mut lost = 0;
        for own in old.parts().unwrap() {
            for piece in part(replays, &own, &Position::default()).await {
                let packets = piece.batch.column_by_name("packet").unwrap().as_binary::<i64>().clone();
                for (row, why) in text(&piece.batch, &["lost"]).into_iter().enumerate() {
                    assert_eq!(packets.is_null(row), why.contains("purged by version"), "{what}: {why}");
                    lost += usize::from(packets.is_null(row));
                }
            }
        }
        assert!(lost > 20 && lost < whole.num_rows(), "{what}: {lost}");
    }
    let slim = rows(&after, r#"{"shape": "slim", "fields": ["diaSourceId", "diaSource"]}"#).await;
    assert_eq!(
        (slim.num_rows(), slim.column_by_name("lost").unwrap().null_count()),
        (whole.num_rows(), whole.num_rows())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let replays = replays(&archive, Access::Everything);
    let refused = async |request: &str| replays.plan(&Request::parse(request).unwrap(), 0).await.unwrap_err();
    for (request, kind, told) in [
        (r#"{"nights": "2026-11-30"}"#, ErrorKind::NotFound, "2026-11-10"),
        (r#"{"nights": ["2026-11-09", "2026-11-01"]}"#, ErrorKind::NotFound, "2026-11-09"),
        (r#"{"nights": "2027-01-01..2027-02-01"}"#, ErrorKind::NotFound, "from 2027-01-01 to 2027-02-01"),
        (r#"{"survey": "ztf"}"#, ErrorKind::NotFound, "ztf"),
        (r#"{"survey": "lost"}"#, ErrorKind::Invalid, "lsst"),
        (r#"{"where": "diaSource.psfFlx > 1"}"#, ErrorKind::Invalid, "psfFlux"),
        (r#"{"where": "diaSource.snr >"}"#, ErrorKind::Invalid, "diaSource.snr >"),
        (r#"{"where": "1 = 1) OR (1 = 1"}"#, ErrorKind::Invalid, "one condition"),
        (r#"{"where": {"ztv": "1 = 1"}}"#, ErrorKind::Invalid, "ztv"),
        (r#"{"region": {"circle": {"ra": 1, "dec": 2, "radius": -1}}}"#, ErrorKind::Invalid, "radius"),
        (r#"{"region": {"moc": "no map"}}"#, ErrorKind::Invalid, "MOC"),
        (r#"{"as_of": 99}"#, ErrorKind::NotFound, "99"),
        (r#"{"as_of": "yesteryear"}"#, ErrorKind::NotFound, "yesteryear"),
        (r#"{"shape": "sources", "fields": ["flux"]}"#, ErrorKind::Invalid, "flux"),
    ] {
        let error = refused(request).await;
        assert!(error.kind() == kind && error.to_string().contains(told), "{request}: {:?} {error}", error.kind());
    }
    // Outside of what was looked at there is nothing, which is no fault.
    let away = r#"{"nights": "2026-11-09", "region": {"circle": {"ra": 200, "dec": 80, "radius": 1}}}"#;
    let nothing = plan(&replays, away).await;
    assert_eq!((nothing.packets(), nothing.parts().unwrap().len()), (0, 0));
    let note = nothing.note.unwrap();
    assert!(note.contains("in the region") && note.contains("alerts"), "{note}");
    let none = empty().await;
    let error = self::replays(&none, Access::Everything).plan(&Request::default(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
