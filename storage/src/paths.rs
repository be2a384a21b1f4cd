//! The names of objects in an archive. Every name is made here and nowhere else.

use object_store::path::Path;

use crate::tables::Table;

/// Folder of the log.
pub const LOG: &str = "_log";
/// Folder of checkpoints of the log.
pub const CHECKPOINTS: &str = "_checkpoints";
/// Folder of writer schemas.
pub const SCHEMAS: &str = "_schemas";
/// Folder of mappings of surveys.
pub const SURVEYS: &str = "_surveys";
/// Folder of headers of containers.
pub const HEADERS: &str = "_headers";
/// Folder of indices, which are made anew where they are missing.
pub const INDEX: &str = "_index";

/// Folder of keys with which servers of the archive sign what they hand out.
pub const KEYS: &str = "_keys";

/// Digits of a version in a name, so that names sort as versions do.
const DIGITS: usize = 12;

/// `_log/000000000007.json`
#[must_use]
pub fn log_entry(version: u64) -> Path {
    Path::from(format!("{LOG}/{version:0DIGITS$}.json"))
}

/// The version in the name of a log entry.
#[must_use]
pub fn log_version(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

/// `_checkpoints/000000000100.json.zst`
#[must_use]
pub fn checkpoint(version: u64) -> Path {
    Path::from(format!("{CHECKPOINTS}/{version:0DIGITS$}.json.zst"))
}

/// The version in the name of a checkpoint.
#[must_use]
pub fn checkpoint_version(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json.zst")?.parse().ok()
}

/// `_schemas/FINGERPRINT-TEXT.avsc`: one object per text, so that better descriptions can follow.
#[must_use]
pub fn schema(fingerprint: &str, text_hash: &str) -> Path {
    Path::from(format!("{SCHEMAS}/{}-{}.avsc", head(fingerprint, 16), head(text_hash, 8)))
}

/// `_surveys/NAME-TEXT.toml`
#[must_use]
pub fn survey(name: &str, text_hash: &str) -> Path {
    Path::from(format!("{SURVEYS}/{name}-{}.toml", head(text_hash, 8)))
}

/// `_headers/HASH.bin`: the header of object container files without its marker.
#[must_use]
pub fn header(hash: &str) -> Path {
    Path::from(format!("{HEADERS}/{hash}.bin"))
}

/// `alerts/lsst/RUN-0003.parquet`, or `sources/lsst/RUN-0003-prvDiaSources.parquet` where a group has files for several
/// kinds of records; tables that belong to no survey lie directly in their folder.
#[must_use]
pub fn data(table: Table, survey: Option<&str>, group: &str, record: Option<&str>) -> Path {
    let folder = self::table(table, survey);
    match record {
        Some(record) => Path::from(format!("{folder}/{group}-{record}.parquet")),
        None => Path::from(format!("{folder}/{group}.parquet")),
    }
}

/// `_keys/tickets`: 32 random bytes.
#[must_use]
pub fn ticket_key() -> Path {
    Path::from(format!("{KEYS}/tickets"))
}

/// A name that no other run of anything has: twelve hexadecimal digits.
#[must_use]
pub(crate) fn new_run() -> String {
    let mut name = uuid::Uuid::new_v4().simple().to_string();
    name.truncate(12);
    name
}

/// `_index/sources/lsst/RUN-0003.parquet`: what is known of the rows of a file.
#[must_use]
pub fn index(file: &str) -> Path {
    Path::from(format!("{INDEX}/{file}"))
}

/// `alerts/lsst`: the folder of a table's files.
#[must_use]
pub fn table(table: Table, survey: Option<&str>) -> String {
    survey.map_or_else(|| table.to_string(), |survey| format!("{table}/{survey}"))
}

/// Folder of the Delta log that is published beside the files of a table.
const DELTA_LOG: &str = "_delta_log";
/// Digits that Delta writes of a version.
const DELTA_DIGITS: usize = 20;

/// `alerts/lsst/_delta_log`
#[must_use]
pub fn delta_log(folder: &str) -> Path {
    Path::from(format!("{folder}/{DELTA_LOG}"))
}

/// `alerts/lsst/_delta_log/00000000000000000007.json`
#[must_use]
pub fn delta_entry(folder: &str, version: u64) -> Path {
    Path::from(format!("{folder}/{DELTA_LOG}/{version:0DELTA_DIGITS$}.json"))
}

/// The version in the name of an entry of a Delta log.
#[must_use]
pub fn delta_version(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json").filter(|digits| digits.len() == DELTA_DIGITS)?.parse().ok()
}

/// `alerts/lsst/_delta_log/00000000000000000100.checkpoint.parquet`
#[must_use]
pub fn delta_checkpoint(folder: &str, version: u64) -> Path {
    Path::from(format!("{folder}/{DELTA_LOG}/{version:0DELTA_DIGITS$}.checkpoint.parquet"))
}

/// `alerts/lsst/_delta_log/_last_checkpoint`
#[must_use]
pub fn delta_last_checkpoint(folder: &str) -> Path {
    Path::from(format!("{folder}/{DELTA_LOG}/_last_checkpoint"))
}

/// The version in the name of a checkpoint of a Delta log.
#[must_use]
pub fn delta_checkpoint_version(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".checkpoint.parquet")?.parse().ok()
}

/// True for the name of a folder of a Delta log.
#[must_use]
pub fn is_delta_log(folder: &str) -> bool {
    folder == DELTA_LOG
}

/// True for what lies in the folder of a Delta log.
#[must_use]
pub fn is_delta(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref() == DELTA_LOG)
}

fn head(text: &str, digits: usize) -> &str {
    text.get(..digits).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_versions_do() {
        assert!(log_entry(9).as_ref() < log_entry(10).as_ref());
        assert_eq!(log_entry(7).as_ref(), "_log/000000000007.json");
    }

    #[test]
    fn names_read_back() {
        assert_eq!(log_version(&log_entry(4321)), Some(4321));
        assert_eq!(log_version(&checkpoint(4321)), None);
        assert_eq!(checkpoint_version(&checkpoint(4321)), Some(4321));
        assert_eq!(checkpoint_version(&log_entry(4321)), None);
    }
}
