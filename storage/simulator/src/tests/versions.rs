//! Packets of every version that can be made.

use noctuary_packet::decode::Decoder;
use noctuary_packet::json::to_json;
use noctuary_packet::schema::known_lsst;
use noctuary_packet::survey::{KeyReader, Surveys};

use super::read::read_datum;
use super::{packets, small};
use crate::{Plan, Survey, TrueClass};

#[test]
fn every_version_walks_and_decodes_and_says_the_same() {
    let newest = packets(Plan { nights: 2, ..small() });
    for version in Survey::Lsst.schemas() {
        let schema = known_lsst(version).unwrap();
        let keys = KeyReader::new(Surveys::built_in().recognise(&schema).unwrap(), &schema);
        let mut decoder = Decoder::new(&schema, &[], newest.len()).unwrap();
        let plan = Plan { nights: 2, schema: Some((*version).to_owned()), ..small() };
        let made = packets(plan);
        assert_eq!(made.len(), newest.len());
        for (packet, newest) in made.iter().zip(&newest) {
            let datum = &packet.bytes[5..];
            let read = read_datum(&schema, datum);
            let of_newest = read_datum(&known_lsst("11.1").unwrap(), &newest.bytes[5..]);
            assert_eq!((read.id, read.trigger.id), (packet.alert_id, newest.alert_id), "{version}");
            assert_eq!((read.trigger.flux, read.trigger.mjd), (of_newest.trigger.flux, of_newest.trigger.mjd));
            assert_eq!(read.history.map(|h| h.len()), of_newest.history.map(|h| h.len()));
            let body = packet.class == TrueClass::SolarSystem;
            assert_eq!((read.has_passage, read.has_orbit), (body, body), "{version}");
            assert!(keys.read(datum).unwrap().flags.is_empty());
            decoder.push(datum).unwrap();
        }
        assert_eq!(decoder.finish().unwrap().num_rows(), made.len());
    }
}

#[test]
fn fields_of_a_body_are_filled_in_every_version() {
    for (version, passage, orbit) in [
        ("9.0", ["heliocentricX", "galacticB", "predictedVMagnitude"], ["M", "peri", "a"]),
        ("10.0", ["helio_x", "galLat", "ephVmag"], ["mean_anomaly", "argperi", "a"]),
    ] {
        let plan = Plan { schema: Some(version.to_owned()), solar_system_share: 1.0, bogus_share: 0.0, ..small() };
        let schema = known_lsst(version).unwrap();
        let packet = &packets(Plan { nights: 1, ..plan })[0];
        let shown = to_json(&schema, &packet.bytes[5..]).unwrap();
        let record = if version == "9.0" { "MPCORB" } else { "mpc_orbits" };
        for (place, fields) in [("ssSource", passage), (record, orbit)] {
            for field in fields {
                let value = &shown[place][field];
                assert!(value.as_f64().is_some_and(f64::is_finite), "{version} {place}.{field}: {value}");
            }
        }
    }
}
