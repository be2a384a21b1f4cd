//! Tables under the surveys' own names, over real packets: one row of each, and that of the latest packet.

use noctuary_packet::schema::known_lsst;
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::{Archive, Meter};

use crate::make::{datum, framed};
use crate::sent::data;
use crate::support::{ask, empty, session_of, take};

/// What holds of any archive of alerts of these two surveys, and the answer if it does.
const HOLD: [(&str, &str); 20] = [
    // Each once.
    (
        "SELECT count(*) FROM (SELECT 1 FROM DiaSource WHERE _object IS NOT NULL GROUP BY _object, diaSourceId HAVING count(*) > 1)",
        "0",
    ),
    (
        "SELECT count(*) FROM (SELECT 1 FROM DiaForcedSource GROUP BY _object, diaForcedSourceId HAVING count(*) > 1)",
        "0",
    ),
    ("SELECT count(*) FROM (SELECT 1 FROM DiaObject GROUP BY diaObjectId HAVING count(*) > 1)", "0"),
    ("SELECT count(*) FROM (SELECT 1 FROM candidates GROUP BY candid HAVING count(*) > 1)", "0"),
    ("SELECT count(*) FROM (SELECT 1 FROM ztf.objects GROUP BY _object HAVING count(*) > 1)", "0"),
    (
        "SELECT count(*) FROM (SELECT 1 FROM prv_candidates WHERE candid IS NOT NULL GROUP BY _object, candid HAVING count(*) > 1)",
        "0",
    ),
    ("SELECT count(*) FROM (SELECT 1 FROM fp_hists GROUP BY _object, pid HAVING count(*) > 1)", "0"),
    // And none is missing.
    ("SELECT count(*) FROM lsst.sources s LEFT ANTI JOIN DiaSource d ON s.diaSourceId = d.diaSourceId", "0"),
    ("SELECT count(*) FROM lsst.alerts a LEFT ANTI JOIN DiaSource d ON a.diaSource.diaSourceId = d.diaSourceId", "0"),
    ("SELECT count(*) FROM lsst.objects o LEFT ANTI JOIN DiaObject d ON o.diaObjectId = d.diaObjectId", "0"),
    ("SELECT count(*) FROM ztf.alerts a LEFT ANTI JOIN candidates c ON a.candid = c.candid", "0"),
    ("SELECT count(*) FROM ztf.alerts a LEFT ANTI JOIN ztf.objects o ON a.objectId = o._object", "0"),
    // The object has the survey's name too, where rows do not say it themselves.
    ("SELECT count(*) FROM candidates c LEFT ANTI JOIN ztf.alerts a ON c.objectId = a.objectId", "0"),
    ("SELECT count(*) FROM ztf.alerts a LEFT ANTI JOIN ztf.objects o ON a.objectId = o.objectId", "0"),
    (
        "SELECT count(DISTINCT objectId) FROM (SELECT objectId FROM prv_candidates WHERE objectId = 'ZTF21abiuvdk' \
         UNION ALL SELECT objectId FROM fp_hists WHERE objectId IS NULL)",
        "1",
    ),
    (
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'ztf' AND column_name = 'objectId' \
         AND table_name IN ('candidates', 'prv_candidates', 'fp_hists', 'objects') AND description IS NOT NULL",
        "4",
    ),
    // A trigger is there in its latest revision, and as such.
    (
        "SELECT count(*) FROM DiaSource d JOIN (SELECT _alert, max(_revision) AS last FROM lsst.alerts GROUP BY 1) l \
         ON d.diaSourceId = l._alert WHERE d._origin <> 'trigger' AND d._object IS NOT NULL",
        "0",
    ),
    // An object is what its latest alert says.
    (
        "SELECT count(*) FROM ztf.objects o JOIN (SELECT objectId, max(_mjd_tai) AS last FROM ztf.alerts GROUP BY 1) l \
         ON o._object = l.objectId WHERE o._mjd_tai <> l.last",
        "0",
    ),
    (
        "SELECT count(*) FROM DiaObject o JOIN (SELECT _object, max(_mjd_tai) AS last FROM lsst.objects GROUP BY 1) l \
         ON o._object = l._object WHERE o._mjd_tai <> l.last",
        "0",
    ),
    (
        "SELECT count(*) FROM (SELECT 1 FROM mpc_orbits WHERE designation IS NOT NULL GROUP BY designation HAVING count(*) > 1)",
        "0",
    ),
];

async fn holds(archive: &Archive, state: &str) -> Vec<Vec<String>> {
    let session = session_of(archive.clone()).await;
    for (sql, answer) in HOLD {
        assert_eq!(ask(&session, sql).await, [[answer]], "{state}: {sql}");
    }
    let mut counts = Vec::new();
    for table in ["DiaSource", "DiaForcedSource", "DiaObject", "SSSource", "mpc_orbits", "candidates", "prv_candidates"]
    {
        let [count] = ask(&session, &format!("SELECT count(*) FROM {table}")).await.remove(0).try_into().unwrap();
        assert_ne!(count, "0", "{table}");
        counts.push(vec![table.to_owned(), count]);
    }
    counts
}

#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
#[tokio::test(flavor = "multi_thread")]
async fn every_source_and_object_is_there_once() {
    let archive = empty().await;
    // As many commits as folders, so that later ones repeat and revise what earlier ones told.
    for folder in ["lsst", "ztf/v3.3-ZTF21abiuvdk", "ztf/v4.02-boom", "ztf/v3.3-v4.01_kowalski", "ztf/v3.3-2020-01-01"]
    {
        take(&archive, vec![noctuary_storage::ingest::Source::Path(data(folder))]).await;
    }
    let committed = holds(&archive, "as committed").await;
    let policy = Policy { now: true, ..Policy::of(chrono::NaiveDate::MAX) };
    compact(&archive, &policy, &Meter::default()).await.unwrap();
    assert_eq!(holds(&archive, "merged").await, committed);
}

/// No packet that was sent so far has one: schemas before 8 do.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_the_solar_system_is_what_its_latest_alert_says() {
    let schema = known_lsst("7.4").unwrap();
    let packet = |id: i64, mjd: f64, body: i64, seen: i64| {
        let values = [
            ("alertId", id.into()),
            ("diaSource.diaSourceId", id.into()),
            ("diaSource.visit", id.into()),
            ("diaSource.midpointMjdTai", mjd.into()),
            ("diaSource.ra", 10.0.into()),
            ("diaSource.dec", 2.0.into()),
            ("ssObject.ssObjectId", body.into()),
            ("ssObject.numObs", seen.into()),
        ];
        framed(704, &datum(&schema, &values))
    };
    let archive = empty().await;
    for (name, packets) in [
        ("first", vec![packet(1, 61_002.0, 7, 12), packet(2, 61_000.0, 8, 3)]),
        // It came later, and was seen earlier.
        ("second", vec![packet(3, 61_001.0, 7, 11), packet(4, 61_003.0, 8, 4)]),
    ] {
        take(&archive, vec![noctuary_storage::ingest::Source::packets(name, Box::new(packets.into_iter()))]).await;
    }
    let session = session_of(archive).await;
    let bodies = ask(&session, "SELECT ssObjectId, numObs, _alert FROM lsst.SSObject ORDER BY 1").await;
    assert_eq!(bodies, [["7", "12", "1"], ["8", "4", "4"]]);
}
