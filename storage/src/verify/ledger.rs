//! P4 (counted): the ledger against itself, against the alerts and against the quarantine.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int64Type};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::Check;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::packets::text;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Stored packets by survey and night.
type ByNight = BTreeMap<(String, Option<i32>), i64>;

pub(super) async fn check(archive: &Archive, snapshot: &Snapshot) -> Result<Vec<Check>> {
    let mut sums = Check::new("P4", "rows of the ledger: received = stored + duplicate + quarantined");
    let mut stored = Check::new("P4", "nights whose stored packets are as many as the ledger says");
    let mut refused = Check::new("P4", "quarantined packets that are as many as the ledger says");
    let mut by_night = ByNight::new();
    let mut quarantined = 0;
    let (mut received, mut kept, mut duplicate, mut waiting) = (0, 0, 0, 0);
    for file in snapshot.files(Table::Ledger, None) {
        let builder = ParquetRecordBatchStreamBuilder::new(archive.parquet(file)).await?;
        let mut batches = builder.build()?;
        while let Some(batch) = batches.try_next().await? {
            let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
            let count = |name: &str| {
                batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(|| damaged(name))
            };
            let surveys = text(&batch, "survey", file)?;
            let nights = batch
                .column_by_name("night")
                .and_then(|c| c.as_primitive_opt::<Date32Type>())
                .ok_or_else(|| damaged("night"))?;
            let columns = (count("received")?, count("stored")?, count("duplicate")?, count("quarantined")?);
            for row in 0..batch.num_rows() {
                let (r, s, d, q) =
                    (columns.0.value(row), columns.1.value(row), columns.2.value(row), columns.3.value(row));
                sums.hold(r == s + d + q, || format!("{}: row {row}: {r} is not {s} + {d} + {q}", file.path));
                (received, kept, duplicate, waiting) = (received + r, kept + s, duplicate + d, waiting + q);
                quarantined += q;
                if s != 0 {
                    let night = nights.is_valid(row).then(|| nights.value(row));
                    *by_night.entry((surveys.value(row).to_owned(), night)).or_default() += s;
                }
            }
        }
    }
    sums.hold(received == kept + duplicate + waiting, || {
        format!("in all, {received} is not {kept} + {duplicate} + {waiting}")
    });
    let actual = nights_of_alerts(archive, snapshot).await?;
    for key in by_night.keys().chain(actual.keys().filter(|k| !by_night.contains_key(*k))) {
        let (said, there) = (by_night.get(key).copied().unwrap_or(0), actual.get(key).copied().unwrap_or(0));
        stored
            .hold(said == there, || format!("{} night {:?}: the ledger says {said}, there are {there}", key.0, key.1));
    }
    let rows: u64 = snapshot.files(Table::Quarantine, None).map(|f| f.rows).sum();
    let there = i64::try_from(rows).unwrap_or(i64::MAX) - i64::try_from(snapshot.released().len()).unwrap_or(i64::MAX);
    refused.examined = there.unsigned_abs();
    if there != quarantined {
        refused.fail(format!("the ledger says {quarantined}, there are {there}"));
    }
    Ok(vec![sums, stored, refused])
}

async fn nights_of_alerts(archive: &Archive, snapshot: &Snapshot) -> Result<ByNight> {
    let mut nights = ByNight::new();
    for file in snapshot.files(Table::Alerts, None) {
        let builder = ParquetRecordBatchStreamBuilder::new(archive.parquet(file)).await?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), ["_night"]);
        let mut batches = builder.with_projection(mask).build()?;
        while let Some(batch) = batches.try_next().await? {
            let column = batch.column(0).as_primitive_opt::<Date32Type>();
            let column = column.ok_or_else(|| StorageError::damaged(format!("{}: no nights", file.path)))?;
            for night in column {
                *nights.entry((file.survey.clone().unwrap_or_default(), night)).or_default() += 1;
            }
        }
    }
    Ok(nights)
}
