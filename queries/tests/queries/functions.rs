//! Functions of the sky, of time and of flux in SQL.

use noctuary_engine::{ErrorKind, Session};
use noctuary_storage::ingest::Source;

use crate::make::{framed, lsst_datum};
use crate::sent::data;
use crate::support::{ask, empty, files, session, session_of, take};

#[tokio::test(flavor = "multi_thread")]
async fn functions_take_what_sql_gives_them() {
    let session = session(&[]).await;
    let row = ask(
        &session,
        "SELECT angular_distance(10, 20, 10, 21), cone(10, 20, 10.0, 20.5, 0.6), cone(10, 20, 10, 20.5, arcsec(1)), \
         cone(NULL, 20, 10, 20, 1), cone('nan'::double, 20, 10, 20, 1), healpix(0, 0, 0), arcmin(30), \
         cone(359.9, 0, 0.1, 0, 0.3), cone(10, 89.9, 190, 89.9, 0.3), \
         cone(CAST(10 AS FLOAT), CAST(20 AS DECIMAL(5, 2)), 10::smallint, 20, 0), CONE(10, 20, 190, -20, 180)",
    )
    .await;
    assert_eq!(row[0][0].parse::<f64>().unwrap().round(), 1.0);
    assert_eq!(row[0][1..], ["true", "false", "-", "-", "4", "0.5", "true", "true", "true", "true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_hold_what_is_inside() {
    let session = session(&[]).await;
    for (condition, wanted) in [
        ("in_box(359, 0, 350, 10, -1, 1)", "true"),
        ("in_box(20, 0, 350, 10, -1, 1)", "false"),
        ("in_box(10, 1, 350, 10, -1, 1)", "true"),
        ("in_box(ra => 5, dec => 0, ra_min => 0, ra_max => 10, dec_min => -1, dec_max => 1)", "true"),
        ("in_polygon(1, 1, 0, 0, 4, 0, 0, 4)", "true"),
        ("in_polygon(3, 3, 0, 0, 4, 0, 0, 4)", "false"),
        // Concave: the notch is outside.
        ("in_polygon(2, 3, 0, 0, 4, 0, 4, 4, 2, 1, 0, 4)", "false"),
        ("in_polygon(3.5, 2, 0, 0, 4, 0, 4, 4, 2, 1, 0, 4)", "true"),
        ("in_polygon(1, 1, [0, 0, 4, 0, 0, 4])", "true"),
        ("in_polygon(3, 3, make_array(0.0, 0.0, 4.0, 0.0, 0.0, 4.0))", "false"),
        ("in_polygon(1, 1, [0, 0, 4, NULL, 0, 4])", "-"),
        ("in_moc(0, 0, '0/4')", "true"),
        ("in_moc(0, 0, '0/0-3 5-11')", "false"),
        (r#"in_moc(0, 0, '{"0": [4], "3": []}')"#, "true"),
        ("in_moc(NULL, 0, '0/4')", "-"),
        ("in_moc(0, 0, NULL)", "-"),
        ("in_box(0, 'infinity'::double, 350, 10, -1, 1)", "-"),
        ("in_polygon('nan'::double, 1, 0, 0, 4, 0, 0, 4)", "-"),
    ] {
        assert_eq!(ask(&session, &format!("SELECT {condition}")).await, [[wanted]], "{condition}");
    }
}

/// What a function says of values that stand in columns, one row each.
async fn rows(session: &Session, expression: &str, names: &str, values: &str) -> Vec<String> {
    let sql = format!(
        "SELECT {expression} FROM (SELECT * FROM (VALUES {values}) AS v(n, {names}) ORDER BY n) AS t ORDER BY n"
    );
    ask(session, &sql).await.into_iter().map(|mut row| row.swap_remove(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_column_is_null() {
    let session = session(&[]).await;
    for (expression, names, values, wanted) in [
        (
            "cone(0, 0, 0, dec0, radius)",
            "dec0, radius",
            "(1, 0, 1), (2, 0, -1), (3, 95, 1), (4, NULL, 1)",
            "true - - -",
        ),
        ("cone(0, 0, 0, 0, radius)", "radius", "(1, 'nan'::double), (2, 'infinity'::double), (3, 0)", "- - true"),
        ("healpix(o, 0, 0)", "o", "(1, 0), (2, 30), (3, -1), (4, NULL)", "4 - - -"),
        ("healpix(arrow_cast(o, 'UInt64'), 0, 0)", "o", "(1, 0), (2, 30)", "4 -"),
        ("healpix(0, 0, dec)", "dec", "(1, 0), (2, 90.1), (3, -95), (4, 'nan'::double)", "4 - - -"),
        ("healpix_dec(o, cell)", "o, cell", "(1, 0, 4), (2, 0, 12), (3, 1, -1)", "0.0 - -"),
        ("in_box(1, 1, 0, 2, low, 2)", "low", "(1, 0), (2, 3), (3, -91), (4, 1)", "true - - true"),
        (
            "in_moc(0, 0, moc)",
            "moc",
            "(1, '0/4'), (2, '0/5'), (3, 'nonsense'), (4, NULL), (5, '0/4'), (6, '0/4'), (7, '')",
            "true false - - true true -",
        ),
        (
            "in_polygon(1, 1, 0, 0, ra2, 0, 0, dec3)",
            "ra2, dec3",
            "(1, 4, 4), (2, 0, 4), (3, 180, 4), (4, 4, 95), (5, 4, 4), (6, 1, 1), (7, 2, 4)",
            "true - - - true false true",
        ),
        (
            "in_polygon(1, 1, p)",
            "p",
            "(1, [0.0, 0, 4, 0, 0, 4]), (2, [0.0, 0, 1]), (3, [0.0, 0, 4, 0]), (4, NULL), (5, [0.0, 0, 4, 4, 4, 0, 0, 4])",
            "true - - - -",
        ),
        ("utc_to_mjd_tai(t)", "t", "(1, '1970-01-01T23:59:29Z'), (2, 'never'), (3, NULL)", "40588.0 - -"),
        ("ab_mag(flux)", "flux", "(1, 1), (2, 0), (3, -5), (4, 'nan'::double), (5, 100)", "31.4 - - - 26.4"),
        ("ab_mag_err(flux, 1)", "flux", "(1, 0), (2, -5)", "- -"),
        ("mag_to_flux(mag)", "mag", "(1, 31.4), (2, -1000), (3, 28.9)", "1.0 - 10.0"),
        ("night_of(t, offset)", "t, offset", "(1, 61138.06, -12), (2, 61138.06, 99), (3, 1e300, 0)", "2026-04-07 - -"),
    ] {
        let found = rows(&session, expression, names, values).await;
        assert_eq!(found.join(" "), wanted, "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_question_is_told() {
    let archive = empty().await;
    take(&archive, vec![Source::packets("one", Box::new(std::iter::once(framed(1101, &lsst_datum(1, &[])))))]).await;
    let session = session_of(archive).await;
    for (call, wanted) in [
        ("cone(_ra, _dec, 10, 20, -1)", "cone: radius is -1, but must be 0 or more"),
        ("cone(_ra, _dec, 10, 20, arcsec(-5))", "radius is -0.00138"),
        ("cone(_ra, _dec, 10, 20, 'nan'::double)", "cone: radius is NaN; give a finite number"),
        ("cone(_ra, _dec, 10, 95, 1)", "cone: dec0 is 95, but must lie between -90 and 90"),
        ("cone(_ra, _dec, 10, 20)", "write cone(ra, dec, ra0, dec0, radius); this call has 4 arguments"),
        ("cone(_ra, _dec, 10, 'north', 1)", "cone: dec0 (declination of the middle in degrees"),
        ("healpix(30, _ra, _dec) = 1", "healpix: order is 30, but must lie between 0 and 29"),
        ("healpix(2.5, _ra, _dec) = 1", "healpix: order (HEALPix order, 0 to 29) is a whole number"),
        ("in_box(_ra, _dec, 0, 1, 5, 2)", "dec_min is 5, but dec_max is only 2"),
        ("in_box(_ra, _dec, 0, 'infinity'::double, 1, 2)", "ra_max is inf; give a finite number"),
        ("in_polygon(_ra, _dec, 0, 0, 1, 1)", "write in_polygon(ra, dec, vertices) or in_polygon(ra, dec, ra1, dec1"),
        ("in_polygon(_ra, _dec, 0, 0, 1, 1, 0, 2, 3)", "this call has 9 arguments"),
        ("in_polygon(_ra, _dec, 0, 0, 1, 1, 0, 2, 3, 100)", "in_polygon: dec4 is 100"),
        ("in_polygon(_ra, _dec, 0, 0, 1, 1, 1, 0, 0, 1)", "the edges after the vertices 1 and 3 cross"),
        ("in_polygon(_ra, _dec, [0, 0, 1, 1])", "a polygon has at least 3 vertices"),
        ("in_moc(_ra, _dec, '3/12-')", "no range of cells"),
        ("in_moc(_ra, _dec, '30/1')", "whole numbers from 0 to 29"),
        ("in_moc(_ra, _dec, '')", "empty text"),
        ("ab_mag(1, 2, 3) > 1", "write ab_mag(flux) or ab_mag(flux, zero_point); this call has 3 arguments"),
        ("ab_mag_err(1, -1) > 1", "ab_mag_err: flux_err is -1"),
        ("night_of(_mjd_tai, 40) > 1", "utc_offset_hours is 40, but must lie between -36 and 36"),
        ("utc_to_mjd_tai(_ra) > 1", "a timestamp"),
        ("utc_to_mjd_tai('yesterday') > 1", "utc_to_mjd_tai: time is yesterday, and not a timestamp"),
    ] {
        for sql in [format!("SELECT {call} FROM lsst.alerts"), format!("SELECT 1 FROM lsst.alerts WHERE {call}")] {
            let error = match session.plan(&sql).await {
                Ok(planned) => planned.physical_plan().await.map(|_| panic!("{sql} was planned")).unwrap_err(),
                Err(error) => error,
            };
            assert!(error.to_string().contains(wanted), "{sql}: {error}");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_and_fluxes() {
    let session = session(&[]).await;
    for (expression, wanted) in [
        // The second after the leap second of 2016, and what it is in TAI.
        ("mjd_tai_to_utc(57754 + 37.0 / 86400)", "2017-01-01T00:00:00Z"),
        ("mjd_tai_to_utc(57754 + 35.0 / 86400)", "2016-12-31T23:59:59Z"),
        ("utc_to_mjd_tai(TIMESTAMP '2017-01-01T00:00:00Z')", "57754.00042824074"),
        ("utc_to_mjd_tai(TIMESTAMP '2017-01-01T01:00:00+01:00')", "57754.00042824074"),
        ("utc_to_mjd_tai(DATE '2017-01-01')", "57754.00042824074"),
        ("utc_to_mjd_tai('2017-01-01T00:00:00Z')", "57754.00042824074"),
        ("mjd_tai_to_utc(utc_to_mjd_tai(TIMESTAMP '2026-04-07T01:02:03.456789Z'))", "2026-04-07T01:02:03.456789Z"),
        ("jd_utc_to_mjd_tai(2457754.5)", "57754.00042824074"),
        ("jd_to_mjd(2457754.5)", "57754.0"),
        ("mjd_to_jd(57754)", "2457754.5"),
        ("night_of(61138.06, -12)", "2026-04-07"),
        ("mjd_tai_to_utc(1e12)", "-"),
        ("mjd_tai_to_utc('nan'::double)", "-"),
        ("abs(ab_mag(3630.7805477010137e9)) < 1e-12", "true"),
        ("flux_to_mag(100, 25)", "20.0"),
        ("round(mag_to_flux(26.4), 9)", "100.0"),
        ("mag_to_flux(20, 25)", "100.0"),
        ("ab_mag_err(100, 10) = 0.25 / ln(10)", "true"),
        ("round(mag_err_to_flux_err(26.4, ab_mag_err(100, 7)), 9)", "7.0"),
    ] {
        assert_eq!(ask(&session, &format!("SELECT {expression}")).await, [[wanted]], "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_shown() {
    let session = session(&[]).await;
    for (name, syntax) in [
        ("cone", "cone(ra, dec, ra0, dec0, radius)"),
        ("in_polygon", "in_polygon(ra, dec, ra1, dec1, ra2, dec2, ra3, dec3, ...)"),
        ("ab_mag", "ab_mag(flux, zero_point)"),
    ] {
        let sql =
            format!("SELECT DISTINCT syntax_example FROM information_schema.routines WHERE routine_name = '{name}'");
        assert_eq!(ask(&session, &sql).await, [[syntax]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_choose_files() {
    let archive = empty().await;
    for file in 0..12_i64 {
        let at = file as f64 * 30.0;
        let packets = (0..5).map(move |n| {
            let place = [("diaSource.ra", (at + n as f64 * 0.1).into()), ("diaSource.dec", (n as f64 - 2.0).into())];
            framed(1101, &lsst_datum(file * 10 + n, &place))
        });
        take(&archive, vec![Source::packets(&format!("file {file}"), Box::new(packets))]).await;
    }
    let session = session_of(archive).await;
    for (condition, read, rows) in [
        ("cone(_ra, _dec, 60.2, 0, 0.05)", 1, "1"),
        ("CONE(diaSource.ra, diaSource.dec, 60.2, 0, arcmin(3))", 1, "1"),
        ("angular_distance(_ra, _dec, 90, -2) < 0.5", 1, "1"),
        ("10 >= angular_distance(diaSource.ra, diaSource.dec, 359, 0)", 1, "5"),
        ("cone(_ra, _dec, 15, 0, 16)", 2, "10"),
        ("NOT cone(_ra, _dec, 60.2, 0, 0.05)", 12, "59"),
        ("angular_distance(_ra, _dec, 60.2, 0) > 0.05", 12, "59"),
        ("cone(_ra, _dec, 60.2, 60, 1)", 0, "0"),
    ] {
        let sql = format!("SELECT count(diaSource.psfFlux) FROM lsst.alerts WHERE {condition}");
        assert_eq!(ask(&session, &sql).await, [[rows]], "{condition}");
        assert_eq!(files(&session, &sql).await, read, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn cones_by_any_name_find_the_same_alerts() {
    let session = session(&[data("lsst"), data("ztf")]).await;
    for (table, ra, dec) in
        [("lsst.alerts", "diaSource.ra", "diaSource.dec"), ("ztf.alerts", "candidate.ra", "candidate.dec")]
    {
        let centres = ask(&session, &format!("SELECT _ra, _dec FROM {table} ORDER BY _sha256 LIMIT 6")).await;
        for centre in centres {
            let (ra0, dec0) = (&centre[0], &centre[1]);
            for radius in ["0", "0.0005", "0.1", "3", "200"] {
                let count = |condition: String| {
                    let sql = format!("SELECT count(*), sum(_dec) FROM {table} WHERE {condition}");
                    let session = session.clone();
                    async move { ask(&session, &sql).await }
                };
                // The sum keeps the condition from being pushed anywhere; the key columns are the reference.
                let plain = count(format!("angular_distance(_ra + 0, _dec + 0, {ra0}, {dec0}) <= {radius}")).await;
                assert_ne!(plain[0][0], "0");
                for condition in [
                    format!("cone(_ra, _dec, {ra0}, {dec0}, {radius})"),
                    format!("cone({ra}, {dec}, {ra0}, {dec0}, {radius})"),
                    format!("angular_distance({ra}, {dec}, {ra0}, {dec0}) <= {radius}"),
                    format!("{radius} >= angular_distance(_ra, _dec, {ra0}, {dec0})"),
                    format!("healpix(29, _ra, _dec) = _healpix_29 AND cone({ra}, {dec}, {ra0}, {dec0}, {radius})"),
                ] {
                    let found = count(condition.clone()).await;
                    assert_eq!(found[0][0], plain[0][0], "{condition}");
                }
            }
        }
    }
}
