//! Parts of simulated cutouts compress like those of real ones.
//!
//! The real figures are those of 83 transmitted packets of schema 10.0, visits 2026030900026, 2026030900027 (band g)
//! and 2026040700201 (band i), as `benchmarks/peers/packet_statistics.py` prints them: what zstd level 3 leaves of a
//! part, packet by packet.

use std::collections::BTreeMap;

use super::cutouts::planes;
use super::read::read;
use super::small;
use crate::{Plan, Simulation};

/// Kind of cutout, plane, and what zstd leaves of it in transmitted packets.
const REAL: [(usize, usize, f64); 8] = [
    (0, 0, 0.935),
    (0, 1, 0.836),
    (0, 2, 0.542),
    (1, 0, 0.938),
    (1, 1, 0.835),
    (1, 2, 0.542),
    (2, 0, 0.934),
    (2, 1, 0.868),
];
/// The same for the template's PSF, which is the smaller the nearer the angle between template and detector is to a
/// right one: degrees from the nearest right angle, and the ratio. Beside schema 10.0 from 70 packets of schema 9.0.
const REAL_TEMPLATE_PSF: [(f64, f64, f64); 5] =
    [(10.0, 15.0, 0.825), (25.0, 30.0, 0.616), (30.0, 35.0, 0.605), (35.0, 40.0, 0.588), (40.0, 45.0, 0.571)];
/// How far from the real ratio a simulated one may be.
const BOUND: f64 = 0.05;

fn left(bytes: &[u8]) -> f64 {
    zstd::bulk::compress(bytes, 3).unwrap().len() as f64 / bytes.len() as f64
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn is_near(&self, real: f64) -> bool {
        (self.sum / self.count / real - 1.0).abs() < BOUND
    }
}

#[test]
fn planes_compress_like_real_ones() {
    let mut means: BTreeMap<(usize, usize), Mean> = BTreeMap::new();
    let mut turned: Vec<Mean> = REAL_TEMPLATE_PSF.iter().map(|_| Mean::default()).collect();
    let plan = Plan { nights: 2, visits_per_night: 60, alerts_per_visit: 6, fields: 3, ..small() };
    for packet in Simulation::new(plan).unwrap().packets() {
        let alert = read(&packet.bytes);
        // The real ones that were measured are of these bands; the brighter sky of others compresses better.
        if !["g", "i"].contains(&alert.trigger.band.as_str()) {
            continue;
        }
        for (kind, file) in alert.cutouts.iter().enumerate() {
            let planes = planes(file);
            for (number, (_, data)) in planes.iter().enumerate() {
                means.entry((kind, number)).or_default().add(left(data));
            }
            if kind == 2 {
                let of = |keyword: &str| planes[0].0[keyword].parse::<f64>().unwrap();
                let angle = of("PC1_2").atan2(of("PC1_1")).to_degrees().rem_euclid(90.0);
                let angle = angle.min(90.0 - angle);
                let bin = REAL_TEMPLATE_PSF.iter().position(|(from, to, _)| (*from..*to).contains(&angle));
                bin.into_iter().for_each(|bin| turned[bin].add(left(planes[2].1)));
            }
        }
    }
    for (kind, number, real) in REAL {
        let mean = &means[&(kind, number)];
        assert!(mean.count > 200.0 && mean.is_near(real), "{kind} {number}: {} {real}", mean.sum / mean.count);
    }
    let bins = turned.iter().zip(REAL_TEMPLATE_PSF).filter(|(mean, _)| mean.count > 10.0);
    assert!(bins.clone().count() >= 3);
    for (mean, (from, _, real)) in bins {
        assert!(mean.is_near(real), "{from} degrees: {} {real}", mean.sum / mean.count);
    }
}
