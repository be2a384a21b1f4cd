//! History, forced photometry and object statistics behave as in transmitted packets.

use std::collections::BTreeMap;

use super::read::{Record, read};
use super::{packets, small};
use crate::{Plan, TrueClass};

#[test]
fn history_is_sorted_lags_and_never_holds_its_trigger() {
    let (mut with, mut without, mut minutes) = (0, 0, f64::INFINITY);
    for packet in packets(small()) {
        let alert = read(&packet.bytes);
        let Some(history) = &alert.history else {
            // Bodies have no forced photometry, new objects an empty list of it.
            let body = packet.class == TrueClass::SolarSystem;
            assert_eq!(alert.forced.is_none(), body);
            assert!(alert.forced.is_none_or(|f| f.is_empty()));
            without += 1;
            continue;
        };
        with += 1;
        assert!(!history.is_empty(), "an empty history is null");
        assert!(history.windows(2).all(|w| w[0].mjd < w[1].mjd));
        let (first, last) = (&history[0], &history[history.len() - 1]);
        let age = alert.trigger.mjd - last.mjd;
        assert!(age > 59.0 / 1_440.0 && alert.trigger.mjd - first.mjd <= 365.0);
        minutes = minutes.min(age * 1_440.0);
        assert!(history.iter().all(|h| h.object == alert.trigger.object && h.body.is_none()));
        assert!(history.iter().all(|h| h.id != alert.id));
        let forced = alert.forced.unwrap();
        assert!(forced.windows(2).all(|w| w[0].mjd < w[1].mjd));
        assert_eq!(forced.last().unwrap().visit, packet.visit);
        assert!(alert.trigger.mjd - forced[0].mjd <= 21.0);
    }
    assert!(with > 300 && without > 100, "{with} {without}");
    assert!(minutes > 60.0);
}

#[test]
fn records_are_the_same_bytes_in_every_packet() {
    let mut sources: BTreeMap<i64, Record> = BTreeMap::new();
    let mut forced: BTreeMap<i64, Record> = BTreeMap::new();
    let mut triggers = BTreeMap::new();
    let (mut again, mut sent) = (0, 0);
    let plan = Plan { nights: 4, packet_bytes: Some(120_000), ..small() };
    for packet in packets(plan) {
        let alert = read(&packet.bytes);
        for (records, known) in [(alert.history, &mut sources), (alert.forced, &mut forced)] {
            for record in records.into_iter().flatten() {
                if let Some(before) = known.get(&record.id) {
                    assert_eq!(before.bytes, record.bytes, "{}", record.id);
                    again += 1;
                } else {
                    known.insert(record.id, record);
                }
            }
        }
        triggers.insert(alert.id, alert.trigger);
    }
    for (id, trigger) in &triggers {
        let Some(later) = sources.get(id) else { continue };
        // The later copy differs in one field: zero has become null.
        let mut copy = trigger.bytes.clone();
        copy.splice(trigger.body_at.start - 1..trigger.body_at.end, [0]);
        assert_eq!(copy, later.bytes);
        sent += 1;
    }
    assert!(again > 5_000 && sent > 100, "{again} {sent}");
}

#[test]
fn history_is_one_interval_of_what_is_known() {
    let alerts: Vec<_> = packets(small()).iter().map(|p| read(&p.bytes)).collect();
    let mut known: BTreeMap<i64, BTreeMap<i64, f64>> = BTreeMap::new();
    for alert in &alerts {
        let Some(object) = alert.trigger.object else { continue };
        let records = known.entry(object).or_default();
        records.insert(alert.id, alert.trigger.mjd);
        records.extend(alert.history.iter().flatten().map(|h| (h.id, h.mjd)));
    }
    for alert in &alerts {
        let Some(history) = &alert.history else { continue };
        let (first, last) = (history[0].mjd, history[history.len() - 1].mjd);
        let all = &known[&alert.trigger.object.unwrap()];
        let between = all.values().filter(|mjd| (first..=last).contains(*mjd)).count();
        assert_eq!(between, history.len());
        // What is later is less than an hour old, or was not sent yet.
        let late = all.values().filter(|mjd| **mjd > last && **mjd < alert.trigger.mjd - 61.0 / 1_440.0);
        assert_eq!(late.count(), 0);
    }
}

#[test]
fn objects_are_numbered_and_summed_up_from_their_sources() {
    let mut several = 0;
    for packet in packets(small()) {
        let alert = read(&packet.bytes);
        let Some(object) = alert.object else { continue };
        let history = alert.history.unwrap_or_default();
        if history.is_empty() && alert.forced.unwrap().is_empty() && packet.class == TrueClass::Bogus {
            assert_eq!(packet.object_id, Some(packet.alert_id));
        }
        assert_eq!(object.sources, history.len() as i64 + 1);
        let fluxes: Vec<f64> =
            history.iter().chain([&alert.trigger]).filter(|r| r.band == alert.trigger.band).map(|r| r.flux).collect();
        several += usize::from(fluxes.len() > 1);
        for ((count, mean), band) in object.bands.iter().zip(["u", "g", "r", "i", "z", "y"]) {
            if band == alert.trigger.band {
                assert_eq!(*count, fluxes.len() as i64);
                let (low, high) = fluxes.iter().fold((f64::MAX, f64::MIN), |(l, h), f| (l.min(*f), h.max(*f)));
                assert!(low - 0.1 <= *mean && *mean <= high + 0.1, "{low} {mean} {high}");
            } else {
                assert!(*count == 0 && mean.is_nan());
            }
        }
    }
    assert!(several > 200, "{several}");
}

#[test]
fn sources_scatter_about_their_object() {
    let mut offsets = Vec::new();
    for packet in packets(small()) {
        let alert = read(&packet.bytes);
        let history = alert.history.unwrap_or_default();
        let count = history.len() as f64;
        if count < 20.0 {
            continue;
        }
        let (ra, dec) = history.iter().fold((0.0, 0.0), |(r, d), h| (r + h.ra / count, d + h.dec / count));
        let across = (alert.trigger.ra - ra) * dec.to_radians().cos();
        offsets.push((across * across + (alert.trigger.dec - dec).powi(2)).sqrt() * 3_600.0);
    }
    offsets.sort_by(f64::total_cmp);
    let median = offsets[offsets.len() / 2];
    assert!((0.07..0.16).contains(&median), "{median}");
    assert!(offsets[offsets.len() - 1] < 2.0);
}
