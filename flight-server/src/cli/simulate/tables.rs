//! What is simulated, as tables: labels, and sources and objects without packets.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use noctuary_simulator::{Label, ObjectRows, Simulation, SourceRows, TrueClass};

use crate::error::{Failure, Result};
use crate::output::sink::print;
use crate::output::{Format, Sink, write_rows};

/// Labels that become a batch.
const LABELS_AT_ONCE: usize = 8_192;
/// Sources that become a batch.
const ROWS_AT_ONCE: usize = 65_536;

/// Writes what everything that alerts really is.
pub async fn labels(simulation: &Simulation, path: &Path) -> Result<()> {
    let schema = label_schema();
    let (mut labels, of) = (simulation.labels(), Arc::clone(&schema));
    let batches = std::iter::from_fn(move || {
        let some: Vec<Label> = labels.by_ref().take(LABELS_AT_ONCE).collect();
        (!some.is_empty()).then(|| label_batch(&of, &some))
    });
    write(path, schema, batches).await
}

/// Writes `sources.parquet` and `objects.parquet` into a folder.
pub async fn rows(simulation: &Simulation, folder: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::from(e).during(folder.display()))?;
    let (schema, of) = (source_schema(), source_schema());
    let batches = simulation.rows(ROWS_AT_ONCE).map(move |batch| source_batch(&of, batch.sources));
    write(&folder.join("sources.parquet"), schema, batches).await?;
    let (schema, of) = (object_schema(), object_schema());
    let batches = simulation.rows(ROWS_AT_ONCE).map(move |batch| object_batch(&of, batch.objects));
    write(&folder.join("objects.parquet"), schema, batches).await?;
    print(&format!("sources.parquet and objects.parquet in {}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

async fn write(
    path: &Path,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
) -> Result<()> {
    let format = Format::of_path(path).unwrap_or(Format::Parquet);
    let mut sink = Sink::open(Some(path))?;
    let batches = futures::stream::iter(batches.map(|batch| batch.map_err(DataFusionError::from)));
    write_rows(Box::pin(RecordBatchStreamAdapter::new(schema, batches)), format, 0, &mut sink).await?;
    sink.finish()
}

fn column(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn label_schema() -> SchemaRef {
    let mut fields = vec![
        column("id", DataType::Int64),
        Field::new("name", DataType::Utf8, true),
        column("class", DataType::Utf8),
        Field::new("shape", DataType::Utf8, true),
        column("ra", DataType::Float64),
        column("dec", DataType::Float64),
        column("first_night", DataType::Int32),
    ];
    fields.extend(Label::PARAMETERS.map(|(name, ..)| Field::new(name, DataType::Float64, true)));
    Arc::new(Schema::new(fields))
}

fn label_batch(schema: &SchemaRef, labels: &[Label]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(labels.iter().map(|l| l.id))),
        Arc::new(labels.iter().map(|l| l.name.as_deref()).collect::<StringArray>()),
        Arc::new(StringArray::from_iter_values(labels.iter().map(|l| l.class.as_str()))),
        Arc::new(labels.iter().map(|l| l.shape).collect::<StringArray>()),
        Arc::new(Float64Array::from_iter_values(labels.iter().map(|l| l.ra))),
        Arc::new(Float64Array::from_iter_values(labels.iter().map(|l| l.dec))),
        Arc::new(Int32Array::from_iter_values(labels.iter().map(|l| l.first_night))),
    ];
    for (name, ..) in Label::PARAMETERS {
        columns.push(Arc::new(labels.iter().map(|l| l.parameter(name)).collect::<Float64Array>()));
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn source_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        column("source_id", DataType::Int64),
        Field::new("object_id", DataType::Int64, true),
        Field::new("body_id", DataType::Int64, true),
        column("night", DataType::Int32),
        column("visit", DataType::Int64),
        column("detector", DataType::Int32),
        column("mjd", DataType::Float64),
        column("ra", DataType::Float64),
        column("dec", DataType::Float64),
        column("band", DataType::Utf8),
        column("flux", DataType::Float32),
        column("flux_error", DataType::Float32),
        column("snr", DataType::Float32),
        column("reliability", DataType::Float32),
        column("class", DataType::Utf8),
    ]))
}

fn source_batch(schema: &SchemaRef, rows: SourceRows) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(rows.source_id)),
        Arc::new(Int64Array::from(rows.object_id)),
        Arc::new(Int64Array::from(rows.body_id)),
        Arc::new(Int32Array::from(rows.night)),
        Arc::new(Int64Array::from(rows.visit)),
        Arc::new(Int32Array::from(rows.detector)),
        Arc::new(Float64Array::from(rows.mjd)),
        Arc::new(Float64Array::from(rows.ra)),
        Arc::new(Float64Array::from(rows.dec)),
        Arc::new(StringArray::from(rows.band)),
        Arc::new(Float32Array::from(rows.flux)),
        Arc::new(Float32Array::from(rows.flux_error)),
        Arc::new(Float32Array::from(rows.snr)),
        Arc::new(Float32Array::from(rows.reliability)),
        classes(&rows.class),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn object_schema() -> SchemaRef {
    let mut fields = vec![
        column("object_id", DataType::Int64),
        column("ra", DataType::Float64),
        column("dec", DataType::Float64),
        column("first_mjd", DataType::Float64),
    ];
    let bands = ["u", "g", "r", "i", "z", "y"];
    fields.extend(bands.map(|band| column(&format!("{band}_template"), DataType::Float32)));
    fields.push(column("class", DataType::Utf8));
    Arc::new(Schema::new(fields))
}

fn object_batch(schema: &SchemaRef, rows: ObjectRows) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(rows.object_id)),
        Arc::new(Float64Array::from(rows.ra)),
        Arc::new(Float64Array::from(rows.dec)),
        Arc::new(Float64Array::from(rows.first_mjd)),
    ];
    for band in rows.template {
        columns.push(Arc::new(Float32Array::from(band)));
    }
    columns.push(classes(&rows.class));
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn classes(classes: &[TrueClass]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(classes.iter().map(|class| class.as_str())))
}
