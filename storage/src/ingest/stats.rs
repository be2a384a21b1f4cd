//! What a log entry says of the rows of a file.

use std::collections::BTreeMap;

use noctuary_packet::survey::AlertKeys;

use super::batch::StoredRow;
use super::resolve::Resolved;
use crate::anchor::cell_of;
use crate::log::FileStats;
use crate::range::range;

/// The HEALPix cell of a position: order 29, NESTED. `None` where there is no position on the sphere.
pub(super) fn cell(keys: &AlertKeys) -> Option<i64> {
    let (ra, dec) = keys.position()?;
    cell_of(ra, dec)
}

pub(super) fn of(resolved: &Resolved, rows: &[StoredRow]) -> FileStats {
    let keys = || rows.iter().map(|r| &r.accepted.keys);
    let mut rights: BTreeMap<String, u64> = BTreeMap::new();
    for key in keys() {
        *rights.entry(resolved.survey.rights.label(key.rights).to_owned()).or_default() += 1;
    }
    let mut with_nulls = Vec::new();
    let mut note = |name: &str, null: bool| {
        if null {
            with_nulls.push(name.to_owned());
        }
    };
    note("_object", keys().any(|k| k.object.is_none()));
    note("_night", keys().any(|k| k.night.is_none()));
    note("_visit", keys().any(|k| k.visit.is_none()));
    note("_mjd_tai", keys().any(|k| k.time.is_none()));
    note("_ra", keys().any(|k| k.ra.is_none()));
    note("_dec", keys().any(|k| k.dec.is_none()));
    note("_healpix_29", keys().any(|k| cell(k).is_none()));
    FileStats {
        night: range(keys().filter_map(|k| k.night).map(|n| n.0)),
        visit: range(keys().filter_map(|k| k.visit)),
        alert: range(keys().map(|k| k.alert.clone())),
        object: range(keys().filter_map(|k| k.object.clone())),
        mjd_tai: range(keys().filter_map(|k| k.time).map(|t| t.0)),
        ra: range(keys().filter_map(|k| k.ra)),
        dec: range(keys().filter_map(|k| k.dec)),
        healpix_29: range(keys().filter_map(cell)),
        own_time: None,
        with_nulls,
        rights,
    }
}
