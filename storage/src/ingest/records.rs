//! The files of distinct records.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use noctuary_packet::decode::Decoder;
use noctuary_packet::survey::AlertKeys;

use super::apart::{Record, Records};
use super::batch::StoredRow;
use super::build::{ids, not_as_walked, portions};
use super::resolve::Resolved;
use crate::error::Result;
use crate::files::{File, file, writer};
use crate::log::{FileStats, OwnTime};
use crate::range::range;
use crate::tables::{record_keys, table_of};

/// What tells a record from others of its object.
pub(crate) fn digest(record: &[u8]) -> i32 {
    let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(record).to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

impl Records<'_> {
    /// The file of these records: keys, and columns that say every bit of them.
    ///
    /// # Errors
    /// When records of packets that have been walked cannot be put in columns.
    pub fn file(
        &self,
        resolved: &Resolved,
        packets: &[StoredRow],
        anchors: &[Option<i64>],
        group: &str,
    ) -> Result<File> {
        let table = table_of(self.kind);
        // The portions of a file are decoded one at a time.
        let mut decoder = Decoder::exact(&resolved.schema, self.node, self.rows.len()).map_err(not_as_walked)?;
        let mut fields: Vec<_> = record_keys(resolved.ids).iter().cloned().collect();
        fields.extend(decoder.arrow_schema().fields().iter().cloned());
        let schema = Arc::new(Schema::new(fields));
        let mut writer = writer(table, &schema)?;
        let mut own_time = None;
        for range in portions(&self.rows, |record| record.bytes.len()) {
            let rows = &self.rows[range];
            for record in rows {
                decoder.push(record.bytes).map_err(not_as_walked)?;
            }
            let keys = |record: &Record<'_>| -> &AlertKeys { &packets[record.packet].accepted.keys };
            let rights = |record: &Record<'_>| resolved.survey.rights.label(record.rights);
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|r| anchors[r.packet]).collect::<Int64Array>()),
                ids(resolved.ids.object, rows.iter().map(|r| keys(r).object.as_ref())),
                Arc::new(rows.iter().map(|r| Some(r.origin.name())).collect::<StringArray>()),
                Arc::new(rows.iter().map(|r| Some(rights(r))).collect::<StringArray>()),
                Arc::new(rows.iter().map(|r| digest(r.bytes)).collect::<Int32Array>()),
            ];
            columns.extend(decoder.finish().map_err(not_as_walked)?.columns().iter().cloned());
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
            OwnTime::see(&mut own_time, &resolved.survey, &batch);
            writer.write(&batch)?;
        }
        let stats = FileStats { own_time, ..self.stats(resolved, packets, anchors) };
        let path = resolved.anatomy.path(self.node);
        Ok(file(table, Some(resolved.of()), group, Some(path), self.rows.len(), stats, writer.into_inner()?))
    }

    fn stats(&self, resolved: &Resolved, packets: &[StoredRow], anchors: &[Option<i64>]) -> FileStats {
        let mut stats = FileStats::default();
        for record in &self.rows {
            let label = resolved.survey.rights.label(record.rights);
            *stats.rights.entry(label.to_owned()).or_default() += 1;
        }
        // All records of a packet have its keys.
        let mut holders: Vec<usize> = self.rows.iter().map(|record| record.packet).collect();
        holders.dedup();
        let keys = || holders.iter().map(|at| &packets[*at].accepted.keys);
        stats.object = range(keys().filter_map(|k| k.object.clone()));
        stats.healpix_29 = range(holders.iter().filter_map(|at| anchors[*at]));
        if keys().any(|k| k.object.is_none()) {
            stats.with_nulls.push("_object".to_owned());
        }
        if holders.iter().any(|at| anchors[*at].is_none()) {
            stats.with_nulls.push("_anchor".to_owned());
        }
        stats
    }
}
