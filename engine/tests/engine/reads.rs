//! Only what is used is read.

use crate::make::{Value, framed, lsst_datum, lsst_packet};
use crate::support::{cost, empty, one, session, take};

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
