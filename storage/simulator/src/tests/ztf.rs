//! Packets of ZTF, read back as an archive reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::decode::Decoder;
use noctuary_packet::id::Id;
use noctuary_packet::json::to_json;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::{KeyReader, Surveys};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Plan, SimulatedPacket, Simulation, Survey, TrueClass};

/// What zstd level 3 leaves of the images in transmitted packets, stamp by stamp, unpacked and without headers: the
/// means of 498 of schema 3.2 and of 36 of schema 4.01 and 4.02, as `benchmarks/peers/packet_statistics.py` prints
/// them; and how large they are packed.
const REAL: [(&str, f64, f64); 3] =
    [("cutoutScience", 0.805, 12_930.0), ("cutoutTemplate", 0.765, 12_310.0), ("cutoutDifference", 0.907, 14_540.0)];
/// How far from the real figures simulated ones may be.
const BOUND: f64 = 0.05;

fn plan() -> Plan {
    Plan {
        survey: Survey::Ztf,
        schema: Some("4.02".to_owned()),
        nights: 3,
        visits_per_night: 16,
        alerts_per_visit: 6,
        objects: 200,
        fields: 4,
        ..Plan::default()
    }
}

fn packets(plan: Plan) -> Vec<SimulatedPacket> {
    Simulation::new(plan).unwrap().packets().collect()
}

/// The schema and datum of a file that holds one.
fn open(file: &[u8]) -> (Arc<Schema>, Vec<u8>) {
    let mut blocks = Blocks::open(file).unwrap();
    let schema = Arc::new(Schema::parse(blocks.header().schema()).unwrap());
    let block = blocks.next().unwrap().unwrap();
    assert_eq!(block.records, 1);
    assert!(blocks.next().is_none());
    (schema, block.bytes)
}

fn alerts(plan: Plan) -> Vec<(SimulatedPacket, Value)> {
    let read = |packet: SimulatedPacket| {
        let (schema, datum) = open(&packet.bytes);
        let alert = to_json(&schema, &datum).unwrap();
        (packet, alert)
    };
    packets(plan).into_iter().map(read).collect()
}

fn list<'a>(alert: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    alert[field].as_array().into_iter().flatten()
}

fn real(record: &Value, field: &str) -> f64 {
    record[field].as_f64().unwrap_or_else(|| panic!("{field} {}", record[field]))
}

#[test]
fn one_seed_gives_the_same_bytes() {
    let digest = |plan: Plan| {
        let bytes: Vec<u8> = Simulation::new(plan).unwrap().packets().take(40).flat_map(|p| p.bytes).collect();
        xxh3_64(&bytes)
    };
    assert_eq!(format!("{:016x}", digest(plan())), "3659bae3f8982618");
    let older = Plan { schema: Some("3.3".to_owned()), ..plan() };
    let elsewhere = std::thread::spawn(move || digest(older));
    assert_eq!(format!("{:016x}", elsewhere.join().unwrap()), "7da4c57c182cd410");
    assert_ne!(digest(plan()), digest(Plan { seed: 2, ..plan() }));
}

#[test]
fn packets_are_recognised_and_nothing_is_odd_about_them() {
    for version in Survey::Ztf.schemas() {
        let plan = Plan { schema: Some((*version).to_owned()), ..plan() };
        let total = Simulation::new(plan.clone()).unwrap().total();
        let (mut ids, mut syncs) = (BTreeSet::new(), BTreeSet::new());
        let mut decoder: Option<Decoder> = None;
        for packet in packets(plan) {
            let (schema, datum) = open(&packet.bytes);
            assert_eq!(schema.version(), Some(*version));
            let surveys = Surveys::built_in();
            let survey = surveys.recognise(&schema).unwrap();
            assert_eq!(survey.name, "ztf");
            let keys = KeyReader::new(survey, &schema).read(&datum).unwrap();
            assert!(keys.flags.is_empty(), "{}", keys.flags);
            assert_eq!(keys.alert, Id::Number(packet.alert_id));
            assert_eq!(keys.detector, Some(i64::from(packet.detector)));
            assert!((0..64).contains(&packet.detector));
            assert_eq!(keys.night.unwrap().to_string().replace('-', ""), packet.night.to_string());
            assert_eq!(keys.rights, 0);
            assert_eq!(survey.cutout_nodes(&schema).len(), 3);
            assert!(ids.insert(packet.alert_id));
            syncs.insert(packet.bytes[packet.bytes.len() - 16..].to_vec());
            decoder.get_or_insert_with(|| Decoder::new(&schema, &[], 4_096).unwrap()).push(&datum).unwrap();
        }
        assert_eq!(ids.len() as u64, total);
        assert_eq!(syncs.len(), ids.len());
        assert_eq!(decoder.unwrap().finish().unwrap().num_rows(), ids.len());
    }
}

#[test]
fn copies_of_a_source_differ_by_night_and_from_their_trigger() {
    let alerts = alerts(plan());
    let triggers: BTreeMap<i64, &Value> = alerts.iter().map(|(p, alert)| (p.alert_id, &alert["candidate"])).collect();
    let mut copies: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    let (mut sent, mut tonight) = (0, 0);
    for (packet, alert) in &alerts {
        let now = real(&alert["candidate"], "jd");
        let mut last = f64::NEG_INFINITY;
        for entry in list(alert, "prv_candidates") {
            let jd = real(entry, "jd");
            assert!(jd > last && jd < now && jd > now - 30.01, "history is in order and of 30 days");
            last = jd;
            let Some(candid) = entry["candid"].as_i64() else { continue };
            assert_ne!(candid, packet.alert_id);
            copies.entry(candid).or_default().insert(entry.to_string());
            let positive = candid % 10_000 >= 5_000;
            let of_this_night = now - jd < 0.5;
            tonight += i32::from(of_this_night);
            let sign = match (positive, of_this_night) {
                (true, true) => "1",
                (true, false) => "t",
                (false, true) => "0",
                (false, false) => "f",
            };
            assert_eq!(entry["isdiffpos"], sign);
            let Some(trigger) = triggers.get(&candid) else { continue };
            sent += 1;
            assert_eq!(trigger["isdiffpos"], if positive { "t" } else { "f" });
            for exact in ["jd", "ra", "dec", "ranr", "decnr", "pid", "fwhm"] {
                assert!((real(trigger, exact) - real(entry, exact)).abs() < 6e-7 * real(entry, exact).abs(), "{exact}");
            }
            for rounded in ["magpsf", "xpos", "chipsf", "sky", "scorr", "rb", "magzpsci"] {
                let (before, after) = (real(trigger, rounded), real(entry, rounded));
                assert!((before - after).abs() <= 5.1e-6 * before.abs().max(0.1), "{rounded} {before} {after}");
                let six: f64 = format!("{after:.5e}").parse().unwrap();
                assert!((after - six).abs() <= 1e-7 * six.abs(), "{rounded} has more than six digits: {after}");
            }
            assert_ne!(trigger["magzpscirms"], entry["magzpscirms"]);
            assert!(entry["pdiffimfilename"].as_str().unwrap().starts_with("/ztf/archive/sci/2026/"));
            assert!(trigger["pdiffimfilename"].as_str().unwrap().ends_with("_scimrefdiffimg.fits"));
        }
    }
    assert!(sent > 30 && tonight > 20, "{sent} {tonight}");
    let conflicting = copies.values().filter(|contents| contents.len() > 1).count();
    assert!(conflicting > 5, "{conflicting} of {}", copies.len());
    assert!(copies.values().all(|contents| contents.len() <= 2));
}

#[test]
fn what_is_missing_is_a_number_in_the_trigger_and_null_in_history() {
    let (mut limits, mut bodies, mut missing) = (0, 0, 0);
    for (packet, alert) in alerts(plan()) {
        let candidate = &alert["candidate"];
        assert!(candidate.as_object().unwrap().values().all(|v| !v.is_null()));
        let is_body = packet.class == TrueClass::SolarSystem;
        assert_eq!(real(candidate, "ssdistnr") == -999.0, !is_body);
        assert_eq!(real(candidate, "ssmagnr") == -999.0, !is_body);
        assert_eq!(candidate["ssnamenr"] == "null", !is_body);
        bodies += i32::from(is_body);
        for nth in 1..=3 {
            let at = |name: &str| real(candidate, &format!("{name}{nth}")) == -999.0;
            assert_eq!(at("objectidps"), at("distpsnr"));
            assert_eq!(at("objectidps"), at("sgscore"));
            assert!(!at("objectidps") || at("sgmag") && at("szmag"));
            missing += i32::from(at("sgmag"));
        }
        assert_eq!(real(candidate, "neargaia") == -999.0, real(candidate, "maggaia") == -999.0);
        for entry in list(&alert, "prv_candidates") {
            assert!(entry.as_object().unwrap().values().all(|v| v.as_f64() != Some(-999.0)));
            let is_limit = entry["candid"].is_null();
            for field in ["isdiffpos", "magpsf", "ra", "dec", "ranr", "tblid", "xpos", "scorr", "rb"] {
                assert_eq!(entry[field].is_null(), is_limit, "{field}");
            }
            for field in ["jd", "fid", "pid", "diffmaglim", "programid", "field", "rcid", "magzpsci", "rbversion"] {
                assert!(!entry[field].is_null(), "{field}");
            }
            limits += i32::from(is_limit);
        }
        for forced in list(&alert, "fp_hists") {
            assert!(real(&alert["candidate"], "jd") - real(forced, "jd") > 0.49);
            let failed = ["61", "55"].contains(&forced["procstatus"].as_str().unwrap());
            assert_eq!(real(forced, "forcediffimflux") == -99_999.0, failed);
            assert_eq!(real(forced, "forcediffimfluxunc") == -99_999.0, failed);
            assert_eq!(real(forced, "distnr") == -99_999.0, real(forced, "ranr") == -99_999.0);
        }
    }
    assert!(limits > 1_000 && bodies > 15 && missing > 100, "{limits} {bodies} {missing}");
}

#[test]
fn numbers_fit_each_other() {
    let mut names: BTreeMap<i64, String> = BTreeMap::new();
    for (packet, alert) in alerts(plan()) {
        let c = &alert["candidate"];
        let whole = |field: &str| c[field].as_i64().unwrap();
        assert_eq!(alert["candid"], c["candid"]);
        assert_eq!(packet.alert_id / 1_000_000, whole("pid"));
        assert_eq!(packet.alert_id % 5_000, whole("tblid"));
        let since = real(c, "jd") - 2_457_754.5;
        assert_eq!(whole("nid"), since.floor() as i64);
        assert_eq!(whole("pid") / 1_000_000_000, whole("nid"));
        assert_eq!(whole("pid") / 100 % 100, whole("rcid"));
        assert_eq!(whole("rfid"), whole("field") * 1_000_000 + 120_000 + whole("fid") * 100 + whole("rcid"));
        assert!((real(c, "magap") - real(c, "magpsf") - real(c, "magdiff")).abs() < 1e-4);
        assert!((real(c, "diffmaglim") - real(c, "magap") - real(c, "magfromlim")).abs() < 1e-4);
        assert!((real(c, "aimage") / real(c, "bimage") - real(c, "elong")).abs() < 1e-3);
        assert!((10.0..23.0).contains(&real(c, "magpsf")), "{}", real(c, "magpsf"));
        assert!((17.5..21.8).contains(&real(c, "diffmaglim")), "{}", real(c, "diffmaglim"));
        assert!((0.0..=1.0).contains(&real(c, "rb")) && (0.0..=1.0).contains(&real(c, "drb")));
        assert!(real(c, "ndethist") >= 1.0 && real(c, "jdstarthist") <= real(c, "jd"));
        let name = alert["objectId"].as_str().unwrap().to_owned();
        assert!(name.len() == 12 && name.starts_with("ZTF26"), "{name}");
        let before = names.entry(packet.object_id.unwrap()).or_insert_with(|| name.clone());
        assert_eq!(*before, name);
    }
    assert!(names.len() > 100);
    assert_eq!(names.values().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn stamps_are_packed_fits_that_compress_like_real_ones() {
    let mut sums = [(0.0, 0.0); 3];
    let plan = Plan { fields: 8, ..plan() };
    let alerts = alerts(plan);
    let count = alerts.len() as f64;
    for (packet, _) in &alerts {
        let (schema, datum) = open(&packet.bytes);
        let value = to_json(&schema, &datum).unwrap();
        let names = ["cutoutScience", "cutoutTemplate", "cutoutDifference"].map(|f| value[f]["fileName"].to_string());
        assert!(names[0].contains("_targ_sci.fits.gz") && names[1].contains("_ref.fits.gz"));
        let difference = if value["candidate"]["isdiffpos"] == "t" { "scimref" } else { "refmsci" };
        assert!(names[2].contains(&format!("candid{}_pid", packet.alert_id)) && names[2].contains(difference));
        let survey = Surveys::built_in().get("ztf").unwrap().clone();
        let mut stamps = noctuary_packet::cutout::cutouts(&survey, &schema, &datum).unwrap();
        // Difference, science, template: as the table has them.
        stamps.rotate_left(1);
        for (stamp, sum) in stamps.iter().zip(&mut sums) {
            assert_eq!(stamp.fits.len(), 2_880 * 7);
            let image = &stamp.fits[2_880..2_880 + 63 * 63 * 4];
            assert!(image.chunks_exact(4).all(|b| f32::from_be_bytes(b.try_into().unwrap()).is_finite()));
            assert!(stamp.fits[2_880 + image.len()..].iter().all(|b| *b == 0));
            sum.0 += zstd::bulk::compress(image, 3).unwrap().len() as f64 / image.len() as f64 / count;
        }
        for ((field, ..), sum) in REAL.iter().zip(&mut sums) {
            sum.1 += packed(&schema, &datum, field).len() as f64 / count;
        }
    }
    for ((field, left, size), sum) in REAL.iter().zip(sums) {
        assert!((sum.0 / left - 1.0).abs() < BOUND, "{field}: {} instead of {left}", sum.0);
        assert!((sum.1 / size - 1.0).abs() < BOUND, "{field}: {} bytes instead of {size}", sum.1);
    }
}

/// The bytes of a stamp as they are in the packet, which are one gzip member to the last byte.
fn packed(schema: &Schema, datum: &[u8], field: &str) -> Vec<u8> {
    struct Find(noctuary_packet::schema::NodeId, Vec<u8>);
    impl noctuary_packet::walk::Visitor for Find {
        fn leaf(
            &mut self,
            node: noctuary_packet::schema::NodeId,
            value: noctuary_packet::walk::Leaf<'_>,
            _: std::ops::Range<usize>,
        ) {
            if let (true, noctuary_packet::walk::Leaf::Bytes(bytes)) = (node == self.0, value) {
                self.1 = bytes.to_vec();
            }
        }
    }
    let mut find = Find(schema.find(&format!("{field}.stampData")).unwrap(), Vec::new());
    noctuary_packet::walk::walk(schema, datum, &mut find).unwrap();
    let mut rest = &find.1[..];
    let mut plain = Vec::new();
    flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut plain).unwrap();
    assert!(rest.is_empty() && find.1[..4] == [0x1f, 0x8b, 8, 0] && find.1[8..10] == [2, 3]);
    find.1
}

#[test]
fn labels_go_with_packets() {
    let simulation = Simulation::new(plan()).unwrap();
    let labels: BTreeMap<_, _> =
        simulation.labels().map(|label| (label.name.unwrap(), (label.id, label.class))).collect();
    for (packet, alert) in alerts(plan()) {
        let name = alert["objectId"].as_str().unwrap();
        assert_eq!(labels.get(name), Some(&(packet.object_id.unwrap(), packet.class)), "{name}");
    }
}

#[test]
fn what_is_damaged_is_still_answered() {
    let plan = Plan { hostile: crate::hostile::Kind::ALL.to_vec(), hostile_share: 0.5, ..plan() };
    let mut kinds = BTreeSet::new();
    for packet in packets(plan) {
        kinds.extend(packet.damage);
    }
    // All but those of frames.
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[test]
fn a_revision_has_the_same_id_and_other_bytes() {
    let plan = Plan { revision_share: 0.3, duplicate_share: 0.2, ..plan() };
    let mut sent: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    for packet in packets(plan) {
        sent.entry(packet.alert_id).or_default().insert(xxh3_64(&packet.bytes));
    }
    let revised = sent.values().filter(|contents| contents.len() == 2).count();
    assert!(revised > 50 && sent.values().all(|contents| contents.len() <= 2), "{revised}");
}

#[test]
fn programs_mix_on_request() {
    let programs = |share: f64| {
        let mut seen: BTreeMap<i64, i32> = BTreeMap::new();
        let mut within = 0;
        for (_, alert) in alerts(Plan { restricted_share: share, ..plan() }) {
            *seen.entry(alert["candidate"]["programid"].as_i64().unwrap()).or_insert(0) += 1;
            let of_history: BTreeSet<i64> =
                list(&alert, "prv_candidates").map(|e| e["programid"].as_i64().unwrap()).collect();
            within += i32::from(of_history.len() == 3);
        }
        (seen, within)
    };
    assert_eq!(programs(0.0).0.into_keys().collect::<Vec<_>>(), [1]);
    let (mixed, within) = programs(0.5);
    assert!(mixed.len() == 3 && mixed.values().all(|count| *count > 20), "{mixed:?}");
    assert!(within > 200, "{within}");
}

#[test]
fn sizes_cannot_be_asked_for() {
    let wrong = Plan { packet_bytes: Some(80_000), ..plan() };
    assert!(wrong.check().unwrap_err().to_string().contains("packet_bytes"));
}
