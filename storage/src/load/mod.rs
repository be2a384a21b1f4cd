//! Taking in flat tables: past detections, forced photometry and objects that no packet brought.
//!
//! Rows of Parquet files become rows of `sources`, `forced` or `objects` with the columns of a survey's schema, and say
//! in `_origin` that they were not transmitted. Each commit takes a fixed number of rows of one file, sorted by the sky,
//! so that a load that was stopped goes on behind its last commit.

mod columns;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Float64Type, Schema as ArrowSchema};
use chrono::Utc;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::Survey;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::anchor::{anchors, cell_of};
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::files::{file, writer};
use crate::ingest::id_of_file;
use crate::log::{Entry, FileStats, OwnTime, SourceId, SourceMove};
use crate::meter::Meter;
use crate::range::range;
use crate::snapshot::Snapshot;
use crate::tables::{Table, id_types, record_columns, record_keys};

use columns::Mapped;

/// Rows of a commit, usually. The columns of a survey's sources take some hundred megabytes for as many.
pub const COMMIT_ROWS: u64 = 262_144;
/// Rows that are read at a time.
const BATCH_ROWS: usize = 16_384;
/// What `_origin` says of rows that no packet brought.
pub const LOADED: &str = "loaded";

/// What to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The survey whose rows they are.
    pub survey: String,
    /// [`Table::Sources`], [`Table::Forced`] or [`Table::Objects`].
    pub table: Table,
    /// The input's column for each column that is called otherwise there.
    pub columns: BTreeMap<String, String>,
    /// Label of who may see the rows; the most restricted one if nobody says.
    pub rights: Option<String>,
    /// The schema whose records they are like; the newest of the survey otherwise.
    pub schema: Option<Arc<Schema>>,
    /// Rows of a commit. A load that goes on where another stopped must have the same.
    pub commit_rows: u64,
}

/// What was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows stored.
    pub rows: u64,
    /// Rows that an earlier load had stored.
    pub already: u64,
    /// Columns that were filled, and from which of the input's.
    pub filled: Vec<(String, String)>,
    /// Columns of the input that nothing was made of.
    pub unused: Vec<String>,
    /// The newest version afterwards.
    pub version: u64,
}

/// Loads files, one after the other.
///
/// # Errors
/// [`crate::error::ErrorKind::Invalid`] if a column cannot be read as what it is to become, or one that is needed is
/// missing; nothing of that file has been stored then. [`crate::error::ErrorKind::Conflict`] if another load takes the
/// same file.
pub async fn load(
    archive: &Archive,
    files: &[PathBuf],
    options: &LoadOptions,
    meter: &Arc<Meter>,
) -> Result<LoadReport> {
    let mut snapshot = archive.snapshot().await?;
    let target = Arc::new(Target::of(&snapshot, options)?);
    let mut inputs = Vec::new();
    // All files are looked at before the first row is stored.
    for path in files {
        let input = Input::open(path, &target)?;
        meter.expect(input.rows);
        inputs.push(input);
    }
    let mut report = LoadReport::default();
    for input in inputs {
        report.filled.clone_from(&input.mapped.filled());
        report.unused.clone_from(&input.mapped.unused);
        let done = snapshot.position(&input.id);
        for chunk in 0..input.chunks() {
            let rows = input.rows_of(chunk);
            if chunk < done.at {
                report.already += rows;
                meter.did(rows);
                continue;
            }
            let (reading, for_target) = (input.clone(), Arc::clone(&target));
            let batch = tokio::task::spawn_blocking(move || reading.read(chunk, &for_target)).await??;
            snapshot = commit(archive, &snapshot, &input, chunk, &target, &batch).await?;
            report.rows += rows;
            meter.did(rows);
        }
    }
    report.version = snapshot.version();
    Ok(report)
}

/// Which columns the rows get.
#[derive(Debug)]
struct Target {
    table: Table,
    survey: Arc<Survey>,
    schema: Arc<Schema>,
    record: String,
    rights: String,
    columns: BTreeMap<String, String>,
    commit_rows: u64,
}

impl Target {
    fn of(snapshot: &Snapshot, options: &LoadOptions) -> Result<Self> {
        let Some(survey) = snapshot.survey(&options.survey) else {
            let known: Vec<String> = snapshot.survey_names().into_iter().collect();
            return Err(StorageError::invalid(format!(
                "no survey is called {:?}; known: {}",
                options.survey,
                known.join(", ")
            )));
        };
        let paths = match options.table {
            Table::Sources => &survey.records.history,
            Table::Forced => &survey.records.forced,
            Table::Objects => &survey.records.object,
            other => return Err(StorageError::invalid(format!("rows cannot be loaded into {other}"))),
        };
        let record_in = |schema: &Arc<Schema>| paths.iter().find(|p| record_columns(schema, p).is_some()).cloned();
        let schema = match &options.schema {
            Some(schema) => Arc::clone(schema),
            None => newest(snapshot, survey, |schema| record_in(schema).is_some())
                .ok_or_else(|| StorageError::invalid(format!("no schema of {} is known", survey.name)))?,
        };
        let record = record_in(&schema)
            .ok_or_else(|| StorageError::invalid(format!("{} has no records for {}", schema.label(), options.table)))?;
        let levels = &survey.rights.levels;
        let rights = match &options.rights {
            Some(label) if levels.contains(label) => label.clone(),
            Some(label) => {
                let known = levels.join(", ");
                return Err(StorageError::invalid(format!("{} has no label {label:?}; it has {known}", survey.name)));
            }
            None => levels.last().cloned().unwrap_or_default(),
        };
        let (survey, columns, commit_rows) = (Arc::clone(survey), options.columns.clone(), options.commit_rows.max(1));
        Ok(Self { table: options.table, survey, schema, record, rights, columns, commit_rows })
    }
}

/// The newest schema of a survey that will do: of those that are stored, else of those that are known.
fn newest(snapshot: &Snapshot, survey: &Survey, will_do: impl Fn(&Arc<Schema>) -> bool) -> Option<Arc<Schema>> {
    let version = |schema: &Arc<Schema>| schema.version_order();
    let stored = snapshot.stored_schemas(&survey.name).into_iter().map(|(schema, _)| schema);
    let own = |schema: &Arc<Schema>| snapshot.surveys().recognise(schema).is_some_and(|s| s.name == survey.name);
    let known = || snapshot.schemas().list().into_iter().filter(|s| own(s)).map(|s| Arc::clone(&s));
    stored.filter(&will_do).max_by_key(version).or_else(|| known().filter(&will_do).max_by_key(version))
}

/// One file.
#[derive(Debug, Clone)]
struct Input {
    path: PathBuf,
    id: SourceId,
    rows: u64,
    commit_rows: u64,
    mapped: Arc<Mapped>,
}

impl Input {
    fn open(path: &Path, target: &Target) -> Result<Self> {
        let doing = || path.display().to_string();
        let id = id_of_file(path).map_err(|e| StorageError::from(e).during(doing()))?;
        let file = File::open(path).map_err(|e| StorageError::from(e).during(doing()))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| {
            StorageError::invalid(format!("{} is not a Parquet file that can be read: {e}", path.display()))
        })?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let mapped = Mapped::new(builder.schema(), target).map_err(|e| e.during(doing()))?;
        let commit_rows = target.commit_rows;
        Ok(Self { path: path.to_owned(), id, rows, commit_rows, mapped: Arc::new(mapped) })
    }

    fn chunks(&self) -> u64 {
        self.rows.div_ceil(self.commit_rows)
    }

    fn rows_of(&self, chunk: u64) -> u64 {
        (self.rows - chunk * self.commit_rows).min(self.commit_rows)
    }

    /// The rows of one commit, in the order of the sky.
    fn read(&self, chunk: u64, target: &Target) -> Result<RecordBatch> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&self.path)?)?;
        let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let (from, limit) = (count(chunk.saturating_mul(self.commit_rows)), count(self.commit_rows));
        let reader = builder.with_offset(from).with_limit(limit).with_batch_size(limit.min(BATCH_ROWS)).build()?;
        let mut batches = Vec::new();
        for batch in reader {
            let first = from as u64 + batches.iter().map(|b: &RecordBatch| b.num_rows() as u64).sum::<u64>();
            let rows = self
                .mapped
                .rows(&batch?)
                .map_err(|e| e.during(format!("{}, among the rows from {first}", self.path.display())))?;
            batches.push(rows);
        }
        let Some(schema) = batches.first().map(RecordBatch::schema) else {
            return Err(StorageError::invalid(format!("{} has changed while it was read", self.path.display())));
        };
        let rows = concat_batches(&schema, &batches)?;
        drop(batches);
        in_sky_order(&rows, target)
    }
}

/// Puts the keys before rows, and the rows in the order of anchor, object, and the input.
fn in_sky_order(rows: &RecordBatch, target: &Target) -> Result<RecordBatch> {
    let number = |name: &str| rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
    let (ra, dec) = (number(columns::RA), number(columns::DEC));
    let cells: Vec<Option<i64>> = (0..rows.num_rows())
        .map(|row| {
            let (ra, dec) = (ra.filter(|c| c.is_valid(row))?, dec.filter(|c| c.is_valid(row))?);
            cell_of(ra.value(row), dec.value(row))
        })
        .collect();
    let object = rows.column_by_name(columns::OBJECT).map(Arc::clone);
    let key = object.as_ref().map(|c| arrow::compute::cast(c, &arrow::datatypes::DataType::Utf8)).transpose()?;
    let key = key.as_ref().and_then(|c| c.as_string_opt::<i32>());
    // All rows of an object lie where its first one does.
    let object_of = |row: usize| key.filter(|key| key.is_valid(row)).map(|key| key.value(row));
    let anchor = anchors((0..rows.num_rows()).map(|row| (object_of(row), cells[row])));
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_by_key(|row| (anchor[*row], object_of(*row), *row));

    let ids = id_types(&target.survey, &target.schema);
    let own = rows.schema();
    let mut fields: Vec<_> = record_keys(ids).iter().cloned().collect();
    let count = rows.num_rows();
    let object = match object {
        Some(object) => arrow::compute::cast(&object, &ids.object.data_type())?,
        None => arrow::array::new_null_array(&ids.object.data_type(), count),
    };
    let mut all: Vec<ArrayRef> = vec![
        Arc::new(anchor.into_iter().collect::<Int64Array>()),
        object,
        Arc::new(StringArray::from(vec![LOADED; count])),
        Arc::new(StringArray::from(vec![target.rights.as_str(); count])),
        // No packet repeats these: they need not be told from copies.
        arrow::array::new_null_array(&arrow::datatypes::DataType::Int32, count),
    ];
    for (field, column) in own.fields().iter().zip(rows.columns()) {
        if ![columns::RA, columns::DEC, columns::OBJECT].contains(&field.name().as_str()) {
            fields.push(Arc::clone(field));
            all.push(Arc::clone(column));
        }
    }
    let batch = RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), all)?;
    let order: UInt64Array = order.into_iter().map(|row| row as u64).collect();
    Ok(take_record_batch(&batch, &order)?)
}

async fn commit(
    archive: &Archive,
    base: &Snapshot,
    input: &Input,
    chunk: u64,
    target: &Target,
    batch: &RecordBatch,
) -> Result<Snapshot> {
    let group = format!("{}-{chunk:06}", crate::paths::new_run());
    let mut writer = writer(target.table, &batch.schema())?;
    writer.write(batch)?;
    let of = Some((target.survey.name.as_str(), target.schema.fingerprint()));
    let (rows, stats, record) = (batch.num_rows(), stats(batch, target), Some(target.record.clone()));
    let (file, bytes) = file(target.table, of, &group, record, rows, stats, writer.into_inner()?);
    archive.store().put(&file.path.as_str().into(), PutPayload::from(bytes)).await?;
    let mut entry = Entry::new(Utc::now(), "load");
    entry.add.push(file);
    entry.sources.push(SourceMove {
        source: input.id.clone(),
        from: chunk,
        to: chunk + 1,
        complete: chunk + 1 == input.chunks(),
    });
    if !base.keeps_schema(target.schema.fingerprint()) {
        let id = base.registry_id(target.schema.fingerprint());
        entry.schemas.push(archive.keep_schema(&target.schema, id).await?);
    }
    archive.commit_always(entry).await
}

fn stats(batch: &RecordBatch, target: &Target) -> FileStats {
    let mut stats = FileStats::default();
    OwnTime::see(&mut stats.own_time, &target.survey, batch);
    stats.rights.insert(target.rights.clone(), batch.num_rows() as u64);
    let anchors = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    stats.healpix_29 = range(anchors.iter().flatten());
    let object = batch.column(1);
    stats.object = match object.as_primitive_opt::<arrow::datatypes::Int64Type>() {
        Some(ids) => range(ids.iter().flatten().map(noctuary_packet::id::Id::Number)),
        None => object.as_string_opt::<i32>().and_then(|ids| range(ids.iter().flatten().map(Into::into))),
    };
    for (name, column) in [("_anchor", batch.column(0)), ("_object", object)] {
        if column.null_count() > 0 {
            stats.with_nulls.push(name.to_owned());
        }
    }
    stats
}
