//! Single records of alerts, as tables of their own.

use noctuary_storage::Access;

use crate::beacon::{Beacon, archive, beacons};
use crate::make::{Value, framed, lsst_datum};
use crate::support::{ask, cost, limited, one, session, sorted, take, try_ask};

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_with_an_object_is_a_row() {
    let archive = archive().await;
    let all = beacons(80, |id| if id <= 40 { 1 } else { 2 });
    for (at, some) in all.chunks(40).enumerate() {
        take(&archive, &format!("night {at}"), some.iter().map(Beacon::packet).collect(), 1 << 20).await;
    }
    let session = session(&archive).await;
    let planned = session.plan("SELECT * FROM objects").await.unwrap();
    let names: Vec<String> = planned.schema().fields().iter().map(|f| f.name().clone()).collect();
    let keys = ["_alert", "_object", "_revision", "_night", "_mjd_tai", "_ra", "_dec", "_rights"];
    // The mast, and what only the tower of the older version has.
    assert_eq!(names, [&keys[..], &["height", "lamps", "__ra", "built", "_commit"]].concat());
    let expected = |closed: bool| -> Vec<Vec<String>> {
        let own = all.iter().filter(|b| closed || !b.closed);
        let mut rows: Vec<Vec<String>> =
            own.filter_map(|b| Some(vec![b.id.to_string(), format!("{:?}", b.height?)])).collect();
        rows.sort();
        rows
    };
    let sql = "SELECT _alert, height FROM beacon.objects";
    assert_eq!(sorted(&session, sql).await, expected(true));
    assert_eq!(sorted(&limited(&archive, Access::public()).await, sql).await, expected(false));
    for (sql, answer) in [
        ("SELECT count(*) FROM objects WHERE lamps IS NULL", "13"),
        ("SELECT count(*) FROM objects WHERE built = 0", "13"),
        ("SELECT count(*) FROM objects WHERE height > 60", "7"),
        ("SELECT count(*) FROM objects", "26"),
        ("SELECT count(*) FROM objects o JOIN alerts a ON o._alert = a.beaconId AND o.height = a.mast.height", "13"),
        ("SELECT max(HEIGHT) FROM Objects WHERE _Object = 3", "66.5"),
    ] {
        assert_eq!(one(&session, sql).await, answer, "{sql}");
    }
    let described = ask(&session, "DESCRIBE objects").await;
    let of = |column: &str| described.iter().find(|r| r[0] == column).unwrap().clone();
    assert_eq!(of("height"), ["height", "double", "m", "-", "2.0"]);
    assert_eq!(of("built"), ["built", "int", "-", "-", "1.0"]);
    assert_eq!(of("_mjd_tai")[2], "d");
    assert_eq!(described.len(), names.len());
    let error = try_ask(&session, "SELECT * FROM ztf.objects").await.unwrap_err().to_string();
    assert!(error.contains("no table ztf.objects"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_the_solar_system_stand_side_by_side() {
    let archive = archive().await;
    let moon = [("moon.phase", Value::Real(0.5)), ("moon.height", Value::Real(7.0))];
    let tide = [("tide.height", Value::Real(2.5)), ("tide.name", "spring".into())];
    let both: Vec<(&str, Value)> = moon.iter().chain(&tide).cloned().collect();
    let packets = vec![
        Beacon::new(2, 1).packet_with(&moon),
        Beacon::new(2, 2).packet_with(&tide),
        Beacon::new(2, 3).packet_with(&both),
        Beacon::new(2, 4).packet(),
        Beacon::new(1, 5).packet(),
    ];
    take(&archive, "sky", packets, 1 << 20).await;
    let session = session(&archive).await;
    assert_eq!(
        ask(&session, "SELECT _alert, phase, height, tide_height, name FROM ssobjects ORDER BY 1").await,
        [["1", "0.5", "7.0", "-", "-"], ["2", "-", "-", "2.5", "spring"], ["3", "0.5", "7.0", "2.5", "spring"]]
    );
    let described = ask(&session, "DESCRIBE beacon.ssobjects").await;
    let of = |column: &str| described.iter().find(|r| r[0] == column).unwrap().clone();
    assert_eq!(of("height"), ["height", "double", "-", "-", "2.0"]);
    assert_eq!(of("tide_height"), ["tide_height", "double", "m", "-", "2.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_cost_the_fields_that_are_used() {
    let archive = crate::support::empty().await;
    let packet = |id: i64| {
        let noise = |n: i64| Value::Real(((id * 10 + n) as f64).sin());
        let object = [
            ("ssSource.ssObjectId", id.into()),
            ("diaObject.ra", noise(1)),
            ("diaObject.dec", noise(2)),
            ("diaObject.u_psfFluxMean", noise(3)),
            ("diaObject.g_psfFluxMean", noise(4)),
            ("diaObject.r_psfFluxMean", noise(5)),
            ("diaObject.i_psfFluxMean", noise(6)),
        ];
        framed(1101, &lsst_datum(id, if id % 2 == 0 { &object } else { &object[..1] }))
    };
    take(&archive, "a", (1..=2_000).map(packet).collect(), 1 << 30).await;
    let session = session(&archive).await;
    let (all, _) = cost(&session, "SELECT * FROM objects").await;
    for (sql, answer) in [
        ("SELECT count(ra) FROM objects", "1000"),
        ("SELECT count(*) FROM objects WHERE ra > 2", "0"),
        ("SELECT count(*) FROM objects", "1000"),
        ("SELECT count(*) FROM objects WHERE _alert < 11 AND ra IS NOT NULL", "5"),
    ] {
        let (bytes, _) = cost(&session, sql).await;
        assert!(bytes * 2 < all, "{sql} read {bytes} of {all}");
        assert_eq!(one(&session, sql).await, answer, "{sql}");
    }
    // Two records have a field of this name: that of the second has the record's name before it.
    assert_eq!(one(&session, "SELECT count(ssObjectId) FROM ssobjects").await, "2000");
    let described = ask(&session, "DESCRIBE ssobjects").await;
    let names: Vec<&String> = described.iter().map(|r| &r[0]).collect();
    assert!(names.iter().any(|n| n.starts_with("mpc_orbits_")), "{names:?}");
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}
