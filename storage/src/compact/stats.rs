//! What the log will say of merged alerts, learned while they are written.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};

use crate::error::{Result, StorageError};
use crate::log::FileStats;
use crate::packets::ids_of;
use crate::range::widen;
use crate::tables::RIGHTS;

/// Columns of which it is said that some row has no value.
const TOLD: [&str; 7] = ["_object", "_night", "_visit", "_mjd_tai", "_ra", "_dec", "_healpix_29"];

/// The statistics of a file of alerts.
#[derive(Debug, Default)]
pub(super) struct AlertStats {
    told: FileStats,
    with_nulls: BTreeSet<&'static str>,
}

impl AlertStats {
    /// Learns of rows.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if they have not got the keys of alerts.
    pub fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let missing = |name: &str| StorageError::damaged(format!("alerts without {name}"));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let long = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| missing(name));
        let double = |name: &str| column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| missing(name));
        for name in TOLD {
            if column(name)?.null_count() > 0 {
                self.with_nulls.insert(name);
            }
        }
        let told = &mut self.told;
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| missing("_night"))?;
        widen(&mut told.night, nights.iter().flatten());
        widen(&mut told.visit, long("_visit")?.iter().flatten());
        widen(&mut told.healpix_29, long("_healpix_29")?.iter().flatten());
        widen(&mut told.mjd_tai, double("_mjd_tai")?.iter().flatten());
        widen(&mut told.ra, double("_ra")?.iter().flatten());
        widen(&mut told.dec, double("_dec")?.iter().flatten());
        let rows = 0..batch.num_rows();
        let alerts = ids_of(column("_alert")?).ok_or_else(|| missing("_alert"))?;
        widen(&mut told.alert, rows.clone().filter_map(alerts));
        let objects = ids_of(column("_object")?).ok_or_else(|| missing("_object"))?;
        widen(&mut told.object, rows.filter_map(objects));
        let labels = column(RIGHTS)?.as_string_opt::<i32>().ok_or_else(|| missing(RIGHTS))?;
        count(&mut told.rights, labels.iter().flatten());
        Ok(())
    }

    /// What has been learned.
    pub fn told(self) -> FileStats {
        FileStats { with_nulls: self.with_nulls.into_iter().map(str::to_owned).collect(), ..self.told }
    }
}

/// Counts labels.
pub(super) fn count<'l>(rights: &mut std::collections::BTreeMap<String, u64>, labels: impl Iterator<Item = &'l str>) {
    for label in labels {
        match rights.get_mut(label) {
            Some(rows) => *rows += 1,
            None => {
                rights.insert(label.to_owned(), 1);
            }
        }
    }
}
