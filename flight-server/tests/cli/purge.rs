//! Giving up for good, and tables for others, as operators do it.

use crate::support::{Place, files_below};

fn taken() -> (Place, String, String) {
    let (place, packets) = Place::with_packets();
    let night = place.run(&["sql", "-c", "SELECT max(_night) FROM lsst.alerts", "--format", "csv"]).ok().out;
    let (id, night) = (packets[0].alert_id.to_string(), night.lines().nth(1).unwrap().to_owned());
    (place, id, night)
}

#[test]
fn a_packet_goes_only_if_it_is_meant() {
    let (place, id, _) = taken();
    let alert = ["purge", "alerts", &id, "--reason", "withdrawn"];
    place.run(&["purge", "alerts", &id]).ends(2).warns("--reason");
    place.run(&["purge", "alerts", "1", "--reason", "withdrawn", "--yes"]).ends(1).warns("no alert 1 here");
    place.run(&[&alert[..], &["--dry-run"]].concat()).ok().says("1 packets would be purged");
    place.run(&alert).ends(2).says("would be purged").warns("--yes");
    place.run(&["get", &id, "-o", "packet.bin"]).ok();
    place.run(&[&alert[..], &["--yes"]].concat()).ok().says("purged, as version");
    place.run(&["get", &id, "-o", "packet.bin"]).ends(1).warns("no alert");
    place.run(&["get", &id, "--as-of", "1", "-o", "packet.bin"]).ends(1);
    place.run(&["ledger", "--by", "source"]).ok().says("withdrawn");
    place.run(&["versions"]).ok().says("withdrawn");
    place.run(&["verify"]).ok();
    place.run(&["ingest", "sent"]).ok();
    place.run(&["get", &id, "-o", "packet.bin"]).ends(1);
    place.run(&[&alert[..], &["--yes"]].concat()).ok().says("nothing to purge");
    place.run(&["--rights", "public", "purge", "alerts", &id, "--reason", "x"]).ends(2).warns("rights");
}

#[test]
fn images_go_by_age_and_everything_else_stays() {
    let (place, id, night) = taken();
    let flux = ["sql", "-c", "SELECT count(*), sum(psfFlux) FROM lsst.sources", "--format", "csv"];
    let before = place.run(&flux).ok().out;
    place.run(&["purge", "cutouts", "--survey", "lsst", "--reason", "old"]).ends(2).warns("--before");
    let survey = ["purge", "cutouts", "--survey", "nowhere", "--before", &night, "--reason", "old"];
    place.run(&survey).ends(2).warns("known:");
    let old = ["purge", "cutouts", "--survey", "lsst", "--older-than", "1d", "--reason", "no room", "--yes"];
    let size = || files_below(&place.path("archive/cutouts")).len();
    assert!(size() > 0);
    place.run(&old).ok().says("packets without their images purged");
    assert_eq!(size(), 0);
    place.run(&["get", &id, "-o", "packet.bin"]).ends(1).warns("purged by version").warns("no room");
    place.run(&["cutout", &id, "--kind", "science", "-o", "science.fits"]).ends(1).warns("purged by version");
    assert_eq!(place.run(&flux).ok().out, before);
    place.run(&["verify"]).ok().says("purged by order");
    place.run(&["compact", "--now"]).ok();
    place.run(&["verify"]).ok().says("purged by order");
    place.run(&old).ok().says("nothing to purge");
}

#[test]
fn tables_are_published_until_it_is_said_otherwise() {
    let (place, ..) = taken();
    place.run(&["delta"]).ok().warns("noctuary delta on");
    place.run(&["delta", "on"]).ok().says("lsst.alerts").says("archive.ledger");
    let logs =
        || files_below(&place.path("archive")).iter().filter(|p| p.to_string_lossy().contains("_delta_log")).count();
    assert!(logs() > 3);
    place.run(&["delta"]).ok().says("lsst.sources");
    place.run(&["compact", "--now"]).ok();
    place.run(&["vacuum", "--keep", "0d"]).ok();
    assert!(logs() > 3);
    place.run(&["verify"]).ok();
    place.run(&["delta", "off"]).ok();
    assert_eq!(logs(), 0);
    place.run(&["delta"]).ok().warns("noctuary delta on");
    place.run(&["delta", "up"]).ends(2);
}
