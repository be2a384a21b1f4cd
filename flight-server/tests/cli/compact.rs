//! Merging, versions and vacuum, as operators use them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, files_below, packets};

/// An archive of many small commits.
fn many_commits() -> Place {
    let place = Place::new();
    for (at, packets) in packets().chunks(4).enumerate() {
        for (n, packet) in packets.iter().enumerate() {
            place.write(&format!("sent/{at}/{n}.avro"), &packet.bytes);
        }
        place.run(&["ingest", &format!("sent/{at}")]).ok();
    }
    place
}

const COUNTS: &[&str] = &[
    "sql",
    "-c",
    "SELECT count(*), sum(_bytes) FROM lsst.alerts; SELECT count(*), sum(psfFlux) FROM lsst.sources",
    "--format",
    "csv",
];

#[test]
fn merged_tagged_and_cleared_it_answers_the_same() {
    let place = many_commits();
    let before = place.run(COUNTS).ok().out;
    place.run(&["tag", "all"]).ok().says("is tagged all");
    place.run(&["tag", "2026-01-01"]).ends(2).warns("would be read as a number or a time");
    let files = files_below(&place.path("archive/packets")).len();
    assert!(files > 3);

    let planned = place.run(&["compact", "--dry-run", "--now"]).ok().says("groups of lsst merged");
    assert!(planned.out.lines().count() >= 3, "{planned}");
    place.run(&["compact", "--now"]).ok().says("merges:").says("became");
    place.run(&["compact", "--now"]).ok().says("nothing to merge");
    place.run(&["compact", "--level", "week"]).ends(2).warns("night, month, year and ever");
    place.run(&["stats"]).ok().says("merged");
    assert_eq!(place.run(COUNTS).ok().out, before);
    assert!(files_below(&place.path("archive/packets")).len() > files, "the old files are there");

    place.run(&["vacuum"]).ok().says("nothing to delete");
    place.run(&["vacuum", "--keep", "1w"]).ends(2).warns("7d");
    place.run(&["vacuum", "--keep", "0d", "--dry-run"]).ok().says("would be deleted");
    place.run(&["vacuum", "--keep", "0d"]).ok().says("deleted");
    assert!(files_below(&place.path("archive/packets")).len() < files);
    assert_eq!(place.run(COUNTS).ok().out, before);
    for as_of in ["all", "2"] {
        let answer = place.run(&[COUNTS, &["--as-of", as_of]].concat()).ok().out;
        assert_eq!(answer == before, as_of == "all", "{as_of}: {answer}");
    }
    place.run(&[COUNTS, &["--as-of", "none"]].concat()).ends(1).warns("all");
    place.run(&["verify"]).ok();
    place.run(&["verify", "--as-of", "all"]).ok();
    let id = place.run(&["sql", "-c", "SELECT min(_alert) AS id FROM lsst.alerts", "--format", "csv"]).ok().out;
    let id = id.lines().nth(1).unwrap();
    place.run(&["get", id, "--as-of", "all", "-o", "packet.bin"]).ok();
    place.run(&["get", id, "--as-of", "0", "-o", "none.bin"]).ends(1);
    place.run(&["nights", "--as-of", "all"]).ok().says("lsst");
    place.run(&["stats", "--as-of", "all"]).ok();
    place.run(&["tag"]).ok().says("all");
    place.run(&["versions"]).ok().says("merged").says("cleared").says("all");
    place.run(&["mirror", "archive", "copy"]).ok().says("is at version");
    place.run(&["mirror", "archive", "copy"]).ok().says("0 versions and 0 objects");
    assert_eq!(place.run(&[COUNTS, &["--archive", "copy"]].concat()).ok().out, before);
    place.run(&["verify", "--archive", "copy"]).ok();
    place.run(&["mirror", "nowhere", "copy"]).ends(1);
    place.run(&["tag", "--delete", "all"]).ok();
    place.run(&["tag", "--delete", "all"]).ends(1);
    place.run(&["rollback", "2"]).ok();
    place.run(&["verify"]).ok();
}

#[test]
fn a_server_merges_beside_its_work() {
    let place = many_commits();
    let before = place.run(COUNTS).ok().out;
    let mut server = place
        .command(&["serve", "--listen", "127.0.0.1:0", "--compact", "0.5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let begun = Instant::now();
    while !place.run(&["versions"]).ok().out.contains("merged") {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was merged");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
    assert!(server.wait().unwrap().success());
    assert_eq!(place.run(COUNTS).ok().out, before);
    place.run(&["serve", "--compact", "2"]).ends(2).warns("share");
}
