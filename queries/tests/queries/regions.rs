//! Regions of the sky choose files, pages and rows, and change no answer.

use std::cell::Cell;

use noctuary_engine::Session;
use noctuary_storage::Archive;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::lookups::{OBJECTS, merge, place, prepare, read, session, sky, sorted};
use crate::support::{ask, files};

/// A place at or near one of the objects, among which are the poles and some on both sides of the first meridian.
fn centre() -> impl Strategy<Value = (f64, f64)> {
    (0..OBJECTS, -3..4_i32, -3..4_i32, prop::sample::select(vec![1e-5, 1e-3, 0.7])).prop_map(|(object, x, y, step)| {
        let (ra, dec) = place(object);
        ((ra + f64::from(x) * step).rem_euclid(360.0), (dec + f64::from(y) * step).clamp(-90.0, 90.0))
    })
}

fn size() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 1e-6, 4e-5, 0.003, 0.9, 12.0, 70.0, 179.9, 200.0])
}

fn in_box() -> impl Strategy<Value = String> {
    (centre(), size(), size(), -1..2_i32).prop_map(|((ra, dec), width, height, turns)| {
        // Right ascensions are angles: any turn will do.
        let (west, east) = (ra - width + 360.0 * f64::from(turns), ra + width + 360.0 * f64::from(turns));
        let (south, north) = ((dec - height).max(-90.0), (dec + height).min(90.0));
        format!("in_box(RA, DEC, {west}, {east}, {south}, {north})")
    })
}

fn in_polygon() -> impl Strategy<Value = String> {
    let corners = prop::collection::vec(0.3..1.0f64, 3..7);
    (centre(), prop::sample::select(vec![3e-6, 1e-4, 0.02, 1.5, 30.0, 80.0]), corners).prop_map(
        |(at, size, corners)| {
            // Round a place, at some distance from it: a star is no polygon that crosses itself.
            let count = corners.len() as f64;
            let vertices = corners.iter().zip(0..).map(|(part, n)| {
                let (ra, dec) = towards(at, 360.0 / count * f64::from(n), size * part);
                format!("{ra}, {dec}")
            });
            format!("in_polygon(RA, DEC, {})", vertices.collect::<Vec<_>>().join(", "))
        },
    )
}

/// The place so far away in some direction.
fn towards((ra, dec): (f64, f64), direction: f64, far: f64) -> (f64, f64) {
    let ((sin_dec, cos_dec), (sin_far, cos_far)) = (dec.to_radians().sin_cos(), far.to_radians().sin_cos());
    let (sin_way, cos_way) = direction.to_radians().sin_cos();
    let north = (sin_dec * cos_far + cos_dec * sin_far * cos_way).clamp(-1.0, 1.0);
    let east = (sin_way * sin_far * cos_dec).atan2(cos_far - sin_dec * north);
    ((ra + east.to_degrees()).rem_euclid(360.0), north.asin().to_degrees())
}

fn cell(order: u8, (ra, dec): (f64, f64)) -> u64 {
    cdshealpix::nested::get(order).hash(ra.to_radians(), dec.to_radians())
}

fn in_moc() -> impl Strategy<Value = String> {
    let cells = prop::collection::vec((0..=29_u8, centre()), 0..5);
    let some = cells.prop_map(|cells| {
        let cells = cells.into_iter().map(|(order, at)| format!(" {order}/{}", cell(order, at)));
        format!("in_moc(RA, DEC, '0/{}')", cells.collect::<String>())
    });
    prop_oneof![6 => some, 1 => Just("in_moc(RA, DEC, '0/0-11')".to_owned()), 1 => Just("in_moc(RA, DEC, '29/')".into())]
}

fn in_cells() -> impl Strategy<Value = String> {
    let of = || (0..=29_u8, centre()).prop_map(|(order, at)| (order, cell(order, at)));
    let op = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    prop_oneof![
        (of(), op).prop_map(|((order, cell), op)| format!("healpix({order}, RA, DEC) {op} {cell}")),
        (of(), 0..9_u64).prop_map(|((order, cell), more)| {
            format!("healpix({order}, RA, DEC) BETWEEN {} AND {}", cell.saturating_sub(more), cell + more)
        }),
        (0..=29_u8, prop::collection::vec(centre(), 1..12), any::<bool>()).prop_map(|(order, places, not)| {
            let cells: Vec<String> = places.into_iter().map(|at| cell(order, at).to_string()).collect();
            format!("healpix({order}, RA, DEC) {}IN ({})", if not { "NOT " } else { "" }, cells.join(", "))
        }),
        Just("healpix(3, RA, DEC) = -1".to_owned()),
        Just("healpix(3, RA, DEC) >= 768".to_owned()),
        Just("healpix(30, RA, DEC) = 5".to_owned()),
        Just("healpix(3, RA, DEC) = 5.5".to_owned()),
    ]
}

/// Conditions on the columns `RA` and `DEC`.
fn condition() -> impl Strategy<Value = String> {
    let circle = (centre(), size()).prop_map(|((ra, dec), radius)| format!("cone(RA, DEC, {ra}, {dec}, {radius})"));
    let one = prop_oneof![in_box(), in_polygon(), in_moc(), in_cells(), circle, Just("RA IS NULL".to_owned())];
    one.prop_recursive(2, 5, 2, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            1 => inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

/// The rows, or that there can be none.
async fn rows(session: &Session, sql: &str) -> Option<Vec<Vec<String>>> {
    match session.plan(sql).await {
        Ok(_) => Some(sorted(session, sql).await),
        Err(_) => None,
    }
}

#[test]
fn rows_of_a_region_are_those_of_a_full_scan() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let archive = runtime.block_on(sky());
    for state in ["as committed", "merged", "with later commits", "without indices"] {
        runtime.block_on(prepare(&archive, state));
        let archive = runtime.block_on(Archive::open(archive.location().clone())).unwrap();
        let (pruned, full) =
            runtime.block_on(async { (session(&archive, true).await, session(&archive, false).await) });
        let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
        let (some, refused) = (Cell::new(0), Cell::new(0));
        let outcome = runner.run(&condition(), |condition| {
            for (table, columns, ra, dec) in [
                ("sources", "diaSourceId, _object, _origin, ra, dec", "ra", "dec"),
                ("alerts", "diaSourceId, _ra, _dec", "_ra", "_dec"),
                ("alerts", "diaSourceId, _ra, _dec", "diaSource.ra", "diaSource.dec"),
            ] {
                let condition = condition.replace("RA", ra).replace("DEC", dec);
                let sql = format!("SELECT {columns} FROM lsst.{table} WHERE {condition}");
                let (ours, plain) = runtime.block_on(async { (rows(&pruned, &sql).await, rows(&full, &sql).await) });
                prop_assert_eq!(&ours, &plain, "{}: {}", state, sql);
                match ours {
                    Some(rows) if !rows.is_empty() => some.set(some.get() + 1),
                    Some(_) => {}
                    None => refused.set(refused.get() + 1),
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{e}"));
        // Or nothing would have been tested.
        let (some, refused) = (some.get(), refused.get());
        assert!(some > 100 && refused < 60, "{state}: {some} had rows, {refused} were refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_a_region_is_not_read() {
    let archive = sky().await;
    merge(&archive).await;
    let session = session(&archive, true).await;
    let all: usize = ask(&session, "SELECT count(*) FROM lsst.sources").await[0][0].parse().unwrap();
    let at = place(15);
    for region in [
        format!("in_box(ra, dec, {}, {}, {}, {})", at.0 - 0.01, at.0 + 0.01, at.1 - 0.01, at.1 + 0.01),
        format!(
            "in_polygon(ra, dec, {}, {}, {}, {}, {}, {})",
            at.0 - 1.0,
            at.1 - 1.0,
            at.0 + 1.0,
            at.1 - 1.0,
            at.0,
            at.1 + 1.0
        ),
        format!("in_moc(ra, dec, '6/{}')", cell(6, at)),
        format!("healpix(8, ra, dec) = {}", cell(8, at)),
        format!("healpix(8, ra, dec) IN ({}, {})", cell(8, at), cell(8, place(20))),
    ] {
        let rows = read(&session, &format!("SELECT diaSourceId FROM lsst.sources WHERE {region}")).await;
        assert!(rows > 0 && rows * 5 < all, "{region} reads {rows} rows of {all}");
    }
    for nowhere in ["in_moc(ra, dec, '0/')", "in_box(ra, dec, 99, 99.001, 50, 50.001)", "healpix(4, ra, dec) = -1"] {
        let sql = format!("SELECT diaSourceId FROM lsst.sources WHERE {nowhere}");
        assert_eq!(read(&session, &sql).await, 0, "{nowhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_choose_files_of_alerts() {
    use crate::make::{framed, lsst_datum};
    use noctuary_storage::ingest::Source;

    // A file for each of some places.
    let archive = crate::support::empty().await;
    for commit in 0..8_i64 {
        let alert = |n: i64| {
            let (ra, dec) = (commit as f64 * 45.0 + n as f64 * 1e-3, commit as f64 * 20.0 - 70.0);
            framed(1101, &lsst_datum(commit * 10 + n, &[("diaSource.ra", ra.into()), ("diaSource.dec", dec.into())]))
        };
        let packets: Vec<Vec<u8>> = (0..5).map(alert).collect();
        crate::support::take(&archive, vec![Source::packets(&format!("{commit}"), Box::new(packets.into_iter()))])
            .await;
    }
    let session = session(&archive, true).await;
    for (region, most) in [
        ("in_box(_ra, _dec, 350, 10, -71, -69)".to_owned(), 1),
        ("in_box(_ra, _dec, 0, 360, -75, -45)".to_owned(), 2),
        ("in_polygon(_ra, _dec, 44, -51, 46, -51, 45, -49)".to_owned(), 1),
        (format!("in_moc(_ra, _dec, '5/{}')", cell(5, (90.0, -30.0))), 1),
        (format!("healpix(5, diaSource.ra, diaSource.dec) = {}", cell(5, (90.0, -30.0))), 1),
        (format!("_healpix_29 BETWEEN {} AND {}", cell(5, (90.0, -30.0)) << 48, (cell(5, (90.0, -30.0)) + 1) << 48), 1),
    ] {
        let sql = format!("SELECT diaSourceId FROM lsst.alerts WHERE {region}");
        let read = files(&session, &sql).await;
        assert!(read >= 1 && read <= most, "{region} reads {read} files");
        assert!(!ask(&session, &sql).await.is_empty(), "{region}");
    }
}
