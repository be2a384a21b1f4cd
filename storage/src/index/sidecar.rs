//! An index as it lies beside its file: `_index/TABLE/SURVEY/GROUP.parquet`, a row for each run.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::{Array, AsArray, Float32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema, UInt32Type};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use xxhash_rust::xxh3::Xxh3;

use super::{Objects, OwnColumns, RowIndex, Run, build, has_index};
use crate::archive::Archive;
use crate::delete::delete;
use crate::error::Result;
use crate::log::DataFile;
use crate::paths;
use crate::snapshot::Snapshot;

/// Changes whenever what an index says does.
const VERSION: &str = "1";

/// What an index says of itself: those of other files, columns or programs are not believed.
fn marks(file: &DataFile, own: &OwnColumns) -> HashMap<&'static str, String> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    HashMap::from([
        ("noctuary.index", VERSION.to_owned()),
        ("noctuary.file", format!("{} {} {}", file.path, file.rows, file.checksum)),
        ("noctuary.columns", format!("{},{},{}", name(&own.object), name(&own.ra), name(&own.dec))),
    ])
}

/// The key under which it stands which columns the file has, and whether objects are told by its own.
const FOUND: &str = "noctuary.found";

/// The key of a checksum over all that it says.
const CONTENT: &str = "noctuary.content";

fn content(index: &RowIndex) -> String {
    let mut digest = Xxh3::new();
    for run in &index.runs {
        digest.update(&run.cell.unwrap_or(-1).to_le_bytes());
        digest.update(&run.rows.to_le_bytes());
        digest.update(&run.spread.to_le_bytes());
    }
    for run in &index.of_objects {
        digest.update(&run.to_le_bytes());
    }
    match &index.objects {
        Objects::Numbers(ids) => ids.iter().for_each(|id| digest.update(&id.to_le_bytes())),
        Objects::Texts(ids) => ids.iter().for_each(|id| digest.update(id.as_bytes())),
    }
    format!("{:032x}", digest.digest128())
}

/// The index that lies beside a file; `None` if there is none that is its own.
///
/// # Errors
/// When storage does not answer.
pub(super) async fn read(archive: &Archive, file: &DataFile, own: &OwnColumns) -> Result<Option<RowIndex>> {
    if file.level == 0 {
        // Files of a commit are small, and merged soon.
        return Ok(None);
    }
    let bytes = match archive.store().get(&paths::index(&file.path)).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    // At some damage the reader of Parquet ends the thread.
    if let Ok(Some(found)) = std::panic::catch_unwind(AssertUnwindSafe(|| decode(bytes, file, own))) {
        return Ok(Some(found));
    }
    tracing::info!("the index of {} is not of this file; it is made anew", file.path);
    let made = build::of_file(archive, file, own.clone()).await?;
    // Not everyone who reads may write, and it only saves time.
    if let Err(e) = put(archive, file, own, &made).await {
        tracing::debug!("the index of {} could not be put: {e}", file.path);
    }
    Ok(Some(made))
}

fn decode(bytes: Bytes, file: &DataFile, own: &OwnColumns) -> Option<RowIndex> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).ok()?;
    let told: HashMap<String, String> = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()?
        .iter()
        .filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)))
        .collect();
    if marks(file, own).iter().any(|(key, value)| told.get(*key) != Some(value)) {
        return None;
    }
    let mut found = told.get(FOUND)?.split(',').map(str::to_owned);
    let mut name = || found.next().map(|name| Some(name).filter(|name| !name.is_empty()));
    let columns = OwnColumns { object: name()?, ra: name()?, dec: name()? };
    let is_own = name()?.is_some();
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).ok()?;
    let (mut runs, mut objects) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut first: u32 = 0;
    for batch in builder.build().ok()? {
        let batch = batch.ok()?;
        let cells = batch.column_by_name("cell")?.as_primitive_opt::<Int64Type>()?;
        let counts = batch.column_by_name("rows")?.as_primitive_opt::<UInt32Type>()?;
        let spreads = batch.column_by_name("spread")?.as_primitive_opt::<Float32Type>()?;
        let ids = crate::packets::ids_of(batch.column_by_name("object")?)?;
        for row in 0..batch.num_rows() {
            let (rows, spread) = (counts.value(row), spreads.value(row));
            runs.push(Run { cell: cells.is_valid(row).then(|| cells.value(row)), first, rows, spread });
            objects.push(ids(row));
            first = first.checked_add(rows)?;
        }
    }
    let index = (u64::from(first) == file.rows).then(|| RowIndex::of(columns, runs, objects, is_own))?;
    (told.get(CONTENT) == Some(&content(&index))).then_some(index)
}

/// Puts the index of a file beside it.
///
/// # Errors
/// When storage fails.
pub(crate) async fn put(archive: &Archive, file: &DataFile, own: &OwnColumns, index: &RowIndex) -> Result<()> {
    let bytes = encode(file, own, index)?;
    archive.store().put(&paths::index(&file.path), PutPayload::from(bytes)).await?;
    Ok(())
}

fn encode(file: &DataFile, own: &OwnColumns, index: &RowIndex) -> Result<Vec<u8>> {
    let mut texts: Vec<Option<&str>> = vec![None; index.runs.len()];
    let mut numbers: Vec<Option<i64>> = vec![None; index.runs.len()];
    for (at, run) in index.of_objects.iter().enumerate() {
        match &index.objects {
            Objects::Numbers(ids) => numbers[*run as usize] = ids.get(at).copied(),
            Objects::Texts(ids) => texts[*run as usize] = ids.get(at).map(|id| &**id),
        }
    }
    let objects: ArrayRef = match &index.objects {
        Objects::Numbers(_) => Arc::new(Int64Array::from(numbers)),
        Objects::Texts(_) => Arc::new(StringArray::from(texts)),
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("cell", Arc::new(index.runs.iter().map(|run| run.cell).collect::<Int64Array>())),
        ("object", objects),
        ("rows", Arc::new(UInt32Array::from_iter_values(index.runs.iter().map(|run| run.rows)))),
        ("spread", Arc::new(Float32Array::from_iter_values(index.runs.iter().map(|run| run.spread)))),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, c)| c).collect())?;
    let OwnColumns { object, ra, dec } = &index.own;
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let is_own = if index.is_own { "own" } else { "" };
    let found = format!("{},{},{},{is_own}", name(object), name(ra), name(dec));
    let marks = marks(file, own).into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("noctuary {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(
            marks
                .chain([KeyValue::new(FOUND.to_owned(), found), KeyValue::new(CONTENT.to_owned(), content(index))])
                .collect(),
        ));
    for field in schema.fields().iter().filter(|field| matches!(field.data_type(), DataType::Int64 | DataType::UInt32))
    {
        properties = properties.set_column_encoding(field.name().as_str().into(), Encoding::DELTA_BINARY_PACKED);
    }
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties.build()))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

/// Makes the indices anew that merged files of a version have not got, and says how many.
///
/// # Errors
/// When storage fails.
pub async fn put_missing(archive: &Archive, snapshot: &Snapshot) -> Result<usize> {
    let there: HashSet<String> = names(archive).await?.into_iter().collect();
    let mut made = 0;
    let merged = snapshot.state.files.iter().filter(|file| file.level > 0 && file.rows > 0 && has_index(file.table));
    for file in merged.filter(|file| !there.contains(paths::index(&file.path).as_ref())) {
        let Some(survey) = file.survey.as_deref().and_then(|name| snapshot.survey(name)) else { continue };
        let own = OwnColumns::of(survey);
        let index = build::of_file(archive, file, own.clone()).await?;
        put(archive, file, &own, &index).await?;
        made += 1;
    }
    Ok(made)
}

/// Deletes the indices of files that no version has any more.
///
/// # Errors
/// When storage fails.
pub async fn remove_dead(archive: &Archive, snapshot: &Snapshot) -> Result<()> {
    let live = snapshot.state.files.iter().map(|file| file.path.as_str());
    let live = live.chain(snapshot.state.waiting().map(|gone| gone.path.as_str()));
    let live: HashSet<String> = live.map(|path| paths::index(path).to_string()).collect();
    let dead = names(archive).await?.into_iter().filter(|name| !live.contains(name));
    let dead = dead.map(|name| name.as_str().into()).collect();
    delete(archive.store(), dead, "deleting indices of files that are gone").await
}

async fn names(archive: &Archive) -> Result<Vec<String>> {
    let objects = archive.store().list(Some(&paths::INDEX.into()));
    Ok(objects.map_ok(|object| object.location.to_string()).try_collect().await?)
}
