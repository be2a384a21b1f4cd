//! Packets by their places.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::rows::{Row, rows};
use super::{Place, Span, overlapping};
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::lanes::Lanes;
use crate::log::DataFile;
use crate::packets::{BATCH_ROWS, Packets, StoredPacket};
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Packets that are put together at a time, at most: in number, and by their bytes unless a single one has more.
const UNIT_ROWS: usize = 512;
const UNIT_BYTES: u64 = 16 << 20;
/// Files whose parts are held in memory as a whole at a time, at most.
const WHOLE_FILES: usize = 4;
/// They are if at least this part of their packets is wanted.
const WHOLE_PART: u64 = 4;

/// Which packets.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of which survey.
    pub survey: String,
    /// From which visit to which.
    pub span: Span,
    /// Of these, those at these places, in order; all if `None`. Places where nothing is are passed over.
    pub places: Option<Arc<[Place]>>,
    /// What of them.
    pub contents: Contents,
}

/// What of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contents {
    /// All of it, every byte.
    Whole,
    /// Their datums without the lists and images that are kept apart, in whose places nothing stands.
    Hollow,
}

/// A packet and where it stands.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// The packet; [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) if its images were purged by order.
    pub packet: Result<StoredPacket>,
}

/// Reads packets in order, some tens of megabytes of them at a time. Whole ones are given whatever their rights: whoever
/// asks for places has seen to that.
pub fn read(
    archive: &Archive,
    snapshot: &Snapshot,
    wanted: Wanted,
) -> impl Stream<Item = Result<Vec<Found>>> + Send + use<> {
    let (archive, snapshot, wanted) = (archive.clone(), snapshot.clone(), Arc::new(wanted));
    let groups = overlapping(&snapshot, Table::Packets, &wanted.survey, wanted.span);
    let reading = stream::iter(groups).then(move |(span, files)| {
        let (archive, snapshot, wanted) = (archive.clone(), snapshot.clone(), Arc::clone(&wanted));
        async move { group(archive, snapshot, &wanted, span, files).await }
    });
    reading.try_flatten()
}

/// The packets of files whose visits overlap.
async fn group(
    archive: Archive,
    snapshot: Snapshot,
    wanted: &Wanted,
    span: Span,
    files: Vec<Arc<DataFile>>,
) -> Result<BoxStream<'static, Result<Vec<Found>>>> {
    let places = match &wanted.places {
        Some(places) => {
            let from = places.partition_point(|place| place.visit() < span.first);
            let to = places.partition_point(|place| place.visit() <= span.last);
            if from == to {
                return Ok(stream::empty().boxed());
            }
            Some(&places[from..to])
        }
        None => None,
    };
    let mut order = Vec::new();
    for (number, file) in (0..).zip(&files) {
        let alerts = snapshot.beside(file, Table::Alerts).next();
        let alerts =
            alerts.ok_or_else(|| StorageError::damaged(format!("{} has no file of alerts beside it", file.path)))?;
        order.extend(rows(&archive, &snapshot, alerts, number, span, places).await?);
    }
    order.sort_unstable_by_key(|row| row.place);
    let mut counts: HashMap<u32, u64> = HashMap::new();
    for row in &order {
        *counts.entry(row.file).or_default() += 1;
    }
    let lanes = Lanes::new(&archive, files.clone(), order.iter().map(|row| (row.file, row.row)), BATCH_ROWS)?;
    let group = Group {
        archive,
        snapshot,
        contents: wanted.contents,
        files,
        counts,
        packets: HashMap::new(),
        lanes,
        order: order.into(),
    };
    let units = stream::try_unfold(group, |mut group| async move {
        let unit = group.next().await?;
        Ok(unit.map(|unit| (unit, group)))
    });
    Ok(units.boxed())
}

/// Files that are read together.
struct Group {
    archive: Archive,
    snapshot: Snapshot,
    contents: Contents,
    files: Vec<Arc<DataFile>>,
    /// Packets of each file that are still to come.
    counts: HashMap<u32, u64>,
    /// Of the files that some are still to come of.
    packets: HashMap<u32, Arc<Packets>>,
    lanes: Lanes,
    order: VecDeque<Row>,
}

impl Group {
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        let mut bytes = 0;
        let fits = |(at, row): &(usize, &Row)| {
            bytes += row.bytes;
            *at == 0 || (*at < UNIT_ROWS && bytes <= UNIT_BYTES)
        };
        let count = self.order.iter().enumerate().take_while(fits).count();
        if count == 0 {
            return Ok(None);
        }
        let unit: Vec<Row> = self.order.drain(..count).collect();
        let mut of_files: Vec<(u32, usize)> = Vec::new();
        for row in &unit {
            match of_files.iter_mut().find(|(file, _)| *file == row.file) {
                Some((_, count)) => *count += 1,
                None => of_files.push((row.file, 1)),
            }
        }
        let mut ready: HashMap<u32, VecDeque<Result<StoredPacket>>> = HashMap::new();
        for (file, count) in of_files {
            let packets = self.packets_of(file).await?;
            let batch = self.lanes.take(file as usize, count).await?;
            let decoded = match self.contents {
                Contents::Whole => packets.decode(&batch).await?,
                Contents::Hollow => packets.decode_hollow(&batch).await?,
            };
            ready.insert(file, decoded.into());
            let left = self.counts.entry(file).or_default();
            *left = left.saturating_sub(count as u64);
            if *left == 0 {
                self.packets.remove(&file);
            }
        }
        let found = |row: Row| {
            let packet = ready.get_mut(&row.file).and_then(VecDeque::pop_front);
            let packet = packet.unwrap_or_else(|| Err(StorageError::internal("a packet was not read")));
            Found { place: row.place, packet }
        };
        Ok(Some(unit.into_iter().map(found).collect()))
    }

    async fn packets_of(&mut self, file: u32) -> Result<Arc<Packets>> {
        if let Some(packets) = self.packets.get(&file) {
            return Ok(Arc::clone(packets));
        }
        let of = &self.files[file as usize];
        let packets = Packets::of(&self.archive, &self.snapshot, of)?;
        let many = self.counts.get(&file).copied().unwrap_or(0) * WHOLE_PART >= of.rows;
        let whole = self.contents == Contents::Whole && many && self.packets.len() < WHOLE_FILES;
        let packets = Arc::new(if whole { packets.whole().await } else { packets });
        self.packets.insert(file, Arc::clone(&packets));
        Ok(packets)
    }
}
