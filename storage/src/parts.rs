//! Records and pieces of a group, from which its packets are put together again.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, LargeBinaryArray, ListArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Float64Type};
use bytes::Bytes;
use futures::TryStreamExt;
use noctuary_packet::apart::{Fill, Packing, Rebuild, Recipe, RecordEncoder, RecordKind, Runs, gzip};
use noctuary_packet::frame::MAX_PACKET_BYTES;
use noctuary_packet::schema::{NodeId, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::schema::types::SchemaDescriptor;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::{batches, columns};
use crate::log::DataFile;
use crate::snapshot::Snapshot;
use crate::tables::{IdType, IdTypes, Table, list_record, record_keys, table_of};

/// Parts of a group up to so many bytes, as files, are held as a whole where most packets of the group are wanted.
const WHOLE_BYTES: u64 = 256 << 20;

/// The files that hold the parts of a group of packets.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartFiles {
    history: Option<(Arc<DataFile>, NodeId)>,
    forced: Option<(Arc<DataFile>, NodeId)>,
    cutouts: Option<Arc<DataFile>>,
}

impl PartFiles {
    /// Those that stand beside a file of packets.
    pub fn of(snapshot: &Snapshot, packets: &DataFile, schema: &Schema) -> Self {
        let beside = |table| snapshot.beside(packets, table).map(Arc::clone);
        let list = |kind| {
            beside(table_of(kind)).find_map(|file| {
                let record = list_record(schema, file.record.as_deref()?)?;
                Some((file, record))
            })
        };
        Self {
            history: list(RecordKind::History),
            forced: list(RecordKind::Forced),
            cutouts: beside(Table::Cutouts).next(),
        }
    }

    /// Reads their footers, so that whatever is wanted of them next takes one request. One that cannot be read is told
    /// of when it is wanted.
    pub async fn warm(&self, archive: &Archive) {
        let files = [&self.history, &self.forced].into_iter().flatten().map(|(file, _)| file).chain(&self.cutouts);
        futures::future::join_all(files.map(|file| archive.rows(file))).await;
    }

    /// True if all that they hold can be held in memory.
    pub fn are_small(&self) -> bool {
        let files = [&self.history, &self.forced].into_iter().flatten().map(|(file, _)| file).chain(&self.cutouts);
        files.map(|file| file.bytes).sum::<u64>() <= WHOLE_BYTES
    }
}

/// Records and pieces in memory: all of a group, or those that some recipes name.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    history: Option<(RecordEncoder, RowMap)>,
    forced: Option<(RecordEncoder, RowMap)>,
    pieces: Option<(Pieces, RowMap)>,
}

impl Parts {
    /// Reads what recipes name, or everything. The files are read at the same time, each on a thread of its own.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if a file is no longer what was put there.
    pub async fn load(
        archive: &Archive,
        schema: &Arc<Schema>,
        files: &PartFiles,
        recipes: Option<&[&Recipe]>,
    ) -> Result<Self> {
        let records = async |file: Option<&(Arc<DataFile>, NodeId)>, kind| {
            let Some((file, node)) = file else { return Ok(None) };
            let rows = wanted(recipes, |recipe, into| recipe.records(kind).for_each(into));
            let Some((batch, rows)) = read_beside(archive, file, rows).await? else { return Ok(None) };
            Ok::<_, StorageError>(Some((RecordEncoder::new(schema, *node, &batch)?, rows)))
        };
        let pieces = async {
            let Some(file) = &files.cutouts else { return Ok(None) };
            let rows = wanted(recipes, |recipe, into| recipe.pieces().for_each(into));
            let Some((batch, rows)) = read_beside(archive, file, rows).await? else { return Ok(None) };
            Ok(Some((Pieces::of(&batch).ok_or_else(|| not_pieces(&file.path))?, rows)))
        };
        let (history, forced, pieces) = futures::try_join!(
            records(files.history.as_ref(), RecordKind::History),
            records(files.forced.as_ref(), RecordKind::Forced),
            pieces
        )?;
        Ok(Self { history, forced, pieces })
    }

    /// The same from files in memory that have not been put yet.
    ///
    /// # Errors
    /// When they cannot be read, which would be a fault of whoever wrote them.
    pub fn of_bytes(
        schema: &Schema,
        history: Option<(&Bytes, NodeId)>,
        forced: Option<(&Bytes, NodeId)>,
        cutouts: Option<&Bytes>,
    ) -> Result<Self> {
        let records = |file: Option<(&Bytes, NodeId)>, kind| {
            let Some((bytes, node)) = file else { return Ok(None) };
            let batch = read_bytes(table_of(kind), bytes)?;
            let rows = RowMap::all(batch.num_rows());
            Ok::<_, StorageError>(Some((RecordEncoder::new(schema, node, &batch)?, rows)))
        };
        let pieces = cutouts.map(|bytes| {
            let batch = read_bytes(Table::Cutouts, bytes)?;
            let rows = RowMap::all(batch.num_rows());
            Ok::<_, StorageError>((Pieces::of(&batch).ok_or_else(|| not_pieces("cutouts"))?, rows))
        });
        Ok(Self {
            history: records(history, RecordKind::History)?,
            forced: records(forced, RecordKind::Forced)?,
            pieces: pieces.transpose()?,
        })
    }

    /// Fills the holes of a packet.
    ///
    /// # Errors
    /// What is missing, in words, if the recipe is not one for these parts.
    pub fn datum(&self, rest: &[u8], recipe: &Recipe) -> Result<Vec<u8>, &'static str> {
        self.datum_packed_by(&gzip::pack, rest, recipe)
    }

    /// The same with another that does what [`gzip::pack`] does.
    ///
    /// # Errors
    /// As [`Parts::datum`].
    pub fn datum_packed_by(&self, pack: &Pack<'_>, rest: &[u8], recipe: &Recipe) -> Result<Vec<u8>, &'static str> {
        let mut rebuild = Rebuild::new(rest, rest.len() << 3);
        let mut fits = true;
        for hole in &recipe.holes {
            let at = hole.at as usize;
            match &hole.fill {
                Fill::Records { kind, rows } => {
                    let records = match kind {
                        RecordKind::History => &self.history,
                        RecordKind::Forced => &self.forced,
                    };
                    let (encoder, map) = records.as_ref().ok_or("its records are missing")?;
                    let spans = map.spans(rows).ok_or("some of its records are missing")?;
                    rebuild.records(at, rows.len(), |out| {
                        for row in spans.into_iter().flatten() {
                            // What a damaged recipe asks for must not fill the memory.
                            fits &= out.len() <= MAX_PACKET_BYTES;
                            if !fits {
                                break;
                            }
                            encoder.put(row, out);
                        }
                    });
                }
                Fill::Image { packing, length, pieces } => {
                    let (found, map) = self.pieces.as_ref().ok_or("its images are missing")?;
                    let spans = map.spans(pieces).ok_or("some of its images are missing")?;
                    let length = *length as usize;
                    rebuild.image(at, length, |out| {
                        let start = out.len();
                        found.image(*packing, pack, spans.into_iter().flatten(), out);
                        fits &= out.len() - start == length;
                    });
                }
            }
        }
        if fits { Ok(rebuild.finish()) } else { Err("its parts are longer or shorter than they were") }
    }
}

fn not_pieces(path: &str) -> StorageError {
    StorageError::damaged(format!("{path}: not the columns of pieces of images"))
}

/// Appends a member of gzip, of its header, level and content.
type Pack<'p> = dyn Fn(&[u8], u8, &[u8], &mut Vec<u8>) + 'p;

/// Pieces of images.
#[derive(Debug)]
struct Pieces {
    bytes: LargeBinaryArray,
    singles: ListArray,
    doubles: ListArray,
}

impl Pieces {
    fn of(batch: &RecordBatch) -> Option<Self> {
        let pieces = Self {
            bytes: batch.column_by_name("bytes")?.as_binary_opt::<i64>()?.clone(),
            singles: batch.column_by_name("singles")?.as_list_opt::<i32>()?.clone(),
            doubles: batch.column_by_name("doubles")?.as_list_opt::<i32>()?.clone(),
        };
        pieces.singles.values().as_primitive_opt::<Float32Type>()?;
        pieces.doubles.values().as_primitive_opt::<Float64Type>()?;
        Some(pieces)
    }

    /// Appends an image.
    fn image(&self, packing: Packing, pack: &Pack<'_>, mut rows: impl Iterator<Item = usize>, out: &mut Vec<u8>) {
        match packing {
            Packing::None => self.concat(rows, out),
            Packing::Gzip { level } => {
                let (mut header, mut bytes) = (Vec::new(), Vec::new());
                self.concat(rows.by_ref().take(1), &mut header);
                self.concat(rows, &mut bytes);
                pack(&header, level, &bytes, out);
            }
        }
    }

    fn concat(&self, rows: impl Iterator<Item = usize>, out: &mut Vec<u8>) {
        for row in rows {
            // What a damaged recipe asks for must not fill the memory.
            if out.len() > MAX_PACKET_BYTES {
                return;
            }
            self.put(row, out);
        }
    }

    /// Appends a piece as it stood in the image: numbers big endian.
    fn put(&self, row: usize, out: &mut Vec<u8>) {
        let span = |list: &ListArray| list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
        if self.bytes.is_valid(row) {
            out.extend_from_slice(self.bytes.value(row));
        } else if self.singles.is_valid(row) {
            let values = &self.singles.values().as_primitive::<Float32Type>().values()[span(&self.singles)];
            out.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        } else if self.doubles.is_valid(row) {
            let values = &self.doubles.values().as_primitive::<Float64Type>().values()[span(&self.doubles)];
            out.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        }
    }
}

/// Which rows of a file are in memory, and where: ranges in order, and where each begins.
#[derive(Debug, Default)]
struct RowMap(Vec<(Range<u32>, usize)>);

impl RowMap {
    fn all(rows: usize) -> Self {
        Self(vec![(0..u32::try_from(rows).unwrap_or(u32::MAX), 0)])
    }

    fn of(mut runs: Vec<Range<u32>>) -> Self {
        runs.retain(|run| !run.is_empty());
        runs.sort_by_key(|run| run.start);
        let mut merged: Vec<(Range<u32>, usize)> = Vec::new();
        let mut at = 0;
        for run in runs {
            match merged.last_mut() {
                Some((last, _)) if run.start <= last.end => {
                    at += run.end.saturating_sub(last.end) as usize;
                    last.end = last.end.max(run.end);
                }
                _ => {
                    let length = run.len();
                    merged.push((run, at));
                    at += length;
                }
            }
        }
        Self(merged)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn rows(&self) -> usize {
        self.0.iter().map(|(range, _)| range.len()).sum()
    }

    /// Where rows are in memory; `None` if some are not.
    fn spans(&self, runs: &Runs) -> Option<Vec<Range<usize>>> {
        let span = |(first, count): &(u32, u32)| {
            let after = self.0.partition_point(|(range, _)| range.start <= *first);
            let (range, at) = self.0.get(after.checked_sub(1)?)?;
            let start = at + (first - range.start) as usize;
            (first.checked_add(*count)? <= range.end).then(|| start..start + *count as usize)
        };
        runs.0.iter().map(span).collect()
    }
}

/// The rows that recipes name; `None` for all rows.
fn wanted(recipes: Option<&[&Recipe]>, each: impl Fn(&Recipe, &mut dyn FnMut(&Runs))) -> Option<RowMap> {
    let mut rows = Vec::new();
    for recipe in recipes? {
        let mut take = |runs: &Runs| rows.extend(runs.0.iter().map(|(first, n)| *first..first.saturating_add(*n)));
        each(recipe, &mut take);
    }
    Some(RowMap::of(rows))
}

/// The columns that packets are made of: all but those that a table has for itself.
fn own_columns(table: Table, schema: &SchemaDescriptor) -> ProjectionMask {
    let keys = record_keys(IdTypes { alert: IdType::Number, object: IdType::Number });
    let is_key = |name: &str| if table == Table::Cutouts { name == "kind" } else { keys.find(name).is_some() };
    let roots = schema.root_schema().get_fields();
    ProjectionMask::roots(schema, (0..roots.len()).filter(|at| !is_key(roots[*at].name())))
}

/// Reads some rows or all, on another thread; `None` if none are wanted.
async fn read_beside(
    archive: &Archive,
    file: &Arc<DataFile>,
    rows: Option<RowMap>,
) -> Result<Option<(RecordBatch, RowMap)>> {
    if rows.as_ref().is_some_and(RowMap::is_empty) {
        return Ok(None);
    }
    let (archive, file) = (archive.clone(), Arc::clone(file));
    let reading = tokio::spawn(async move {
        let batch = read(&archive, &file, rows.as_ref()).await?;
        let rows = rows.unwrap_or_else(|| RowMap::all(batch.num_rows()));
        Ok(Some((batch, rows)))
    });
    reading.await?
}

async fn read(archive: &Archive, file: &DataFile, rows: Option<&RowMap>) -> Result<RecordBatch> {
    let mut builder = archive.rows(file).await?;
    let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let mut expected = all;
    if let Some(rows) = rows {
        if rows.0.last().is_some_and(|(range, _)| range.end as usize > all) {
            return Err(StorageError::damaged(format!("{} has fewer rows than packets say", file.path)));
        }
        let ranges = rows.0.iter().map(|(range, _)| range.start as usize..range.end as usize);
        builder = builder.with_row_selection(RowSelection::from_consecutive_ranges(ranges, all));
        expected = rows.rows();
    }
    let mask = own_columns(file.table, builder.parquet_schema());
    let builder = builder.with_projection(mask).with_batch_size(expected.max(1));
    let found: Vec<RecordBatch> = batches(file, builder)?.try_collect().await?;
    let Some(schema) = found.first().map(RecordBatch::schema) else {
        return Err(StorageError::damaged(format!("{}: no rows of {expected}", file.path)));
    };
    let batch = one(&schema, found)?;
    if batch.num_rows() != expected {
        return Err(StorageError::damaged(format!("{}: {} rows of {expected}", file.path, batch.num_rows())));
    }
    Ok(batch)
}

fn read_bytes(table: Table, bytes: &Bytes) -> Result<RecordBatch> {
    let footer = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?.metadata().clone();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), columns(table, footer)?);
    let mask = own_columns(table, builder.parquet_schema());
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(usize::MAX);
    let reader = builder.with_projection(mask).with_batch_size(rows.max(1)).build()?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    one(&schema, reader.collect::<Result<_, _>>()?)
}

fn one(schema: &arrow::datatypes::SchemaRef, mut batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    match (batches.pop(), batches.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            batches.extend(last);
            Ok(concat_batches(schema, &batches)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_their_range_says() {
        let map = RowMap::of(vec![10..13, 2..4, 12..15, 4..4, 20..21]);
        assert_eq!(map.0, [(2..4, 0), (10..15, 2), (20..21, 7)]);
        assert_eq!(map.rows(), 8);
        let spans = |runs: &[(u32, u32)]| map.spans(&Runs(runs.to_vec()));
        assert_eq!(spans(&[(11, 3), (2, 2), (20, 1)]), Some(vec![3..6, 0..2, 7..8]));
        for outside in [(1, 1), (3, 2), (14, 2), (21, 1), (20, u32::MAX)] {
            assert_eq!(spans(&[(2, 1), outside]), None);
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(RowMap::of(vec![4..6, 2..4, 5..5]).0, [(2..6, 0)]);
        assert!(RowMap::of(vec![3..3, 9..9]).is_empty());
    }
}
