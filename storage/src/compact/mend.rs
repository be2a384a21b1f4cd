//! Files that hold rows which a rollback has hidden, written anew without them.
//!
//! Readers of the archive leave such rows out by the commit that brought them, and versions before the rollback still
//! show them, from files of their own. Those who read files alone cannot.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Utc;

use super::input::Input;
use super::merge::commit;
use super::plain::Plain;
use super::records::Triggers;
use super::{proof, rewrite};
use crate::archive::Archive;
use crate::error::Result;
use crate::log::{DataFile, Entry};
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Files that belong together, of which a version shows a part.
#[derive(Debug, Clone)]
pub struct Mend {
    /// First the one that all others stand beside.
    pub files: Vec<Arc<DataFile>>,
}

/// What there is to mend. No file is in two of them.
pub(super) fn plan(snapshot: &Snapshot) -> Vec<Mend> {
    let mut mends = Vec::new();
    if !snapshot.state.files.iter().any(|file| snapshot.hides_rows_of(file)) {
        return mends;
    }
    for file in &snapshot.state.files {
        let of_packets = snapshot.beside(file, Table::Packets).next();
        let files = match (file.table, of_packets) {
            (Table::Packets, _) => Input::of(snapshot, file).map_or_else(|_| Vec::new(), |input| files(file, &input)),
            (Table::Cutouts, _) | (_, Some(_)) => continue,
            (_, None) => vec![Arc::clone(file)],
        };
        if files.iter().any(|file| snapshot.hides_rows_of(file)) {
            mends.push(Mend { files });
        }
    }
    mends
}

/// A group whose alerts are damaged is told of when it is read.
fn files(packets: &Arc<DataFile>, input: &Input) -> Vec<Arc<DataFile>> {
    let others = input.files().filter(|file| file.path != packets.path).cloned();
    std::iter::once(Arc::clone(packets)).chain(others).collect()
}

impl Mend {
    /// What it does, for people.
    pub fn what(&self) -> String {
        let first = self.files.first();
        let of = first.map_or_else(String::new, |file| file.survey.clone().unwrap_or_else(|| file.table.to_string()));
        format!("{} files of {of} written anew without what was rolled back", self.files.len())
    }

    /// Does it, and commits it.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Conflict`] if somebody else has merged some of it meanwhile.
    pub(super) async fn run(&self, archive: &Archive, snapshot: &Snapshot) -> Result<Snapshot> {
        let Some(first) = self.files.first() else { return Ok(snapshot.clone()) };
        let mut entry = Entry::new(Utc::now(), self.what());
        entry.remove = self.files.iter().map(|file| file.path.clone()).collect();
        if first.table == Table::Packets {
            let rewritten = rewrite::without(archive, snapshot, first, &BTreeSet::new(), Triggers::new()).await?;
            entry.add = rewritten.add;
            proof::check(archive, snapshot, &entry, &[]).await?;
        } else if snapshot.rows(first) > 0 {
            return Plain::alone(first).run(archive, snapshot).await;
        }
        commit(archive, snapshot, entry).await
    }
}
