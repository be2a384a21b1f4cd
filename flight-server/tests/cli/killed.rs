//! Killed at any moment, a hundred times, it has lost and doubled nothing.

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Place, packets};

/// Numbers that look like chance, and are the same every time.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn killed_a_hundred_times_it_is_whole() {
    let place = Place::new();
    let packets = packets();
    for (n, packet) in packets.iter().enumerate() {
        place.write(&format!("sent/{n}.avro"), &packet.bytes);
    }
    let ingest: &[&str] = &["ingest", "sent", "--commit-size", "200kB"];
    let merge: &[&str] = &["compact", "--now"];
    let clear: &[&str] = &["vacuum", "--keep", "0d", "--grace", "0d"];
    let mut chance = 7;
    let mut killed = 0;
    for round in 0..1_000 {
        if killed == 100 {
            break;
        }
        // Two at a time, on one archive.
        let commands = [[ingest, merge], [merge, merge], [ingest, clear], [merge, clear]][round % 4];
        let mut children: Vec<_> = commands
            .iter()
            .map(|command| place.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
            .collect();
        std::thread::sleep(Duration::from_millis(next(&mut chance) % 150));
        for child in &mut children {
            killed += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    assert!(killed >= 100, "{killed}");
    // A vacuum may have taken what was about to be committed; it is put again.
    place.run(ingest).ok();
    place.run(&["verify"]).ok();
    let count = "SELECT count(*) AS n, count(DISTINCT _sha256) AS packets FROM lsst.alerts";
    let wanted = format!("n,packets\n{0},{0}\n", packets.len());
    place.run(&["sql", "-c", count, "--format", "csv"]).ok().says(&wanted);
    place.run(merge).ok();
    place.run(clear).ok();
    place.run(&["sql", "-c", count, "--format", "csv"]).ok().says(&wanted);
    place.run(&["verify"]).ok();
    place.run(&["compact", "--now"]).ok().says("nothing to merge");
    place.run(&[clear, &["--dry-run"]].concat()).ok().says("nothing to delete");
}
