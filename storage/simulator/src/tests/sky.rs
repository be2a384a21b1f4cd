//! Places, crowds and labels.

use std::collections::BTreeMap;

use super::read::read;
use super::{packets, small};
use crate::{Label, Plan, Simulation, Target, TrueClass};

/// HEALPix pixel of order 7, in the nested scheme.
fn pixel(ra: f64, dec: f64) -> u64 {
    cdshealpix::nested::hash(7, ra.to_radians(), dec.to_radians())
}

#[test]
fn a_deep_field_puts_a_hundred_thousand_alerts_in_one_pixel() {
    let target: Target = "cosmos".parse().unwrap();
    let plan = Plan {
        nights: 1,
        visits_per_night: 100,
        alerts_per_visit: 1_100,
        objects: 4_000,
        fields: 1,
        targets: vec![target],
        field_radius: Some(0.1),
        solar_system_share: 0.02,
        ..Plan::default()
    };
    let mut pixels: BTreeMap<u64, usize> = BTreeMap::new();
    let mut objects = 0;
    for batch in Simulation::new(plan).unwrap().rows(20_000) {
        for (ra, dec) in batch.sources.ra.iter().zip(&batch.sources.dec) {
            *pixels.entry(pixel(*ra, *dec)).or_default() += 1;
        }
        objects += batch.objects.class.iter().filter(|c| **c != TrueClass::Bogus).count();
    }
    assert!(pixels[&pixel(target.ra, target.dec)] >= 100_000, "{pixels:?}");
    assert!(objects > 2_000, "{objects}");
}

#[test]
fn poles_and_the_first_meridian_are_places_like_others() {
    let named = |name: &str| name.parse::<Target>().unwrap();
    let targets = vec![named("north-pole"), named("south-pole"), named("ra-zero")];
    let plan = Plan { targets, fields: 3, objects: 900, field_radius: Some(0.05), ..small() };
    let (mut poles, mut east, mut west, mut checked) = ([0, 0], 0, 0, 0);
    for packet in packets(plan) {
        let alert = read(&packet.bytes);
        let trigger = &alert.trigger;
        assert!((0.0..360.0).contains(&trigger.ra) && (-90.0..=90.0).contains(&trigger.dec));
        let body = packet.class == TrueClass::SolarSystem;
        poles[0] += usize::from(trigger.dec > 89.9 && !body);
        poles[1] += usize::from(trigger.dec < -89.9 && !body);
        east += usize::from(trigger.dec.abs() < 1.0 && trigger.ra < 1.0);
        west += usize::from(trigger.dec.abs() < 1.0 && trigger.ra > 359.0);
        // History stays at its object, also where a degree of right ascension is a hair's breadth.
        let towards = |ra, dec| crate::orbit::Vector::towards(ra, dec);
        for record in alert.history.iter().flatten() {
            let apart = towards(record.ra, record.dec).separation(towards(trigger.ra, trigger.dec)) * 3_600.0;
            assert!(apart < 2.21, "{apart} at {} {}", trigger.ra, trigger.dec);
            checked += 1;
        }
    }
    assert!(poles[0] > 150 && poles[1] > 150 && east > 50 && west > 50, "{poles:?} {east} {west}");
    assert!(checked > 5_000, "{checked}");
}

#[test]
fn sources_lie_as_far_from_their_object_as_measured() {
    let plan = Plan { objects: 1_000, visits_per_night: 100, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let truth: BTreeMap<i64, (f64, f64)> = simulation.labels().map(|l| (l.id, (l.ra, l.dec))).collect();
    let mut offsets = Vec::new();
    for batch in simulation.rows(1_000) {
        let rows = &batch.sources;
        for i in 0..rows.len() {
            let Some(id) = rows.object_id[i].filter(|_| rows.class[i] != TrueClass::Bogus) else { continue };
            let (east, north) = crate::objects::offset((rows.ra[i], rows.dec[i]), truth[&id]);
            offsets.push((east * east + north * north).sqrt());
        }
    }
    offsets.sort_by(f64::total_cmp);
    let (median, last) = (offsets[offsets.len() / 2], offsets[offsets.len() - 1]);
    assert!((0.08..0.13).contains(&median), "{median}");
    assert!((0.7..1.11).contains(&last), "{last}");
}

#[test]
fn everything_that_alerts_has_one_label() {
    let plan = Plan { nights: 2, objects: 600, fields: 12, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let mut labels: BTreeMap<i64, Label> = BTreeMap::new();
    for label in simulation.labels() {
        for (name, value) in &label.parameters {
            assert!(Label::PARAMETERS.iter().any(|(known, ..)| known == name), "{name}");
            assert!(value.is_finite());
        }
        assert!(labels.insert(label.id, label).is_none());
    }
    let mut alerted = std::collections::BTreeSet::new();
    for packet in simulation.packets() {
        let body = packet.class == TrueClass::SolarSystem;
        let id = packet.object_id.or_else(|| read(&packet.bytes).trigger.body.filter(|_| body));
        let label = &labels[&id.unwrap()];
        assert_eq!(label.class, packet.class);
        assert!(label.first_night <= packet.night);
        alerted.insert(label.id);
        if packet.class == TrueClass::PeriodicVariable {
            assert!(label.parameter("period_d").is_some_and(|p| p > 0.1) && label.shape.is_some());
        }
    }
    assert_eq!(alerted.len(), labels.len());
}

#[test]
fn objects_of_another_survey_have_labels_under_its_numbers() {
    let plan = Plan { survey: crate::Survey::Ztf, nights: 2, objects: 600, fields: 6, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let labels: BTreeMap<i64, Label> = simulation.labels().map(|l| (l.id, l)).collect();
    for packet in simulation.packets() {
        let label = &labels[&packet.object_id.unwrap()];
        assert_eq!(label.class, packet.class);
        let name = label.name.as_ref().unwrap().as_bytes();
        assert!(packet.bytes.windows(name.len()).any(|window| window == name), "{label:?}");
    }
}

#[test]
fn every_class_and_shape_alerts() {
    let targets = vec!["galactic-centre".parse().unwrap()];
    let plan = Plan { targets, objects: 9_000, fields: 3, alerts_per_visit: 400, nights: 8, ..small() };
    let mut seen: BTreeMap<(TrueClass, Option<&str>), usize> = BTreeMap::new();
    for label in Simulation::new(plan).unwrap().labels() {
        *seen.entry((label.class, label.shape)).or_default() += 1;
    }
    let mut classes: Vec<_> = TrueClass::ALL.into_iter().filter(|c| seen.keys().any(|(of, _)| of == c)).collect();
    classes.dedup();
    assert_eq!(classes, TrueClass::ALL, "{seen:?}");
    for shape in ["sinusoid", "rr_lyrae", "eclipsing"] {
        assert!(seen.get(&(TrueClass::PeriodicVariable, Some(shape))).is_some_and(|n| *n > 20), "{seen:?}");
    }
}
