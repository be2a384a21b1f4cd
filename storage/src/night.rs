//! The packets of a night, in the order in which they are replayed: visit, detector, commit, arrival.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use noctuary_packet::time::Night;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::packets::{BATCH_ROWS, Packets, StoredPacket};
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table};
use crate::visible::Commits;

/// Files of one visit whose parts are held in memory as a whole; of more files, only what a batch needs is.
const WHOLE_FILES: usize = 4;

/// Where a packet stands in its night.
type Place = (Option<i64>, Option<i64>, u64, i32);

/// The packets of a night of a survey, in order: every one that is stored, whatever its rights.
///
/// Files whose visits overlap are merged; memory is bounded by how many commits hold packets of one visit.
pub fn in_order(
    archive: &Archive,
    snapshot: &Snapshot,
    survey: &str,
    night: Night,
) -> impl Stream<Item = Result<StoredPacket>> + Send + use<> {
    let (archive, snapshot) = (archive.clone(), snapshot.clone());
    let merges = stream::iter(overlapping(&snapshot, survey, night));
    merges.then(move |files| merge(archive.clone(), snapshot.clone(), files, night)).try_flatten()
}

/// Files of the night, together where their visits overlap, in the order of visits.
fn overlapping(snapshot: &Snapshot, survey: &str, night: Night) -> Vec<Vec<Arc<DataFile>>> {
    let of_night = |file: &&Arc<DataFile>| file.stats.night.is_some_and(|(from, to)| (from..=to).contains(&night.0));
    let mut files: Vec<_> = snapshot.files(Table::Packets, Some(survey)).filter(of_night).cloned().collect();
    // Packets without a visit come first, wherever they are.
    let first = |file: &DataFile| {
        let without = file.stats.lacks("_visit");
        if without { None } else { file.stats.visit.map(|(first, _)| first) }
    };
    files.sort_by_key(|file| (first(file), file.commit));
    let mut merges: Vec<Vec<Arc<DataFile>>> = Vec::new();
    let mut last = None;
    for file in files {
        match merges.last_mut() {
            Some(together) if first(&file) <= last => together.push(Arc::clone(&file)),
            _ => merges.push(vec![Arc::clone(&file)]),
        }
        last = last.max(file.stats.visit.map(|(_, last)| last));
    }
    merges
}

/// The packets of some files, merged.
async fn merge(
    archive: Archive,
    snapshot: Snapshot,
    files: Vec<Arc<DataFile>>,
    night: Night,
) -> Result<BoxStream<'static, Result<StoredPacket>>> {
    let whole = files.len() <= WHOLE_FILES;
    let lanes = files.into_iter().map(|file| Lane::open(&archive, &snapshot, file, night, whole));
    let lanes: Vec<Lane> = futures::future::try_join_all(lanes).await?;
    let merged = stream::try_unfold(lanes, async |mut lanes| {
        for lane in &mut lanes {
            lane.fill().await?;
        }
        let heads = lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.ready.front()?.0, at)));
        let Some((_, next)) = heads.min() else { return Ok(None) };
        let packet = lanes[next].ready.pop_front();
        Ok(packet.map(|(_, packet)| (packet, lanes)))
    });
    Ok(merged.boxed())
}

/// The packets of one file.
struct Lane {
    packets: Arc<Packets>,
    /// Of the rows that are still to come.
    places: VecDeque<Place>,
    batches: BoxStream<'static, Result<RecordBatch>>,
    ready: VecDeque<(Place, StoredPacket)>,
}

impl Lane {
    async fn open(
        archive: &Archive,
        snapshot: &Snapshot,
        file: Arc<DataFile>,
        night: Night,
        whole: bool,
    ) -> Result<Self> {
        let alerts = snapshot.beside(&file, Table::Alerts).next();
        let alerts =
            alerts.ok_or_else(|| StorageError::damaged(format!("{} has no file of alerts beside it", file.path)))?;
        let rows = places(archive, snapshot, alerts, night).await?;
        let builder = archive.rows(&file).await?;
        let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let selection = RowSelection::from_consecutive_ranges(rows.iter().map(|(row, _)| *row..row + 1), all);
        let batches = batches(&file, builder.with_batch_size(BATCH_ROWS).with_row_selection(selection))?;
        let packets = Packets::of(archive, snapshot, &file)?;
        Ok(Self {
            packets: Arc::new(if whole { packets.whole().await } else { packets }),
            places: rows.into_iter().map(|(_, place)| place).collect(),
            batches,
            ready: VecDeque::new(),
        })
    }

    /// Makes sure that a packet is ready, if there are any left.
    async fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() {
            let Some(batch) = self.batches.try_next().await? else { return Ok(()) };
            for packet in self.packets.decode(&batch).await? {
                let place = self.places.pop_front().unwrap_or_default();
                self.ready.push_back((place, packet?));
            }
        }
        Ok(())
    }
}

/// The rows of a night in a file, in order, and where each stands.
async fn places(
    archive: &Archive,
    snapshot: &Snapshot,
    alerts: &DataFile,
    night: Night,
) -> Result<Vec<(usize, Place)>> {
    let builder = archive.rows(alerts).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_night", "_visit", "_detector", "_seq", COMMIT]);
    let mut batches = batches(alerts, builder.with_projection(mask))?;
    let mut found = Vec::new();
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", alerts.path));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| damaged("_night"))?;
        let visits = column("_visit")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_visit"))?;
        let detectors = column("_detector")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_detector"))?;
        let seqs = column("_seq")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_seq"))?;
        let commits = Commits::of(&batch, alerts)?;
        let of = |values: &arrow::array::Int64Array, row: usize| values.is_valid(row).then(|| values.value(row));
        for row in 0..batch.num_rows() {
            let commit = commits.get(row);
            if nights.is_valid(row) && nights.value(row) == night.0 && snapshot.visible().shows(commit) {
                let place = (of(visits, row), of(detectors, row), commit, seqs.value(row));
                found.push((first + row, place));
            }
        }
        first += batch.num_rows();
    }
    Ok(found)
}
