//! Functions that give tables, and tables of one's own, over a sky of which the answers are known.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use datafusion::catalog::{MemTable, TableProvider};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, ErrorKind, Session, SessionOptions};
use noctuary_packet::schema::Schema;
use noctuary_storage::Archive;
use noctuary_storage::ingest::Source;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::make::{Value, container, datum, framed, lsst_datum};
use crate::support::{ask, empty, session_of, take};

const ARCSECOND: f64 = 1.0 / 3600.0;

type Values = Vec<(&'static str, Value)>;

fn alert(id: i64, object: i64, (ra, dec): (f64, f64), time: f64, flux: f64, more: Values) -> Vec<u8> {
    let mut values: Values = vec![
        ("diaSource.diaObjectId", object.into()),
        ("diaSource.ra", ra.into()),
        ("diaSource.dec", dec.into()),
        ("diaSource.midpointMjdTai", time.into()),
        ("diaSource.band", "r".into()),
        ("diaSource.psfFlux", flux.into()),
        ("diaSource.psfFluxErr", 10.0.into()),
    ];
    values.extend(more);
    framed(1101, &lsst_datum(id, &values))
}

/// An object with a history that repeats a trigger, and with forced photometry; another one arcsecond away; one across
/// the first meridian; one at the pole.
pub async fn sky() -> Archive {
    let list = |n: usize, of: &dyn Fn(usize) -> Value| Value::Each((0..n).map(of).collect());
    let more: Values = vec![
        ("prvDiaSources", Value::Items(2)),
        ("prvDiaSources[].diaSourceId", list(2, &|n| [10_i64, 9][n].into())),
        ("prvDiaSources[].diaObjectId", list(2, &|_| 1.into())),
        ("prvDiaSources[].ra", list(2, &|_| 150.0.into())),
        ("prvDiaSources[].dec", list(2, &|_| 2.0.into())),
        ("prvDiaSources[].midpointMjdTai", list(2, &|n| [61_001.0, 61_000.0][n].into())),
        ("prvDiaSources[].band", list(2, &|_| "r".into())),
        ("prvDiaSources[].psfFlux", list(2, &|n| [101.0, 50.0][n].into())),
        ("prvDiaSources[].psfFluxErr", list(2, &|_| 10.0.into())),
        ("prvDiaForcedSources", Value::Items(1)),
        ("prvDiaForcedSources[].diaForcedSourceId", list(1, &|_| 900.into())),
        ("prvDiaForcedSources[].diaObjectId", list(1, &|_| 1.into())),
        ("prvDiaForcedSources[].midpointMjdTai", list(1, &|_| 60_999.0.into())),
        ("prvDiaForcedSources[].band", list(1, &|_| "r".into())),
        ("prvDiaForcedSources[].psfFlux", list(1, &|_| (-3.0).into())),
        ("prvDiaForcedSources[].psfFluxErr", list(1, &|_| 10.0.into())),
    ];
    let archive = empty().await;
    let first = vec![
        alert(10, 1, (150.0, 2.0), 61_001.0, 100.0, vec![]),
        alert(20, 2, (150.0, 2.0 + ARCSECOND), 61_001.0, 500.0, vec![]),
        alert(30, 3, (359.9999, 0.0), 61_001.0, 600.0, vec![]),
    ];
    let second = vec![
        alert(11, 1, (150.0, 2.0 + 0.1 * ARCSECOND), 61_002.0, 200.0, more),
        alert(40, 4, (77.0, 90.0), 61_002.0, 700.0, vec![]),
    ];
    for (name, packets) in [("first", first), ("second", second)] {
        take(&archive, vec![Source::packets(name, Box::new(packets.into_iter()))]).await;
    }
    archive
}

const OTHER: &str = r#"{"type": "record", "name": "ztf.alert", "fields": [
    {"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
        {"name": "candid", "type": "long"}, {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"},
        {"name": "fid", "type": "int"}, {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"},
        {"name": "magpsf", "type": "float"}, {"name": "sigmapsf", "type": "float"},
        {"name": "diffmaglim", "type": "float"}]}},
    {"name": "prv_candidates", "type": ["null", {"type": "array", "items": {"type": "record", "name": "prv",
        "fields": [{"name": "candid", "type": ["null", "long"]}, {"name": "jd", "type": "double"},
        {"name": "programid", "type": "int"}, {"name": "fid", "type": "int"},
        {"name": "ra", "type": ["null", "double"]}, {"name": "dec", "type": ["null", "double"]},
        {"name": "magpsf", "type": ["null", "float"]}, {"name": "sigmapsf", "type": ["null", "float"]},
        {"name": "diffmaglim", "type": ["null", "float"]}]}}]},
    {"name": "fp_hists", "type": ["null", {"type": "array", "items": {"type": "record", "name": "fp",
        "fields": [{"name": "jd", "type": "double"}, {"name": "programid", "type": "int"},
        {"name": "fid", "type": "int"}, {"name": "forcediffimflux", "type": "float"},
        {"name": "forcediffimfluxunc", "type": "float"}, {"name": "magzpsci", "type": "float"},
        {"name": "diffmaglim", "type": "float"}]}}]}]}"#;

/// A survey whose ids are texts, and which has upper limits, beside the first. Its object "b" is hidden from the public.
pub async fn with_others(archive: &Archive) {
    let schema = Schema::parse(OTHER).unwrap();
    let packet = |(id, object, program, lists): (i64, &str, i64, bool)| {
        let none = || Value::Null;
        let each = |values: Vec<Value>| Value::Each(values);
        let mut values: Values = vec![
            ("objectId", object.into()),
            ("candid", id.into()),
            ("candidate.candid", id.into()),
            ("candidate.programid", program.into()),
            ("candidate.jd", 2_460_000.5.into()),
            ("candidate.fid", 1.into()),
            ("candidate.ra", 150.0.into()),
            ("candidate.dec", (2.0 + 0.5 * ARCSECOND).into()),
            ("candidate.magpsf", 18.0.into()),
            ("candidate.sigmapsf", 0.125.into()),
            ("candidate.diffmaglim", 20.5.into()),
        ];
        if lists {
            values.extend([
                ("prv_candidates", Value::Items(2)),
                ("prv_candidates[].candid", each(vec![none(), 7.into()])),
                ("prv_candidates[].jd", each(vec![2_459_990.5.into(), 2_459_995.5.into()])),
                ("prv_candidates[].programid", each(vec![program.into(), program.into()])),
                ("prv_candidates[].fid", each(vec![2.into(), 2.into()])),
                ("prv_candidates[].ra", each(vec![none(), 150.0.into()])),
                ("prv_candidates[].dec", each(vec![none(), 2.0.into()])),
                ("prv_candidates[].magpsf", each(vec![none(), 19.0.into()])),
                ("prv_candidates[].sigmapsf", each(vec![none(), 0.25.into()])),
                ("prv_candidates[].diffmaglim", each(vec![19.5.into(), 20.0.into()])),
                ("fp_hists", Value::Items(2)),
                ("fp_hists[].jd", each(vec![2_459_980.5.into(), 2_459_985.5.into()])),
                ("fp_hists[].programid", each(vec![program.into(), program.into()])),
                ("fp_hists[].fid", each(vec![1.into(), 1.into()])),
                ("fp_hists[].forcediffimflux", each(vec![100.0.into(), (-99_999.0).into()])),
                ("fp_hists[].forcediffimfluxunc", each(vec![10.0.into(), (-99_999.0).into()])),
                ("fp_hists[].magzpsci", each(vec![25.0.into(), 25.0.into()])),
                ("fp_hists[].diffmaglim", each(vec![21.0.into(), 21.0.into()])),
            ]);
        }
        container(OTHER, "null", &[(1, datum(&schema, &values))])
    };
    let packets: Vec<Vec<u8>> = [(5, "a", 1, true), (6, "b", 2, true)].map(packet).to_vec();
    take(archive, vec![Source::packets("others", Box::new(packets.into_iter()))]).await;
}

/// Cells with three decimals, if they are numbers that have any, and rows in order.
pub fn tidy(rows: Vec<Vec<String>>) -> Vec<String> {
    let cell = |cell: &String| {
        let number = if cell.contains(['.', 'e']) { cell.parse::<f64>().ok() } else { None };
        number.map_or_else(|| cell.clone(), |number| ((number * 1e3).round() / 1e3).to_string())
    };
    let mut rows: Vec<String> = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
    rows.sort();
    rows
}

pub async fn refused(session: &Session, sql: &str) -> String {
    let failed = match session.plan(sql).await {
        Err(failed) => failed,
        Ok(planned) => match planned.execute().await {
            Err(failed) => failed,
            Ok(rows) => rows.try_collect::<Vec<_>>().await.map_err(noctuary_engine::EngineError::from).unwrap_err(),
        },
    };
    assert_eq!(failed.kind(), ErrorKind::Invalid, "{sql}: {failed}");
    failed.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_curve_has_every_point_once() {
    let archive = sky().await;
    let session = session_of(archive.clone()).await;
    let points = "SELECT object, kind, mjd_tai, band, value, error, upper_limit, id, origin FROM ";
    let of = async |call: &str| tidy(ask(&session, &format!("{points}{call}")).await);
    let one = [
        "1 detection 61000 r 50 10 - 9 history",
        "1 detection 61001 r 100 10 - 10 trigger",
        "1 detection 61002 r 200 10 - 11 trigger",
        "1 forced 60999 r -3 10 - - history",
    ];
    for call in [
        "lightcurve(1)",
        "LightCurve('1')",
        "lightcurve(lsst, 1)",
        "lightcurve(survey => 'LSST', 1)",
        "lightcurve([1])",
    ] {
        let found = of(call).await;
        assert_eq!(
            found.iter().map(|row| row.rsplit_once(' ').unwrap().0).collect::<Vec<_>>(),
            one.map(|row| row.rsplit_once(' ').unwrap().0),
            "{call}"
        );
    }
    assert_eq!(
        of("lightcurve(4, 2, 999)").await,
        ["2 detection 61001 r 500 10 - 20 trigger", "4 detection 61002 r 700 10 - 40 trigger"]
    );
    assert!(of("lightcurve(999)").await.is_empty());
    // Names are found in any case, and the function is a table like others.
    let joined = "SELECT A.OBJECT, max(A.Value) FROM lightcurve(1, 2) a JOIN lightcurve(1) b ON a.Id = b.ID GROUP BY 1";
    assert_eq!(tidy(ask(&session, joined).await), ["1 200"]);
    assert!(ask(&session, "SELECT * FROM lightcurve(1) WHERE kind = 'limit'").await.is_empty());
    // The condition reaches the files, as one that is written does.
    let plan = ask(&session, "EXPLAIN SELECT * FROM lightcurve(1)").await.concat().concat();
    assert!(plan.contains("_object"), "{plan}");

    for (call, wanted) in [
        ("lightcurve()", "no object is named"),
        ("lightcurve('SN')", "whole numbers"),
        ("lightcurve(1.5)", "no id"),
        ("lightcurve(nowhere, 1)", "there is no survey nowhere, but lsst, ztf"),
        ("lightcurve(object => 1)", "no argument object"),
        ("lightcurve(1 + 1)", "not understood"),
        ("lightcurve($1)", "$1"),
        ("lightcurv(1)", "did you mean lightcurve?"),
        ("LATERAL lightcurve(1)", "LATERAL"),
    ] {
        let error = refused(&session, &format!("SELECT * FROM {call}")).await;
        assert!(error.contains(wanted), "{call}: {error}");
    }

    with_others(&archive).await;
    let session = session_of(archive.clone()).await;
    let error = refused(&session, "SELECT * FROM lightcurve(1)").await;
    assert!(error.contains("alerts of lsst and ztf") && error.contains("write lightcurve("), "{error}");
    let error = refused(&session, "SELECT * FROM lightcurve(ztf, 1)").await;
    assert!(error.contains("write '1'"), "{error}");
    let found = tidy(
        ask(&session, "SELECT object, kind, mjd_tai, band, value, error, upper_limit, id FROM lightcurve('ztf', 'a')")
            .await,
    );
    let wanted = [
        "a detection 59995 2 19 0.25 20 7",
        "a detection 60000 1 18 0.125 20.5 5",
        "a forced 59980 1 20 0.109 21 -",
        "a forced 59985 1 - - 21 -",
        "a limit 59990 2 - - 19.5 -",
    ];
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_versions_hold_for_functions_too() {
    let archive = sky().await;
    with_others(&archive).await;
    let engine = engine(&archive, 64 << 20);
    let as_of = |as_of, access: &str| SessionOptions { as_of, access: access.parse().unwrap() };
    let public = engine.session(as_of(None, "public")).await.unwrap();
    let all = engine.session(as_of(None, "all")).await.unwrap();
    for (sql, hidden) in [
        ("SELECT count(*) FROM lightcurve(ztf, 'a', 'b')", ("5", "10")),
        ("SELECT count(*) FROM cone_search(ztf.alerts, 150, 2, 1)", ("1", "2")),
        ("SELECT count(*) FROM crossmatch(lsst.alerts, ztf.alerts, 0.001, 'all')", ("3", "6")),
    ] {
        let count = async |session: &Session| ask(session, sql).await[0][0].clone();
        assert_eq!((count(&public).await.as_str(), count(&all).await.as_str()), hidden, "{sql}");
    }
    let first = engine.session(as_of(Some(1), "all")).await.unwrap();
    assert_eq!(ask(&first, "SELECT count(*) FROM lightcurve(lsst, 1)").await, [["1"]]);
    assert_eq!(ask(&first, "SELECT count(*) FROM cone_search(lsst.alerts, 0, 90, 1)").await, [["0"]]);
    let versions = "SELECT count(*) FROM crossmatch(lsst.alerts VERSION AS OF 1, lsst.alerts, 0, 'all')";
    assert_eq!(ask(&all, versions).await, [["3"]]);
}

fn engine(archive: &Archive, memory_bytes: usize) -> Engine {
    let options = EngineOptions { threads: 2, memory_bytes, ..EngineOptions::default() };
    Engine::new(archive.clone(), noctuary_queries::with_functions(options)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_have_their_distances() {
    let session = session_of(sky().await).await;
    let of = async |call: &str| {
        tidy(ask(&session, &format!("SELECT diaSourceId, distance * 3600 FROM {call} WHERE _origin = 'trigger'")).await)
    };
    let near = ["10 0", "11 0.1", "20 1"];
    for call in [
        "cone_search(sources, 150, 2, arcsec(1.01))",
        "cone_search('LSST.Sources', 150, 2, 1.01 / 3600)",
        "CONE_SEARCH(radius => arcsec(1.01), ra0 => 150, dec0 => 2, \"table\" => sources)",
        "cone_search((SELECT * FROM sources WHERE dec > 0), 510, 2, arcsec(1.01))",
        "cone_search(sources, 150, 2, arcsec(1.01), ra => RA, dec => 'dec')",
    ] {
        assert_eq!(of(call).await, near, "{call}");
    }
    assert_eq!(of("cone_search(sources, 150, 2, 0)").await, ["10 0"]);
    assert_eq!(of("cone_search(sources, 0.0001, 0, 0.0003)").await, ["30 0.72"]);
    assert_eq!(of("cone_search(sources, 200, 90, 0.0001)").await, ["40 0"]);
    assert_eq!(of("cone_search(sources, 10, -20, 180)").await.len(), 5);
    let cte = "WITH bright AS (SELECT * FROM sources WHERE psfFlux >= 200) SELECT diaSourceId, distance * 3600 FROM \
               cone_search(bright, 150, 2, arcsec(5)) c";
    assert_eq!(tidy(ask(&session, cte).await), ["11 0.1", "20 1"]);
    let alerts = "SELECT diaSource.psfFlux FROM cone_search(alerts, 150, 2, 0)";
    assert_eq!(ask(&session, alerts).await, [["100.0"]]);

    for (call, wanted) in [
        ("cone_search(sources, 150, 2, -1)", "the radius is -1 degrees, which is negative"),
        ("cone_search(sources, 150, 2, arcsec(-1))", "negative"),
        ("cone_search(sources, 150, 2, 'NaN'::double)", "no finite number"),
        ("cone_search(sources, 150, 2, 'wide')", "radius is wide, which is no finite number"),
        ("cone_search(sources, 150, 2, NULL)", "no finite number"),
        ("cone_search(sources, 150, 2, 181)", "more than half"),
        ("cone_search(sources, 150, 92, 1)", "dec0 is 92"),
        ("cone_search(sources, 150, 2)", "radius is missing; write cone_search("),
        ("cone_search(sources, 150, 2, 1, ra, dec, 7)", "there are 7 arguments"),
        ("cone_search(sorces, 150, 2, 1)", "did you mean"),
        ("cone_search(lsst.sorces, 150, 2, 1)", "did you mean lsst.sources"),
        ("cone_search(7, 150, 2, 1)", "7 is no table"),
        ("cone_search(sources, 150, 2, 1, radus => 1)", "did you mean radius?"),
        ("cone_search(sources, 150, 2, 1, radius => 1)", "radius is given twice"),
        ("cone_search(sources, 150, 2, psfFlux)", "known before anything is read"),
        ("cone_search(sources, 150, 2, 1, ra => rb, dec => dec)", "no such column"),
        ("cone_search(sources, 150, 2, 1, ra => ra)", "together"),
        ("cone_search(sources, 150, 2, 1, ra => band, dec => dec)", "band of the table is no number"),
        ("cone_search(versions, 150, 2, 1)", "ra => ..., dec => ..."),
        ("cone_search(sources, 150, 2, $1)", "known before"),
        ("cone_serch(sources, 150, 2, 1)", "did you mean cone_search?"),
    ] {
        let error = refused(&session, &format!("SELECT * FROM {call}")).await;
        assert!(error.contains(wanted), "{call}: {error}");
    }
}

type Position = (Option<f64>, Option<f64>);

/// Positions as a table, in batches of a few rows.
fn table(positions: &[Position]) -> Arc<dyn TableProvider> {
    let fields = vec![
        Field::new("n", DataType::Int64, false),
        Field::new("RA", DataType::Float64, true),
        Field::new("Dec", DataType::Float64, true),
    ];
    let schema = Arc::new(ArrowSchema::new(fields));
    let batches = positions.chunks(7).enumerate().map(|(at, rows)| {
        let first = i64::try_from(at * 7).unwrap();
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new((first..first + i64::try_from(rows.len()).unwrap()).map(Some).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    });
    let mut parts = vec![Vec::new(), Vec::new(), Vec::new()];
    batches.enumerate().for_each(|(at, batch)| parts[at % 3].push(batch));
    Arc::new(MemTable::try_new(schema, parts).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    let near = |ra: f64, dec: f64, size: f64| {
        (-3..4_i32, -3..4_i32).prop_map(move |(x, y)| {
            (Some(ra + f64::from(x) * size), Some((dec + f64::from(y) * size).clamp(-90.0, 90.0)))
        })
    };
    prop_oneof![
        4 => (0.0..360.0f64, -90.0..90.0f64).prop_map(|(ra, dec)| (Some(ra), Some(dec))),
        2 => near(0.0, 0.0, 1e-3),
        2 => near(120.0, 90.0, 1e-3),
        2 => near(120.0, -90.0, 1e-4),
        2 => near(150.0, 2.0, 1e-4),
        1 => Just((Some(f64::NAN), Some(1.0))),
        1 => Just((None, Some(1.0))),
        1 => Just((Some(1.0), None)),
        1 => Just((Some(1.0), Some(f64::INFINITY))),
    ]
}

#[test]
fn matches_are_those_of_a_plain_join() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let archive = runtime.block_on(empty());
    let engine = engine(&archive, 256 << 20);
    let sides = (prop::collection::vec(position(), 0..60), prop::collection::vec(position(), 0..60));
    let radius = prop::sample::select(vec![0.0, 1e-5, 1e-4, 2.5e-4, 1e-3, 0.1, 5.0, 60.0, 90.0, 180.0]);
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(sides, radius), |((left, right), radius)| {
        runtime.block_on(async {
            let session = engine.session(SessionOptions::default()).await.unwrap();
            let session = session.with_tables(&[("l".into(), table(&left)), ("r".into(), table(&right))]).unwrap();
            let plain = format!(
                "SELECT l.n AS n, r.n AS right_n, angular_distance(l.ra, l.dec, r.ra, r.dec) AS distance, r.ra AS \
                 right_ra, r.dec AS right_dec FROM l CROSS JOIN r WHERE angular_distance(l.ra, l.dec, r.ra, r.dec) <= \
                 {radius}"
            );
            let sorted = async |sql: &str| {
                let mut rows = ask(&session, sql).await;
                rows.sort();
                rows
            };
            let all = format!("SELECT n, right_n, distance FROM crossmatch(l, r, {radius}, 'all')");
            let wanted = format!("SELECT n, right_n, distance FROM ({plain})");
            prop_assert_eq!(sorted(&all).await, sorted(&wanted).await);
            // Either side may be the one that is kept: statistics say which is smaller.
            let turned = format!("SELECT right_n, n, distance FROM crossmatch(r, l, {radius}, 'all')");
            let wanted: Vec<Vec<String>> = sorted(&wanted).await.into_iter().map(|row| row[..2].to_vec()).collect();
            let found: Vec<Vec<String>> = sorted(&turned).await.into_iter().map(|row| row[..2].to_vec()).collect();
            prop_assert_eq!(found, wanted);
            let best =
                format!("SELECT n, distance, right_ra, right_dec, right_n FROM crossmatch(l, r, {radius}, 'best')");
            let wanted = format!(
                "SELECT n, distance, right_ra, right_dec, right_n FROM (SELECT *, row_number() OVER (PARTITION BY n \
                 ORDER BY distance, right_ra, right_dec, right_n) AS place FROM ({plain})) WHERE place = 1"
            );
            prop_assert_eq!(sorted(&best).await, sorted(&wanted).await);
            let counted =
                format!("SELECT count(*) FROM crossmatch(l, r, {radius}, 'all') WHERE n % 2 = 0 AND right_n > 3");
            let wanted = format!("SELECT count(*) FROM ({plain}) WHERE n % 2 = 0 AND right_n > 3");
            prop_assert_eq!(ask(&session, &counted).await, ask(&session, &wanted).await);
            let counted = format!("SELECT count(*) FROM crossmatch(l, r, {radius}) WHERE n % 2 = 0 AND right_n > 3");
            let wanted = format!("SELECT count(*) FROM ({best}) WHERE n % 2 = 0 AND right_n > 3");
            prop_assert_eq!(ask(&session, &counted).await, ask(&session, &wanted).await);
            Ok(())
        })
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_told() {
    let archive = empty().await;
    let engine = engine(&archive, 1 << 20);
    let session = engine.session(SessionOptions::default()).await.unwrap();
    let many: Vec<Position> = (0..30_000).map(|n| (Some(f64::from(n) / 100.0), Some(0.0))).collect();
    let session = session.with_tables(&[("l".into(), table(&many)), ("r".into(), table(&many))]).unwrap();
    let rows = session.sql("SELECT * FROM crossmatch(l, r, 0.001)").await.unwrap();
    let failed = rows.try_collect::<Vec<_>>().await.unwrap_err();
    let failed = noctuary_engine::EngineError::from(failed);
    assert_eq!(failed.kind(), ErrorKind::ResourcesExhausted, "{failed}");
    assert!(failed.to_string().contains("WHERE dec >= -30"), "{failed}");
    // And the memory is back.
    assert_eq!(session.context().runtime_env().memory_pool.reserved(), 0);
}

/// More positions than are told of beforehand, so that all of the other side is read, by several threads.
#[tokio::test(flavor = "multi_thread")]
async fn long_lists_match_too() {
    let archive = empty().await;
    let session = engine(&archive, 256 << 20).session(SessionOptions::default()).await.unwrap();
    let place = |n: u32, off: f64| {
        let (ra, dec) = (f64::from(n * 7_919 % 35_993) / 100.0, f64::from(n * 104_729 % 17_989) / 100.0 - 89.9);
        (Some(ra), Some(dec + off * f64::from(n % 5)))
    };
    let left: Vec<Position> = (0..6_000).map(|n| place(n, 0.0)).collect();
    // Every one of them three times, at growing distances.
    let right: Vec<Position> = (0..18_000).map(|n| place(n % 6_000, 1e-6 * f64::from(1 + n / 6_000))).collect();
    let session = session.with_tables(&[("l".into(), table(&left)), ("r".into(), table(&right))]).unwrap();
    let ours = "SELECT n, right_n % 6000 AS same, distance FROM crossmatch(l, r, 0.0001, 'best')";
    let count = format!("SELECT count(*), count(DISTINCT n), sum(CASE WHEN n = same THEN 1 ELSE 0 END) FROM ({ours})");
    assert_eq!(ask(&session, &count).await, [["6000", "6000", "6000"]]);
    let far = format!("SELECT count(*) FROM ({ours}) WHERE abs(distance - 1e-6 * (n % 5)) > 1e-10");
    assert_eq!(ask(&session, &far).await, [["0"]]);
    for call in ["crossmatch(l, r, 0.0001, 'all')", "crossmatch(r, l, 0.0001, 'all')", "crossmatch(r, l, 0.0001)"] {
        assert_eq!(ask(&session, &format!("SELECT count(*) FROM {call}")).await, [["18000"]], "{call}");
    }
    // What was nearest once is let go of.
    let approaching: Vec<Position> =
        (0..60_000).map(|n| (Some(10.0), Some(20.0 + 1e-3 - 1e-8 * f64::from(n)))).collect();
    let one = [(Some(10.0), Some(20.0)), (Some(11.0), Some(20.0))];
    let session = engine(&archive, 256 << 20).session(SessionOptions::default()).await.unwrap();
    let session = session.with_tables(&[("one".into(), table(&one)), ("r".into(), table(&approaching))]).unwrap();
    let found = ask(&session, "SELECT n, right_n FROM crossmatch(one, r, 0.01)").await;
    assert_eq!(found, [["0", "59999"]]);
}
