//! Flat rows are what the packets would have said.

use super::read::read;
use super::small;
use crate::{Delivery, Plan, Simulation, TrueClass};

#[test]
fn rows_are_the_triggers_of_the_packets() {
    let plan = Plan { nights: 2, duplicate_share: 0.1, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let mut packets = simulation.packets().filter(|p| p.delivery == Delivery::OnTime);
    let (mut rows, mut objects) = (0, std::collections::BTreeSet::new());
    for batch in simulation.rows(77) {
        let s = &batch.sources;
        for i in 0..s.len() {
            let packet = packets.next().unwrap();
            let trigger = read(&packet.bytes).trigger;
            assert_eq!(
                (s.source_id[i], s.object_id[i], s.visit[i], s.detector[i], s.night[i]),
                (packet.alert_id, packet.object_id, packet.visit, packet.detector, packet.night)
            );
            assert_eq!((s.ra[i], s.dec[i], s.mjd[i]), (trigger.ra, trigger.dec, trigger.mjd));
            assert_eq!((f64::from(s.flux[i]), s.band[i]), (trigger.flux, &*trigger.band));
            assert_eq!(s.class[i], packet.class);
            assert_eq!(s.body_id[i], trigger.body.filter(|id| *id != 0));
            assert!(s.reliability[i] < 0.5 || s.class[i] != TrueClass::Bogus);
            rows += 1;
        }
        for id in &batch.objects.object_id {
            assert!(objects.insert(*id), "an object twice");
        }
        assert!(s.object_id.iter().flatten().all(|id| objects.contains(id)));
        assert!(batch.objects.template.iter().all(|band| band.len() == batch.objects.len()));
    }
    assert!(packets.next().is_none());
    assert_eq!(rows, 2 * 12 * 20);
}
