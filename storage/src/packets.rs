//! Giving packets back, byte for byte.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_packet::apart::{Rebuild, Recipe};
use noctuary_packet::container::{Header, put_block_prefix};
use noctuary_packet::frame::Frame;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::id::Id;
use noctuary_packet::reason::Rejection;
use noctuary_packet::schema::{Fingerprint, RegistryId, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;

use crate::access::Access;
use crate::archive::Archive;
use crate::error::{ErrorKind, Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::parts::{Filled, Given, Lost, PartFiles, Parts};
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, PIECES, RIGHTS, Table};
use crate::visible::Commits;

/// Rows of a batch of packets: 64 of 300 KB are 20 MB.
pub(crate) const BATCH_ROWS: usize = 64;
/// Files that an id is looked for in at a time.
const AT_A_TIME: usize = 8;
/// Marker of the containers that we write ourselves; any sixteen bytes will do, and the same ones make the same file.
const OWN_MARKER: [u8; 16] = *b"noctuary-packet\n";

/// A packet of the archive.
#[derive(Debug, Clone)]
pub struct StoredPacket {
    /// Its survey.
    pub survey: String,
    /// Its id.
    pub alert: Id,
    /// 0 for the first packet of this id, 1 for the next with other bytes, and so on.
    pub revision: i32,
    /// Label of who may see it.
    pub rights: String,
    /// What it was wrapped in.
    pub frame: Frame,
    /// The schema that wrote it.
    pub schema: Arc<Schema>,
    /// The datum, exactly.
    pub datum: Vec<u8>,
    /// SHA-256 of the packet as transmitted, taken when it came.
    pub hash: PacketHash,
    /// The commit that stored it.
    pub commit: u64,
    /// The version that gave up its images, by order: zeros stand in their place, and its bytes are not those that were
    /// transmitted. Nobody who asks for packets is given such a one.
    pub(crate) purged: Option<u64>,
}

impl StoredPacket {
    /// The packet as it was transmitted. One that came in a container is the container of this one record; if the
    /// container was compressed, the record is here compressed anew.
    ///
    /// # Errors
    /// When the compressor of a compressed container fails.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match &self.frame {
            Frame::Container { header } => Ok(self.frame.wrap(&header.codec().compress(&self.datum)?)),
            frame => Ok(frame.wrap(&self.datum)),
        }
    }

    /// An object container file that any Avro reader opens: the packet itself if it came in one, else its datum
    /// behind a header with its schema.
    ///
    /// # Errors
    /// As [`StoredPacket::bytes`].
    pub fn container(&self) -> Result<Vec<u8>> {
        if matches!(self.frame, Frame::Container { .. }) {
            return self.bytes();
        }
        let mut file = Header::write(self.schema.json(), "null", &OWN_MARKER);
        put_block_prefix(&mut file, 1, self.datum.len());
        file.extend_from_slice(&self.datum);
        file.extend_from_slice(&OWN_MARKER);
        Ok(file)
    }

    /// True if frame and datum have the digest that the packet had when it came.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let (before, after) = self.frame.around(self.datum.len());
        PacketHash::of(&[&before, &self.datum, &after]) == self.hash
    }
}

/// Finds the packets of an alert: all its revisions, of one survey or of all.
///
/// What the reader may not see is not found.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if a packet is no longer what was put there.
pub async fn find(
    archive: &Archive,
    snapshot: &Snapshot,
    id: &str,
    survey: Option<&str>,
    access: &Access,
) -> Result<Vec<StoredPacket>> {
    if let Some(survey) = survey
        && snapshot.survey(survey).is_none()
    {
        let known: Vec<String> = snapshot.survey_names().into_iter().collect();
        return Err(StorageError::invalid(format!("no survey is called {survey:?}; known: {}", known.join(", "))));
    }
    let wanted: Vec<Id> = id.parse().map(Id::Number).into_iter().chain([Id::from(id)]).collect();
    let may_hold = |file: &&Arc<DataFile>| {
        let Some((least, greatest)) = &file.stats.alert else { return false };
        wanted.iter().any(|id| least <= id && id <= greatest)
            && snapshot.rights(file).keys().any(|label| access.allows(Some(label)))
    };
    let files = snapshot.files(Table::Packets, survey).filter(may_hold);
    let each = files.map(|file| find_in(archive, snapshot, file, &wanted, access));
    let found: Vec<Vec<StoredPacket>> = stream::iter(each).buffered(AT_A_TIME).try_collect().await?;
    let mut found: Vec<StoredPacket> = found.into_iter().flatten().collect();
    found.sort_by(|a, b| (&a.survey, a.revision, a.commit).cmp(&(&b.survey, b.revision, b.commit)));
    if let Some(broken) = found.iter().find(|p| !p.is_intact()) {
        return Err(StorageError::damaged(format!(
            "the packet of alert {} (revision {}) is not what was received; run `noctuary verify`",
            broken.alert, broken.revision
        )));
    }
    Ok(found)
}

async fn find_in(
    archive: &Archive,
    snapshot: &Snapshot,
    file: &Arc<DataFile>,
    wanted: &[Id],
    access: &Access,
) -> Result<Vec<StoredPacket>> {
    let packets = Packets::of(archive, snapshot, file)?;
    // What a packet is made of is asked for next, most likely.
    let (builder, ()) = futures::join!(archive.rows(file), packets.parts.warm(archive));
    let builder = builder?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_alert", RIGHTS, COMMIT]);
    let mut keys = batches(file, builder.with_projection(mask))?;
    let mut rows = Vec::new();
    let mut first = 0;
    while let Some(batch) = keys.try_next().await? {
        let ids = ids(&batch, file)?;
        let rights = text(&batch, RIGHTS, file)?;
        let commits = Commits::of(&batch, file)?;
        rows.extend(
            (0..batch.num_rows())
                .filter(|row| {
                    let label = rights.is_valid(*row).then(|| rights.value(*row));
                    wanted.contains(&ids(*row)) && access.allows(label) && snapshot.visible().shows(commits.get(*row))
                })
                .map(|row| first + row),
        );
        first += batch.num_rows();
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let selection = RowSelection::from_consecutive_ranges(rows.iter().map(|row| *row..row + 1), first);
    let builder = archive.rows(file).await?;
    let mut found_rows = batches(file, builder.with_batch_size(BATCH_ROWS).with_row_selection(selection))?;
    let mut found = Vec::with_capacity(rows.len());
    while let Some(batch) = found_rows.try_next().await? {
        for packet in packets.decode(&batch).await? {
            found.push(packet?);
        }
    }
    Ok(found)
}

/// Gives back the packets of one file.
#[derive(Debug)]
pub(crate) struct Packets {
    archive: Archive,
    file: Arc<DataFile>,
    schema: Arc<Schema>,
    snapshot: Snapshot,
    parts: PartFiles,
    /// All parts of the file, where they are held in memory.
    whole: Option<Arc<Parts>>,
}

impl Packets {
    /// Prepares for a file of packets of a snapshot.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if its schema is not in the archive.
    pub fn of(archive: &Archive, snapshot: &Snapshot, file: &Arc<DataFile>) -> Result<Self> {
        let schema = file.schema.as_deref().and_then(Fingerprint::from_hex).and_then(|f| snapshot.schemas().get(f));
        let schema =
            schema.ok_or_else(|| StorageError::damaged(format!("{}: its schema is not in the archive", file.path)))?;
        let parts = PartFiles::of(snapshot, file, schema);
        let (archive, file, schema) = (archive.clone(), Arc::clone(file), Arc::clone(schema));
        Ok(Self { archive, file, schema, snapshot: snapshot.clone(), parts, whole: None })
    }

    /// The same for many of the file's packets: their parts are read once, where memory allows it. Parts that cannot
    /// be read are found out with the packets that they are of.
    pub async fn whole(mut self) -> Self {
        if self.parts.are_small() {
            let load = async { Parts::load(&self.archive, &self.schema, &self.parts, None).await.map(Arc::new) };
            self.whole = self.archive.matter().try_get_with(self.parts.name(), load).await.ok();
        }
        self
    }

    /// The packets of a batch of the file with nothing in the place of lists and images that are kept apart, which are
    /// not read: the rest of each is as it was sent, and its bytes as a whole are not.
    ///
    /// # Errors
    /// As [`Packets::decode`].
    pub async fn decode_hollow(&self, batch: &RecordBatch) -> Result<Vec<Result<StoredPacket>>> {
        let rows = rows(&self.archive, &self.file, &self.schema, batch).await?;
        let hollow = |(packet, recipe): Row| match recipe {
            None => Ok(packet),
            Some(Err(why)) => {
                Err(StorageError::damaged(format!("the packet of alert {} in {}: {why}", packet.alert, self.file.path)))
            }
            Some(Ok(filled)) => {
                let mut rebuild = Rebuild::new(&packet.datum, packet.datum.len() + filled.recipe.holes.len());
                filled.recipe.holes.iter().for_each(|hole| rebuild.nothing(hole.at as usize));
                Ok(StoredPacket { datum: rebuild.finish(), ..packet })
            }
        };
        Ok(rows.into_iter().map(hollow).collect())
    }

    fn purged_by(&self, version: u64) -> StorageError {
        let order = self.snapshot.purged().orders.get(&version);
        let what = order.map_or_else(String::new, |(at, what)| format!(" on {} ({what})", at.format("%Y-%m-%d")));
        StorageError::not_found(format!(
            "its images were purged by version {version}{what}; all else that it carried can be asked for in SQL"
        ))
    }

    /// The packets of a batch of the file; of each that cannot be put together, why.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if the columns are not those of packets.
    pub async fn decode(&self, batch: &RecordBatch) -> Result<Vec<Result<StoredPacket>>> {
        self.put_together(batch, Given::Nothing).await
    }

    /// The same, with zeros where images were that have been purged: what can still be looked at of such packets.
    ///
    /// # Errors
    /// As [`Packets::decode`].
    pub async fn decode_what_is_left(&self, batch: &RecordBatch) -> Result<Vec<Result<StoredPacket>>> {
        self.put_together(batch, Given::Zeros).await
    }

    async fn put_together(&self, batch: &RecordBatch, given: Given) -> Result<Vec<Result<StoredPacket>>> {
        let rows = rows(&self.archive, &self.file, &self.schema, batch).await?;
        let named: Vec<&Filled> = rows.iter().filter_map(|(_, recipe)| recipe.as_ref()?.as_ref().ok()).collect();
        let some = match &self.whole {
            Some(_) => None,
            None => Some(Parts::load(&self.archive, &self.schema, &self.parts, Some(&named)).await),
        };
        let mut packets = Vec::with_capacity(rows.len());
        for (packet, recipe) in &rows {
            let recipe = match recipe {
                None => {
                    packets.push(Ok(packet.clone()));
                    continue;
                }
                Some(Err(why)) => Err(StorageError::damaged(why.to_string())),
                Some(Ok(recipe)) => Ok(recipe),
            };
            let fill = |parts: &Parts, recipe| match parts.datum(&packet.datum, recipe, given) {
                Ok(datum) => Ok(StoredPacket { datum, purged: parts.purged(recipe), ..packet.clone() }),
                Err(Lost::Damaged(why)) => Err(StorageError::damaged(why)),
                Err(Lost::Purged(version)) => Err(self.purged_by(version)),
            };
            let packet_whole = match (recipe, self.whole.as_deref(), &some) {
                (Err(why), _, _) => Err(why),
                (Ok(recipe), Some(parts), _) | (Ok(recipe), None, Some(Ok(parts))) => fill(parts, recipe),
                // Something of one of them cannot be read; which of them it is, is found out one by one.
                (Ok(recipe), _, _) => {
                    let own = Parts::load(&self.archive, &self.schema, &self.parts, Some(&[recipe])).await;
                    own.and_then(|parts| fill(&parts, recipe))
                }
            };
            packets.push(packet_whole.map_err(|why| {
                let packet = format!(
                    "the packet of alert {} (revision {}) in {}",
                    packet.alert, packet.revision, self.file.path
                );
                match why.kind() {
                    // A store that does not answer is no damage, nor is what was done by order.
                    ErrorKind::Unavailable | ErrorKind::NotFound => why.during(packet),
                    kind => StorageError::new(
                        kind,
                        format!("{packet} cannot be put together: {why}; run `noctuary verify`"),
                    ),
                }
            }));
        }
        Ok(packets)
    }
}

/// A row of the table: the packet with what is left of its datum, and what fills the holes; `None` if it is whole.
type Row = (StoredPacket, Option<Result<Filled, Rejection>>);

async fn rows(archive: &Archive, file: &DataFile, schema: &Arc<Schema>, batch: &RecordBatch) -> Result<Vec<Row>> {
    let damaged = |what: &str| StorageError::damaged(format!("{}: {what}", file.path));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(&format!("no column {name}")));
    let alerts = ids(batch, file)?;
    let revisions = column("_revision")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_revision"))?;
    let rights = text(batch, RIGHTS, file)?;
    let hashes = column("_sha256")?.as_fixed_size_binary_opt().ok_or_else(|| damaged("_sha256"))?;
    let frames = text(batch, "_frame", file)?;
    let registry = column("_schema_id")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_schema_id"))?;
    let headers = text(batch, "_header", file)?;
    let syncs = column("_sync")?.as_fixed_size_binary_opt().ok_or_else(|| damaged("_sync"))?;
    let datums = column("_datum")?.as_binary_opt::<i64>().ok_or_else(|| damaged("_datum"))?;
    let holes = column("_holes")?.as_binary_opt::<i64>().ok_or_else(|| damaged("_holes"))?;
    let commits = Commits::of(batch, file)?;
    let pieces = match batch.column_by_name(PIECES) {
        Some(numbers) => Some(numbers.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged(PIECES))?),
        None => None,
    };
    let mut packets = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let frame = match frames.value(row) {
            "confluent" => Frame::Confluent(RegistryId(
                u32::try_from(registry.value(row)).map_err(|_| damaged("a schema id out of range"))?,
            )),
            "container" => {
                let mut header = archive.header(headers.value(row)).await?.to_vec();
                header.extend_from_slice(syncs.value(row));
                Frame::Container { header: Header::parse(&header)?.0 }
            }
            "bare" => Frame::Bare,
            other => return Err(damaged(&format!("a frame of kind {other:?}"))),
        };
        let recipe = holes.is_valid(row).then(|| Recipe::decode(holes.value(row)));
        let pieces = pieces.filter(|numbers| numbers.is_valid(row)).map_or(0, |numbers| numbers.value(row));
        let pieces = usize::try_from(pieces).map_err(|_| damaged(PIECES))?;
        let packet = StoredPacket {
            survey: file.survey.clone().unwrap_or_default(),
            alert: alerts(row),
            revision: revisions.value(row),
            rights: rights.value(row).to_owned(),
            frame,
            schema: Arc::clone(schema),
            datum: datums.value(row).to_vec(),
            hash: PacketHash(hashes.value(row).try_into().map_err(|_| damaged("a digest of another length"))?),
            commit: commits.get(row),
            purged: None,
        };
        let recipe = recipe.map(|recipe| recipe.map(|recipe| Filled { recipe, pieces }));
        packets.push((packet, recipe));
    }
    Ok(packets)
}

/// How to read a column of ids that may be null; `None` if it is none.
pub(crate) fn ids_of(column: &ArrayRef) -> Option<Box<dyn Fn(usize) -> Option<Id> + Send>> {
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>().cloned() {
        return Some(Box::new(move |row| numbers.is_valid(row).then(|| Id::Number(numbers.value(row)))));
    }
    let texts = column.as_string_opt::<i32>()?.clone();
    Some(Box::new(move |row| texts.is_valid(row).then(|| Id::from(texts.value(row)))))
}

/// The column of alert ids, which are never null.
pub(crate) fn ids(batch: &RecordBatch, file: &DataFile) -> Result<impl Fn(usize) -> Id + Send + use<>> {
    let of = batch.column_by_name("_alert").and_then(ids_of);
    let of = of.ok_or_else(|| StorageError::damaged(format!("{}: no column of alert ids", file.path)))?;
    Ok(move |row| of(row).unwrap_or(Id::Number(0)))
}

/// A column of text.
pub(crate) fn text<'a>(batch: &'a RecordBatch, name: &str, file: &DataFile) -> Result<&'a arrow::array::StringArray> {
    batch
        .column_by_name(name)
        .and_then(|c| c.as_string_opt::<i32>())
        .ok_or_else(|| StorageError::damaged(format!("{}: no column {name} of text", file.path)))
}
