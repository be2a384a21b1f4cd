//! What `DESCRIBE` says: every leaf with its type, unit, meaning, and the schemas that have it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema};
use noctuary_packet::schema::{Field as PacketField, NodeId, Schema, Shape};
use noctuary_storage::tables::alert_keys;

use crate::columns::AlertColumns;
use crate::error::Result;
use crate::merge::{Kind, Place, word};

/// A column or leaf of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Dotted path; `[]` stands for the elements of a list: `prvDiaSources[].ra`.
    pub column: String,
    /// `long`, `double`, `string`, `timestamp`, ...
    pub data_type: String,
    /// Physical unit, where one is stated.
    pub unit: Option<String>,
    /// What it means, where it is stated.
    pub description: Option<String>,
    /// Versions of the writer schema that have it, newest first; `None` for columns of the archive itself.
    pub schemas: Option<String>,
}

/// The columns of a survey's alerts.
pub(crate) fn alerts(columns: &AlertColumns) -> Vec<Described> {
    let mut out = plain(&alert_keys(columns.ids));
    for place in &columns.places {
        leaves(columns, place, &mut Vec::new(), "", &mut out);
    }
    out.extend(plain(&Fields::from(vec![AlertColumns::commit_field()])));
    out
}

/// The columns of any other table.
pub(crate) fn plain(fields: &Fields) -> Vec<Described> {
    let describe = |field: &Arc<Field>| {
        let known = KEYS.iter().find(|(name, _, _)| name == field.name());
        Described {
            column: field.name().clone(),
            data_type: word(field.data_type()).to_owned(),
            unit: known.and_then(|(_, unit, _)| (!unit.is_empty()).then(|| (*unit).to_owned())),
            description: known.map(|(_, _, text)| (*text).to_owned()),
            schemas: None,
        }
    };
    fields.iter().map(describe).collect()
}

/// Columns that the archive adds, with units and meaning.
const KEYS: [(&str, &str, &str); 36] = [
    ("_alert", "", "id of the alert, unique within its survey"),
    ("_object", "", "id of the object, null if the alert names none"),
    ("_revision", "", "0 for the first packet of this id, counted up for later ones with other bytes"),
    ("_night", "", "night of the observation, from noon to noon at the telescope"),
    ("_visit", "", "number of the exposure"),
    ("_detector", "", "number of the detector or readout channel"),
    ("_seq", "", "order of arrival within the commit"),
    ("_mjd_tai", "d", "time of the observation, modified Julian date, TAI"),
    ("_ra", "deg", "right ascension of the alert, ICRS"),
    ("_dec", "deg", "declination of the alert, ICRS"),
    ("_healpix_29", "", "HEALPix cell of the position, order 29, NESTED"),
    ("_rights", "", "label of who may see the row"),
    ("_flags", "", "what is odd about the alert, separated by commas; empty or null if nothing is"),
    ("_sha256", "", "SHA-256 of the packet as transmitted"),
    ("_schema", "", "the writer schema of the packet"),
    ("_source", "", "where the packet came from"),
    ("_offset", "", "where in its source the packet stood"),
    ("_bytes", "byte", "length of the packet as transmitted"),
    ("_commit", "", "version of the archive that brought the row"),
    ("received", "", "packets that came"),
    ("stored", "", "packets that were kept"),
    ("duplicate", "", "packets that had been kept before"),
    ("quarantined", "", "packets that were refused and kept aside"),
    ("revisions", "", "stored packets whose id had other bytes before"),
    ("flagged", "", "stored packets that are odd"),
    ("bytes", "byte", "transmitted bytes, or length of a file"),
    ("reason", "", "why a packet was refused, in one word"),
    ("detail", "", "why a packet was refused, in full"),
    ("complete", "", "false if only the beginning of a packet was kept"),
    ("packet", "", "the bytes that were refused"),
    ("released", "", "version that stored the packet after all, null if none did"),
    ("undone", "", "true if a later rollback undid the version"),
    ("night", "", "night of the observation, from noon to noon at the telescope"),
    ("visit", "", "number of the exposure"),
    ("source", "", "where packets came from"),
    ("member", "", "file inside the source, for tar files and folders"),
];

fn leaves<'p>(
    columns: &AlertColumns,
    place: &'p Place,
    stored: &mut Vec<&'p str>,
    prefix: &str,
    out: &mut Vec<Described>,
) {
    stored.push(&place.stored);
    let mut path = format!("{prefix}{}", place.name);
    let mut kind = &place.kind;
    while let Kind::List(item) = kind {
        path.push_str("[]");
        kind = item;
    }
    match kind {
        Kind::Record(fields) => {
            let prefix = format!("{path}.");
            for field in fields {
                leaves(columns, field, stored, &prefix, out);
            }
        }
        Kind::Value(data_type) => out.push(leaf(columns, place, stored, path, data_type)),
        Kind::List(_) => {}
    }
    stored.pop();
}

fn leaf(columns: &AlertColumns, place: &Place, stored: &[&str], path: String, data_type: &DataType) -> Described {
    let having = || place.schemas.iter().filter_map(|at| columns.schemas.get(*at));
    let fields = || having().filter_map(|schema| find(schema, stored));
    let versions: Vec<String> =
        having().map(|s| s.version().map_or_else(|| s.fingerprint().short(), str::to_owned)).collect();
    Described {
        column: path,
        data_type: word(data_type).to_owned(),
        unit: fields().find_map(|f| f.unit.as_deref()).map(str::to_owned),
        description: fields().find_map(|f| f.doc.as_deref()).map(str::to_owned),
        schemas: Some(versions.join(", ")),
    }
}

/// The field of a schema at a path.
fn find<'s>(schema: &'s Schema, path: &[&str]) -> Option<&'s PacketField> {
    let (name, parents) = path.split_last()?;
    let mut at = NodeId::ROOT;
    let record = |at: NodeId| -> &'s [PacketField] {
        let mut at = schema.unwrap_nullable(at).0;
        while let Shape::Array(item) = schema.node(at).shape {
            at = schema.unwrap_nullable(item).0;
        }
        match &schema.node(at).shape {
            Shape::Record(fields) => fields,
            _ => &[],
        }
    };
    for parent in parents {
        at = record(at).iter().find(|f| &*f.name == *parent)?.node;
    }
    record(at).iter().find(|f| &*f.name == *name)
}

/// The answer to `DESCRIBE`.
pub(crate) fn batch(rows: &[Described]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Described) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let fields = ["column", "type", "unit", "description", "schemas"];
    let schema = ArrowSchema::new(
        fields
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, !matches!(*name, "column" | "type")))
            .collect::<Vec<_>>(),
    );
    let columns = vec![
        text(&|d| Some(&d.column)),
        text(&|d| Some(&d.data_type)),
        text(&|d| d.unit.as_deref()),
        text(&|d| d.description.as_deref()),
        text(&|d| d.schemas.as_deref()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}
