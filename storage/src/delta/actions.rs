//! The lines of a Delta log, of the kinds that are written here (protocol 1, 2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::schema::Columns;
use crate::error::{Result, StorageError};
use crate::log::{DataFile, FileStats};
use crate::tables::Table;

/// The application that the log names as the one that writes it, with its version: that of the archive.
const APP: &str = "noctuary";
/// Key of the configuration that names columns which are left out.
const LEFT_OUT: &str = "noctuary.leftOut";

/// What a line that is read back may hold that is of use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Line {
    pub meta_data: Option<MetaData>,
    pub txn: Option<Txn>,
    pub commit_info: Option<Info>,
}

/// What the table is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetaData {
    pub id: String,
    pub schema_string: String,
    #[serde(default)]
    pub configuration: Map<String, Value>,
}

/// How far the writer has come.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Txn {
    pub app_id: String,
    pub version: u64,
}

/// What the writer says of a version.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Info {
    /// The version of this log that says last what the table is.
    pub noctuary_meta_data: Option<u64>,
}

impl Line {
    /// The version of the archive that is shown.
    pub fn archive_version(&self) -> Option<u64> {
        self.txn.as_ref().filter(|txn| txn.app_id == APP).map(|txn| txn.version)
    }
}

impl MetaData {
    /// The columns.
    ///
    /// # Errors
    /// When they are not what was put there.
    pub fn columns(&self) -> Result<Columns> {
        let left_out = self.configuration.get(LEFT_OUT).and_then(Value::as_str).unwrap_or_default();
        Columns::parse(&self.schema_string, left_out)
            .map_err(|e| StorageError::damaged(format!("the columns of a published table cannot be read ({e})")))
    }
}

/// Which readers can read it: all there are.
pub(super) fn protocol() -> Value {
    json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
}

/// What the table is.
///
/// # Errors
/// Never for columns that were made here.
pub(super) fn meta_data(id: &str, name: &str, columns: &Columns) -> Result<Value> {
    let schema = columns.schema().map_err(|e| StorageError::internal(format!("columns could not be written ({e})")))?;
    let mut configuration = Map::new();
    if !columns.left_out.is_empty() {
        configuration.insert(LEFT_OUT.to_owned(), columns.left_out().into());
    }
    Ok(json!({"metaData": {
        "id": id,
        "name": name,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": configuration,
    }}))
}

/// How far the archive has come.
pub(super) fn txn(archive_version: u64) -> Value {
    json!({"txn": {"appId": APP, "version": archive_version}})
}

/// What people are told of the version.
pub(super) fn commit_info(at: i64, what: &str, archive_version: u64, meta_data: u64) -> Value {
    json!({"commitInfo": {
        "timestamp": at,
        "operation": "WRITE",
        "operationParameters": {"what": what},
        "engineInfo": format!("noctuary {}", env!("CARGO_PKG_VERSION")),
        "noctuaryVersion": archive_version,
        "noctuaryMetaData": meta_data,
    }})
}

/// A file that is part of the table from here on. `name` is its own within the folder of the table.
pub(super) fn add(file: &DataFile, name: &str, at: i64) -> Value {
    json!({"add": {
        "path": name,
        "partitionValues": {},
        "size": file.bytes,
        "modificationTime": at,
        "dataChange": true,
        "stats": stats(file).to_string(),
    }})
}

/// A file that is not part of the table any more.
pub(super) fn remove(name: &str, at: i64) -> Value {
    json!({"remove": {"path": name, "deletionTimestamp": at, "dataChange": true}})
}

/// Positions and times are told a little too wide, since readers read decimals in their own ways.
const SLACK: f64 = 1e-9;

fn stats(file: &DataFile) -> Value {
    let FileStats { night, visit, alert, object, mjd_tai, dec, ra, healpix_29, .. } = &file.stats;
    let (mut least, mut greatest) = (Map::new(), Map::new());
    let mut note = |name: &str, range: Option<(Value, Value)>| {
        if let Some((from, to)) = range {
            least.insert(name.to_owned(), from);
            greatest.insert(name.to_owned(), to);
        }
    };
    let id = |range: &Option<(noctuary_packet::id::Id, noctuary_packet::id::Id)>| {
        range.as_ref().and_then(|(from, to)| Some((json!(from), json!(to))).filter(|(a, b)| a.is_i64() == b.is_i64()))
    };
    let wide = |range: &Option<(f64, f64)>| range.map(|(from, to)| (json!(from - SLACK), json!(to + SLACK)));
    if file.table == Table::Alerts {
        let date = |night: i32| json!(noctuary_packet::time::Night(night).to_string());
        note("_night", night.map(|(from, to)| (date(from), date(to))));
        note("_visit", visit.map(|(from, to)| (from.into(), to.into())));
        note("_alert", id(alert));
        note("_mjd_tai", wide(mjd_tai));
        note("_ra", wide(ra));
        note("_dec", wide(dec));
        note("_healpix_29", healpix_29.map(|(from, to)| (from.into(), to.into())));
    }
    note("_object", id(object));
    json!({"numRecords": file.rows, "minValues": least, "maxValues": greatest})
}
