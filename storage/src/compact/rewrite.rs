//! A group of packets written anew without some of them, and without what they alone were made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::input::{Input, Row, Tile, rows, schema_of};
use super::merge::Group;
use super::policy::{Level, Task};
use super::records::Triggers;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::log::DataFile;
use crate::paths;
use crate::snapshot::Snapshot;

/// The files of a group before and after.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    /// What there is now; nothing if no packet has stayed.
    pub add: Vec<DataFile>,
    /// Names of what there was.
    pub remove: Vec<String>,
}

/// Writes the group of a file of packets anew, without these rows of it and without these triggers. Pieces of images
/// are written anew only where they are the group's own alone, before they have been merged.
///
/// # Errors
/// When a file cannot be read, or a new one not be put.
pub(crate) async fn without(
    archive: &Archive,
    snapshot: &Snapshot,
    packets: &Arc<DataFile>,
    gone: &BTreeSet<u32>,
    triggers: Triggers,
) -> Result<Rewritten> {
    let input = Input::of(snapshot, packets)?;
    let mut rewritten = Rewritten::default();
    rewritten.remove.extend(input.files().map(|file| file.path.clone()));
    let schema = schema_of(snapshot, packets)?;
    let inputs: Arc<[Input]> = [input].into();
    let (all, anchors) = rows(archive, snapshot, &inputs).await?;
    let stay: Arc<[Row]> = all.into_iter().filter(|row| !gone.contains(&row.row)).collect();
    if stay.is_empty() {
        return Ok(rewritten);
    }
    let missing = || StorageError::damaged(format!("{} is of no survey or schema", packets.path));
    let task = Task {
        survey: packets.survey.clone().ok_or_else(missing)?,
        schema: packets.schema.clone().ok_or_else(missing)?,
        level: Level::of(packets.level),
        groups: vec![Arc::clone(packets)],
        bytes: packets.bytes,
        group_bytes: u64::MAX,
        own_bytes: packets.bytes,
    };
    let group = Group {
        archive,
        snapshot,
        task: &task,
        inputs: &inputs,
        schema: &schema,
        anchors: &Arc::new(anchors),
        tile: &Tile(i64::MIN..i64::MAX),
        whole: false,
        group: format!("{}-0000", paths::new_run()),
        without: Some(Arc::new(triggers)),
    };
    rewritten.add = group.write(stay).await?;
    Ok(rewritten)
}
