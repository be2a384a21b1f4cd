//! Questions as they are asked of Rubin's prompt products database, in the SQL of PostgreSQL and word for word: they run,
//! and answer what DataFusion by itself answers over the same rows in plain tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use crate::sent::data;
use crate::support::{ask, session, text};

const TABLES: [&str; 6] = ["DiaSource", "DiaForcedSource", "DiaObject", "DiaObjectVersions", "SSSource", "mpc_orbits"];

const ASKED: [&str; 24] = [
    // The objects that are seen most, and those of a patch of sky.
    r#"SELECT "diaObjectId", ra, dec, "nDiaSources" FROM "DiaObject" WHERE "nDiaSources" >= 5
       ORDER BY "nDiaSources" DESC, "diaObjectId" LIMIT 10"#,
    r#"SELECT "diaObjectId" FROM "DiaObject" WHERE ra BETWEEN 149 AND 151 AND dec BETWEEN 1 AND 3 ORDER BY "diaObjectId""#,
    // Light curves: of one object, of those of another question, with the fluxes that were forced.
    r#"SELECT "diaSourceId", "midpointMjdTai", band, "psfFlux", "psfFluxErr" FROM "DiaSource"
       WHERE "diaObjectId" = 313853533289447521 ORDER BY "midpointMjdTai", "diaSourceId""#,
    r#"SELECT "diaObjectId", "diaSourceId" FROM "DiaSource" WHERE "diaObjectId" IN
       (SELECT "diaObjectId" FROM "DiaObject" WHERE "nDiaSources" > 1000) ORDER BY 1, 2"#,
    r#"SELECT s."diaObjectId", s.visit, s.detector, s."psfFlux", f."psfFlux" AS forced, f."scienceFlux"
       FROM "DiaSource" s JOIN "DiaForcedSource" f
       ON f."diaObjectId" = s."diaObjectId" AND f.visit = s.visit AND f.detector = s.detector ORDER BY 1, 2, 3, 4, 5"#,
    r#"SELECT f."diaObjectId", f.visit, f."psfFlux" FROM "DiaForcedSource" f LEFT JOIN "DiaSource" s
       ON f."diaObjectId" = s."diaObjectId" AND f.visit = s.visit AND f.detector = s.detector
       WHERE s."diaSourceId" IS NULL ORDER BY 1, 2, 3 LIMIT 50"#,
    // Summed up by object and by band.
    r#"SELECT o."diaObjectId", count(*) AS n, round(avg(s."psfFlux")::numeric, 2) FROM "DiaObject" AS o
       JOIN "DiaSource" AS s ON o."diaObjectId" = s."diaObjectId" WHERE s.band = 'r'
       GROUP BY o."diaObjectId" HAVING count(*) > 2 ORDER BY n DESC, 1 LIMIT 20"#,
    r#"SELECT band, count(*) FILTER (WHERE "isDipole") AS dipoles,
       sum(CASE WHEN "pixelFlags_bad" THEN 1 ELSE 0 END) AS bad, count(*) FROM "DiaSource" GROUP BY band ORDER BY band"#,
    r#"SELECT "diaObjectId", max("psfFlux") - min("psfFlux") AS amplitude FROM "DiaSource"
       WHERE band IN ('g', 'r') AND NOT "pixelFlags_saturated" AND "diaObjectId" IS NOT NULL
       GROUP BY "diaObjectId" ORDER BY amplitude DESC NULLS LAST, 1 LIMIT 5"#,
    r#"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY "psfFlux") FROM "DiaSource" WHERE "psfFlux" IS NOT NULL"#,
    r#"SELECT floor("midpointMjdTai")::int AS mjd, count(*), count(DISTINCT visit) FROM "DiaSource" GROUP BY 1 ORDER BY 1"#,
    r#"SELECT "diaObjectId", array_agg("psfFlux" ORDER BY "midpointMjdTai", "diaSourceId") AS fluxes FROM "DiaSource"
       WHERE "diaObjectId" > 0 GROUP BY 1 ORDER BY 1 LIMIT 3"#,
    // The first, the last and the one before.
    r#"WITH ranked AS (SELECT *, row_number() OVER
       (PARTITION BY "diaObjectId" ORDER BY "midpointMjdTai" DESC, "diaSourceId") AS n
       FROM "DiaSource" WHERE "diaObjectId" IS NOT NULL)
       SELECT "diaObjectId", "diaSourceId", "psfFlux" FROM ranked WHERE n = 1 ORDER BY 1"#,
    r#"SELECT DISTINCT ON ("diaObjectId") "diaObjectId", "midpointMjdTai", band FROM "DiaSource"
       WHERE "diaObjectId" > 0 ORDER BY "diaObjectId", "midpointMjdTai", "diaSourceId""#,
    r#"SELECT "diaSourceId", lag("psfFlux") OVER
       (PARTITION BY "diaObjectId", band ORDER BY "midpointMjdTai", "diaSourceId") AS before
       FROM "DiaSource" WHERE "diaObjectId" > 0 ORDER BY "diaSourceId""#,
    r#"SELECT d."diaObjectId", s."firstSeen" FROM "DiaObject" d,
       (SELECT "diaObjectId", min("midpointMjdTai") AS "firstSeen" FROM "DiaSource" GROUP BY "diaObjectId") s
       WHERE d."diaObjectId" = s."diaObjectId" ORDER BY s."firstSeen" DESC, 1 LIMIT 10"#,
    // Quality, brightness, and what is not there.
    r#"SELECT "diaSourceId", -2.5 * log("psfFlux") + 31.4 AS mag FROM "DiaSource"
       WHERE "psfFlux" > 0 AND snr > 5 AND NOT ("pixelFlags_edge" OR "isDipole" IS TRUE) ORDER BY mag, 1 LIMIT 20"#,
    r#"SELECT d."diaObjectId", d."nDiaSources" FROM "DiaObject" d WHERE d."diaObjectId" NOT IN
       (SELECT "diaObjectId" FROM "DiaForcedSource" WHERE "diaObjectId" IS NOT NULL) ORDER BY 1"#,
    r#"SELECT count(*), count("trailLength"), min("trailLength") FROM "DiaSource" WHERE "trailLength" IS NOT NULL"#,
    r#"SELECT v."diaObjectId", count(*) FROM "DiaObjectVersions" v GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"#,
    // The Solar System.
    r#"SELECT s."diaSourceId", s.ra, s.dec FROM "DiaSource" s WHERE EXISTS
       (SELECT 1 FROM "SSSource" ss WHERE ss."diaSourceId" = s."diaSourceId") ORDER BY 1"#,
    r#"SELECT designation, a, e FROM mpc_orbits WHERE e < 0.2 ORDER BY designation"#,
    r#"SELECT s."diaSourceId", o.designation, o.a * (1 - o.e) AS q FROM "DiaSource" s
       JOIN "SSSource" ss ON ss."diaSourceId" = s."diaSourceId" JOIN mpc_orbits o ON o.designation = ss.designation
       ORDER BY 1, 2"#,
    r#"(SELECT 'sources' AS what, count(*) FROM "DiaSource") UNION ALL
       (SELECT 'forced', count(*) FROM "DiaForcedSource") ORDER BY what"#,
];

#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
#[tokio::test(flavor = "multi_thread")]
async fn questions_run_unchanged() {
    let folders = ["v10.0-raw", "v10.0-restored", "v9.0-ocf", "v7.4-raw"];
    let session = session(&folders.map(|folder| data(&format!("lsst/{folder}")))).await;
    let plain = SessionContext::new();
    for table in TABLES {
        let all = session.plan(&format!("SELECT * FROM {table}")).await.unwrap();
        let (schema, rows) = (all.schema(), all.execute().await.unwrap());
        let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert!(!rows.is_empty(), "{table}");
        let rows = MemTable::try_new(schema, vec![rows]).unwrap();
        plain.register_table(TableReference::bare(table), Arc::new(rows)).unwrap();
    }
    let mut empty = Vec::new();
    for sql in ASKED {
        let batches = plain.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).collect().await.unwrap();
        let expected = text(&batches);
        assert_eq!(ask(&session, sql).await, expected, "{sql}");
        if expected.is_empty() {
            empty.push(sql);
        }
    }
    assert!(empty.is_empty(), "these would be right of any table: {empty:#?}");
    // Without quotes, in whatever case, as databases have it that put names in lower case.
    for (quoted, typed) in [
        (r#"SELECT count(*) FROM "DiaSource" WHERE "psfFlux" > 0"#, "select COUNT(*) from diasource where psfflux > 0"),
        (r#"SELECT max("nDiaSources") FROM lsst."DiaObject""#, "select max(ndiasources) from LSST.DIAOBJECT"),
    ] {
        assert_eq!(ask(&session, typed).await, ask(&session, quoted).await);
    }
}
