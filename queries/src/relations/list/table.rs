//! A text as a table that is read as it is asked of.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use noctuary_engine::{EngineError, NO_NUMBER};

use super::records::{Record, Records, Wrong};
use super::types::{self, Guess};

/// Rows that are read at a time.
const ROWS: usize = 8_192;

/// A text whose columns are known.
#[derive(Debug)]
pub(super) struct Text {
    path: PathBuf,
    schema: SchemaRef,
}

impl Text {
    /// Reads a text through.
    ///
    /// # Errors
    /// When it is none, or one of its lines does not fit the others.
    pub(super) fn open(path: &Path) -> Result<Self, Wrong> {
        let (mut records, names) = Records::open(path)?;
        let mut guesses = vec![Guess::new(); names.len()];
        let mut record = Record::default();
        while records.read(&mut record)? {
            for ((guess, value), name) in guesses.iter_mut().zip(record.values()).zip(&names) {
                guess.look(value, record.line, name)?;
            }
        }
        let field = |(name, guess): (String, Guess)| {
            let field = Field::new(name, guess.data_type(), true);
            match guess.no_number() {
                Some(why) => field.with_metadata(HashMap::from([(NO_NUMBER.to_owned(), why)])),
                None => field,
            }
        };
        let fields: Vec<Field> = names.into_iter().zip(guesses).map(field).collect();
        Ok(Self { path: path.to_owned(), schema: Arc::new(Schema::new(fields)) })
    }

    /// As DataFusion reads it.
    ///
    /// # Errors
    /// Never, but DataFusion checks.
    pub(super) fn table(self) -> Result<StreamingTable, EngineError> {
        let schema = Arc::clone(&self.schema);
        Ok(StreamingTable::try_new(schema, vec![Arc::new(self)])?)
    }
}

impl PartitionStream for Text {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 2);
        let (path, schema, rows) = (self.path.clone(), Arc::clone(&self.schema), stream.tx());
        stream.spawn_blocking(move || {
            let failed = |why: Wrong| {
                let why = EngineError::invalid(format!("{}: {why}", path.display()));
                DataFusionError::External(Box::new(why))
            };
            let (mut records, names) = Records::open(&path).map_err(failed)?;
            if !names.iter().eq(schema.fields().iter().map(|field| field.name())) {
                return Err(failed(Wrong("it has other columns than when it was opened".into())));
            }
            loop {
                let batch = batch(&mut records, &schema).map_err(failed)?;
                // Nobody wants any more.
                if batch.num_rows() == 0 || rows.blocking_send(Ok(batch)).is_err() {
                    return Ok(());
                }
            }
        });
        stream.build()
    }
}

/// The values of a column that are read.
enum Values {
    Whole(Int64Builder),
    Number(Float64Builder),
    Truth(BooleanBuilder),
    Text(StringBuilder),
}

impl Values {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Whole(Int64Builder::new()),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Boolean => Self::Truth(BooleanBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// False if a value is not of the column's type.
    fn add(&mut self, value: &str) -> bool {
        let missing = types::is_missing(value);
        fn parsed<T>(value: Option<T>, missing: bool, add: impl FnOnce(Option<T>)) -> bool {
            let fits = missing || value.is_some();
            add(value.filter(|_| !missing));
            fits
        }
        match self {
            Self::Whole(all) => parsed(value.parse().ok(), missing, |value| all.append_option(value)),
            Self::Number(all) => parsed(types::number(value), missing, |value| all.append_option(value)),
            Self::Truth(all) => parsed(types::truth(value), missing, |value| all.append_option(value)),
            Self::Text(all) => {
                all.append_option(Some(value).filter(|value| !value.is_empty()));
                true
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Whole(mut all) => Arc::new(all.finish()),
            Self::Number(mut all) => Arc::new(all.finish()),
            Self::Truth(mut all) => Arc::new(all.finish()),
            Self::Text(mut all) => Arc::new(all.finish()),
        }
    }
}

fn batch(records: &mut Records, schema: &SchemaRef) -> Result<RecordBatch, Wrong> {
    let mut columns: Vec<Values> = schema.fields().iter().map(|field| Values::of(field.data_type())).collect();
    let (mut record, mut rows) = (Record::default(), 0);
    while rows < ROWS && records.read(&mut record)? {
        for ((values, value), field) in columns.iter_mut().zip(record.values()).zip(schema.fields()) {
            if !values.add(value) {
                return Err(Wrong(format!(
                    "line {}, column {}: {value:?} does not fit what was there when it was opened",
                    record.line,
                    field.name()
                )));
            }
        }
        rows += 1;
    }
    let columns = columns.into_iter().map(Values::finish).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|e| Wrong(e.to_string()))
}
