//! Images of nights that are long past.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use noctuary_packet::time::Night;

use super::Work;
use super::mark::Mark;
use super::pieces::uses;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::log::{Counts, DataFile, Purged};
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Gives up the images of a survey's packets, and keeps all else of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutoutsOrder {
    /// Which survey.
    pub survey: String,
    /// Images of packets of nights before this one. Images lie in files of one night or, where they came much later than
    /// taken, of a longer time; a file goes when its last night is past.
    pub before: Night,
}

pub(super) async fn plan(archive: &Archive, snapshot: &Snapshot, order: &CutoutsOrder) -> Result<Work> {
    if snapshot.survey(&order.survey).is_none() {
        let known: Vec<String> = snapshot.survey_names().into_iter().collect();
        let known = known.join(", ");
        return Err(StorageError::invalid(format!("no survey is called {:?}; known: {known}", order.survey)));
    }
    let nights = nights_of_packets(snapshot);
    let mut work = Work::default();
    let (mut first, mut last) = (i32::MAX, i32::MIN);
    let mut commit = u64::MAX;
    let mut groups = BTreeSet::new();
    for file in snapshot.files(Table::Cutouts, Some(&order.survey)) {
        let Some((from, to)) = nights_of(file, &nights).filter(|(_, to)| *to < order.before.0) else { continue };
        (first, last) = (first.min(from), last.max(to));
        // The ledger tells it in every version that has had some of it.
        commit = commit.min(file.span().0);
        groups.insert(file.group.clone());
        work.remove.push(file.path.clone());
        work.report.bytes += file.bytes;
    }
    if groups.is_empty() {
        return Ok(work);
    }
    let is_made_of = |file: &&Arc<DataFile>| named(file).iter().any(|group| groups.contains(group));
    for file in snapshot.files(Table::Packets, Some(&order.survey)).filter(is_made_of) {
        uses(archive, file, |_| true, |group, _| work.report.packets += u64::from(groups.contains(group))).await?;
    }
    work.report.files = groups.len() as u64;
    let (from, to) = (Night(first), Night(last));
    work.what = format!("cutouts of {}, nights {from} to {to}", order.survey);
    work.marks = vec![Mark {
        survey: order.survey.clone(),
        schema: None,
        night: None,
        visit: None,
        commit,
        counts: Counts::default(),
    }];
    work.purged = Purged { cutouts: groups.into_iter().collect(), ..Purged::default() };
    Ok(work)
}

/// The groups whose pieces the packets of a file are made of.
pub(super) fn named(packets: &DataFile) -> &[String] {
    if packets.pieces.is_empty() { std::slice::from_ref(&packets.group) } else { &packets.pieces }
}

/// First and last night of packets by the groups of their pieces, `None` where some have no night.
fn nights_of_packets(snapshot: &Snapshot) -> HashMap<&str, Option<(i32, i32)>> {
    let mut nights: HashMap<&str, Option<(i32, i32)>> = HashMap::new();
    for file in snapshot.state.files.iter().filter(|file| file.table == Table::Packets) {
        let own = file.stats.night.filter(|_| !file.stats.lacks("_night"));
        for group in named(file) {
            let known = nights.entry(group).or_insert(own);
            *known = known.zip(own).map(|((a, b), (c, d))| (a.min(c), b.max(d)));
        }
    }
    nights
}

/// The nights of the packets that pieces are of. Files from before they said so themselves have at most those of all
/// packets that are kept beside them.
fn nights_of(file: &DataFile, of_packets: &HashMap<&str, Option<(i32, i32)>>) -> Option<(i32, i32)> {
    if file.stats.lacks("_night") {
        return None;
    }
    file.stats.night.or_else(|| of_packets.get(file.group.as_str()).copied().flatten())
}
