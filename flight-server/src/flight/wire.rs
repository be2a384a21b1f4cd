//! Columns as they travel. Views and dictionaries become plain columns, since a slice of a view carries all of its
//! buffers, and batches are cut to messages that every client takes.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use noctuary_queries::size;
use tonic::Status;

use crate::error::{Failure, Result};

/// Half of what the most timid clients take: a message is cut by an estimate.
const MAX_MESSAGE: usize = 2 << 20;

/// A stream of messages.
pub type Messages = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send + 'static>>;

/// The columns as they travel; what is announced is what is sent.
pub fn schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn field(field: &FieldRef) -> FieldRef {
    let data_type = data_type(field.data_type());
    if data_type == *field.data_type() {
        return Arc::clone(field);
    }
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}

fn data_type(of: &DataType) -> DataType {
    match of {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::LargeBinary,
        DataType::Dictionary(_, values) => data_type(values),
        // The encoder announces large lists as plain ones.
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            DataType::List(field(item))
        }
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

/// Rows as they travel.
pub fn convert(batch: &RecordBatch, to: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(to.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                Ok::<ArrayRef, Failure>(cast(column, field.data_type())?)
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(to), columns, &options)?)
}

/// Cuts rows so that each piece is small even where rows differ much in size: the encoder goes by the mean.
pub fn cut(batch: RecordBatch) -> Vec<RecordBatch> {
    let mut open = vec![batch];
    let mut pieces = Vec::new();
    while let Some(batch) = open.pop() {
        if batch.num_rows() > 1 && size::of_batch(&batch) > MAX_MESSAGE {
            let half = batch.num_rows() / 2;
            open.push(batch.slice(half, batch.num_rows() - half));
            open.push(batch.slice(0, half));
        } else {
            pieces.push(batch);
        }
    }
    pieces
}

/// Messages of rows, the announced schema first.
pub fn messages(announced: SchemaRef, rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> Messages {
    let to = Arc::clone(&announced);
    let cut = rows
        .map(move |batch| {
            let pieces = batch.and_then(|b| convert(&b, &to)).map(cut);
            match pieces {
                Ok(pieces) => futures::stream::iter(pieces.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(failure) => futures::stream::iter(vec![Err(FlightError::from(Status::from(failure)))]),
            }
        })
        .flatten();
    // Its own cutting would count the whole of each slice again, and cut rows one by one.
    let encoder =
        FlightDataEncoderBuilder::new().with_schema(announced).with_max_flight_data_size(usize::MAX / 2).build(cut);
    Box::pin(encoder.map_err(Status::from))
}

/// Messages of one batch.
pub fn one(batch: RecordBatch) -> Messages {
    messages(batch.schema(), futures::stream::iter([Ok(batch)]))
}

/// A schema in the form of Arrow's messages, as handles and metadata carry it.
pub fn schema_bytes(schema: &Schema) -> Result<Bytes> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options))?;
    Ok(message.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, DictionaryArray, StringViewArray, StructArray};
    use arrow::datatypes::Int32Type;
    use arrow_flight::decode::FlightRecordBatchStream;

    fn received(batch: RecordBatch) -> (SchemaRef, usize, Vec<RecordBatch>) {
        let announced = schema(&batch.schema());
        let rows = futures::stream::iter([Ok(batch)]);
        let sent: Vec<FlightData> =
            futures::executor::block_on(messages(Arc::clone(&announced), rows).try_collect()).unwrap();
        let largest = sent.iter().map(|m| m.data_body.len() + m.data_header.len()).max().unwrap();
        let stream = FlightRecordBatchStream::new_from_flight_data(futures::stream::iter(sent.into_iter().map(Ok)));
        (announced, largest, futures::executor::block_on(stream.try_collect()).unwrap())
    }

    #[test]
    fn what_is_announced_is_what_comes() {
        let view = Arc::new(StringViewArray::from(vec![Some("a text that is longer than twelve"), None])) as ArrayRef;
        let dictionary: DictionaryArray<Int32Type> = vec!["g", "r"].into_iter().collect();
        let inner = Arc::new(Field::new("v", DataType::Utf8View, true));
        let record = StructArray::from(vec![(inner, Arc::clone(&view))]);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("view", view, true),
            ("dictionary", Arc::new(dictionary) as ArrayRef, true),
            ("record", Arc::new(record) as ArrayRef, true),
        ])
        .unwrap();
        let (announced, _, batches) = received(batch);
        assert_eq!(announced.field(0).data_type(), &DataType::Utf8);
        assert_eq!(batches[0].schema(), announced);
        assert_eq!(batches[0].num_rows(), 2);
    }

    #[test]
    fn no_message_is_larger_than_clients_take() {
        let mut values: Vec<Vec<u8>> = (0..4_000_u32).map(|n| n.to_be_bytes().repeat(8)).collect();
        values.extend((0..10_u8).map(|n| vec![n; 1 << 20]));
        let column = BinaryArray::from_iter_values(&values);
        let batch = RecordBatch::try_from_iter([("payload", Arc::new(column) as ArrayRef)]).unwrap();
        let (_, largest, batches) = received(batch.slice(1, values.len() - 1));
        assert!(largest <= MAX_MESSAGE + 4096, "{largest}");
        assert!(batches.len() < 30, "{} batches", batches.len());
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), values.len() - 1);
    }
}
