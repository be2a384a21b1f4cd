//! Tables that go by a survey's own names: one row of each source and object, and which.

use noctuary_packet::schema::known_lsst;
use noctuary_storage::Access;
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::{Archive, Meter};

use crate::beacon::{self, Beacon};
use crate::make::{Value, framed, lsst_datum};
use crate::support::{ask, empty, limited, one, session, sorted, take, try_ask};

/// A source as a packet tells of it: its id, and its flux.
type Told = (i64, f64);

/// An alert of object 7 with earlier sources.
fn alert(trigger: Told, earlier: &[Told], changes: &[(&'static str, Value)]) -> Vec<u8> {
    let each = |of: &dyn Fn(&Told) -> Value| Value::Each(earlier.iter().map(of).collect());
    let mut values: Vec<(&'static str, Value)> = vec![
        ("diaSource.diaObjectId", 7.into()),
        ("diaSource.midpointMjdTai", (61_000.0 + trigger.0 as f64).into()),
        ("diaSource.psfFlux", trigger.1.into()),
        ("diaSource.ra", 10.0.into()),
        ("diaSource.dec", 20.0.into()),
        ("diaObject.diaObjectId", 7.into()),
        ("diaObject.nDiaSources", (earlier.len() as i64 + 1).into()),
    ];
    if !earlier.is_empty() {
        values.extend([
            ("prvDiaSources", Value::Items(earlier.len())),
            ("prvDiaSources[].diaSourceId", each(&|told| told.0.into())),
            ("prvDiaSources[].diaObjectId", each(&|_| 7.into())),
            ("prvDiaSources[].psfFlux", each(&|told| told.1.into())),
            ("prvDiaSources[].ra", each(&|_| 10.0.into())),
            ("prvDiaSources[].dec", each(&|_| 20.0.into())),
        ]);
    }
    values.extend(changes.iter().cloned());
    framed(1101, &lsst_datum(trigger.0, &values))
}

async fn merge(archive: &Archive) {
    let policy = Policy { now: true, ..Policy::of(chrono::NaiveDate::MAX) };
    compact(archive, &policy, &Meter::default()).await.unwrap();
}

/// Four commits: sources 1 to 5, of which 1 was known from histories alone, 2 was revised within its commit and 3 later.
async fn story() -> Archive {
    story_with(0.0).await
}

/// The same, where the revision within a commit saw the object so many degrees farther north.
async fn story_with(north: f64) -> Archive {
    let archive = empty().await;
    assert!(known_lsst("11.1").is_some());
    let moved = [("diaSource.dec", (20.0 + north).into())];
    let commits: [Vec<Vec<u8>>; 4] = [
        vec![alert((2, 20.0), &[(1, 10.0)], &[]), alert((2, 21.0), &[(1, 10.0)], &moved)],
        vec![alert((3, 30.0), &[(1, 10.5), (2, 22.0)], &[])],
        vec![alert((4, 40.0), &[(1, 10.0), (2, 22.0), (3, 31.0)], &[])],
        vec![alert((3, 32.0), &[(1, 10.5), (2, 22.0)], &[]), alert((5, 50.0), &[(4, 41.0)], &[])],
    ];
    for (at, packets) in commits.into_iter().enumerate() {
        take(&archive, &format!("commit {at}"), packets, 1 << 20).await;
    }
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_the_trigger_of_its_latest_revision_or_else_its_newest_history() {
    // Rows lie in the order of the sky, and which came last is another matter.
    for north in [0.0, 1e-4, -1e-4] {
        sources_of_the_story(story_with(north).await).await;
    }
}

async fn sources_of_the_story(archive: Archive) {
    // Of the histories of source 1 the one with 10.5 is the newest: that with 10.0 came first in an earlier commit,
    // whoever repeated it since.
    let expected = [("1", "10.5"), ("2", "21.0"), ("3", "32.0"), ("4", "40.0"), ("5", "50.0")];
    let expected: Vec<Vec<String>> = expected.iter().map(|(id, flux)| vec![id.to_string(), flux.to_string()]).collect();
    for state in ["as committed", "merged"] {
        let session = session(&archive).await;
        for sql in [
            "SELECT diaSourceId, psfFlux FROM lsst.DiaSource",
            "SELECT diaSourceId, psfFlux FROM lsst.DiaSource WHERE diaObjectId = 7",
            "SELECT diasourceid, psfflux FROM diasource",
            "SELECT d.diaSourceId, d.psfFlux FROM DiaSource AS d WHERE d.diaObjectId IN (7, 8)",
            "SELECT DiaSource.diaSourceId, DiaSource.psfFlux FROM DiaSource",
        ] {
            assert_eq!(sorted(&session, sql).await, expected, "{state}: {sql}");
        }
        // What is not shown of a source is not found by what it holds.
        for (sql, count) in [
            ("SELECT count(*) FROM DiaSource WHERE psfFlux = 20", "0"),
            ("SELECT count(*) FROM DiaSource WHERE psfFlux = 22 AND diaObjectId = 7", "0"),
            ("SELECT count(*) FROM DiaSource WHERE psfFlux = 21 AND diaObjectId = 7", "1"),
            ("SELECT count(*) FROM DiaSource WHERE _origin = 'history'", "1"),
            ("SELECT count(*) FROM sources", "11"),
            ("SELECT count(*) FROM DiaSource s JOIN alerts a ON s.diaSourceId = a.diaSource.diaSourceId", "6"),
        ] {
            assert_eq!(one(&session, sql).await, count, "{state}: {sql}");
        }
        merge(&archive).await;
    }
    let before = noctuary_engine::SessionOptions {
        as_of: Some(archive.snapshot().await.unwrap().version()),
        ..Default::default()
    };
    let session = crate::support::session_of(&archive, before, false).await;
    assert_eq!(sorted(&session, "SELECT diaSourceId, psfFlux FROM DiaSource").await, expected, "without pruning");
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_photometry_is_what_came_last() {
    for north in [1e-4, -1e-4] {
        let archive = empty().await;
        let measured = |flux: f64, dec: f64| {
            [
                ("diaSource.dec", dec.into()),
                ("prvDiaForcedSources", Value::Items(1)),
                ("prvDiaForcedSources[].diaForcedSourceId", 901.into()),
                ("prvDiaForcedSources[].diaObjectId", 7.into()),
                ("prvDiaForcedSources[].psfFlux", flux.into()),
            ]
        };
        let both = vec![alert((2, 1.0), &[], &measured(5.0, 20.0)), alert((3, 1.0), &[], &measured(6.0, 20.0 + north))];
        take(&archive, "both", both, 1 << 20).await;
        for state in ["as committed", "merged"] {
            let session = session(&archive).await;
            let rows = ask(&session, "SELECT diaForcedSourceId, psfFlux FROM DiaForcedSource").await;
            assert_eq!(rows, [["901", "6.0"]], "{state}, {north}");
            take(&archive, "again", vec![alert((2, 1.5), &[], &measured(6.0, 20.0))], 1 << 20).await;
            merge(&archive).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_what_its_latest_alert_says() {
    let archive = story().await;
    for state in ["as committed", "merged"] {
        let session = session(&archive).await;
        // Alert 5 is the latest by its time, though 3 was revised with it.
        let rows = ask(&session, "SELECT diaObjectId, nDiaSources, _alert FROM DiaObject").await;
        assert_eq!(rows, [["7", "2", "5"]], "{state}");
        assert_eq!(one(&session, "SELECT count(*) FROM DiaObject WHERE nDiaSources = 4").await, "0");
        assert_eq!(one(&session, "SELECT count(*) FROM DiaObjectVersions").await, "6");
        assert_eq!(one(&session, "SELECT max(nDiaSources) FROM lsst.diaobjectversions").await, "4");
        merge(&archive).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_the_solar_system_have_their_tables() {
    let archive = empty().await;
    let body = |id: i64, name: &'static str, e: f64| {
        let changes = [
            ("diaSource.diaObjectId", Value::Null),
            ("ssSource.diaSourceId", id.into()),
            ("ssSource.ssObjectId", 9.into()),
            ("ssSource.helioRange", e.into()),
            ("mpc_orbits.designation", name.into()),
            ("mpc_orbits.e", e.into()),
        ];
        framed(1101, &lsst_datum(id, &changes))
    };
    take(&archive, "first", vec![body(1, "2026 AB", 0.1), body(2, "2026 CD", 0.2)], 1 << 20).await;
    take(&archive, "second", vec![body(4, "2026 AB", 0.3), body(1, "2026 AB", 0.4)], 1 << 20).await;
    let session = session(&archive).await;
    let orbits = sorted(&session, "SELECT designation, e, _alert FROM mpc_orbits").await;
    // Of one time the later arrival: alert 4 has the time of alert 1.
    assert_eq!(orbits, [["2026 AB", "0.4", "1"], ["2026 CD", "0.2", "2"]]);
    let seen = sorted(&session, "SELECT diaSourceId, helioRange FROM SSSource").await;
    assert_eq!(seen, [["1", "0.4"], ["2", "0.2"], ["4", "0.3"]]);
    assert_eq!(one(&session, "SELECT count(*) FROM DiaSource WHERE diaObjectId IS NULL").await, "3");
    let error = try_ask(&session, "SELECT * FROM SSObject").await.unwrap_err().to_string();
    assert!(error.contains("no table") && error.contains("SSObject"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_seen_chooses_nothing() {
    let archive = beacon::archive().await;
    let open = Beacon { height: Some(1.0), tower: Some(3), ..Beacon::new(2, 31) };
    let closed = Beacon { height: Some(2.0), tower: Some(3), closed: true, ..Beacon::new(2, 39) };
    take(&archive, "both", vec![open.packet(), closed.packet()], 1 << 20).await;
    let (all, public) = (session(&archive).await, limited(&archive, Access::public()).await);
    assert_eq!(one(&all, "SELECT height FROM Mast").await, "2.0");
    assert_eq!(one(&public, "SELECT height FROM Mast").await, "1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_described_and_found() {
    let archive = story().await;
    let session = session(&archive).await;
    let described = ask(&session, "DESCRIBE diasource").await;
    let ra = described.iter().find(|row| row[0] == "ra").unwrap();
    assert_eq!(ra[1..3], ["double", "deg"]);
    let told = "SELECT data_type, unit, description FROM information_schema.columns WHERE table_schema = 'lsst' AND";
    let flux = ask(&session, &format!("{told} table_name = 'DiaSource' AND column_name = 'psfFlux'")).await;
    assert_eq!(flux[0][..2], ["Float32", "nJy"]);
    let place = ask(&session, &format!("{told} table_name = 'sources' AND column_name = '_object'")).await;
    assert!(place[0][0] == "Int64" && place[0][2].contains("object"), "{place:?}");
    let own =
        ask(&session, "SELECT type, unit FROM archive.columns WHERE \"table\" = 'DiaSource' AND \"column\" = 'ra'")
            .await;
    assert_eq!(own, [["double", "deg"]]);
    let shown = ask(&session, "SHOW COLUMNS FROM lsst.DiaSource").await;
    assert!(shown.iter().any(|row| row.iter().any(|cell| cell == "psfFlux")), "{shown:?}");
    let listed = sorted(&session, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'lsst'").await;
    for name in ["DiaForcedSource", "DiaObject", "DiaObjectVersions", "DiaSource", "SSSource", "mpc_orbits"] {
        assert!(listed.iter().any(|row| row[0] == name), "{name}: {listed:?}");
    }
    let error = try_ask(&session, "SELECT * FROM lsst.DiaSources").await.unwrap_err().to_string();
    assert!(error.contains("did you mean") && error.contains("DiaSource"), "{error}");
}
