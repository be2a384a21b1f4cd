//! What arrives when, and on how many threads it is made.

use std::collections::{BTreeMap, BTreeSet};

use super::read::read;
use super::{packets, small};
use crate::{Delivery, Plan, SimulatedPacket, Simulation};

fn troubled() -> Plan {
    Plan {
        nights: 2,
        visits_per_night: 30,
        late_share: 0.15,
        duplicate_share: 0.1,
        revision_share: 0.05,
        packet_bytes: Some(90_000),
        ..small()
    }
}

#[test]
fn any_number_of_threads_gives_the_same_packets() {
    let simulation = Simulation::new(troubled()).unwrap();
    let alone: Vec<_> = simulation.packets().collect();
    assert_eq!(alone.len() as u64, simulation.total());
    for threads in [1, 2, 5] {
        let mut made = simulation.packets_on(threads);
        assert_eq!(made.size_hint().1, Some(alone.len()));
        assert!(made.by_ref().eq(alone.iter().cloned()), "{threads} threads");
        assert!(made.next().is_none());
    }
    // Whoever stops early leaves no thread behind.
    assert_eq!(simulation.packets_on(3).take(7).count(), 7);
}

#[test]
fn shares_of_late_repeated_and_revised_packets_are_kept() {
    let made = packets(troubled());
    let count = |delivery| made.iter().filter(|p| p.delivery == delivery).count() as f64;
    let alerts = 2.0 * 30.0 * 20.0;
    assert_eq!(count(Delivery::OnTime) + count(Delivery::Late), alerts);
    for (delivery, share) in [(Delivery::Late, 0.15), (Delivery::Duplicate, 0.1), (Delivery::Revision, 0.05)] {
        assert!((count(delivery) / alerts - share).abs() < 0.02, "{delivery:?}: {}", count(delivery));
    }
}

#[test]
fn packets_arrive_with_their_visit_or_after_it() {
    let made = packets(troubled());
    assert!(made.windows(2).all(|w| w[0].arrival_visit <= w[1].arrival_visit));
    let last = made.last().unwrap().arrival_visit;
    for packet in &made {
        let on_time = packet.arrival_visit == packet.visit;
        assert_eq!(i64::from(packet.arrival_night), packet.arrival_visit / 100_000);
        match packet.delivery {
            Delivery::OnTime => assert!(on_time),
            // What is left at the end comes with the last visit.
            _ => assert!(packet.arrival_visit > packet.visit || packet.arrival_visit == last),
        }
    }
    let is_late = |p: &&SimulatedPacket| p.delivery == Delivery::Late;
    assert!(made.iter().filter(is_late).any(|p| p.arrival_night > p.night), "some cross the day");
    let overtaken = |at: usize| made[..at].iter().any(|before| before.visit > made[at].visit);
    assert!((0..made.len()).filter(|at| is_late(&&made[*at])).filter(|at| overtaken(*at)).count() > 50);
}

#[test]
fn a_duplicate_is_the_same_and_a_revision_is_not() {
    let made = packets(troubled());
    let mut first: BTreeMap<i64, &SimulatedPacket> = BTreeMap::new();
    for packet in made.iter().filter(|p| matches!(p.delivery, Delivery::OnTime | Delivery::Late)) {
        assert!(first.insert(packet.alert_id, packet).is_none());
    }
    let (mut duplicates, mut revisions) = (0, 0);
    for packet in &made {
        let original = first[&packet.alert_id];
        match packet.delivery {
            Delivery::Duplicate => {
                assert_eq!(packet.bytes, original.bytes);
                duplicates += 1;
            }
            Delivery::Revision => {
                let (before, after) = (read(&original.bytes), read(&packet.bytes));
                assert_ne!(packet.bytes, original.bytes);
                assert_ne!(after.trigger.bytes, before.trigger.bytes);
                assert_eq!((after.trigger.flux, after.trigger.ra), (before.trigger.flux, before.trigger.ra));
                assert_eq!(after.cutouts, before.cutouts);
                let sent = |h: Option<Vec<super::read::Record>>| h.map(|h| h.iter().map(|r| r.bytes.clone()).collect());
                let sent: [Option<Vec<_>>; 2] = [sent(after.history), sent(before.history)];
                assert_eq!(sent[0], sent[1]);
                revisions += 1;
            }
            _ => {}
        }
    }
    assert!(duplicates > 100 && revisions > 40, "{duplicates} {revisions}");
}

#[test]
fn at_the_natural_rate_everything_that_is_detected_alerts() {
    let plan = Plan { natural_rate: true, fields: 8, objects: 1_500, nights: 1, duplicate_share: 0.1, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let made: Vec<_> = simulation.packets_on(2).collect();
    assert_eq!(made.len() as u64, simulation.total());
    let mut visits: BTreeMap<i64, usize> = BTreeMap::new();
    for packet in made.iter().filter(|p| p.delivery != Delivery::Duplicate) {
        *visits.entry(packet.visit).or_default() += 1;
    }
    let counts: BTreeSet<_> = visits.values().collect();
    assert!(counts.len() > 4 && visits.len() == 12, "{visits:?}");
    let class = |class| made.iter().filter(|p| p.class == class).count() as f64 / made.len() as f64;
    assert!((class(crate::TrueClass::SolarSystem) - 0.1).abs() < 0.03);
    assert!((class(crate::TrueClass::Bogus) - 0.08).abs() < 0.03);
}

#[test]
fn clouds_leave_packets_out() {
    let plan = Plan { weather_loss: 0.5, nights: 20, visits_per_night: 4, alerts_per_visit: 2, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let made: Vec<_> = simulation.packets().collect();
    assert_eq!(made.len() as u64, simulation.total());
    assert!((40..140).contains(&made.len()), "{}", made.len());
    let nights: BTreeSet<_> = made.iter().map(|p| p.night).collect();
    assert!((8..20).contains(&nights.len()), "{nights:?}");
}
