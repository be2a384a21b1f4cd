//! The stream as a whole, read back with the walker of the archive.

mod compress;
mod cutouts;
mod files;
mod history;
mod hostile;
mod order;
mod read;
mod rows;
mod sky;
mod versions;
mod ztf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noctuary_packet::json::to_json;
use noctuary_packet::schema::{Schema, known_lsst};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::lsst::LsstPress;
use crate::world::World;
use crate::{Packets, Plan, SimulatedPacket, Simulation, SimulationError, TrueClass};
use read::read;

fn small() -> Plan {
    Plan { visits_per_night: 12, alerts_per_visit: 20, objects: 160, fields: 2, ..Plan::default() }
}

fn packets(plan: Plan) -> Vec<SimulatedPacket> {
    Simulation::new(plan).unwrap().packets().collect()
}

#[test]
fn one_seed_gives_the_same_bytes() {
    let digest = |plan: Plan| {
        let bytes: Vec<u8> = Simulation::new(plan).unwrap().packets().take(60).flat_map(|p| p.bytes).collect();
        xxh3_64(&bytes)
    };
    // Archives and benchmarks are made anew from seeds: a change of these numbers is a change of all of them.
    assert_eq!(format!("{:016x}", digest(small())), "63d327499a2000fc");
    let sized = Plan { packet_bytes: Some(82_000), ..small() };
    assert_eq!(format!("{:016x}", digest(sized.clone())), "4fe2bf0ad8d4a990");
    let elsewhere = std::thread::spawn(move || digest(sized));
    assert_eq!(format!("{:016x}", elsewhere.join().unwrap()), "4fe2bf0ad8d4a990");
    assert_ne!(digest(small()), digest(Plan { seed: 2, ..small() }));
}

#[test]
fn packets_can_be_made_on_any_thread() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<crate::Packets>();
    is_shared::<Simulation>();
}

#[test]
fn there_are_as_many_as_announced() {
    let simulation = Simulation::new(small()).unwrap();
    let mut packets = simulation.packets();
    for left in (1..=simulation.total()).rev() {
        assert_eq!(packets.size_hint(), (left as usize, Some(left as usize)));
        assert!(packets.next().is_some());
    }
    assert_eq!(packets.size_hint(), (0, Some(0)));
    assert!(packets.next().is_none());
}

#[test]
fn packets_are_valid_and_say_what_is_said_of_them() {
    let mut ids = BTreeSet::new();
    let mut classes = BTreeMap::new();
    for packet in packets(small()) {
        let alert = read(&packet.bytes);
        *classes.entry(packet.class).or_insert(0) += 1;
        assert!(ids.insert(packet.alert_id));
        assert_eq!((alert.id, alert.trigger.id), (packet.alert_id, packet.alert_id));
        assert_eq!((alert.trigger.visit, alert.trigger.detector), (packet.visit, i64::from(packet.detector)));
        assert_eq!(alert.trigger.object, packet.object_id);
        assert_eq!(packet.visit / 100_000, i64::from(packet.night));
        assert!((0..189).contains(&packet.detector));
        let body = packet.class == TrueClass::SolarSystem;
        assert_eq!(alert.object.is_none(), body);
        assert_eq!((alert.has_passage, alert.has_orbit), (body, body));
        assert_eq!(alert.trigger.body.is_some_and(|id| id > 0), body);
        assert_eq!(alert.trigger.body == Some(0), !body);
        assert!((0.0..360.0).contains(&alert.trigger.ra) && (-90.0..=90.0).contains(&alert.trigger.dec));
        assert!(alert.trigger.snr >= 5.0, "{}", alert.trigger.snr);
    }
    for class in [TrueClass::PeriodicVariable, TrueClass::ActiveNucleus, TrueClass::SolarSystem, TrueClass::Bogus] {
        assert!(classes.get(&class).is_some_and(|n| *n > 10), "{classes:?}");
    }
    // Three nights of twelve visits with twenty alerts, of which 10 and 8 per cent.
    assert!((classes[&TrueClass::SolarSystem] - 72_i32).abs() <= 14, "{classes:?}");
    assert!((classes[&TrueClass::Bogus] - 58_i32).abs() <= 8, "{classes:?}");
}

#[test]
fn another_order_of_fields_changes_no_value() {
    fn reverse(value: &mut Value) {
        if let Some(Value::Array(fields)) = value.get_mut("fields") {
            fields.reverse();
            fields.insert(1, json!({"name": "laterAddition", "type": ["null", "float"]}));
        }
        match value {
            Value::Object(object) => object.values_mut().for_each(reverse),
            Value::Array(list) => list.iter_mut().for_each(reverse),
            _ => {}
        }
    }
    fn without_additions(value: &mut Value) {
        if let Value::Object(object) = value {
            assert!(object.remove("laterAddition").is_none_or(|v| v.is_null()));
            object.values_mut().for_each(without_additions);
        } else if let Value::Array(list) = value {
            list.iter_mut().for_each(without_additions);
        }
    }
    let schema = known_lsst("11.1").unwrap();
    let mut other: Value = serde_json::from_str(schema.json()).unwrap();
    reverse(&mut other);
    let other = Schema::parse(&other.to_string()).unwrap();
    let world = Arc::new(World::without_past(&small()).unwrap());
    let [plain, turned] = [&*schema, &other].map(|schema| LsstPress::of_schema(schema, 1101).unwrap());
    let packets = |press| Packets::new(Arc::clone(&world), &press).take(40);
    for (plain, turned) in packets(plain).zip(packets(turned)) {
        let expected = to_json(&schema, &plain.bytes[5..]).unwrap();
        let mut shown = to_json(&other, &turned.bytes[5..]).unwrap();
        without_additions(&mut shown);
        assert_eq!(shown, expected);
    }
}

#[test]
fn packets_come_in_order_of_visit_detector_and_id() {
    let keys: Vec<_> = packets(small()).iter().map(|p| (p.night, p.visit, p.detector, p.alert_id)).collect();
    assert!(keys.windows(2).all(|w| w[0] < w[1]));
    let nights: BTreeSet<_> = keys.iter().map(|k| k.0).collect();
    assert_eq!(nights.into_iter().collect::<Vec<_>>(), [20_261_109, 20_261_110, 20_261_111]);
}

#[test]
fn sizes_are_near_those_asked_for() {
    for wanted in [82_000, 120_000, 176_000, 327_000] {
        let plan = Plan { visits_per_night: 24, fields: 3, objects: 300, packet_bytes: Some(wanted), ..small() };
        let simulation = Simulation::new(plan).unwrap();
        let bytes: usize = simulation.packets().map(|p| p.bytes.len()).sum();
        let mean = bytes as f64 / simulation.total() as f64;
        assert!((mean / f64::from(wanted) - 1.0).abs() < 0.06, "{wanted}: {mean}");
    }
    let tiny = Simulation::new(Plan { packet_bytes: Some(20_000), ..small() });
    assert!(matches!(tiny, Err(SimulationError::TooSmall { wanted: 20_000, smallest: 60_000.. })));
}

#[test]
fn plans_at_the_edge_of_their_ranges_work() {
    for plan in [
        Plan { objects: 1, fields: 1, alerts_per_visit: 30, visits_per_night: 2, nights: 1, ..small() },
        Plan { solar_system_share: 1.0, bogus_share: 0.0, ..small() },
        Plan { solar_system_share: 0.0, bogus_share: 1.0, ..small() },
        Plan { objects: 3, fields: 9, visits_per_night: 3, nights: 2, ..small() },
        Plan { solar_system_share: 1.0, bogus_share: 0.0, packet_bytes: Some(90_000), ..small() },
    ] {
        let simulation = Simulation::new(plan).unwrap();
        let total = simulation.total();
        let mut count = 0;
        for packet in simulation.packets() {
            read(&packet.bytes);
            count += 1;
        }
        assert_eq!(count, total);
    }
}
