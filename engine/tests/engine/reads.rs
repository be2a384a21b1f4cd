//! Only what is used is read.

use arrow::array::RecordBatch;
use futures::TryStreamExt;

use crate::beacon::{self, Beacon, Sight};
use crate::make::{Value, framed, lsst_datum, lsst_packet};
use crate::support::{ask, cost, empty, limited, one, session, take};

/// Alerts with a history of some length and the record of an object.
fn with_history(id: i64) -> Vec<u8> {
    let times = (0..20).map(|n| Value::Real(60_000.0 + f64::from(n) * 1.37 + id as f64)).collect();
    let fluxes = (0..20).map(|n| Value::Real((f64::from(n) * 77.7 + id as f64).sin())).collect();
    let ids = (0..20).map(|n| Value::Whole(id * 31_337 + n * 7)).collect();
    let changes = [
        ("prvDiaSources", Value::Items(20)),
        ("prvDiaSources[].midpointMjdTai", Value::Each(times)),
        ("prvDiaSources[].psfFlux", Value::Each(fluxes)),
        ("prvDiaSources[].diaSourceId", Value::Each(ids)),
        ("diaObject.ra", Value::Real((id as f64).cos())),
        ("diaObject.dec", Value::Real((id as f64).sin())),
    ];
    framed(1101, &lsst_datum(id, if id % 3 == 0 { &changes[..4] } else { &changes[..] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_of_lists_cost_the_fields_that_are_used() {
    let archive = empty().await;
    take(&archive, "a", (1..=300).map(with_history).collect(), 1 << 30).await;
    let session = session(&archive).await;
    let (list, _) = cost(&session, "SELECT prvDiaSources FROM lsst.alerts").await;
    let inner = "SELECT unnest(prvDiaSources) AS s, _alert FROM lsst.alerts";
    for (sql, answer) in [
        (format!("SELECT count(*) FROM ({inner}) WHERE s.psfFlux IS NOT NULL"), "6000"),
        (format!("SELECT count(*) FROM ({inner}) WHERE s.psfFlux <= 1"), "6000"),
        (format!("SELECT count(*) FROM ({inner})"), "6000"),
        (
            format!(
                "WITH h AS ({inner}) SELECT count(*) FROM h JOIN lsst.alerts a ON h._alert = a._alert WHERE h.s.psfFlux <= 1"
            ),
            "6000",
        ),
        ("SELECT sum(cardinality(prvDiaSources)) FROM lsst.alerts".to_owned(), "6000"),
        ("SELECT count(*) FROM lsst.alerts WHERE prvDiaSources[2].psfFlux < 5".to_owned(), "300"),
        ("SELECT count(*) FROM lsst.alerts WHERE prvDiaSources IS NOT NULL".to_owned(), "300"),
    ] {
        let (bytes, _) = cost(&session, &sql).await;
        assert!(bytes * 2 < list, "{sql} read {bytes} of {list}");
        assert_eq!(one(&session, &sql).await, answer, "{sql}");
    }
    let (record, _) = cost(&session, "SELECT diaObject FROM lsst.alerts").await;
    for sql in [
        "SELECT count(*) FROM lsst.alerts WHERE diaObject IS NULL",
        "SELECT count(*) FROM lsst.alerts WHERE diaObject IS NULL AND diaObject.nDiaSources IS NULL",
    ] {
        let (bytes, _) = cost(&session, sql).await;
        assert!(bytes * 3 < record, "{sql} read {bytes} of {record}");
        assert_eq!(one(&session, sql).await, "100", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_cost_what_they_hold() {
    let archive = empty().await;
    take(&archive, "a", (1..=2_000).map(lsst_packet).collect(), 1 << 30).await;
    let session = session(&archive).await;
    let (all, _) = cost(&session, "SELECT * FROM lsst.alerts").await;
    for sql in [
        "SELECT diaSource.psfFlux FROM lsst.alerts",
        "SELECT sum(diaSource.psfFlux) FROM lsst.alerts",
        "SELECT _alert FROM lsst.alerts WHERE diaSource.psfFlux > 5",
        "SELECT diaSource.psfFlux, diaObject.ra FROM lsst.alerts WHERE diaSource.snr > 5 ORDER BY diaObject.ra LIMIT 3",
        "SELECT diaSource.band, avg(diaSource.psfFlux) FROM lsst.alerts GROUP BY diaSource.band",
    ] {
        let (bytes, _) = cost(&session, sql).await;
        assert!(bytes * 10 < all, "{sql} read {bytes} of {all}");
    }
    assert_eq!(cost(&session, "SELECT count(*) FROM lsst.alerts").await.0, 0);
    assert_eq!(one(&session, "SELECT count(*) FROM lsst.alerts").await, "2000");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_come_in_portions() {
    let archive = beacon::archive().await;
    let sight = |id: i64, n: i64| Sight { time: (id * 1_000 + n) as f64, flux: Some(n as f64), level: n, haze: 1.0 };
    let of = |id: i64| Beacon { seen: Some((0..200).map(|n| sight(id, n)).collect()), ..Beacon::new(1, id) };
    take(&archive, "long", (1..=900).map(|id| of(id).packet()).collect(), 1 << 30).await;
    let session = session(&archive).await;
    let rows = session.sql("SELECT seen, beaconId FROM alerts").await.unwrap();
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 900);
    assert!(batches.iter().all(|b| b.num_rows() <= 400), "{:?}", batches.iter().map(RecordBatch::num_rows).max());
    let unnested = "SELECT beaconId, unnest(seen) AS s FROM alerts";
    for (sql, answer) in [
        ("SELECT sum(cardinality(seen)) FROM alerts".to_owned(), "180000"),
        (format!("SELECT sum(s.level) FROM ({unnested})"), "17910000"),
        (format!("SELECT count(*) FROM ({unnested}) WHERE s.time = beaconId * 1000 + s.level"), "180000"),
        ("SELECT seen[7].time FROM alerts WHERE beaconId = 612".to_owned(), "612006.0"),
    ] {
        assert_eq!(one(&session, &sql).await, answer, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_costs_what_is_used_of_it() {
    let archive = beacon::archive().await;
    let sight = |id: i64, n: i64| {
        let noise = ((id * 7_919 + n * 104_729) as f64).sin();
        Sight { time: noise * 1e4, flux: Some(noise), level: (id * 31 + n * n) % 1_009, haze: f64::from(noise as f32) }
    };
    let of = |id: i64| Beacon {
        seen: Some((0..40).map(|n| sight(id, n)).collect()),
        closed: id % 2 == 0,
        ..Beacon::new(1, id)
    };
    let colour = |id: i64| format!("{:.15}", (id as f64).sin());
    let packet = |id: i64| of(id).packet_with(&[("flash.colour", colour(id).as_str().into())]);
    take(&archive, "many", (1..=2_000).map(packet).collect(), 1 << 30).await;
    for access in ["all", "public"] {
        let session = limited(&archive, access.parse().unwrap()).await;
        let (whole, _) = cost(&session, "SELECT seen FROM alerts").await;
        let (flash, _) = cost(&session, "SELECT flash, seen FROM alerts").await;
        for (sql, most) in [
            ("SELECT unnest(seen)['flux'] FROM alerts", whole * 2 / 5),
            ("SELECT seen[2]['level'] FROM alerts", whole / 3),
            ("SELECT max(s['flux']) FROM (SELECT unnest(seen) AS s FROM alerts)", whole * 2 / 5),
            ("SELECT beaconId, array_length(seen) FROM alerts", whole / 20),
            ("SELECT count(*) FROM alerts WHERE seen IS NOT NULL", whole / 20),
            ("SELECT count(*) FROM (SELECT unnest(seen) FROM alerts)", whole / 20),
            ("SELECT sum(flash['flux']) FROM alerts WHERE array_length(seen) > 3", whole / 20),
            // Lists of other alerts are not read.
            ("SELECT seen FROM alerts WHERE beaconId = 77", whole / 10),
            ("SELECT seen FROM alerts WHERE flash['flux'] = 38.5", whole / 10),
            ("SELECT seen FROM alerts WHERE flash['flux'] = 38.5 AND seen IS NOT NULL", whole / 10),
            ("SELECT seen FROM alerts WHERE beaconId < 40 AND 1 / beaconId >= 0", whole / 3),
            // Other records are still read by their leaves.
            ("SELECT flash['flux'], seen FROM alerts", whole + (flash - whole) / 2),
            ("SELECT flash['ra'] FROM alerts WHERE array_length(seen) > 3 AND flash['dec'] < 40", (flash - whole) / 2),
            ("SELECT seen FROM alerts WHERE flash['tower'] IS NOT NULL", whole + (flash - whole) / 2),
        ] {
            let (bytes, _) = cost(&session, sql).await;
            assert!(bytes <= most, "{access}: {sql} read {bytes}, {most} at most; {whole} for all, {flash} with flash");
        }
    }
    let explained =
        ask(&session(&archive).await, "EXPLAIN SELECT flash['flux'], seen FROM alerts WHERE beaconId < 9").await;
    let plan = explained.iter().find(|row| row[0] == "physical_plan").unwrap();
    assert!(plan[1].contains("ListsExec: seen") && plan[1].contains("FilterExec"), "{}", plan[1]);
    let explained = ask(&session(&archive).await, "EXPLAIN ANALYZE SELECT array_length(seen) FROM alerts").await;
    assert!(explained[0][1].contains("ListsExec: seen (lengths)"), "{}", explained[0][1]);
}
