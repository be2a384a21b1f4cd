//! Packets that must not be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::apart::{Anatomy, take_apart};
use noctuary_packet::hash::PacketHash;
use noctuary_packet::id::Id;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;

use super::mark::Mark;
use super::{Work, pieces, refused};
use crate::archive::Archive;
use crate::compact::{Triggers, without};
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::ingest::digest;
use crate::log::{Counts, DataFile, PurgedPacket};
use crate::packets::{BATCH_ROWS, Packets, ids, ids_of};
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table};
use crate::visible::Commits;

/// Gives up packets with all that they alone brought: the alert, its trigger, and whatever of its history and images no
/// other packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketsOrder {
    /// Of one survey, if ids of several are the same.
    pub survey: Option<String>,
    /// Ids of alerts; all revisions go.
    pub alerts: Vec<String>,
}

/// A packet that goes.
struct Going {
    row: u32,
    alert: Id,
    object: Option<Id>,
    /// Its place, if it has no object.
    place: Option<i64>,
    sha256: String,
    revision: i32,
    flagged: bool,
    night: Option<i32>,
    visit: Option<i64>,
    schema: Option<String>,
    commit: u64,
}

pub(super) async fn plan(archive: &Archive, snapshot: &Snapshot, order: &PacketsOrder, dry_run: bool) -> Result<Work> {
    let going = find(archive, snapshot, order).await?;
    let mut work = Work::default();
    for (file, packets) in &going {
        work.report.packets += packets.len() as u64;
        let survey = file.survey.clone().unwrap_or_default();
        let whole = kept_whole(archive, file).await?;
        for packet in packets {
            work.purged.packets.push(PurgedPacket {
                survey: survey.clone(),
                alert: packet.alert.clone(),
                sha256: packet.sha256.clone(),
            });
            // What a rollback had undone is in no ledger.
            if snapshot.visible().shows(packet.commit) {
                work.marks.push(packet.mark(&survey, &whole));
            }
        }
    }
    if going.is_empty() {
        // An order before this one was stopped before it had given back their room.
        return Ok(work);
    }
    work.what = match work.report.packets {
        1 => "a packet".to_owned(),
        n => format!("{n} packets"),
    };
    if dry_run {
        work.report.files = going.len() as u64;
        return Ok(work);
    }
    let rows: BTreeMap<&str, BTreeSet<u32>> = going
        .iter()
        .map(|(file, packets)| (file.path.as_str(), packets.iter().map(|packet| packet.row).collect()))
        .collect();
    let given = pieces::give_up(archive, snapshot, &rows).await?;
    work.add.extend(given.add);
    work.remove.extend(given.remove);
    work.others = given.others;
    for (file, packets) in &going {
        let gone = rows.get(file.path.as_str()).cloned().unwrap_or_default();
        let of: Vec<OfObject> = packets.iter().map(|p| (p.row, (p.object.clone(), p.place))).collect();
        let mut triggers = triggers_of(archive, snapshot, file, &of).await?;
        // Another alert may have been caused by the very same record.
        let stay = stay_with(archive, snapshot, file, &of, &gone).await?;
        for trigger in triggers_of(archive, snapshot, file, &stay).await? {
            triggers.remove(&trigger);
        }
        let rewritten = without(archive, snapshot, file, &gone, triggers).await?;
        work.add.extend(rewritten.add);
        work.remove.extend(rewritten.remove);
    }
    work.others.retain(|file| !work.remove.contains(&file.path));
    let hashes = work.purged.packets.iter().map(|packet| packet.sha256.as_str()).collect();
    let refused = refused::without(archive, snapshot, &hashes).await?;
    work.add.extend(refused.add);
    work.remove.extend(refused.remove);
    work.report.files = work.remove.len() as u64;
    Ok(work)
}

fn not_here(id: &str) -> StorageError {
    StorageError::not_found(format!(
        "no alert {id} here, and nothing has been purged; what a rollback has undone ends with `noctuary vacuum --keep 0d`"
    ))
}

impl Going {
    fn mark(&self, survey: &str, whole: &BTreeSet<u32>) -> Mark {
        Mark {
            survey: survey.to_owned(),
            schema: self.schema.clone(),
            night: self.night,
            visit: self.visit,
            commit: self.commit,
            counts: Counts {
                stored: -1,
                purged: 1,
                revisions: -i64::from(self.revision > 0),
                flagged: -i64::from(self.flagged),
                inline: -i64::from(whole.contains(&self.row)),
                ..Counts::default()
            },
        }
    }
}

/// The packets that are meant, by their files: of every commit, whether a version still shows it or not.
async fn find(
    archive: &Archive,
    snapshot: &Snapshot,
    order: &PacketsOrder,
) -> Result<Vec<(Arc<DataFile>, Vec<Going>)>> {
    let wanted: BTreeSet<Id> = order
        .alerts
        .iter()
        .flat_map(|id| id.parse().map(Id::Number).into_iter().chain([Id::from(id.as_str())]))
        .collect();
    let of_survey = |file: &DataFile| order.survey.is_none() || file.survey == order.survey;
    let mut found = Vec::new();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for packets in snapshot.state.files.iter().filter(|file| file.table == Table::Packets && of_survey(file)) {
        let Some((least, greatest)) = &packets.stats.alert else { continue };
        if wanted.range(least..=greatest).next().is_none() {
            continue;
        }
        let alerts = snapshot.beside(packets, Table::Alerts).next();
        let alerts =
            alerts.ok_or_else(|| StorageError::damaged(format!("{} has no file of alerts beside it", packets.path)))?;
        let going = rows(archive, alerts, &wanted).await?;
        for packet in &going {
            let survey = packets.survey.clone().unwrap_or_default();
            seen.entry(packet.alert.to_string()).or_default().insert(survey);
        }
        if !going.is_empty() {
            found.push((Arc::clone(packets), going));
        }
    }
    if let Some((id, surveys)) = seen.iter().find(|(_, surveys)| surveys.len() > 1) {
        let surveys: Vec<&str> = surveys.iter().map(String::as_str).collect();
        let surveys = surveys.join(" and ");
        return Err(StorageError::invalid(format!("{surveys} have an alert {id} each; say which with --survey")));
    }
    let is_known = |id: &String| snapshot.purged().packets.iter().any(|packet| packet.alert.to_string() == **id);
    if let Some(missing) = order.alerts.iter().find(|id| !seen.contains_key(*id) && !is_known(id)) {
        return Err(not_here(missing));
    }
    Ok(found)
}

async fn rows(archive: &Archive, file: &DataFile, wanted: &BTreeSet<Id>) -> Result<Vec<Going>> {
    let builder = archive.rows(file).await?;
    let columns =
        ["_alert", "_object", "_healpix_29", "_revision", "_flags", "_sha256", "_night", "_visit", "_schema", COMMIT];
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut going = Vec::new();
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let alerts = ids(&batch, file)?;
        let objects = ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
        let hashes = column("_sha256")?.as_fixed_size_binary_opt().ok_or_else(|| damaged("_sha256"))?;
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| damaged("_night"))?;
        let visits = column("_visit")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_visit"))?;
        let cells = column("_healpix_29")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_healpix_29"))?;
        let revisions = column("_revision")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_revision"))?;
        let flags = column("_flags")?;
        let schemas = column("_schema")?.as_string_opt::<i32>().ok_or_else(|| damaged("_schema"))?;
        let commits = Commits::of(&batch, file)?;
        for row in (0..batch.num_rows()).filter(|row| wanted.contains(&alerts(*row))) {
            let hash = hashes.value(row).try_into().map_err(|_| damaged("_sha256"))?;
            going.push(Going {
                row: u32::try_from(first + row).map_err(|_| damaged("rows that can be counted"))?,
                alert: alerts(row),
                place: (cells.is_valid(row) && objects(row).is_none()).then(|| cells.value(row)),
                object: objects(row),
                revision: revisions.value(row),
                flagged: flags.is_valid(row),
                sha256: PacketHash(hash).to_hex(),
                night: nights.is_valid(row).then(|| nights.value(row)),
                visit: visits.is_valid(row).then(|| visits.value(row)),
                schema: schemas.is_valid(row).then(|| schemas.value(row).to_owned()),
                commit: commits.get(row),
            });
        }
        first += batch.num_rows();
    }
    Ok(going)
}

/// Rows of packets that are kept whole.
async fn kept_whole(archive: &Archive, file: &DataFile) -> Result<BTreeSet<u32>> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_holes"]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut whole = BTreeSet::new();
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let holes = batch.column(0);
        whole.extend(
            (0..holes.len()).filter(|row| holes.is_null(*row)).filter_map(|row| u32::try_from(first + row).ok()),
        );
        first += batch.num_rows();
    }
    Ok(whole)
}

/// A row of packets, and what tells its object from others: its id, or its place if it has none.
type OfObject = (u32, (Option<Id>, Option<i64>));

/// Packets of the same objects that stay.
async fn stay_with(
    archive: &Archive,
    snapshot: &Snapshot,
    file: &Arc<DataFile>,
    going: &[OfObject],
    gone: &BTreeSet<u32>,
) -> Result<Vec<OfObject>> {
    let objects: BTreeSet<_> = going.iter().map(|(_, object)| object.clone()).collect();
    let alerts = snapshot.beside(file, Table::Alerts).next();
    let alerts = alerts.ok_or_else(|| StorageError::damaged(format!("{} has no file of alerts", file.path)))?;
    let builder = archive.rows(alerts).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_object", "_healpix_29"]);
    let mut batches = batches(alerts, builder.with_projection(mask))?;
    let mut stay = Vec::new();
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", alerts.path));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let ids = ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
        let cells = column("_healpix_29")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_healpix_29"))?;
        for row in 0..batch.num_rows() {
            let object = ids(row);
            let place = (cells.is_valid(row) && object.is_none()).then(|| cells.value(row));
            let number = u32::try_from(first + row).map_err(|_| damaged("rows that can be counted"))?;
            if !gone.contains(&number) && objects.contains(&(object.clone(), place)) {
                stay.push((number, (object, place)));
            }
        }
        first += batch.num_rows();
    }
    Ok(stay)
}

/// The triggers of some packets of a file, in the order of their rows.
async fn triggers_of(
    archive: &Archive,
    snapshot: &Snapshot,
    file: &Arc<DataFile>,
    of: &[OfObject],
) -> Result<Triggers> {
    if of.is_empty() {
        return Ok(Triggers::new());
    }
    let survey = file.survey.as_deref().and_then(|name| snapshot.survey(name));
    let survey = survey.ok_or_else(|| StorageError::damaged(format!("{}: its survey is not known", file.path)))?;
    let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let rows = of.iter().map(|(row, _)| *row as usize..*row as usize + 1);
    let rows = RowSelection::from_consecutive_ranges(rows, all);
    let packets = Packets::of(archive, snapshot, file)?;
    let builder = archive.rows(file).await?.with_batch_size(BATCH_ROWS).with_row_selection(rows);
    let mut batches = batches(file, builder)?;
    let mut triggers = Triggers::new();
    let mut of = of.iter();
    while let Some(batch) = batches.try_next().await? {
        for packet in packets.decode_what_is_left(&batch).await? {
            let packet = packet?;
            let Some((_, (object, place))) = of.next() else { continue };
            let anatomy = Anatomy::new(survey, &packet.schema);
            if let Some(trigger) = take_apart(&anatomy, &packet.datum)?.trigger {
                triggers.insert((object.clone(), *place, digest(trigger)));
            }
        }
    }
    Ok(triggers)
}
