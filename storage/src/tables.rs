//! The tables, their columns, and how they are written.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use noctuary_packet::Columns;
use noctuary_packet::apart::RecordKind;
use noctuary_packet::schema::{NodeId, Schema as PacketSchema, Shape};
use noctuary_packet::survey::Survey;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ConvertedType, Encoding, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A table of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// One row per packet: keys, and the packet's own records as columns.
    Alerts,
    /// One row per packet, in the same order: what is needed to give the packet back.
    Packets,
    /// One row per distinct source record, of triggers and of histories.
    Sources,
    /// One row per distinct record of forced photometry.
    Forced,
    /// One row per object that was loaded without packets.
    Objects,
    /// One row per distinct piece of an image.
    Cutouts,
    /// One row per source, visit, night and schema of a commit: what was received and what became of it.
    Ledger,
    /// One row per packet that was refused.
    Quarantine,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Alerts,
        Self::Packets,
        Self::Sources,
        Self::Forced,
        Self::Objects,
        Self::Cutouts,
        Self::Ledger,
        Self::Quarantine,
    ];
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alerts => "alerts",
            Self::Packets => "packets",
            Self::Sources => "sources",
            Self::Forced => "forced",
            Self::Objects => "objects",
            Self::Cutouts => "cutouts",
            Self::Ledger => "ledger",
            Self::Quarantine => "quarantine",
        })
    }
}

/// Column of every table that says which commit a row came with. Stored only where a file holds rows of several; else
/// the file knows its commit.
pub const COMMIT: &str = "_commit";
/// Column of `packets`, in files that name the groups of their pieces: the number of that group among them.
pub const PIECES: &str = "_pieces";
/// Column of `sources` and `forced` by which records are told apart that are of one object and have the same first whole
/// number and first double: the lower 32 bits of the XXH3 of the record as it was sent.
pub const DIGEST: &str = "_digest";
/// Column with the label of who may see a row.
pub const RIGHTS: &str = "_rights";

/// Whether a survey's ids are numbers or text: the Arrow type of the columns that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdTypes {
    /// Type of alert ids.
    pub alert: IdType,
    /// Type of object ids.
    pub object: IdType,
}

/// Numbers or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdType {
    /// `Int64`
    Number,
    /// `Utf8`
    Text,
}

impl IdType {
    /// The Arrow type.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Int64,
            Self::Text => DataType::Utf8,
        }
    }
}

/// The key columns of `alerts`, which stand before the packet's own. Positions are ICRS degrees.
#[must_use]
pub fn alert_keys(ids: IdTypes) -> Fields {
    Fields::from(vec![
        Field::new("_alert", ids.alert.data_type(), true),
        Field::new("_object", ids.object.data_type(), true),
        Field::new("_revision", DataType::Int32, true),
        Field::new("_night", DataType::Date32, true),
        Field::new("_visit", DataType::Int64, true),
        Field::new("_detector", DataType::Int64, true),
        Field::new("_seq", DataType::Int32, true),
        Field::new("_mjd_tai", DataType::Float64, true),
        Field::new("_ra", DataType::Float64, true),
        Field::new("_dec", DataType::Float64, true),
        Field::new("_healpix_29", DataType::Int64, true),
        Field::new(RIGHTS, DataType::Utf8, true),
        Field::new("_flags", DataType::Utf8, true),
        Field::new("_sha256", DataType::FixedSizeBinary(32), true),
        Field::new("_schema", DataType::Utf8, true),
        Field::new("_source", DataType::Utf8, true),
        Field::new("_offset", DataType::Int64, true),
        Field::new("_bytes", DataType::Int64, true),
    ])
}

/// Columns of the files of `alerts` that say which rows a list of records is, instead of the list itself: the first
/// row of a run and its length, for every run, in `sources` or `forced` of the same group.
#[must_use]
pub fn alert_lists() -> Fields {
    let runs = || DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    [RecordKind::History, RecordKind::Forced]
        .map(|kind| Field::new(runs_column(kind), runs(), true))
        .into_iter()
        .collect()
}

/// The column of [`alert_lists`] for records of a kind.
#[must_use]
pub fn runs_column(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::History => "_history",
        RecordKind::Forced => "_forced",
    }
}

/// The table of records of a kind.
#[must_use]
pub fn table_of(kind: RecordKind) -> Table {
    match kind {
        RecordKind::History => Table::Sources,
        RecordKind::Forced => Table::Forced,
    }
}

/// The key columns of `sources` and `forced`, which stand before the record's own.
#[must_use]
pub fn record_keys(ids: IdTypes) -> Fields {
    Fields::from(vec![
        Field::new("_anchor", DataType::Int64, true),
        Field::new("_object", ids.object.data_type(), true),
        Field::new("_origin", DataType::Utf8, true),
        Field::new(RIGHTS, DataType::Utf8, true),
        Field::new(DIGEST, DataType::Int32, true),
    ])
}

/// The columns of the records at a path of a schema, which are those of a file with that [`record`]; NaN is kept in
/// them. `None` if there are no records.
///
/// [`record`]: crate::log::DataFile::record
#[must_use]
pub fn record_columns(schema: &Arc<PacketSchema>, record: &str) -> Option<Fields> {
    record_node(schema, record).map(|node| Columns::exact(schema, node).fields())
}

/// The record at a path of a schema, or the record that is an item of the list there.
#[must_use]
pub fn record_node(schema: &PacketSchema, record: &str) -> Option<NodeId> {
    let node = schema.find(record)?;
    let node = if let Shape::Array(item) = schema.node(node).shape { item } else { node };
    matches!(schema.node(node).shape, Shape::Record(_)).then_some(node)
}

/// The record of the list at a path of a schema: of what recipes and runs mean, and not of a file of triggers.
#[must_use]
pub fn list_record(schema: &PacketSchema, path: &str) -> Option<NodeId> {
    let Shape::Array(item) = schema.node(schema.find(path)?).shape else { return None };
    matches!(schema.node(item).shape, Shape::Record(_)).then_some(item)
}

/// The columns of `cutouts`: bytes as they are, or numbers.
#[must_use]
pub fn cutout_columns() -> SchemaRef {
    let list = |of| DataType::List(Arc::new(Field::new("item", of, true)));
    Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8, true),
        Field::new("bytes", DataType::LargeBinary, true),
        Field::new("singles", list(DataType::Float32), true),
        Field::new("doubles", list(DataType::Float64), true),
    ]))
}

/// The columns of `packets`.
#[must_use]
pub fn packet_columns(ids: IdTypes) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_alert", ids.alert.data_type(), true),
        Field::new("_revision", DataType::Int32, true),
        Field::new(RIGHTS, DataType::Utf8, true),
        Field::new("_sha256", DataType::FixedSizeBinary(32), true),
        Field::new("_frame", DataType::Utf8, true),
        Field::new("_schema_id", DataType::Int64, true),
        Field::new("_header", DataType::Utf8, true),
        Field::new("_sync", DataType::FixedSizeBinary(16), true),
        Field::new("_datum", DataType::LargeBinary, true),
        Field::new("_holes", DataType::Binary, true),
    ]))
}

/// The columns of `ledger`.
#[must_use]
pub fn ledger_columns() -> SchemaRef {
    let count = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, true),
        Field::new("survey", DataType::Utf8, true),
        Field::new("schema", DataType::Utf8, true),
        Field::new("night", DataType::Date32, true),
        Field::new("visit", DataType::Int64, true),
        count("received"),
        count("stored"),
        count("duplicate"),
        count("quarantined"),
        count("revisions"),
        count("flagged"),
        count("inline"),
        count("bytes"),
        Field::new("note", DataType::Utf8, true),
        count("purged"),
    ]))
}

/// The columns of `quarantine`.
#[must_use]
pub fn quarantine_columns() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("source", DataType::Utf8, true),
        Field::new("member", DataType::Utf8, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("reason", DataType::Utf8, true),
        Field::new("detail", DataType::Utf8, true),
        Field::new("byte", DataType::Int64, true),
        Field::new("schema", DataType::Utf8, true),
        Field::new("field", DataType::Utf8, true),
        Field::new("length", DataType::Int64, true),
        Field::new("sha256", DataType::Utf8, true),
        Field::new("complete", DataType::Boolean, true),
        Field::new("packet", DataType::LargeBinary, true),
    ]))
}

/// Rows of a row group of key tables.
pub const ROW_GROUP_ROWS: usize = 131_072;
const PAGE_ROWS: usize = 2_000;
/// Packets are stored in pages of about this many bytes: what has to be read to get one of them.
const PAYLOAD_PAGE_BYTES: usize = 1 << 20;
/// Image planes are stored in pages of about this many bytes: larger ones save little, and have to be read whole.
const PLANES_PAGE_BYTES: usize = 256 << 10;
/// While data is hot, time matters more than the last percent.
const HOT_ZSTD_LEVEL: i32 = 3;
/// What is merged is written seldom and kept for long.
const MERGED_ZSTD_LEVEL: i32 = 9;

/// How a table is written. Measured on real packets: dictionaries cost space except for strings, deltas help whole
/// numbers, split bytes help floats; statistics are of use on keys only, and there are hundreds of other columns.
/// `merged` is what will not be written again soon.
///
/// # Errors
/// When the schema has a type that Parquet has not.
pub fn writer_properties(table: Table, schema: &Schema, merged: bool) -> Result<WriterProperties> {
    let level = if merged { MERGED_ZSTD_LEVEL } else { HOT_ZSTD_LEVEL };
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(format!("noctuary {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(if matches!(table, Table::Packets | Table::Quarantine) { 8 } else { 1_024 })
        .set_data_page_size_limit(if table == Table::Cutouts { PLANES_PAGE_BYTES } else { PAYLOAD_PAGE_BYTES });
    let parquet = ArrowSchemaConverter::new().convert(schema)?;
    for column in parquet.columns() {
        let path = column.path().clone();
        let top = path.parts().first().map(String::as_str).unwrap_or_default();
        let is_key = path.parts().len() == 1 && (top.starts_with('_') || table == Table::Ledger);
        if is_key && !matches!(top, "_datum" | "_holes" | "_sha256" | "_sync" | DIGEST) {
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
        }
        properties = match column.physical_type() {
            // Nothing makes these any shorter.
            _ if top == DIGEST && is_key => properties
                .set_column_encoding(path.clone(), Encoding::PLAIN)
                .set_column_compression(path, Compression::UNCOMPRESSED),
            PhysicalType::INT32 | PhysicalType::INT64 => {
                properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
            }
            PhysicalType::FLOAT | PhysicalType::DOUBLE => {
                properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT)
            }
            // Digests have nothing in common, and not every reader knows another encoding.
            PhysicalType::FIXED_LEN_BYTE_ARRAY => properties.set_column_encoding(path, Encoding::PLAIN),
            PhysicalType::BYTE_ARRAY if column.converted_type() == ConvertedType::UTF8 => {
                properties.set_column_dictionary_enabled(path, true)
            }
            _ => properties,
        };
    }
    Ok(properties.build())
}

/// The types of a survey's ids, by the fields that a schema has for them.
#[must_use]
pub fn id_types(survey: &Survey, schema: &PacketSchema) -> IdTypes {
    let of = |paths: &[String]| {
        let node = paths.iter().find_map(|p| schema.find(p));
        match node.map(|n| &schema.node(n).shape) {
            Some(Shape::String | Shape::Enum(_)) => IdType::Text,
            _ => IdType::Number,
        }
    };
    IdTypes { alert: of(&survey.ids.alert), object: of(&survey.ids.object) }
}
