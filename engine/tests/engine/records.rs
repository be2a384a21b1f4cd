//! Records that stand apart, as tables of their own.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use noctuary_engine::{ErrorKind, SessionOptions};
use noctuary_storage::{Access, Archive};

use crate::beacon::{Beacon, Gauge, Sight, archive, beacons};
use crate::make::lsst_packet;
use crate::support::{ask, cost, limited, one, session, session_of, sorted, take, try_ask};

/// Two commits of each version.
async fn coast() -> (Archive, Vec<Vec<Beacon>>) {
    let archive = archive().await;
    let all = beacons(160, |id| if id <= 80 { 1 } else { 2 });
    let commits: Vec<Vec<Beacon>> = all.chunks(40).map(<[_]>::to_vec).collect();
    for (at, some) in commits.iter().enumerate() {
        take(&archive, &format!("night {at}"), some.iter().map(Beacon::packet).collect(), 1 << 20).await;
    }
    (archive, commits)
}

fn shown(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:?}") }
}

/// Every distinct record of each object.
fn distinct<R: PartialEq + Clone>(
    commits: &[Vec<Beacon>],
    of: impl Fn(&Beacon) -> Vec<R>,
    key: impl Fn(&R) -> String,
) -> Vec<(R, u32)> {
    let mut all = Vec::new();
    let mut known = BTreeSet::new();
    for beacon in commits.iter().flatten() {
        // Without an object, a place is one.
        let object = beacon.tower.map_or_else(|| Err((beacon.id * 7 % 360, beacon.id % 90)), Ok);
        let is_new = |record: &R| known.insert((object, beacon.version, key(record)));
        all.extend(of(beacon).into_iter().filter(is_new).map(|record| (record, beacon.version)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_an_object_is_a_row() {
    let (archive, commits) = coast().await;
    let session = session(&archive).await;
    let mut expected: Vec<Vec<String>> = commits
        .iter()
        .flatten()
        .map(|b| ["trigger".to_owned(), shown(b.time()), shown(b.id as f64 * 0.5), "-".into(), "-".into()].to_vec())
        .collect();
    for row in &mut expected {
        let alert = commits.iter().flatten().find(|b| shown(b.time()) == row[1]).unwrap();
        // The text of a trigger of version 2 was left empty.
        row[3] = if alert.version == 2 { String::new() } else { "-".into() };
    }
    let sights = distinct(&commits, |b| b.seen.clone().unwrap_or_default(), |s: &Sight| format!("{s:?}"));
    expected.extend(sights.iter().map(|(s, version)| {
        let level =
            if *version == 2 { (format!("L{}", s.level), "-".into()) } else { ("-".into(), s.level.to_string()) };
        vec!["history".to_owned(), shown(s.time), s.flux.map_or_else(|| "-".into(), shown), level.0, level.1]
    }));
    expected.sort();
    assert_eq!(sorted(&session, "SELECT _origin, time, flux, level, level_int FROM beacon.sources").await, expected);

    let gauges = distinct(&commits, |b| b.gauged.clone().unwrap_or_default(), |g: &Gauge| format!("{g:?}"));
    let mut expected: Vec<Vec<String>> = gauges
        .iter()
        .map(|(g, _)| vec!["forced".to_owned(), shown(g.time), shown(g.value), g.raw.to_string()])
        .collect();
    expected.sort();
    assert_eq!(sorted(&session, "SELECT _origin, time, value, __raw FROM forced").await, expected);

    // Not a number is null, in leaves and in records.
    let nan = sights.iter().filter(|(s, _)| s.flux.is_none_or(f64::is_nan)).count();
    let null = "SELECT count(*) FROM sources WHERE _origin = 'history' AND flux IS NULL";
    assert_eq!(one(&session, null).await, nan.to_string());
    assert_eq!(one(&session, "SELECT count(*) FROM sources WHERE flux > 1e30 OR NOT flux < 1e30").await, "0");
    assert_eq!(one(&session, "SELECT count(*) FROM sources WHERE sky.haze <> sky.haze").await, "0");
    let hazy = sights.iter().filter(|(s, version)| *version == 1 && !s.haze.is_nan()).count();
    assert_eq!(one(&session, "SELECT count(sky.haze) FROM sources").await, hazy.to_string());
    let sky = ask(&session, "SELECT DISTINCT sky FROM sources WHERE sky.wind = 4").await;
    assert_eq!(sky, [["{haze: -, wind: 4}"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_those_of_all_versions_and_of_triggers() {
    let (archive, _) = coast().await;
    let session = session(&archive).await;
    let columns = async |table: &str| {
        let planned = session.plan(&format!("SELECT * FROM {table}")).await.unwrap();
        let fields = planned.schema().fields().clone();
        fields.iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    let sources = columns("beacon.sources").await;
    let names: Vec<&str> = sources.iter().map(|(name, _)| name.as_str()).collect();
    // The newest schema's own first; what only the older history has, then what only its trigger has.
    let keys = ["_object", "_origin", "_rights"];
    let own = ["flux", "time", "ra", "dec", "tower", "level", "level_int", "sky", "colour", "_commit"];
    assert_eq!(names, [&keys[..], &own[..]].concat());
    let of = |name: &str| sources.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!((of("_object"), of("flux")), (DataType::Int64, DataType::Float64));
    assert_eq!((of("level"), of("level_int")), (DataType::Utf8, DataType::Int32));
    let forced = columns("beacon.forced").await;
    let names: Vec<&str> = forced.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["_object", "_origin", "_rights", "__raw", "value", "time", "_commit"]);

    let described = ask(&session, "DESCRIBE beacon.sources").await;
    let of = |column: &str| described.iter().find(|r| r[0] == column).unwrap_or_else(|| panic!("{column}")).clone();
    assert_eq!(of("flux"), ["flux", "double", "kcd", "how bright", "2.0, 1.0"]);
    assert_eq!(of("time"), ["time", "double", "-", "when it was seen", "2.0, 1.0"]);
    assert_eq!(of("colour"), ["colour", "string", "-", "-", "1.0"]);
    assert_eq!(of("sky.haze")[1..], ["float", "-", "-", "1.0"]);
    for table in ["sources", "forced"] {
        let rows = ask(&session, &format!("DESCRIBE {table}")).await;
        assert!(rows.iter().all(|r| !r[0].starts_with('_') || r[0] == "__raw" || r[3] != "-"), "{table}: {rows:?}");
        let listed = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = 'beacon' ORDER BY ordinal_position"
        );
        let listed: Vec<String> = ask(&session, &listed).await.into_iter().map(|r| r[0].clone()).collect();
        let own: Vec<String> = columns(&format!("beacon.{table}")).await.into_iter().map(|c| c.0).collect();
        assert_eq!(listed, own);
    }
    // A survey of which nothing is stored has its tables.
    for table in ["lsst.sources", "lsst.forced", "ztf.sources", "ztf.forced"] {
        assert_eq!(one(&session, &format!("SELECT count(_object) FROM {table}")).await, "0", "{table}");
    }
    assert_eq!(one(&session, "SELECT count(psfFlux) FROM lsst.sources").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_seen_by_those_who_see_an_alert_that_has_them() {
    let (archive, commits) = coast().await;
    let public = limited(&archive, Access::public()).await;
    let everything = session(&archive).await;
    let open: Vec<Vec<Beacon>> = commits.iter().map(|c| c.iter().filter(|b| !b.closed).cloned().collect()).collect();
    let sights = distinct(&open, |b| b.seen.clone().unwrap_or_default(), |s: &Sight| format!("{s:?}"));
    let triggers = open.iter().flatten().count();
    for (sql, all) in [("SELECT count(*) FROM sources", false), ("SELECT count(time) FROM sources", true)] {
        assert_eq!(one(&public, sql).await, (sights.len() + triggers).to_string(), "{all}");
    }
    assert_eq!(ask(&public, "SELECT DISTINCT _rights FROM sources").await, [["public"]]);
    assert_eq!(ask(&public, "SELECT DISTINCT _rights FROM forced").await, [["public"]]);
    let hidden = "SELECT count(*) FROM sources WHERE _origin = 'trigger'";
    assert_eq!(one(&public, hidden).await, triggers.to_string());
    assert_eq!(one(&everything, hidden).await, "160");
    assert!(one(&everything, "SELECT count(*) FROM sources WHERE _rights = 'private'").await != "0");
    // Beacon 8 is closed, and so is its trigger: to divide by zero there would tell that it exists.
    let divided = "SELECT _origin, 1 / CAST((time - 60002) * 4 AS BIGINT) AS x FROM sources";
    for sql in [divided.to_owned(), format!("SELECT count(*) FROM ({divided}) WHERE x < 9")] {
        assert!(try_ask(&everything, &sql).await.is_err(), "{sql}");
        try_ask(&public, &sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    let nobody = limited(&archive, "nothing".parse().unwrap()).await;
    assert_eq!(one(&nobody, "SELECT count(*) FROM beacon.sources").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_records_choose_files() {
    let archive = archive().await;
    for tower in 1..=6_i64 {
        let of = |n: i64| {
            let seen = (0..n).map(|n| Sight { time: n as f64, flux: None, level: n, haze: 0.0 }).collect();
            Beacon { seen: Some(seen), tower: (tower != 4).then_some(tower), ..Beacon::new(2, tower * 10 + n) }
        };
        take(&archive, &format!("tower {tower}"), (1..=5).map(|n| of(n).packet()).collect(), 1 << 20).await;
    }
    let session = session(&archive).await;
    let full = session_of(&archive, SessionOptions::default(), false).await;
    for (condition, most) in [
        // One file knows of no object, and is looked into.
        ("_object = 3", 2),
        ("_object IN (1, 6)", 3),
        ("_object > 4", 3),
        ("_object IS NULL", 1),
        ("_commit = 5", 1),
        ("_commit > 1000", 0),
        ("tower = 3", 6),
        ("NOT (_object > 2)", 3),
    ] {
        let sql = format!("SELECT _object, time, level FROM sources WHERE {condition}");
        let (_, files) = cost(&session, &sql).await;
        assert!(files <= most, "{condition} opens {files} files");
        assert_eq!(sorted(&session, &sql).await, sorted(&full, &sql).await, "{condition}");
    }
    assert_eq!(one(&session, "SELECT count(*) FROM sources WHERE _object = 3").await, "10");
    let (all, _) = cost(&session, "SELECT * FROM sources").await;
    let (leaf, _) = cost(&session, "SELECT sum(flux) FROM sources").await;
    assert!(leaf * 3 < all, "{leaf} of {all}");
    assert_eq!(cost(&session, "SELECT count(*) FROM sources").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_records_are_named_as_alerts_are() {
    let (archive, _) = coast().await;
    let session = session(&archive).await;
    for sql in [
        "SELECT count(*) FROM sources WHERE flux > 1",
        "SELECT COUNT(*) FROM SOURCES WHERE FLUX > 1",
        "SELECT count(*) FROM Beacon.Sources s WHERE S.Flux > 1",
        "SELECT count(*) FROM archive.sources WHERE sources.flux > 1",
        "WITH s AS (SELECT flux FROM sources) SELECT count(*) FROM s WHERE flux > 1",
    ] {
        assert_eq!(one(&session, sql).await, one(&session, "SELECT count(*) FROM beacon.sources WHERE flux > 1").await);
    }
    let joined = "SELECT count(*) FROM ledger l JOIN forced f ON l.stored > f.__RAW";
    assert_eq!(ask(&session, joined).await.len(), 1);
    for (sql, hint) in [
        ("SELECT * FROM beacon.source", "beacon.sources"),
        ("SELECT brightness FROM sources", "no column brightness"),
        ("SELECT fluxx FROM sources", "did you mean flux?"),
        ("SELECT flash.flux FROM sources", "write flux alone"),
        ("SELECT haze FROM sources", "did you mean sky.haze?"),
        ("SELECT flux FROM alerts", "flash.flux"),
        ("SELECT lamp FROM objects", "did you mean lamps?"),
    ] {
        let error = try_ask(&session, sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}");
        assert!(error.to_string().contains(hint), "{sql}: {error}");
    }
    take(&archive, "lsst", vec![lsst_packet(1)], 1 << 20).await;
    let both = crate::support::session(&archive).await;
    for table in ["sources", "forced", "objects", "ssobjects"] {
        let error = try_ask(&both, &format!("SELECT * FROM {table}")).await.unwrap_err().to_string();
        let both = ["beacon", "lsst"].map(|survey| format!("{survey}.{table}"));
        assert!(both.iter().all(|name| error.contains(name)), "{error}");
    }
    assert_eq!(one(&both, "SELECT count(*) FROM lsst.sources WHERE _origin = 'trigger'").await, "1");
    let empty = crate::support::session(&archive_of_nothing().await).await;
    let error = try_ask(&empty, "SELECT * FROM sources").await.unwrap_err().to_string();
    assert!(error.contains("no survey has alerts yet") && error.contains("lsst.sources"), "{error}");
}

async fn archive_of_nothing() -> Archive {
    crate::support::empty().await
}
