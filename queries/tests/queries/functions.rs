//! Functions of the sky in SQL.

use noctuary_storage::ingest::Source;

use crate::make::{framed, lsst_datum};
use crate::sent::data;
use crate::support::{ask, empty, files, session, session_of, take};

#[tokio::test(flavor = "multi_thread")]
async fn functions_take_what_sql_gives_them() {
    let session = session(&[]).await;
    let row = ask(
        &session,
        "SELECT separation(10, 20, 10, 21), cone(10, 20, 10.0, 20.5, 0.6), cone(10, 20, 10, 20.5, arcsec(1)), \
         cone(NULL, 20, 10, 20, 1), cone('nan'::double, 20, 10, 20, 1), healpix(0, 0, 0), arcmin(30), \
         cone(359.9, 0, 0.1, 0, 0.3), cone(10, 89.9, 190, 89.9, 0.3), healpix(10, 95, 3)",
    )
    .await;
    assert_eq!(row[0][0].parse::<f64>().unwrap().round(), 1.0);
    assert_eq!(row[0][1..], ["true", "false", "-", "-", "4", "0.5", "true", "true", "-"]);
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
        ("separation(_ra, _dec, 90, -2) < 0.5", 1, "1"),
        ("10 >= separation(diaSource.ra, diaSource.dec, 359, 0)", 1, "5"),
        ("cone(_ra, _dec, 15, 0, 16)", 2, "10"),
        ("NOT cone(_ra, _dec, 60.2, 0, 0.05)", 12, "59"),
        ("separation(_ra, _dec, 60.2, 0) > 0.05", 12, "59"),
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
                let plain = count(format!("separation(_ra + 0, _dec + 0, {ra0}, {dec0}) <= {radius}")).await;
                assert_ne!(plain[0][0], "0");
                for condition in [
                    format!("cone(_ra, _dec, {ra0}, {dec0}, {radius})"),
                    format!("cone({ra}, {dec}, {ra0}, {dec0}, {radius})"),
                    format!("separation({ra}, {dec}, {ra0}, {dec0}) <= {radius}"),
                    format!("{radius} >= separation(_ra, _dec, {ra0}, {dec0})"),
                    format!("healpix(_ra, _dec, 29) = _healpix_29 AND cone({ra}, {dec}, {ra0}, {dec0}, {radius})"),
                ] {
                    let found = count(condition.clone()).await;
                    assert_eq!(found[0][0], plain[0][0], "{condition}");
                }
            }
        }
    }
}
