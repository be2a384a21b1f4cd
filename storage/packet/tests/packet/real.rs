//! Every real packet at hand.

use std::collections::BTreeMap;

use noctuary_packet::cutout::cutouts;
use noctuary_packet::decode::Decoder;
use noctuary_packet::json::to_json;
use noctuary_packet::survey::{KeyReader, Surveys};
use noctuary_packet::walk::{Validate, walk};

use crate::sent::{data, packets};

/// Folder, packets, distinct alert ids.
const FOLDERS: [(&str, usize, usize); 11] = [
    ("lsst/v10.0-raw", 5, 5),
    ("lsst/v10.0-restored", 78, 78),
    ("lsst/v9.0-schemaless", 5, 5),
    ("lsst/v9.0-ocf", 293, 288),
    ("lsst/v7.4-raw", 5, 5),
    ("lsst/schemas", 6, 1),
    ("ztf/v3.2-2018-11-29", 498, 498),
    ("ztf/v3.3-2020-01-01", 50, 50),
    ("ztf/v4.02-boom", 12, 12),
    ("ztf/v3.0-2018-08-19_ampel", 30, 30),
    ("ztf/v3.3-ZTF21abiuvdk", 20, 20),
];

#[test]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
fn every_packet_is_read_and_rebuilt() {
    let surveys = Surveys::built_in();
    for (folder, count, ids) in FOLDERS {
        let packets = packets(&data(folder));
        assert_eq!(packets.len(), count, "{folder}");
        let mut seen = std::collections::BTreeSet::new();
        let mut decoders: BTreeMap<_, (KeyReader, Decoder)> = BTreeMap::new();
        for packet in &packets {
            let what = packet.file.display();
            assert_eq!(packet.frame.wrap(&packet.datum), packet.transmitted, "{what}");
            walk(&packet.schema, &packet.datum, &mut Validate).unwrap_or_else(|e| panic!("{what}: {e}"));
            let survey = surveys.recognise(&packet.schema).unwrap_or_else(|| panic!("{what}: no survey"));
            let (keys, decoder) = decoders.entry(packet.schema.fingerprint()).or_insert_with(|| {
                let cutouts: Vec<_> = survey.cutout_nodes(&packet.schema).into_iter().map(|(_, n)| n).collect();
                assert_eq!(cutouts.len(), 3, "{what}");
                (KeyReader::new(survey, &packet.schema), Decoder::new(&packet.schema, &cutouts, 1024).unwrap())
            });
            let keys = keys.read(&packet.datum).unwrap();
            if folder != "lsst/schemas" {
                assert!(keys.flags.is_empty(), "{what}: {}", keys.flags);
                assert!(keys.night.is_some() && keys.detector.is_some(), "{what}");
            }
            seen.insert(keys.alert);
            decoder.push(&packet.datum).unwrap();
            assert!(to_json(&packet.schema, &packet.datum).unwrap().is_object());
            for cutout in cutouts(survey, &packet.schema, &packet.datum).unwrap() {
                assert!(folder == "lsst/schemas" || cutout.fits.starts_with(b"SIMPLE  ="), "{what}");
            }
        }
        assert_eq!(seen.len(), ids, "{folder}");
        let rows: usize = decoders.values_mut().map(|(_, d)| d.finish().unwrap().num_rows()).sum();
        assert_eq!(rows, count, "{folder}");
    }
}

#[test]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
fn a_packet_cut_or_damaged_anywhere_is_refused_or_read_but_never_panics() {
    let surveys = Surveys::built_in();
    for folder in ["lsst/v10.0-raw", "ztf/v4.02-boom"] {
        for packet in packets(&data(folder)).iter().take(2) {
            let survey = surveys.recognise(&packet.schema).unwrap();
            let reader = KeyReader::new(survey, &packet.schema);
            let step = packet.datum.len() / 997 + 1;
            for cut in (0..packet.datum.len()).step_by(step) {
                assert!(reader.read(&packet.datum[..cut]).is_err(), "{} bytes of {}", cut, packet.file.display());
            }
            for at in (0..packet.datum.len()).step_by(step) {
                let mut damaged = packet.datum.clone();
                damaged[at] ^= 0xff;
                if reader.read(&damaged).is_ok() {
                    let mut decoder = Decoder::new(&packet.schema, &[], 1).unwrap();
                    decoder.push(&damaged).unwrap();
                    decoder.finish().unwrap();
                }
            }
        }
    }
}
