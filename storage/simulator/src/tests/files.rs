//! Packets as files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::schema::Schema;
use noctuary_packet::walk::{Validate, walk};

use super::small;
use crate::hostile::Kind;
use crate::{Form, Plan, Simulation};

fn plan() -> Plan {
    Plan { nights: 2, visits_per_night: 4, alerts_per_visit: 6, late_share: 0.3, duplicate_share: 0.2, ..small() }
}

/// Everything below a folder: path and contents.
fn below(folder: &Path, at: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder.join(at)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{at}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(folder, &format!("{name}/"), found);
        } else {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn written(plan: Plan, form: Form, threads: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(plan).unwrap();
    let place = folder.path().join("deep/out");
    let written = simulation.write(simulation.packets_on(threads), form, &place, |_| Ok(())).unwrap();
    let mut found = BTreeMap::new();
    below(&place, "", &mut found);
    assert_eq!((written.files, written.packets), (found.len() as u64, simulation.total()));
    found
}

#[test]
fn the_same_plan_makes_the_same_files() {
    for form in Form::ALL {
        assert_eq!(written(plan(), form, 1), written(plan(), form, 3), "{form:?}");
    }
}

#[test]
fn frames_lie_in_the_order_of_their_arrival() {
    let files = written(plan(), Form::Frames, 1);
    let sent: Vec<_> = Simulation::new(plan()).unwrap().packets().map(|p| p.bytes).collect();
    assert!(files.keys().next().unwrap().starts_with("20261109/0000001-"));
    assert!(files.into_values().eq(sent));
}

#[test]
fn containers_hold_every_datum() {
    let sent: Vec<_> = Simulation::new(plan()).unwrap().packets().map(|p| p.bytes[5..].to_vec()).collect();
    for (form, count) in [(Form::Containers, 8), (Form::PacketContainers, sent.len())] {
        let files = written(plan(), form, 1);
        assert_eq!(files.len(), count);
        let mut read = Vec::new();
        for file in files.values() {
            let blocks = Blocks::open(&file[..]).unwrap();
            let schema = Schema::parse(blocks.header().schema()).unwrap();
            for block in blocks {
                let block = block.unwrap();
                assert_eq!(block.records, 1);
                walk(&schema, &block.bytes, &mut Validate).unwrap();
                read.push(block.bytes);
            }
        }
        assert_eq!(read, sent);
    }
}

#[test]
fn a_tar_for_each_night_holds_the_frames() {
    let frames = written(plan(), Form::Frames, 1);
    let tars = written(plan(), Form::Tar, 1);
    assert_eq!(tars.keys().collect::<Vec<_>>(), ["lsst_20261109.tar.gz", "lsst_20261110.tar.gz"]);
    let mut members = BTreeMap::new();
    for file in tars.values() {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&file[..]));
        for member in tar.entries().unwrap() {
            let mut member = member.unwrap();
            let name = member.path().unwrap().to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            members.insert(name, bytes);
        }
    }
    assert_eq!(members, frames);
}

#[test]
fn damaged_packets_have_files_of_their_own() {
    let plan = Plan { hostile: vec![Kind::Truncated, Kind::BadSync], hostile_share: 0.2, ..plan() };
    let files = written(plan.clone(), Form::Containers, 2);
    let damaged = Simulation::new(plan).unwrap().packets().filter(|p| p.damage.is_some()).count();
    assert!(damaged > 4);
    assert_eq!(files.keys().filter(|name| name.contains('-')).count(), damaged);
}

#[test]
fn writing_stops_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(plan()).unwrap();
    let mut left = 9;
    let stop = |_: &crate::SimulatedPacket| {
        left -= 1;
        if left == 0 { Err(std::io::Error::from(std::io::ErrorKind::Interrupted)) } else { Ok(()) }
    };
    let result = simulation.write(simulation.packets(), Form::Containers, folder.path(), stop);
    assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::Interrupted);
    let mut found = BTreeMap::new();
    below(folder.path(), "", &mut found);
    let whole = found.keys().filter(|name| !name.contains("/.")).count();
    assert_eq!(whole, 1, "the visit that was not finished has no name yet: {:?}", found.keys());
}
