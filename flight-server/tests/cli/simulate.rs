//! Simulated nights, into files and into archives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::{Place, files_below};

const SMALL: [&str; 10] = ["--nights", "2", "--visits", "3", "--rate", "5", "--fields", "2", "--packet-size", "90kB"];

fn simulate(place: &Place, more: &[&str]) -> crate::support::Done {
    place.run(&[&["simulate"][..], &SMALL[..], more].concat())
}

/// Contents of everything below a folder, by path.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_owned();
    files_below(folder).iter().map(|path| (relative(path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn one_seed_makes_the_same_files_on_any_number_of_threads() {
    let place = Place::new();
    for form in ["frames", "containers", "packet-containers", "tar"] {
        simulate(&place, &["--seed", "9", "--form", form, "--threads", "1", "one"]).ok().says("30 packets");
        simulate(&place, &["--seed", "9", "--form", form, "--threads", "3", "three"]).ok();
        simulate(&place, &["--seed", "8", "--form", form, "other"]).ok();
        let [one, three, other] = ["one", "three", "other"].map(|name| contents(&place.path(name)));
        assert_eq!(one, three, "{form}");
        assert_ne!(one, other, "{form}");
        for name in ["one", "three", "other"] {
            std::fs::remove_dir_all(place.path(name)).unwrap();
        }
    }
}

#[test]
fn every_form_can_be_taken_in_and_is_the_same_alerts() {
    let place = Place::new();
    let ids = |archive: &str| {
        let sql = "SELECT _alert, _night, _visit FROM lsst.alerts ORDER BY _alert";
        place.run(&["sql", "--archive", archive, "-c", sql, "--format", "csv"]).ok().out
    };
    simulate(&place, &["--archive", "straight", "archive:"]).ok().says("30");
    let straight = ids("straight");
    assert_eq!(straight.lines().count(), 1 + 30);
    for form in ["frames", "containers", "packet-containers", "tar"] {
        simulate(&place, &["--form", form, form]).ok();
        place.run(&["ingest", "--archive", &format!("of-{form}"), form]).ok();
        assert_eq!(ids(&format!("of-{form}")), straight, "{form}");
    }
    // The same again is nothing new.
    simulate(&place, &["--archive", "straight", "archive:"]).ok().says("taken in before");
}

#[test]
fn every_version_is_known_to_the_archive() {
    let place = Place::new();
    for (version, from) in
        [("9.0", "2025-09-01"), ("10.0", "2026-02-01"), ("11.0", "2026-05-01"), ("11.1", "2026-06-01")]
    {
        simulate(&place, &["--schema", version, "--from", from, "archive:"]).ok().says("quarantined");
    }
    let sql = "SELECT count(DISTINCT _schema) AS versions, count(*) AS alerts FROM lsst.alerts";
    let counts = place.run(&["sql", "-c", sql, "--format", "csv"]).ok();
    assert!(counts.out.contains("4,120"), "{counts}");
    place.run(&["verify"]).ok();
}

#[test]
fn ztf_packets_go_in_with_their_rights() {
    let place = Place::new();
    // A packet is as restricted as the most restricted of the exposures in its history: a small share goes far.
    let asked =
        ["simulate", "--survey", "ztf", "--nights", "2", "--visits", "10", "--rate", "5", "--restricted", "0.02"];
    place.run(&[&asked[..], &["archive:"][..]].concat()).ok().says("quarantined");
    let count = |rights: &str| {
        let sql = "SELECT count(*) AS n FROM ztf.alerts";
        let counted = place.run(&["sql", "--rights", rights, "-c", sql, "--format", "csv"]).ok();
        counted.out.trim_start_matches("n\n").trim().parse::<u32>().unwrap()
    };
    assert_eq!(count("all"), 100);
    assert!((1..100).contains(&count("public")));
}

#[test]
fn late_repeated_and_revised_packets_are_counted() {
    let place = Place::new();
    let shares = ["--late", "0.3", "--duplicates", "0.4", "--revisions", "0.4", "archive:"];
    simulate(&place, &shares).ok().says("duplicate").says("stored as revisions");
    place.run(&["verify"]).ok();
}

#[test]
fn hostile_packets_are_refused_for_what_they_are() {
    let place = Place::new();
    let hostile = ["--hostile", "truncated,union-index,nan-position", "--hostile-share", "0.5", "archive:"];
    simulate(&place, &hostile).ends(3).says("truncated").says("union-index").says("stored and flagged");
    simulate(&place, &["--hostile", "typo", "out"]).ends(2).warns("trailing-bytes");
}

#[test]
fn labels_and_rows_are_tables() {
    let place = Place::new();
    simulate(&place, &["--labels", "truth.csv", "out"]).ok();
    let truth = std::fs::read_to_string(place.path("truth.csv")).unwrap();
    assert!(truth.starts_with("id,name,class,shape,ra,dec,first_night,amplitude_njy,"), "{truth}");
    assert!(truth.contains("periodic_variable") && truth.contains("20261109"), "{truth}");
    simulate(&place, &["--labels", "truth.parquet", "--form", "rows", "tables"]).ok();
    for table in ["truth.parquet", "tables/sources.parquet", "tables/objects.parquet"] {
        let bytes = std::fs::read(place.path(table)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{table}");
    }
}

#[test]
fn a_field_is_where_it_was_asked_for() {
    let place = Place::new();
    let field = ["--field", "150.1,2.2", "--field-radius", "0.1", "--solar-system", "0", "archive:"];
    let asked = ["simulate", "--nights", "1", "--visits", "4", "--rate", "20", "--packet-size", "90kB"];
    place.run(&[&asked[..], &field[..]].concat()).ok();
    let sql = "SELECT count(*) AS n FROM lsst.alerts WHERE cone(_ra, _dec, 150.1, 2.2, arcmin(7))";
    let inside = place.run(&["sql", "-c", sql, "--format", "csv"]).ok();
    assert!(inside.out.contains("80"), "{inside}");
}

#[test]
fn what_cannot_be_simulated_is_said() {
    let place = Place::new();
    place.run(&["simulate", "--nights", "0", "out"]).ends(2).warns("1 to 366");
    place.run(&["simulate", "--survey", "gaia", "out"]).ends(2).warns("lsst, ztf");
    place.run(&["simulate", "--schema", "7.4", "out"]).ends(2).warns("11.1");
    place.run(&["simulate", "--from", "yesterday", "out"]).ends(2).warns("2026-11-09");
    place.run(&["simulate", "--field", "nowhere", "out"]).ends(2).warns("cosmos");
    place.run(&["simulate", "--form", "tar", "archive:"]).ends(2).warns("--form");
    place.run(&["simulate", "--packet-size", "1kB", "out"]).ends(2).warns("bytes a packet");
    place.run(&["simulate", "--help"]).ok().says("Examples:").says("archive:");
    assert!(!place.path("out").exists());
}
