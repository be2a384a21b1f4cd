//! Questions, packets and images.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::Place;

#[test]
fn answers_come_in_every_form() {
    let (place, packets) = Place::with_packets();
    let sql = "SELECT diasourceid, DIASOURCE.psfflux, diaObject FROM lsst.alerts ORDER BY diaSourceId";
    let table = place.run(&["sql", "-c", sql, "--max-rows", "3"]).ok().warns("the first 3 rows");
    assert!(table.out.contains(&packets.iter().map(|p| p.alert_id).min().unwrap().to_string()), "{table}");

    let json = place.run(&["sql", "-c", sql, "--format", "json"]).ok();
    let rows: Vec<serde_json::Value> = json.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut ids: Vec<i64> = packets.iter().map(|p| p.alert_id).collect();
    ids.sort_unstable();
    assert_eq!(rows.iter().map(|r| r["diaSourceId"].as_i64().unwrap()).collect::<Vec<_>>(), ids);
    assert!(rows.iter().any(|r| r["diaObject"].is_object()));

    let csv = place.run(&["sql", "-c", sql, "--format", "csv"]).ok();
    assert!(csv.out.starts_with("diaSourceId,"), "{csv}");

    place.run(&["sql", "-c", sql, "-o", "out.parquet"]).ok();
    let bytes = std::fs::read(place.path("out.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let piped = place.run(&["sql", "-c", sql, "--format", "parquet"]).ok();
    assert_eq!(piped.bytes, bytes);
}

#[test]
fn questions_come_from_everywhere() {
    let (place, packets) = Place::with_packets();
    place.write("two.sql", "SELECT 1 AS one; -- and\nSELECT ';' AS two;");
    let both = place.run(&["sql", "-f", "two.sql", "--format", "csv"]).ok();
    assert_eq!(both.out, "one\n1\ntwo\n;\n");
    let count = format!("n\n{}\n", packets.len());
    let piped = place.run_with_input(&["sql", "--format", "csv"], b"SELECT count(*) AS n FROM lsst.alerts").ok();
    assert_eq!(piped.out, count);
    place.run(&["sql", "-c", "DESCRIBE lsst.alerts", "--max-rows", "0"]).ok().says("diaSource.psfFlux").says("nJy");
    place.run(&["sql", "-c", "SHOW TABLES"]).ok().says("alerts").says("ledger");
    let none = place.run(&["sql", "--as-of", "0", "-c", "SELECT count(*) AS n FROM lsst.alerts", "--format", "csv"]);
    assert_eq!(none.ok().out, "n\n0\n");

    place.run(&["sql", "-c", "SELECT diaSource.psfFlx FROM lsst.alerts"]).ends(2).warns("psfFlux");
    place.run(&["sql", "-c", "SELEC 1"]).ends(2);
    place.run(&["sql", "-c", "DROP TABLE lsst.alerts"]).ends(2);
    place.run(&["sql", "-c", "SELECT 1; SELECT 2", "--format", "parquet"]).ends(2).warns("one question");
    place.run(&["sql", "-c", "SELECT 1", "--as-of", "99"]).ends(1).warns("99");
    place.run(&["sql", "-c", "SELECT 1", "--archive", "nowhere"]).ends(1).warns("noctuary ingest");
}

#[test]
fn rows_are_never_left_out_without_a_word() {
    let (place, _) = Place::with_packets();
    let sql = "SELECT unnest(range(0, 3000)) AS n";
    place.run(&["sql", "-c", sql, "-o", "all.tsv"]).ends(2).warns(".parquet").warns("--format");
    place.run(&["ledger", "-o", "all.txt"]).ends(2).warns(".csv");
    assert!(!place.path("all.tsv").exists() && !place.path("all.txt").exists());
    place.run(&["sql", "-c", sql, "-o", "all.tsv", "--format", "csv"]).ok();
    assert_eq!(std::fs::read_to_string(place.path("all.tsv")).unwrap().lines().count(), 3001);

    let piped = place.run(&["sql", "-c", sql]).ok().warns("only the first 100 rows").warns("--max-rows 0");
    assert_eq!(piped.out.lines().count(), 2 + 100, "{piped}");
    place.run(&["sql", "-c", sql, "--max-rows", "0"]).ok().says("(3000 rows)");

    let columns = place.run(&["sql", "-c", "DESCRIBE lsst.alerts"]).ok().says("(4");
    assert!(columns.out.lines().count() > 400 && columns.err.is_empty(), "{columns}");
    let plan = place.run(&["sql", "-c", "/* why */ EXPLAIN SELECT diaSourceId FROM lsst.alerts WHERE _ra > 10"]).ok();
    assert!(plan.out.lines().count() > 6 && !plan.out.contains('…'), "{plan}");
    assert!(plan.out.lines().any(|line| line.len() > 100), "{plan}");
    place.run(&["sql", "-c", "DESCRIBE lsst.alerts", "--max-rows", "5"]).ok().warns("the first 5 rows");
}

#[test]
fn a_script_is_understood_before_it_is_answered() {
    let (place, _) = Place::with_packets();
    let half = place.run(&["sql", "-c", "SELECT 1 AS one; SELEC 2"]).ends(2).warns("SELEC");
    assert_eq!(half.out, "");
    place.run(&["sql", "-c", "SELECT 1; SELECT nothing", "-o", "two.csv"]).ends(2);
    assert!(!place.path("two.csv").exists());
    // Understood, and at fault in a row that it meets.
    place.run(&["sql", "-c", "SELECT 1 / (_revision - _revision) FROM lsst.alerts"]).ends(2);
    place.run(&["sql", "--help"]).ok().says("division by zero");
}

#[test]
fn what_others_asked_can_be_asked_again() {
    let (place, packets) = Place::with_packets();
    let list = place.run(&["ask"]).ok().says("l03_likely_transients").says("Measurements near a position").says("ztf");
    assert!(list.out.lines().count() > 20, "{list}");
    let nights = place.run(&["ask", "alerts_per_night", "--format", "csv"]).ok();
    assert_eq!(nights.out.lines().count(), 1 + 2, "{nights}");
    let before = place.run(&["ask", "alerts_per_night", "--format", "csv", "--as-of", "0"]).ok();
    assert_eq!(before.out.lines().count(), 1, "{before}");

    let id = packets[0].alert_id;
    let csv = |sql: &str| place.run(&["sql", "--format", "csv", "-c", sql]).ok().out.lines().nth(1).unwrap().to_owned();
    let at = csv(&format!("SELECT _ra, _dec FROM lsst.alerts WHERE _alert = {id}"));
    let (ra, dec) = at.split_once(',').unwrap();
    let (ra, dec) = (format!("ra={ra}"), format!("dec={dec}"));
    let asked = ["ask", "cone_search", "--param", &ra, "-p", &dec, "--param", "radius=1"];
    let near = place.run(&[&asked[..], &["--format", "csv"]].concat()).ok().says("arcseconds").says(&id.to_string());
    place.run(&[&asked[..], &["-o", "near.csv"]].concat()).ok();
    assert_eq!(std::fs::read_to_string(place.path("near.csv")).unwrap(), near.out);

    // What is shown can be asked as it is.
    let shown = place.run(&[&asked[..], &["--show"]].concat()).ok().says("-- param radius number arcsec");
    place.write("mine.sql", &shown.out);
    assert_eq!(place.run(&["sql", "-f", "mine.sql", "--format", "csv"]).ok().out, near.out);
    place.run(&["ask", "cone_search", "--show"]).ok().says("-- example: ra=").says("$radius");

    let object = csv("SELECT min(diaObjectId) FROM lsst.sources WHERE diaObjectId <> 0");
    place.write("list.txt", format!("{object}\n{object}\n"));
    place.run(&["ask", "light_curves", "--param", "objects=@list.txt", "--format", "csv"]).ok().says(&object);
}

#[test]
fn what_cannot_be_asked_is_told_with_what_can() {
    let (place, _) = Place::with_packets();
    place.run(&["ask", "nothing"]).ends(2).warns("`noctuary ask` lists");
    place.run(&["ask", "cone_serch", "--show"]).ends(2).warns("did you mean cone_search?");
    let cone = |more: &[&str]| {
        let values = more.iter().flat_map(|value| ["--param", value]);
        place.run(&["ask", "cone_search"].into_iter().chain(values).collect::<Vec<_>>()).ends(2)
    };
    cone(&["ra=1"]).warns("dec, a number from -90 to 90, in deg").warns("noctuary ask cone_search --show");
    cone(&["ra=1", "dec=2", "radus=3"]).warns("did you mean radius?");
    cone(&["ra=1", "dec=2", "radius=-3"]).warns("radius has to be a number from 0 to 648000, in arcsec");
    cone(&["ra=east", "dec=2"]).warns("ra has to be a number, in deg, and \"east\" is not");
    cone(&["ra=1", "ra=2", "dec=2"]).warns("ra is given twice");
    cone(&["ra"]).warns("NAME=VALUE");
    place.run(&["ask", "light_curves", "--param", "objects=@nowhere.txt"]).ends(1).warns("nowhere.txt");
    place.write("bad.txt", "1\n2, two\n");
    place.run(&["ask", "light_curves", "--param", "objects=@bad.txt"]).ends(2).warns("\"two\" in line 2, column 4");
    place.run(&["ask", "alerts_per_night", "--param", "night=1"]).ends(2).warns("it has none");
    place.run(&["ask", "--format", "csv"]).ends(2).warns("there is no question");
    place.run(&["ask", "--param", "ra=1"]).ends(2);
    place.run(&["ask", "cone_search", "--show", "--format", "csv"]).ends(2);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (place, _) = Place::with_packets();
    for format in ["csv", "json", "parquet"] {
        let numbers = "(SELECT unnest(range(0, 3000)) AS n)";
        let sql = format!("SELECT a.n, b.n AS other FROM {numbers} AS a, {numbers} AS b");
        let mut child = place
            .command(&["sql", "-c", &sql, "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut head = Vec::new();
        BufReader::new(child.stdout.take().unwrap()).read_until(b'\n', &mut head).unwrap();
        let done = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && err.is_empty(), "{format}: {:?} {err}", done.status);
    }
}

#[test]
fn packets_come_back_as_they_were_sent() {
    let (place, packets) = Place::with_packets();
    for packet in packets.iter().step_by(7) {
        let id = packet.alert_id.to_string();
        assert_eq!(place.run(&["get", &id]).ok().bytes, packet.bytes);
        place.run(&["get", &id, "-o", "packet.bin", "--survey", "lsst"]).ok();
        assert_eq!(std::fs::read(place.path("packet.bin")).unwrap(), packet.bytes);
        let avro = place.run(&["get", &id, "--format", "avro"]).ok().bytes;
        assert!(avro.starts_with(b"Obj\x01") && avro.len() > packet.bytes.len());
        let json: serde_json::Value =
            serde_json::from_slice(&place.run(&["get", &id, "--format", "json"]).ok().bytes).unwrap();
        assert_eq!(json["diaSourceId"].as_i64(), Some(packet.alert_id));
    }
    let id = packets[0].alert_id.to_string();
    place.run(&["get", "12345"]).ends(1).warns("no alert 12345");
    place.run(&["get", &id, "--revision", "7"]).ends(1).warns("revisions 0");
    place.run(&["get", &id, "--survey", "lst"]).ends(2).warns("lsst");
}

#[test]
fn images_come_as_fits_and_png() {
    let (place, packets) = Place::with_packets();
    let id = packets[3].alert_id.to_string();
    let fits = place.run(&["cutout", &id, "--kind", "science"]).ok().bytes;
    assert!(fits.starts_with(b"SIMPLE  =") && fits.len() % 2880 == 0);
    let png = place.run(&["cutout", &id, "--kind", "science", "--format", "png", "--scale", "2"]).ok().bytes;
    assert!(png.starts_with(b"\x89PNG"));
    place.run(&["cutout", &id, "-o", "cutouts", "--format", "png"]).ok().says("difference.png");
    assert_eq!(std::fs::read_dir(place.path("cutouts")).unwrap().count(), 3);
    place.run(&["cutout", &id, "--kind", "sciense"]).ends(2).warns("science");

    place.write("old.bin", "mine");
    for output in ["-", "cut.fits", "old.bin"] {
        place.run(&["cutout", &id, "-o", output]).ends(2).warns("--kind");
    }
    assert!(!place.path("-").exists() && !place.path("cut.fits").exists());
    place.run(&["cutout", &id, "--kind", "template", "-o", "cut.fits"]).ok();
    assert!(place.path("cut.fits").is_file());
    assert_eq!(place.run(&["cutout", &id, "--kind", "science", "-o", "-"]).ok().bytes, fits);
}
