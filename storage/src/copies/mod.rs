//! Records that several groups of packets carry: which of them are shown.
//!
//! A group holds each record once; another group, whose packets came in another commit, may hold it again, until the
//! two are merged. A question wants it once, and the same row whether they have been merged or not: of the copies that
//! the reader may see it is the one with the least restricted label, and of these the one that came first. Records are
//! the same if they are of one object, were the same in their packets (trigger, history, forced) and had the same bytes:
//! the same first whole number and first double, and the same digest, of 32 bits, of all of them.
//!
//! Tables with one row for each source, or object, are a choice among these: [`one_of_each`].

mod each;
mod hidden;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::id::Id;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::basic::Type as PhysicalType;
use parquet::schema::types::SchemaDescriptor;
use xxhash_rust::xxh3::xxh3_128;

use crate::access::Access;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::index::Rows;
use crate::log::DataFile;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, DIGEST, RIGHTS, Table};
use crate::visible::Commits;

pub use each::{Each, RowsOf, one_of_each};
use hidden::Hidden;

/// Records that are held against each other at a time; of more, the files are read several times.
const AT_A_TIME: u64 = 4 << 20;

/// Which copy is shown: the smallest.
type Rank = (usize, u64, usize, usize);

/// The rows of files of one table that are shown to a reader, by file; `None` where all are. If rows are `asked` for, by
/// file, only these are looked at, and all others count as shown: of a record that is asked for every copy must be.
///
/// # Errors
/// When a file cannot be read.
pub async fn shown(
    archive: &Archive,
    snapshot: &Snapshot,
    files: &[Arc<DataFile>],
    access: &Access,
    asked: Option<&[Rows]>,
) -> Result<Vec<Option<RowSelection>>> {
    let mut hidden = Hidden::of(files.len());
    let rows_of = |at: usize| asked.and_then(|asked| asked.get(at));
    let looked_at = |at: &usize| may_repeat(snapshot, &files[*at]) && rows_of(*at).is_none_or(|rows| !rows.is_empty());
    let repeated: Vec<usize> = (0..files.len()).filter(looked_at).collect();
    // What one file repeats it has under several labels.
    if repeated.len() > 1 || repeated.iter().any(|at| files[*at].stats.rights.len() > 1) {
        let count = |at: &usize| rows_of(*at).map_or(files[*at].rows, |rows| rows.iter().map(|r| r.len() as u64).sum());
        let parts = repeated.iter().map(count).sum::<u64>().div_ceil(AT_A_TIME).max(1);
        for part in 0..parts {
            let mut best: HashMap<u128, Rank> = HashMap::new();
            for at in &repeated {
                let wanted = Wanted { snapshot, access, part: u128::from(part), parts: u128::from(parts) };
                wanted.look(archive, &files[*at], rows_of(*at), *at, &mut best, &mut hidden).await?;
            }
        }
    }
    Ok(hidden.shown(files))
}

/// The first whole number and the first double of a record, which are its id and its time, or nearly so.
fn own_columns(schema: &SchemaDescriptor) -> Vec<String> {
    let first = |wanted: PhysicalType| {
        let fields = schema.root_schema().get_fields().iter();
        let mut own = fields.filter(|field| {
            let key = field.name().starts_with('_') && !field.name().starts_with("__");
            field.is_primitive() && !key && field.get_physical_type() == wanted
        });
        own.next().map(|field| field.name().to_owned())
    };
    [PhysicalType::INT64, PhysicalType::DOUBLE].into_iter().filter_map(first).collect()
}

/// Appends the bits of a value.
fn bits(column: &ArrayRef, row: usize, key: &mut Vec<u8>) {
    key.push(u8::from(column.is_valid(row)));
    if column.is_null(row) {
        // What stands in its place means nothing.
        return;
    }
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        key.extend(numbers.value(row).to_le_bytes());
    } else if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        key.extend(numbers.value(row).to_bits().to_le_bytes());
    }
}

/// What was loaded is carried by no packet, and by no other file.
fn may_repeat(snapshot: &Snapshot, file: &DataFile) -> bool {
    snapshot.beside(file, Table::Packets).next().is_some()
}

/// What is looked at, and for whom.
struct Wanted<'a> {
    snapshot: &'a Snapshot,
    access: &'a Access,
    /// Of records, those whose key leaves this when divided by the number of parts.
    part: u128,
    parts: u128,
}

impl Wanted<'_> {
    async fn look(
        &self,
        archive: &Archive,
        file: &Arc<DataFile>,
        asked: Option<&Rows>,
        number: usize,
        best: &mut HashMap<u128, Rank>,
        hidden: &mut Hidden,
    ) -> Result<()> {
        let survey = file.survey.as_deref().and_then(|name| self.snapshot.survey(name));
        let levels: &[String] = survey.map_or(&[], |survey| &survey.rights.levels);
        let ranks: BTreeMap<&str, usize> = levels.iter().enumerate().map(|(at, label)| (label.as_str(), at)).collect();
        let builder = archive.rows(file).await?;
        let own = own_columns(builder.parquet_schema());
        let wanted = ["_object", "_anchor", "_origin", RIGHTS, DIGEST, COMMIT].into_iter();
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted.chain(own.iter().map(String::as_str)));
        let mut builder = builder.with_projection(mask);
        let all = u32::try_from(file.rows).unwrap_or(u32::MAX);
        let whole: Rows = std::iter::once(0..all).collect();
        if let Some(rows) = asked {
            let ranges = rows.iter().map(|rows| rows.start as usize..rows.end as usize);
            builder = builder.with_row_selection(RowSelection::from_consecutive_ranges(ranges, all as usize));
        }
        let mut numbers = asked.unwrap_or(&whole).iter().cloned().flatten();
        let mut batches = batches(file, builder)?;
        let mut key = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
            let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
            let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| damaged(name));
            let (origins, labels) = (text("_origin")?, text(RIGHTS)?);
            let cells = column("_anchor")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_anchor"))?;
            let objects = crate::packets::ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
            let commits = Commits::of(&batch, file)?;
            // Files from before records had digests show all they have.
            let Some(digests) = batch.column_by_name(DIGEST).and_then(|c| c.as_primitive_opt::<Int32Type>()) else {
                return Ok(());
            };
            let own: Vec<&ArrayRef> = own.iter().filter_map(|name| batch.column_by_name(name)).collect();
            for (row, place) in (0..batch.num_rows()).zip(numbers.by_ref()) {
                let label = labels.is_valid(row).then(|| labels.value(row));
                let (object, commit) = (objects(row), commits.get(row));
                let is_seen = self.access.allows(label) && self.snapshot.visible().shows(commit);
                if digests.is_null(row) || !is_seen {
                    continue;
                }
                key.clear();
                key.extend(digests.value(row).to_le_bytes());
                match &object {
                    Some(Id::Number(number)) => key.extend(number.to_le_bytes()),
                    Some(Id::Text(text)) => key.extend(text.as_bytes()),
                    None => key.extend(cells.value(row).to_le_bytes()),
                }
                key.push(u8::from(object.is_some()));
                for column in &own {
                    bits(column, row, &mut key);
                }
                key.extend(origins.value(row).as_bytes());
                let key = xxh3_128(&key);
                if key % self.parts != self.part {
                    continue;
                }
                let rank = label.and_then(|label| ranks.get(label)).copied().unwrap_or(usize::MAX);
                let own = (rank, commit, number, place as usize);
                let known = best.entry(key).or_insert(own);
                if *known == own {
                    continue;
                }
                let worse = own.max(*known);
                *known = own.min(*known);
                let (_, _, file, row) = worse;
                hidden.hide(file, row);
            }
        }
        Ok(())
    }
}
