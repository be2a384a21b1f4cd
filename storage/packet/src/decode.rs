//! From datums to Arrow batches, one schema at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray};
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::reader::{Decoder as AvroDecoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};

use crate::columns::Columns;
use crate::reason::{Reason, Rejection};
use crate::schema::{NodeId, Schema, Shape, decoder_schema};

/// arrow-avro wants each datum announced by a Confluent prefix; which id it carries is our own affair.
const PREFIX: [u8; 5] = [0, 0, 0, 0, 1];
const ID: u32 = 1;

/// Decodes datums of one schema into batches of its [`Columns`].
///
/// Only datums that [`crate::walk::walk`] accepted may be pushed: arrow-avro cannot take back a row that turns out to
/// be broken.
#[derive(Debug)]
pub struct Decoder {
    schema: Arc<Schema>,
    columns: Columns,
    arrow: SchemaRef,
    capacity: usize,
    inner: AvroDecoder,
}

fn avro_decoder(schema: &Schema, root: NodeId, capacity: usize) -> Result<AvroDecoder, ArrowError> {
    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store.set(Fingerprint::Id(ID), AvroSchema::new(decoder_schema(schema, root).to_string()))?;
    ReaderBuilder::new()
        .with_writer_schema_store(store)
        .with_active_fingerprint(Fingerprint::Id(ID))
        .with_batch_size(capacity)
        .build_decoder()
}

impl Decoder {
    /// Prepares for up to `capacity` rows a batch. The nodes `left_out` do not become columns.
    ///
    /// # Errors
    /// [`Reason::NotColumns`] if the schema cannot be shown in columns: a datum that is no record, or one that
    /// contains itself.
    pub fn new(schema: &Arc<Schema>, left_out: &[NodeId], capacity: usize) -> Result<Self, Rejection> {
        Self::of(schema, Columns::new(schema, left_out), capacity)
    }

    /// Prepares for records that stand at a node of datums of the schema, in columns from which they can be written
    /// again: NaN stays NaN.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn exact(schema: &Arc<Schema>, record: NodeId, capacity: usize) -> Result<Self, Rejection> {
        Self::of(schema, Columns::exact(schema, record), capacity)
    }

    fn of(schema: &Arc<Schema>, columns: Columns, capacity: usize) -> Result<Self, Rejection> {
        let refuse = |detail: String| Rejection::new(Reason::NotColumns, detail).under(schema.label());
        if !matches!(&schema.node(columns.root()).shape, Shape::Record(fields) if !fields.is_empty()) {
            return Err(refuse("the datum is not a record with fields".into()));
        }
        if schema.is_recursive() {
            return Err(refuse("a record that contains itself has no columns".into()));
        }
        if schema.has_empty_values() {
            return Err(refuse("a list of nulls or a fixed of no bytes has no columns".into()));
        }
        let inner = avro_decoder(schema, columns.root(), capacity).map_err(|e| refuse(e.to_string()))?;
        let arrow = Arc::new(ArrowSchema::new(columns.fields()));
        Ok(Self { schema: Arc::clone(schema), columns, arrow, capacity, inner })
    }

    /// The columns of its batches.
    #[must_use]
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.arrow
    }

    /// Adds a datum that has been walked.
    ///
    /// # Errors
    /// [`Reason::NotColumns`] if arrow-avro does not read it as the walk did; the decoder must not be used again then.
    pub fn push(&mut self, datum: &[u8]) -> Result<(), Rejection> {
        let refuse = |detail: String| Rejection::new(Reason::NotColumns, detail).under(self.schema.label());
        let announced = self.inner.decode(&PREFIX).map_err(|e| refuse(e.to_string()))?;
        let read = self.inner.decode(datum).map_err(|e| refuse(e.to_string()))?;
        if announced != PREFIX.len() || read != datum.len() {
            return Err(refuse(format!("{read} of {} bytes could be put in columns", datum.len())));
        }
        Ok(())
    }

    /// The rows pushed so far, as a batch.
    ///
    /// # Errors
    /// [`Reason::NotColumns`] if the columns cannot be made.
    pub fn finish(&mut self) -> Result<RecordBatch, Rejection> {
        let refuse = |detail: String| Rejection::new(Reason::NotColumns, detail).under(self.schema.label());
        let flushed = self.inner.flush().map_err(|e| refuse(e.to_string()))?;
        if self.schema.has_unions() {
            // arrow-avro 59 counts the values of a union on from the batch before, and fails on the next.
            self.inner =
                avro_decoder(&self.schema, self.columns.root(), self.capacity).map_err(|e| refuse(e.to_string()))?;
        }
        let Some(batch) = flushed else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.arrow)));
        };
        let rows = batch.num_rows();
        let record: ArrayRef = Arc::new(StructArray::from(batch));
        let columns = match self.columns.convert(self.columns.root(), &record).map_err(|e| refuse(e.to_string()))? {
            Some(record) => record.as_any().downcast_ref::<StructArray>().map(|s| s.columns().to_vec()),
            None => None,
        }
        .unwrap_or_default();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.arrow), columns, &options).map_err(|e| refuse(e.to_string()))
    }
}
