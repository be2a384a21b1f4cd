//! Records and pieces of a group, from which its packets are put together again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{Array, AsArray, LargeBinaryArray, ListArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Float64Type};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::try_join_all;
use moka::future::Cache;
use noctuary_packet::apart::{Fill, Packing, Rebuild, Recipe, RecordEncoder, RecordKind, Runs, gzip};
use noctuary_packet::frame::MAX_PACKET_BYTES;
use noctuary_packet::schema::{NodeId, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::schema::types::SchemaDescriptor;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::{batches, columns as columns_of};
use crate::log::DataFile;
use crate::rows::RowMap;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, IdType, IdTypes, Table, list_record, record_keys, table_of};

/// Parts of a group up to so many bytes, as files, are held as a whole where many packets of the group are wanted; in
/// memory they take two to three times as much.
const WHOLE_BYTES: u64 = 64 << 20;
/// How long parts of whole files stay in memory when nobody asks for them any more.
const IDLE: Duration = Duration::from_secs(60);

/// Parts of whole files, by [`PartFiles::name`].
pub(crate) fn cache(bytes: u64) -> Cache<String, Arc<Parts>> {
    let weigh = |_: &String, parts: &Arc<Parts>| u32::try_from(parts.bytes).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(IDLE).build()
}

/// The files that hold the parts of a group of packets.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartFiles {
    history: Option<(Arc<DataFile>, NodeId)>,
    forced: Option<(Arc<DataFile>, NodeId)>,
    /// By the number of their group among those that the file of packets names.
    cutouts: Vec<PieceFile>,
}

/// The pieces of a group.
#[derive(Debug, Clone)]
enum PieceFile {
    There(Arc<DataFile>),
    /// There is none, and none was given up by order.
    Missing,
    /// The version that gave them up.
    Purged(u64),
}

/// Why a packet cannot be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// What does not fit, in words.
    Damaged(&'static str),
    /// The version that gave up its images, by order.
    Purged(u64),
}

/// What fills the holes of a packet, and which of the files of pieces is meant.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub recipe: Recipe,
    pub pieces: usize,
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
        let own = std::slice::from_ref(&packets.group);
        let groups = if packets.pieces.is_empty() { own } else { &packets.pieces };
        let pieces = |group: &String| {
            let file = snapshot.of_group(group, Table::Cutouts).next().cloned().map(PieceFile::There);
            let purged = || snapshot.purged().cutouts.get(group).copied().map(PieceFile::Purged);
            file.or_else(purged).unwrap_or(PieceFile::Missing)
        };
        Self {
            history: list(RecordKind::History),
            forced: list(RecordKind::Forced),
            cutouts: groups.iter().map(pieces).collect(),
        }
    }

    fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        let records = [&self.history, &self.forced].into_iter().flatten().map(|(file, _)| file);
        let pieces = self.cutouts.iter().filter_map(|pieces| match pieces {
            PieceFile::There(file) => Some(file),
            PieceFile::Missing | PieceFile::Purged(_) => None,
        });
        records.chain(pieces)
    }

    /// Reads their footers, so that whatever is wanted of them next takes one request. One that cannot be read is told
    /// of when it is wanted.
    pub async fn warm(&self, archive: &Archive) {
        futures::future::join_all(self.files().map(|file| archive.rows(file))).await;
    }

    /// What tells these from others: files never change, but images are given up.
    pub fn name(&self) -> String {
        let pieces = self.cutouts.iter().map(|pieces| match pieces {
            PieceFile::There(file) => file.path.clone(),
            PieceFile::Missing => "-".to_owned(),
            PieceFile::Purged(version) => version.to_string(),
        });
        let records = [&self.history, &self.forced].map(|list| list.as_ref().map_or("", |(file, _)| &file.path));
        records.into_iter().map(str::to_owned).chain(pieces).collect::<Vec<_>>().join(" ")
    }

    /// True if all that they hold can be held in memory.
    pub fn are_small(&self) -> bool {
        self.files().map(|file| file.bytes).sum::<u64>() <= WHOLE_BYTES
    }
}

/// Records and pieces in memory: all of a group, or those that some recipes name.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Memory that they take, about.
    bytes: usize,
    history: Option<(RecordEncoder, RowMap)>,
    forced: Option<(RecordEncoder, RowMap)>,
    /// By the number of their group.
    pieces: Vec<Images>,
}

/// Pieces of a group in memory.
#[derive(Debug)]
enum Images {
    There(Box<Pieces>, RowMap),
    Missing,
    Purged(u64),
}

/// What stands where images were that have been given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// Nothing: their packet is not put together.
    Nothing,
    /// As many zeros, so that the rest of the packet can be looked at.
    Zeros,
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
        recipes: Option<&[&Filled]>,
    ) -> Result<Self> {
        let bytes = AtomicUsize::new(0);
        let count = |batch: &RecordBatch| bytes.fetch_add(batch.get_array_memory_size(), Ordering::Relaxed);
        let records = async |file: Option<&(Arc<DataFile>, NodeId)>, kind| {
            let Some((file, node)) = file else { return Ok(None) };
            let rows = wanted(recipes, |filled, into| filled.recipe.records(kind).for_each(into));
            let Some((batch, rows)) = read_beside(archive, file, rows).await? else { return Ok(None) };
            count(&batch);
            Ok::<_, StorageError>(Some((RecordEncoder::new(schema, *node, &batch)?, rows)))
        };
        let count = &count;
        let pieces = files.cutouts.iter().enumerate().map(|(number, file)| async move {
            let file = match file {
                PieceFile::There(file) => file,
                PieceFile::Missing => return Ok(Images::Missing),
                PieceFile::Purged(version) => return Ok(Images::Purged(*version)),
            };
            let rows = wanted(recipes, |filled, into| {
                if filled.pieces == number {
                    filled.recipe.pieces().for_each(into);
                }
            });
            let Some((batch, rows)) = read_beside(archive, file, rows).await? else { return Ok(Images::Missing) };
            count(&batch);
            let pieces = Pieces::of(&batch).ok_or_else(|| not_pieces(&file.path))?;
            Ok(Images::There(Box::new(pieces), rows))
        });
        let (history, forced, pieces) = futures::try_join!(
            records(files.history.as_ref(), RecordKind::History),
            records(files.forced.as_ref(), RecordKind::Forced),
            try_join_all(pieces)
        )?;
        Ok(Self { bytes: bytes.load(Ordering::Relaxed), history, forced, pieces })
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
            let pieces = Pieces::of(&batch).ok_or_else(|| not_pieces("cutouts"))?;
            Ok::<_, StorageError>(Images::There(Box::new(pieces), rows))
        });
        Ok(Self {
            bytes: 0,
            history: records(history, RecordKind::History)?,
            forced: records(forced, RecordKind::Forced)?,
            pieces: vec![pieces.transpose()?.unwrap_or(Images::Missing)],
        })
    }

    /// Fills the holes of a packet.
    ///
    /// # Errors
    /// What is missing, if the recipe is not one for these parts, or its images have been purged and nothing is to
    /// stand for them.
    pub fn datum(&self, rest: &[u8], filled: &Filled, given: Given) -> Result<Vec<u8>, Lost> {
        self.fill(&gzip::pack, rest, &filled.recipe, filled.pieces, given)
    }

    /// The same with another that does what [`gzip::pack`] does.
    ///
    /// # Errors
    /// As [`Parts::datum`].
    pub fn datum_packed_by(
        &self,
        pack: &Pack<'_>,
        rest: &[u8],
        recipe: &Recipe,
        pieces_of: usize,
    ) -> Result<Vec<u8>, Lost> {
        self.fill(pack, rest, recipe, pieces_of, Given::Nothing)
    }

    /// The version that gave up the images that a packet was made of, if one did.
    pub fn purged(&self, filled: &Filled) -> Option<u64> {
        match self.pieces.get(filled.pieces) {
            Some(Images::Purged(version)) if filled.recipe.pieces().next().is_some() => Some(*version),
            _ => None,
        }
    }

    fn fill(
        &self,
        pack: &Pack<'_>,
        rest: &[u8],
        recipe: &Recipe,
        pieces_of: usize,
        given: Given,
    ) -> Result<Vec<u8>, Lost> {
        let missing = Lost::Damaged;
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
                    let (encoder, map) = records.as_ref().ok_or(missing("its records are missing"))?;
                    let spans = map.spans(rows).ok_or(missing("some of its records are missing"))?;
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
                    let length = *length as usize;
                    let (found, map) = match self.pieces.get(pieces_of) {
                        Some(Images::There(found, map)) => (found, map),
                        Some(Images::Purged(_)) if given == Given::Zeros && length <= MAX_PACKET_BYTES => {
                            rebuild.image(at, length, |out| out.resize(out.len() + length, 0));
                            continue;
                        }
                        Some(Images::Purged(version)) => return Err(Lost::Purged(*version)),
                        Some(Images::Missing) | None => return Err(missing("its images are missing")),
                    };
                    let spans = map.spans(pieces).ok_or(missing("some of its images are missing"))?;
                    rebuild.image(at, length, |out| {
                        let start = out.len();
                        found.image(*packing, pack, spans.into_iter().flatten(), out);
                        fits &= out.len() - start == length;
                    });
                }
            }
        }
        if fits { Ok(rebuild.finish()) } else { Err(missing("its parts are longer or shorter than they were")) }
    }
}

fn not_pieces(path: &str) -> StorageError {
    StorageError::damaged(format!("{path}: not the columns of pieces of images"))
}

/// Appends a member of gzip, of its header, level and content.
type Pack<'p> = dyn Fn(&[u8], u8, &[u8], &mut Vec<u8>) + 'p;

/// Pieces of images.
#[derive(Debug)]
pub(crate) struct Pieces {
    bytes: LargeBinaryArray,
    singles: ListArray,
    doubles: ListArray,
}

impl Pieces {
    /// Pieces in columns; `None` if they are no such columns.
    pub fn of(batch: &RecordBatch) -> Option<Self> {
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

    /// The number of the column that a piece is in.
    pub fn column(&self, row: usize) -> u64 {
        u64::from(self.singles.is_valid(row)) + 2 * u64::from(self.doubles.is_valid(row))
    }

    /// Appends a piece as it stood in the image: numbers big endian.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) {
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

/// The rows that recipes name; `None` for all rows.
fn wanted(recipes: Option<&[&Filled]>, each: impl Fn(&Filled, &mut dyn FnMut(&Runs))) -> Option<RowMap> {
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
    let is_key = |name: &str| match table {
        Table::Cutouts => name == "kind",
        _ => keys.find(name).is_some() || name == COMMIT,
    };
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
    let mut reading = tokio::task::JoinSet::new();
    reading.spawn(async move {
        let batch = read(&archive, &file, rows.as_ref()).await?;
        let rows = rows.unwrap_or_else(|| RowMap::all(batch.num_rows()));
        Ok(Some((batch, rows)))
    });
    // Whoever stops waiting takes the reading along.
    reading.join_next().await.unwrap_or(Ok(Ok(None)))?
}

async fn read(archive: &Archive, file: &DataFile, rows: Option<&RowMap>) -> Result<RecordBatch> {
    read_rows(archive, file, rows, |schema| own_columns(file.table, schema)).await
}

/// Some rows of a file, or all, as one batch.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if the file has not got them.
pub(crate) async fn read_rows(
    archive: &Archive,
    file: &DataFile,
    rows: Option<&RowMap>,
    columns: impl FnOnce(&SchemaDescriptor) -> ProjectionMask,
) -> Result<RecordBatch> {
    let mut builder = archive.rows(file).await?;
    let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let mut expected = all;
    if let Some(rows) = rows {
        let selection = rows.selection(all);
        let selection =
            selection.ok_or_else(|| StorageError::damaged(format!("{} has fewer rows than packets say", file.path)))?;
        builder = builder.with_row_selection(selection);
        expected = rows.rows();
    }
    let mask = columns(builder.parquet_schema());
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
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), columns_of(table, footer)?);
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
