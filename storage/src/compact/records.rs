//! Records of several groups as those of one: each once, and each object in one place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::apart::RecordEncoder;
use noctuary_packet::id::Id;
use noctuary_packet::schema::{NodeId, Schema};
use noctuary_packet::survey::Survey;
use parquet::arrow::ProjectionMask;
use xxhash_rust::xxh3::xxh3_128;

use super::columns::Columns;
use super::input::{Anchors, Tile};
use super::output::Output;
use super::stats::count;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::index::{self, Builder, OwnColumns};
use crate::ingest::{TRIGGER, digest};
use crate::log::{DataFile, FileStats, OwnTime};
use crate::packets::ids_of;
use crate::parts::read_rows;
use crate::range::widen;
use crate::rows::RowMap;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, DIGEST, RIGHTS};
use crate::visible::Commits;

/// Rows that are worked on at a time. With a hundred columns they take some hundred megabytes.
const STRIP_ROWS: usize = 65_536;
/// No row.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Files of records of one kind that are written alike.
pub(super) struct Merge {
    pub archive: Archive,
    pub snapshot: Snapshot,
    pub schema: Arc<Schema>,
    /// The record in the schema.
    pub node: NodeId,
    /// By input; `None` where an input has no such records.
    pub files: Vec<Option<Arc<DataFile>>>,
    pub anchors: Arc<Anchors>,
    pub tile: Tile,
    /// Rows that packets of the tile are made of, whatever object they are of; empty if the tile is all there is.
    pub needed: Vec<Vec<bool>>,
    /// False for rows that no packet repeats, which are told apart by nobody.
    pub repeat: bool,
    /// Where packets go for good: the triggers that go with them. Of all other rows only those that are needed stay.
    pub without: Option<Arc<Triggers>>,
}

/// Triggers by their object, or their place if they have none, and the digest of what was sent.
pub(crate) type Triggers = HashSet<(Option<Id>, Option<i64>, i32)>;

/// Which row each row of an input has become.
pub(super) type Moved = Vec<Vec<u32>>;

/// Rows of one object in one file.
#[derive(Debug, Clone)]
struct Part {
    file: u32,
    rows: Range<u32>,
}

/// Rows of one object, or of one place where there is no object.
type Unit = ((Option<i64>, Option<Id>), Vec<Part>);

impl Merge {
    /// Writes the file, and says where rows have gone; no file if there is nothing to write.
    ///
    /// # Errors
    /// When a file cannot be read, or the new one not be put.
    pub async fn run(&self, target: DataFile) -> Result<(Option<DataFile>, Moved)> {
        let mut moved: Moved = self
            .files
            .iter()
            .map(|file| vec![NOWHERE; file.as_ref().map_or(0, |f| usize::try_from(f.rows).unwrap_or_default())])
            .collect();
        let units = self.units().await?;
        let own = self.own_columns(&target);
        let survey = target.survey.as_deref().and_then(|name| self.snapshot.survey(name)).cloned();
        let mut index = own.clone().map(Builder::new);
        let mut output = Output::new(self.archive.store(), target);
        let mut stats = Stats { survey, ..Stats::default() };
        let mut at = 0;
        while at < units.len() {
            let mut rows = 0;
            let from = at;
            while at < units.len() && (rows == 0 || rows + size(&units[at]) <= STRIP_ROWS) {
                rows += size(&units[at]);
                at += 1;
            }
            let Some(batch) = self.strip(&units[from..at], &mut moved, stats.rows).await? else { continue };
            stats.take(&batch)?;
            if let Some(index) = &mut index {
                index.push(&batch)?;
            }
            output.write(&batch).await?;
        }
        let commits = stats.commits;
        let Some(file) = output.end(stats.told()).await? else { return Ok((None, moved)) };
        let file = DataFile { commits, ..file };
        if let (Some(own), Some(index)) = (own, index)
            && let Err(e) = index::put(&self.archive, &file, &own, &index.finish()).await
        {
            // It only saves time, and is made anew where it is missing.
            tracing::warn!("no index of {}: {e}", file.path);
        }
        Ok((Some(file), moved))
    }

    /// The columns that an index of the file speaks of, if it is to have one.
    fn own_columns(&self, target: &DataFile) -> Option<OwnColumns> {
        let survey = target.survey.as_deref().and_then(|name| self.snapshot.survey(name))?;
        index::has_index(target.table).then(|| OwnColumns::of(survey))
    }

    /// The rows of the tile by object, in the order of the sky.
    async fn units(&self) -> Result<Vec<Unit>> {
        let mut units: BTreeMap<(Option<i64>, Option<Id>), Vec<Part>> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let Some(file) = file else { continue };
            let needed = self.needed.get(number);
            let builder = self.archive.rows(file).await?;
            let mask = ProjectionMask::columns(builder.parquet_schema(), ["_anchor", "_object"]);
            let mut batches = batches(file, builder.with_projection(mask))?;
            let mut row: u32 = 0;
            while let Some(batch) = batches.try_next().await? {
                let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
                let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
                let cells = column("_anchor")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_anchor"))?;
                let objects = ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
                for at in 0..batch.num_rows() {
                    let object = objects(at);
                    let anchor = self.anchors.of(object.as_ref(), cells.is_valid(at).then(|| cells.value(at)));
                    let is_needed = needed.is_some_and(|rows| rows.get(row as usize) == Some(&true));
                    if self.tile.holds(anchor) || is_needed {
                        let parts = units.entry((anchor, object)).or_default();
                        let file = u32::try_from(number).unwrap_or(u32::MAX);
                        match parts.last_mut() {
                            Some(last) if last.file == file && last.rows.end == row => last.rows.end = row + 1,
                            _ => parts.push(Part { file, rows: row..row + 1 }),
                        }
                    }
                    row += 1;
                }
            }
        }
        Ok(units.into_iter().collect())
    }

    /// Some objects: their distinct rows, in the order in which inputs have them.
    async fn strip(&self, units: &[Unit], moved: &mut Moved, first: u32) -> Result<Option<RecordBatch>> {
        let mut wanted: Vec<Vec<Range<u32>>> = self.files.iter().map(|_| Vec::new()).collect();
        for part in units.iter().flat_map(|(_, parts)| parts) {
            wanted[part.file as usize].push(part.rows.clone());
        }
        let mut read: Vec<Option<Read>> = Vec::with_capacity(self.files.len());
        let mut batches = Vec::new();
        for (file, rows) in self.files.iter().zip(wanted) {
            let map = RowMap::of(rows);
            let Some(file) = file.as_ref().filter(|_| !map.is_empty()) else {
                read.push(None);
                continue;
            };
            let batch = read_rows(&self.archive, file, Some(&map), |_| ProjectionMask::all()).await?;
            let own = Read::of(self, file, map, &batch, batches.len())?;
            batches.push(own.batch.clone());
            read.push(Some(own));
        }
        let mut picked: Vec<(usize, usize)> = Vec::new();
        let mut anchors: Vec<Option<i64>> = Vec::new();
        let mut commits: Vec<i64> = Vec::new();
        let mut digests: Vec<Option<i32>> = Vec::new();
        let mut bytes = Vec::new();
        for ((anchor, object), parts) in units {
            let mut known: HashMap<(u128, i32, &str, &str), usize> = HashMap::new();
            for part in parts {
                let Some(own) = &read[part.file as usize] else { continue };
                for row in part.rows.clone() {
                    let Some(at) = own.at(row) else {
                        return Err(StorageError::internal("a row was read and is not there"));
                    };
                    let commit = own.commits.get(at);
                    if !self.snapshot.visible().shows(commit) {
                        continue;
                    }
                    let commit = i64::try_from(commit).unwrap_or(i64::MAX);
                    let next = picked.len();
                    let (mut place, mut told) = (next, None);
                    if let Some(encoder) = &own.encoder {
                        bytes.clear();
                        encoder.put(at, &mut bytes);
                        // As it was sent, which can be in another way than usual.
                        let sent = own.digests.is_valid(at).then(|| own.digests.value(at));
                        let sent = sent.unwrap_or_else(|| digest(&bytes));
                        let own_place = anchor.filter(|_| object.is_none());
                        if !self.stays(part.file, row, own.origins.value(at), (object.clone(), own_place, sent)) {
                            continue;
                        }
                        let key = (xxh3_128(&bytes), sent, own.origins.value(at), own.rights.value(at));
                        place = *known.entry(key).or_insert(next);
                        told = Some(sent);
                    }
                    if place == next {
                        picked.push((own.number, at));
                        anchors.push(*anchor);
                        commits.push(commit);
                        digests.push(told);
                    } else {
                        commits[place] = commits[place].min(commit);
                    }
                    let place = u32::try_from(place).ok().and_then(|place| first.checked_add(place));
                    moved[part.file as usize][row as usize] =
                        place.ok_or_else(|| StorageError::internal("more records than can be counted"))?;
                }
            }
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let parts: Vec<&RecordBatch> = batches.iter().collect();
        let rows = interleave_record_batch(&parts, &picked)?;
        let mut columns = Columns::of(&rows);
        columns.put("_anchor", Arc::new(Int64Array::from(anchors)));
        columns.put(DIGEST, Arc::new(Int32Array::from(digests)));
        columns.put(COMMIT, Arc::new(Int64Array::from(commits)));
        Ok(Some(columns.batch()?))
    }

    /// False for what goes with packets that go for good.
    fn stays(&self, file: u32, row: u32, origin: &str, of: (Option<Id>, Option<i64>, i32)) -> bool {
        let Some(without) = &self.without else { return true };
        let needed = self.needed.get(file as usize).and_then(|rows| rows.get(row as usize));
        needed == Some(&true) || (origin == TRIGGER && !without.contains(&of))
    }
}

fn size((_, parts): &Unit) -> usize {
    parts.iter().map(|part| part.rows.len()).sum()
}

/// Rows of one file in memory.
struct Read {
    map: RowMap,
    batch: RecordBatch,
    /// Among all that are in memory.
    number: usize,
    commits: Commits,
    digests: Int32Array,
    /// For rows that packets repeat.
    encoder: Option<RecordEncoder>,
    origins: StringArray,
    rights: StringArray,
}

impl Read {
    fn of(merge: &Merge, file: &DataFile, map: RowMap, batch: &RecordBatch, number: usize) -> Result<Self> {
        let commits = Commits::of(batch, file)?;
        let batch = alike(batch)?;
        let digests = batch.column_by_name(DIGEST).and_then(|c| c.as_primitive_opt::<Int32Type>()).cloned();
        let digests = digests.ok_or_else(|| StorageError::damaged(format!("{}: no column {DIGEST}", file.path)))?;
        let text = |name: &str| {
            let column = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
            column.cloned().ok_or_else(|| StorageError::damaged(format!("{}: no column {name}", file.path)))
        };
        let (origins, rights) = (text("_origin")?, text(RIGHTS)?);
        let encoder = RecordEncoder::new(&merge.schema, merge.node, &batch);
        let encoder = merge.repeat.then_some(encoder).transpose()?;
        Ok(Self { map, number, commits, digests, encoder, origins, rights, batch })
    }

    fn at(&self, row: u32) -> Option<usize> {
        self.map.place(row)
    }
}

/// The columns that all files of records have, whether they have been merged before or not.
fn alike(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = Columns::of(batch);
    columns.remove(COMMIT);
    if !columns.has(DIGEST) {
        columns.put_behind(RIGHTS, DIGEST, new_null_array(&DataType::Int32, batch.num_rows()));
    }
    columns.batch()
}

/// What the log will say of the rows.
#[derive(Debug, Default)]
struct Stats {
    survey: Option<Arc<Survey>>,
    rows: u32,
    told: FileStats,
    commits: Option<(u64, u64)>,
    without_object: bool,
    without_anchor: bool,
}

impl Stats {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let missing = |name: &str| StorageError::internal(format!("rows without {name}"));
        self.rows += u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        if let Some(survey) = &self.survey {
            OwnTime::see(&mut self.told.own_time, survey, batch);
        }
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let cells = column("_anchor")?.as_primitive_opt::<Int64Type>().ok_or_else(|| missing("_anchor"))?;
        widen(&mut self.told.healpix_29, cells.iter().flatten());
        let objects = column("_object")?;
        let of = ids_of(objects).ok_or_else(|| missing("_object"))?;
        widen(&mut self.told.object, (0..batch.num_rows()).filter_map(of));
        let commits = column(COMMIT)?.as_primitive_opt::<Int64Type>().ok_or_else(|| missing(COMMIT))?;
        widen(&mut self.commits, commits.iter().flatten().filter_map(|c| u64::try_from(c).ok()));
        let labels = column(RIGHTS)?.as_string_opt::<i32>().ok_or_else(|| missing(RIGHTS))?;
        count(&mut self.told.rights, labels.iter().flatten());
        self.without_object |= objects.null_count() > 0;
        self.without_anchor |= cells.null_count() > 0;
        Ok(())
    }

    fn told(mut self) -> FileStats {
        for (name, without) in [("_object", self.without_object), ("_anchor", self.without_anchor)] {
            if without {
                self.told.with_nulls.push(name.to_owned());
            }
        }
        self.told
    }
}
