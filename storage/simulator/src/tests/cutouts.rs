//! Cutouts are FITS files of three planes.

use std::collections::BTreeMap;

use super::read::read;
use super::{packets, small};
use crate::Plan;

/// Header cards and data of each plane.
pub(super) fn planes(file: &[u8]) -> Vec<(BTreeMap<String, String>, &[u8])> {
    assert_eq!(file.len() % 2_880, 0);
    let mut planes = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let mut cards = BTreeMap::new();
        loop {
            let card = std::str::from_utf8(&file[at..at + 80]).unwrap();
            at += 80;
            let keyword = card[..8].trim().to_owned();
            if keyword == "END" {
                break;
            }
            assert_eq!(&card[8..10], "= ");
            let value = card[10..].split(" / ").next().unwrap().trim().trim_matches('\'').trim();
            assert!(cards.insert(keyword, value.to_owned()).is_none());
        }
        at = at.next_multiple_of(2_880);
        let number = |keyword: &str| cards[keyword].parse::<i64>().unwrap();
        let bytes = (number("NAXIS1") * number("NAXIS2") * number("BITPIX").abs() / 8) as usize;
        let data = &file[at..at + bytes];
        at += bytes.next_multiple_of(2_880);
        planes.push((cards, data));
    }
    assert_eq!(at, file.len());
    planes
}

fn singles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(4).map(|b| f64::from(f32::from_be_bytes(b.try_into().unwrap()))).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|b| f64::from_be_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn cutouts_are_laid_out_as_transmitted() {
    let mut psfs: BTreeMap<(i64, i32, usize), Vec<u8>> = BTreeMap::new();
    let mut shared = 0;
    let plan = Plan { alerts_per_visit: 200, visits_per_night: 2, nights: 1, objects: 800, ..small() };
    for packet in packets(plan) {
        let alert = read(&packet.bytes);
        for (file, which) in alert.cutouts.iter().zip(0..) {
            let planes = planes(file);
            let of = |i: usize, keyword: &str| planes[i].0[keyword].as_str();
            assert_eq!([of(0, "BITPIX"), of(1, "BITPIX"), of(2, "BITPIX")], ["-32", "-32", "-64"]);
            assert_eq!([of(1, "EXTNAME"), of(2, "EXTNAME")], ["UNCERT", "PSFIMAGE"]);
            let psf_side: usize = of(2, "NAXIS1").parse().unwrap();
            assert!(if which == 2 { (41..=55).contains(&psf_side) } else { psf_side == 41 });
            assert_eq!(of(0, "NAXIS1"), of(1, "NAXIS2"));
            let side: usize = of(0, "NAXIS1").parse().unwrap();
            assert!((30..=90).contains(&side));
            let position: f64 = of(0, "CRVAL1").parse().unwrap();
            assert!((position - alert.trigger.ra).abs() < 1e-9);
            assert!(singles(planes[0].1).iter().all(|v| v.is_finite()));
            assert!(singles(planes[1].1).iter().all(|v| *v > 0.0));
            let psf = doubles(planes[2].1);
            assert!((psf.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            let key = (packet.visit, packet.detector, which.max(1));
            if let Some(before) = psfs.get(&key) {
                assert_eq!(before, planes[2].1);
                shared += 1;
            } else {
                psfs.insert(key, planes[2].1.to_vec());
            }
        }
    }
    assert!(shared > 300);
    let distinct: std::collections::BTreeSet<_> = psfs.values().collect();
    assert_eq!(distinct.len(), psfs.len(), "every visit and detector has its own");
}

#[test]
fn the_source_shows_in_the_difference() {
    let mut checked = 0;
    for packet in packets(small()) {
        let alert = read(&packet.bytes);
        if alert.trigger.snr < 50.0 {
            continue;
        }
        let planes = planes(&alert.cutouts[0]);
        let side: usize = planes[0].0["NAXIS1"].parse().unwrap();
        let image = singles(planes[0].1);
        let sum: f64 = image.iter().sum();
        assert!((sum / alert.trigger.flux - 1.0).abs() < 0.25, "{sum} {}", alert.trigger.flux);
        let peak = |sign: f64| (0..image.len()).max_by(|a, b| (sign * image[*a]).total_cmp(&(sign * image[*b])));
        let peak = peak(alert.trigger.flux.signum()).unwrap();
        let centre = |keyword: &str| planes[0].0[keyword].parse::<f64>().unwrap() - 1.0;
        assert!(((peak % side) as f64 - centre("CRPIX1")).abs() < 2.5);
        assert!(((peak / side) as f64 - centre("CRPIX2")).abs() < 2.5);
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}
