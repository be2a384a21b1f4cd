//! What takes how much room, and rows that no packet brought.

use crate::support::{Done, Place};

fn number(place: &Place, sql: &str) -> i64 {
    let answer = place.run(&["sql", "-c", sql, "--format", "csv"]).ok();
    answer.out.lines().nth(1).unwrap_or_default().parse().unwrap_or_else(|_| panic!("{sql}: {answer}"))
}

#[test]
fn stats_add_up() {
    let (place, packets) = Place::with_packets();
    let shown = place.run(&["stats"]).ok().says("sources").says("planes").says("footers").says("as transmitted");
    assert!(shown.out.contains(&format!("{} packets", packets.len())), "{shown}");
    let rows: Done = place.run(&["stats", "--format", "csv"]).ok();
    let bytes: u64 = rows.out.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().parse::<u64>().unwrap()).sum();
    let on_disk: u64 = walk(&place.path("archive"));
    assert_eq!(bytes, on_disk, "{rows}");
    place.run(&["stats", "--survey", "lsst"]).ok();
    place.run(&["stats", "--survey", "lst"]).ends(2).warns("lsst");
    place.run(&["stats", "--rights", "public"]).ends(2);
}

fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

#[test]
fn simulated_rows_are_loaded() {
    let (place, packets) = Place::with_packets();
    let sky = ["--form", "rows", "--seed", "5", "--nights", "2", "--visits", "3", "--rate", "40", "sky"];
    place.run(&[&["simulate", "--survey", "lsst"], &sky[..]].concat()).ok();
    place.write(
        "names.toml",
        "diaSourceId = \"source_id\"\ndiaObjectId = \"object_id\"\nssObjectId = \"body_id\"\n\
         midpointMjdTai = \"mjd\"\npsfFlux = \"flux\"\npsfFluxErr = \"flux_error\"\n",
    );
    let load = ["load", "sky/sources.parquet", "--survey", "lsst", "--as", "sources", "--columns", "names.toml"];
    place.run(&load).ok().says("240 rows loaded").says("psfFlux from flux").says("not taken: night, class");
    place.run(&load).ok().says("0 rows loaded, 240 were there already");
    let objects = ["load", "sky/objects.parquet", "--survey", "lsst", "--as", "objects"];
    place.run(&objects).ends(2).warns("--column _object=COLUMN");
    let named = place.run(&[&objects[..], &["--column", "diaObjectId=object_id"]].concat()).ok();
    let loaded: i64 = named.out.split(' ').next().unwrap().parse().unwrap();

    let count = |origin| number(&place, &format!("SELECT count(*) FROM lsst.sources WHERE _origin = '{origin}'"));
    assert_eq!((count("loaded"), count("trigger")), (240, packets.len() as i64));
    assert_eq!(number(&place, "SELECT count(DISTINCT diaSourceId) FROM lsst.sources WHERE _origin = 'loaded'"), 240);
    assert!(number(&place, "SELECT count(psfFlux) FROM lsst.sources WHERE _origin = 'loaded' AND psfFlux > 0") > 0);
    assert_eq!(number(&place, "SELECT count(*) FROM lsst.objects WHERE _alert IS NULL"), loaded);
    let placed = "SELECT count(*) FROM lsst.objects WHERE _alert IS NULL AND _ra = ra AND _dec = dec";
    assert_eq!(number(&place, placed), loaded);
    assert!(number(&place, "SELECT count(*) FROM lsst.objects WHERE _alert IS NOT NULL") > 0);
    // No packet comes of them, and the ledger knows of none.
    assert_eq!(number(&place, "SELECT count(*) FROM lsst.alerts"), packets.len() as i64);
    place.run(&["verify"]).ok();
    place.run(&["load", "names.toml", "--survey", "lsst", "--as", "sources"]).ends(2).warns("not a Parquet file");
    place.run(&["load", "sky/sources.parquet", "--survey", "lsst", "--as", "sources", "--column", "x"]).ends(2);
}
