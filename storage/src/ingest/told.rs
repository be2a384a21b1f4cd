//! What is told of a commit beside its packets: the ledger, and what was refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, LargeBinaryBuilder, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use chrono::{DateTime, Utc};

use super::batch::{RefusedRow, TallyKey};
use crate::error::Result;
use crate::files::{File, file, writer};
use crate::log::{Counts, FileStats};
use crate::range::range;
use crate::tables::{Table, ledger_columns, quarantine_columns};

/// The file of the ledger.
pub(super) fn ledger(tallies: &BTreeMap<TallyKey, Counts>, name: &str) -> Result<Option<File>> {
    if tallies.is_empty() {
        return Ok(None);
    }
    let rows = ledger_rows(&tallies.iter().collect::<Vec<_>>())?;
    let mut writer = writer(Table::Ledger, &rows.schema())?;
    writer.write(&rows)?;
    let stats = FileStats { night: range(tallies.keys().filter_map(|k| k.night)), ..FileStats::default() };
    Ok(Some(file(Table::Ledger, None, name, None, tallies.len(), stats, writer.into_inner()?)))
}

/// Rows of the ledger.
///
/// # Errors
/// When the columns do not fit each other, which would be a fault of the program.
pub(crate) fn ledger_rows(tallies: &[(&TallyKey, &Counts)]) -> Result<RecordBatch> {
    let text = |of: fn(&TallyKey) -> Option<&String>| -> ArrayRef {
        Arc::new(tallies.iter().map(|(key, _)| of(key)).collect::<StringArray>())
    };
    let count = |of: fn(&Counts) -> i64| -> ArrayRef {
        Arc::new(tallies.iter().map(|(_, c)| Some(of(c))).collect::<Int64Array>())
    };
    let columns = vec![
        text(|k| Some(&k.source)),
        text(|k| k.survey.as_ref()),
        text(|k| k.schema.as_ref()),
        Arc::new(tallies.iter().map(|(key, _)| key.night).collect::<Date32Array>()),
        Arc::new(tallies.iter().map(|(key, _)| key.visit).collect::<Int64Array>()),
        count(|c| c.received),
        count(|c| c.stored),
        count(|c| c.duplicate),
        count(|c| c.quarantined),
        count(|c| c.revisions),
        count(|c| c.flagged),
        count(|c| c.inline),
        count(|c| c.bytes),
        text(|k| k.note.as_ref()),
        count(|c| c.purged),
    ];
    Ok(RecordBatch::try_new(ledger_columns(), columns)?)
}

/// The file of what was refused.
pub(super) fn quarantine(rows: &[RefusedRow], name: &str, now: DateTime<Utc>) -> Result<Option<File>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let schema = quarantine_columns();
    let mut writer = writer(Table::Quarantine, &schema)?;
    let text = |of: &dyn Fn(&RefusedRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&RefusedRow) -> Option<u64>| -> ArrayRef {
        Arc::new(rows.iter().map(|r| of(r).and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
    };
    let mut packets = LargeBinaryBuilder::new();
    for row in rows {
        packets.append_value(&row.broken.bytes);
    }
    let at = now.timestamp_micros();
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..rows.len()).map(|i| Some(format!("{name}-{i}"))).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_value(at, rows.len()).with_timezone("UTC")),
        text(&|r| Some(r.source.url.clone())),
        text(&|r| r.member.as_deref().map(str::to_owned)),
        number(&|r| Some(r.offset)),
        text(&|r| Some(r.broken.rejection.reason.to_string())),
        text(&|r| Some(r.broken.rejection.detail.clone())),
        number(&|r| r.broken.rejection.offset),
        text(&|r| r.broken.rejection.schema.clone()),
        text(&|r| r.broken.rejection.field.clone()),
        number(&|r| Some(r.broken.length)),
        text(&|r| Some(r.broken.hash.to_hex())),
        Arc::new(rows.iter().map(|r| Some(r.broken.complete())).collect::<BooleanArray>()),
        Arc::new(packets.finish()),
    ];
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(Some(file(Table::Quarantine, None, name, None, rows.len(), FileStats::default(), writer.into_inner()?)))
}
