//! P4 (counted): the ledger against itself, against the alerts and against the quarantine.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int64Type};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use super::Check;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::{Counts, DataFile};
use crate::packets::text;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table};
use crate::visible::Commits;

/// Stored packets by survey and night.
type ByNight = BTreeMap<(String, Option<i32>), i64>;

pub(super) async fn check(archive: &Archive, snapshot: &Snapshot) -> Vec<Check> {
    let mut sums = Check::new("P4", "rows of the ledger: received = stored + duplicate + quarantined + purged");
    let mut stored = Check::new("P4", "nights whose stored packets are as many as the ledger says");
    let mut refused = Check::new("P4", "quarantined packets that are as many as the ledger says");
    let (mut by_night, mut all) = (ByNight::new(), Counts::default());
    for file in snapshot.files(Table::Ledger, None) {
        match rows(archive, snapshot, file).await {
            Ok(rows) => {
                for (number, row) in rows.iter().enumerate() {
                    let Counts { received: r, stored: s, duplicate: d, quarantined: q, purged: p, .. } = row.counts;
                    let told = || format!("{}: row {number}: {r} is not {s} + {d} + {q} + {p}", file.path);
                    sums.hold(r == s + d + q + p, told);
                    all.add(&row.counts);
                    if s != 0 {
                        *by_night.entry((row.survey.clone(), row.night)).or_default() += s;
                    }
                }
            }
            Err(e) => sums.fail(format!("{} cannot be read ({e}): {} rows of the ledger", file.path, file.rows)),
        }
    }
    let mut there = ByNight::new();
    for file in snapshot.files(Table::Alerts, None) {
        if let Err(e) = nights(archive, snapshot, file, &mut there).await {
            stored.fail(format!("{} cannot be read ({e}): {} alerts", file.path, file.rows));
        }
    }
    for key in by_night.keys().chain(there.keys().filter(|k| !by_night.contains_key(*k))) {
        let (said, there) = (by_night.get(key).copied().unwrap_or(0), there.get(key).copied().unwrap_or(0));
        stored
            .hold(said == there, || format!("{} night {:?}: the ledger says {said}, there are {there}", key.0, key.1));
    }
    let rows: u64 = snapshot.files(Table::Quarantine, None).map(|f| snapshot.rows(f)).sum();
    let there = i64::try_from(rows).unwrap_or(i64::MAX) - i64::try_from(snapshot.released().len()).unwrap_or(i64::MAX);
    refused.examined = there.unsigned_abs();
    if there != all.quarantined {
        refused.fail(format!("the ledger says {}, there are {there}", all.quarantined));
    }
    vec![sums, stored, refused]
}

/// A row of the ledger.
struct LedgerRow {
    survey: String,
    night: Option<i32>,
    counts: Counts,
}

async fn rows(archive: &Archive, snapshot: &Snapshot, file: &DataFile) -> Result<Vec<LedgerRow>> {
    let mut batches = batches(file, archive.rows(file).await?)?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| StorageError::damaged(format!("no column {name}"));
        let count = |name: &str| {
            batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(|| damaged(name))
        };
        let surveys = text(&batch, "survey", file)?;
        let nights = batch.column_by_name("night").and_then(|c| c.as_primitive_opt::<Date32Type>());
        let nights = nights.ok_or_else(|| damaged("night"))?;
        let (received, stored) = (count("received")?, count("stored")?);
        let (duplicate, quarantined) = (count("duplicate")?, count("quarantined")?);
        // Rows from before anything could be purged have no such count.
        let purged = batch.column_by_name("purged").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let purged = |row| purged.filter(|counts| counts.is_valid(row)).map_or(0, |counts| counts.value(row));
        let commits = Commits::of(&batch, file)?;
        let shown = (0..batch.num_rows()).filter(|row| snapshot.visible().shows(commits.get(*row)));
        rows.extend(shown.map(|row| LedgerRow {
            survey: surveys.value(row).to_owned(),
            night: nights.is_valid(row).then(|| nights.value(row)),
            counts: Counts {
                received: received.value(row),
                stored: stored.value(row),
                duplicate: duplicate.value(row),
                quarantined: quarantined.value(row),
                purged: purged(row),
                ..Counts::default()
            },
        }));
    }
    Ok(rows)
}

async fn nights(archive: &Archive, snapshot: &Snapshot, file: &DataFile, nights: &mut ByNight) -> Result<()> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_night", COMMIT]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    while let Some(batch) = batches.try_next().await? {
        let column = batch.column_by_name("_night").and_then(|c| c.as_primitive_opt::<Date32Type>());
        let column = column.ok_or_else(|| StorageError::damaged("no column _night"))?;
        let commits = Commits::of(&batch, file)?;
        for (_, night) in column.iter().enumerate().filter(|(row, _)| snapshot.visible().shows(commits.get(*row))) {
            *nights.entry((file.survey.clone().unwrap_or_default(), night)).or_default() += 1;
        }
    }
    Ok(())
}
