//! Taking in, counting, checking.

use crate::support::{Place, SCHEMA, SCHEMA_ID, SURVEY, burst, files_below, packets};

#[test]
fn exit_codes_say_what_became_of_an_ingest() {
    let (place, packets) = Place::with_packets();
    let again = place.run(&["ingest", "sent"]).ok();
    assert!(again.out.contains("taken in before"), "{again}");
    let copy = place.run_with_input(&["ingest", "-"], &packets[0].bytes).ok();
    assert!(copy.out.lines().any(|l| l.starts_with("duplicate") && l.ends_with('1')), "{copy}");

    place.write("bad/cut.bin", &packets[1].bytes[..packets[1].bytes.len() - 9]);
    place.write("bad/empty.bin", "");
    let bad = place.run(&["ingest", "bad"]).ends(3);
    bad.says("bad-length").says("empty").warns("noctuary quarantine list");
    std::fs::create_dir(place.path("nothing")).unwrap();
    let refused = place.run(&["ingest", "nothing"]).ends(3).warns("noctuary ledger --by source");
    assert!(!refused.err.contains("quarantine"), "{refused}");
    place.run(&["ledger", "--by", "source"]).ok().says("no alerts in this folder");
    place.run(&["ingest", "nowhere"]).ends(2).warns("nowhere");
    place.run(&["ingest"]).ends(2);
    place.run(&["ingest", "sent", "--schema", "lsst 99.9"]).ends(2).warns("noctuary schema list");
    place.run(&["ingest", "sent", "--commit-size", "lots"]).ends(2).warns("64MiB");
}

#[test]
fn refused_packets_are_shown_and_tried_again() {
    let place = Place::new();
    let packet = burst("B-1", 1);
    place.write("sent/1.bin", &packet);
    place.run(&["ingest", "sent"]).ends(3).says("unknown-schema");
    let list = place.run(&["quarantine", "list", "--format", "csv"]).ok().says("unknown-schema");
    let id = list.out.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    place.run(&["quarantine", "show", &id]).ok().says("unknown-schema").says(SCHEMA_ID).says("schema add");
    assert_eq!(place.run(&["quarantine", "show", &id, "-o", "-"]).ok().bytes, packet);
    place.run(&["quarantine", "retry", "--all"]).ends(3);

    place.write("survey.toml", SURVEY);
    place.write("burst.avsc", SCHEMA);
    place.run(&["schema", "add", "burst.avsc"]).ok().says("--id N").says("noctuary survey add");
    place.run(&["schema", "add", "burst.avsc", "--id", SCHEMA_ID]).ok();
    place.run(&["survey", "add", "survey.toml"]).ok();
    place.run(&["quarantine", "retry", &id]).ok();
    let empty = place.run(&["quarantine", "list", "--format", "csv"]).ok();
    assert_eq!(empty.out.lines().count(), 1, "{empty}");
    assert_eq!(place.run(&["get", "B-1"]).ok().bytes, packet);
    place.run(&["quarantine", "show", &id]).ok().says("stored since");
    let released = place.run(&["quarantine", "list", "--released", "--format", "json"]).ok();
    let row: serde_json::Value = serde_json::from_str(released.out.lines().next().unwrap()).unwrap();
    let log = place.run(&["sql", "-c", "SELECT max(version) AS v FROM archive.versions", "--format", "json"]).ok();
    let newest: serde_json::Value = serde_json::from_str(&log.out).unwrap();
    assert_eq!((row["id"].as_str(), &row["released"]), (Some(id.as_str()), &newest["v"]), "{released}");
    place.run(&["quarantine", "show", "nothing"]).ends(1);
    place.run(&["quarantine", "retry"]).ends(2);
    place.run(&["quarantine", "list", "--reason", "ugly"]).ends(2).warns("truncated");
    place.run(&["verify"]).ok();
}

#[test]
fn schemas_are_listed_shown_and_compared() {
    let place = Place::new();
    place.run(&["schema", "list"]).ok().says("1101").says("lsst.v7_4.alert");
    place.run(&["schema", "show", "lsst 11.1"]).ok().says("diaSource.psfFlux").says("nJy");
    let json = place.run(&["schema", "show", "1101", "--json"]).ok();
    serde_json::from_str::<serde_json::Value>(&json.out).unwrap();
    place.run(&["schema", "diff", "lsst 11.0", "lsst 11.1"]).ok().says("diaSource.exposureTime").says("added");
    place.run(&["schema", "diff", "1101", "1101"]).ok().says("the same");
    place.run(&["schema", "show", "lsst 99"]).ends(2);
    place.write("not.avsc", "{}");
    place.run(&["schema", "add", "not.avsc"]).ends(2);
    place.run(&["survey", "list"]).ok().says("ztf");
    place.run(&["survey", "show", "lsst"]).ok().says("utc_offset_hours");
    place.run(&["survey", "show", "nobody"]).ends(1);
}

#[test]
fn what_is_shown_of_a_survey_can_be_added_again() {
    let place = Place::new();
    let shown = place.run(&["survey", "show", "ztf"]).ok().out;
    place.write("mine.toml", shown.replace("name = \"ztf\"", "name = \"mine\""));
    place.run(&["survey", "add", "mine.toml"]).ok().says("mine");
}

#[test]
fn everything_is_counted() {
    let (place, packets) = Place::with_packets();
    let nights = place.run(&["nights", "--format", "csv"]).ok();
    assert_eq!(nights.out.lines().count(), 3, "{nights}");
    assert!(nights.out.lines().nth(1).unwrap().starts_with("lsst,2026-11-09,12,12,0,0,"), "{nights}");
    place.run(&["nights", "--from", "2026-11-10", "--format", "json"]).ok().says("\"received\":12");
    for by in ["source", "visit", "schema", "night"] {
        place.run(&["ledger", "--by", by]).ok().says("received");
    }
    let visits = place.run(&["ledger", "--by", "visit", "--night", "20261109", "--format", "csv"]).ok();
    assert_eq!(visits.out.lines().count(), 4, "{visits}");
    place.run(&["nights", "--from", "yesterday"]).ends(2);
    place.run(&["nights", "--survey", "LSST"]).ends(2).warns("\"LSST\"").warns("lsst");
    place.run(&["nights", "--survey", "ztf"]).ok();

    let log = place.run(&["versions"]).ok().says("created");
    assert!(log.out.contains(&packets.len().to_string()), "{log}");
    place.run(&["rollback", "0"]).ok();
    place.run(&["sql", "-c", "SELECT count(*) AS n FROM lsst.alerts", "--format", "csv"]).ok().says("n\n0\n");
    place.run(&["versions"]).ok().says("undone");
    place.run(&["ingest", "sent"]).ok();
    place.run(&["sql", "-c", "SELECT count(*) AS n FROM lsst.alerts", "--format", "csv"]).ok().says("n\n24\n");
    place.run(&["rollback", "99"]).ends(2);
}

#[test]
fn damage_is_found() {
    let (place, _) = Place::with_packets();
    place.run(&["verify"]).ok().says("P1").says("P4");
    let files = files_below(&place.path("archive/packets"));
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&files[0], bytes).unwrap();
    place.run(&["verify"]).ends(1).says("P1");
}

#[test]
fn bare_datums_need_the_name_of_their_schema() {
    let place = Place::new();
    let packet = &packets()[0];
    place.write("bare/1.dat", &packet.bytes[5..]);
    place.run(&["ingest", "bare"]).ends(3);
    let place = Place::new();
    place.write("bare/1.dat", &packet.bytes[5..]);
    place.run(&["ingest", "bare", "--schema", "lsst 11.1"]).ok();
    assert_eq!(place.run(&["get", &packet.alert_id.to_string()]).ok().bytes, &packet.bytes[5..]);
}
