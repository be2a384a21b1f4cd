//! Packets, whole or slim, in batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, FixedSizeBinaryBuilder, Float64Array, Int32Array, Int64Array, LargeBinaryBuilder,
    RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use noctuary_engine::{EngineError, Session};
use noctuary_packet::id::Id;
use noctuary_packet::schema::{Fingerprint, Schema as Writer};
use noctuary_packet::slim::Slim;
use noctuary_storage::night::{Contents, Place, Span, Wanted, read};
use noctuary_storage::packets::StoredPacket;
use noctuary_storage::{Archive, ErrorKind, Snapshot, StorageError};

use super::Piece;
use super::listed::{Listed, listed};
use super::select::Selection;
use super::tasks::Task;

/// Packets that are put together at a time, at most: in number, and by their bytes unless a single one has more.
const PORTION_ROWS: usize = 512;
const PORTION_BYTES: u64 = 16 << 20;
/// Of a batch the same: what every client takes in one message.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 2 << 20;
/// Portions that are put together while earlier ones are sent.
const AHEAD: usize = 2;

/// Batches of portions that others ask for as well, soon.
pub(super) type Built = Cache<Portion, Arc<[RecordBatch]>>;

/// Keeps up to this many bytes.
pub(super) fn cache(bytes: u64) -> Built {
    let weigh = |_: &Portion, batches: &Arc<[RecordBatch]>| {
        let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    };
    let idle = std::time::Duration::from_secs(30);
    Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(idle).build()
}

/// Packets of one visit that are put together at once. It holds all that its batches depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Portion {
    survey: Arc<str>,
    places: Arc<[Place]>,
    /// Fields of slim packets; none of whole ones.
    fields: Arc<[String]>,
    text_ids: bool,
    /// The last order that took something from packets for good.
    purged: Option<u64>,
}

/// Bytes, the fingerprint of the schema that they are written by, and the frame.
type Given = (Vec<u8>, Fingerprint, &'static str);

/// How packets of a survey are given.
#[derive(Debug, Clone)]
pub(super) struct Form {
    schema: SchemaRef,
    fields: Arc<[String]>,
    text_ids: bool,
    /// By the writer's schema, what is kept; `None` for packets as they are.
    slim: Option<Arc<HashMap<Fingerprint, Slim>>>,
}

impl Form {
    /// Of some surveys: whole packets, or the fields of them.
    ///
    /// # Errors
    /// When no schema of a survey has a field.
    pub fn new(
        snapshot: &Snapshot,
        surveys: &[String],
        fields: Option<&[String]>,
        text_ids: bool,
    ) -> Result<Self, EngineError> {
        let mut writers: Vec<Arc<Writer>> = Vec::new();
        for survey in surveys {
            let own: Vec<Arc<Writer>> = snapshot.stored_schemas(survey).into_iter().map(|(schema, _)| schema).collect();
            for field in fields.into_iter().flatten() {
                if !own.is_empty() && !own.iter().any(|schema| Slim::has(schema, field)) {
                    return Err(EngineError::invalid(format!(
                        "no schema of {survey} has a field {field}; paths are written as diaSource.psfFlux, in the case \
                         of the packet (`noctuary schema show` lists them)"
                    )));
                }
            }
            writers.extend(own);
        }
        let mut slim = HashMap::new();
        let mut metadata: BTreeMap<String, String> = BTreeMap::new();
        for writer in &writers {
            let written = match fields {
                None => Arc::clone(writer),
                Some(fields) => {
                    let made = Slim::new(writer, fields).map_err(|e| EngineError::invalid(e.to_string()))?;
                    let Some(made) = made else { continue };
                    let schema = Arc::clone(made.schema());
                    slim.insert(writer.fingerprint(), made);
                    schema
                }
            };
            metadata.insert(format!("writer:{}", written.fingerprint().to_hex()), written.json().to_owned());
        }
        let schema = columns(text_ids).with_metadata(metadata.into_iter().collect());
        let slim = fields.is_some().then(|| Arc::new(slim));
        let fields = fields.unwrap_or_default().to_vec().into();
        Ok(Self { schema: Arc::new(schema), fields, text_ids, slim })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What has to be read of packets.
    fn contents(&self) -> Contents {
        let hollow = |slim: &Arc<HashMap<_, Slim>>| !slim.values().any(Slim::keeps_lists_or_bytes);
        if self.slim.as_ref().is_some_and(hollow) { Contents::Hollow } else { Contents::Whole }
    }

    /// What is given of a packet; `None` if it has none of the fields.
    fn bytes(&self, packet: &StoredPacket) -> Result<Option<Given>, StorageError> {
        let Some(slim) = &self.slim else {
            if !packet.is_intact() {
                return Err(StorageError::damaged(format!(
                    "the packet of alert {} (revision {}) is not what was received; run `noctuary verify`",
                    packet.alert, packet.revision
                )));
            }
            return Ok(Some((packet.bytes()?, packet.schema.fingerprint(), packet.frame.kind())));
        };
        let Some(slim) = slim.get(&packet.schema.fingerprint()) else { return Ok(None) };
        Ok(Some((slim.datum(&packet.datum)?, slim.schema().fingerprint(), "bare")))
    }
}

fn columns(text_ids: bool) -> Schema {
    let id = if text_ids { DataType::Utf8 } else { DataType::Int64 };
    Schema::new(vec![
        Field::new("_survey", DataType::Utf8, true),
        Field::new("_night", DataType::Date32, true),
        Field::new("_visit", DataType::Int64, true),
        Field::new("_detector", DataType::Int64, true),
        Field::new("_commit", DataType::Int64, true),
        Field::new("_seq", DataType::Int32, true),
        Field::new("_mjd_tai", DataType::Float64, true),
        Field::new("_alert", id, true),
        Field::new("_revision", DataType::Int32, true),
        Field::new("_rights", DataType::Utf8, true),
        Field::new("_schema", DataType::Utf8, true),
        Field::new("_fingerprint", DataType::Utf8, true),
        Field::new("_frame", DataType::Utf8, true),
        Field::new("_sha256", DataType::FixedSizeBinary(32), true),
        Field::new("packet", DataType::LargeBinary, true),
        Field::new("lost", DataType::Utf8, true),
    ])
}

/// The packets of a survey in some visits, those up to a place left out.
pub(super) async fn stream(
    archive: Archive,
    session: &Session,
    selection: &Selection,
    form: Form,
    span: Span,
    after: Option<Place>,
    built: Built,
) -> Result<BoxStream<'static, Result<Piece, EngineError>>, EngineError> {
    let (listed, begins) = listed(session, selection, span, after).await?;
    let survey: Arc<str> = selection.survey.as_str().into();
    let snapshot = session.snapshot().clone();
    let purged = snapshot.purged().orders.keys().next_back().copied();
    let portions = portions(listed);
    let pieces = stream::iter(portions)
        .map(move |packets| {
            let visit = packets.first().map(|p| p.place.visit());
            let begins = visit.and_then(|visit| begins.get(&visit)).copied().unwrap_or(f64::NAN);
            let portion = Portion {
                survey: Arc::clone(&survey),
                places: packets.iter().map(|packet| packet.place).collect(),
                fields: Arc::clone(&form.fields),
                text_ids: form.text_ids,
                purged,
            };
            let (archive, snapshot, form, built) = (archive.clone(), snapshot.clone(), form.clone(), built.clone());
            let (survey, schema) = (Arc::clone(&survey), Arc::clone(form.schema()));
            // On a task of its own, so that several are put together at the same time.
            let task = Task::spawn(async move {
                let build = build(&archive, &snapshot, &form, portion.clone(), packets);
                built.try_get_with(portion, build).await
            });
            async move {
                let batches = task.await?.map_err(shared)?;
                // Others may have asked for the same packets among those of more surveys: their columns say so.
                let piece = move |batch: &RecordBatch| {
                    let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?;
                    Ok::<_, EngineError>(Piece { batch, survey: Arc::clone(&survey), begins, visit })
                };
                Ok::<_, EngineError>(stream::iter(batches.iter().map(piece).collect::<Vec<_>>()))
            }
        })
        .buffered(AHEAD)
        .try_flatten();
    Ok(pieces.boxed())
}

fn shared(error: Arc<StorageError>) -> EngineError {
    StorageError::new(error.kind(), error.to_string()).into()
}

/// Cuts packets where visits end, and where there are too many.
fn portions(packets: Vec<Listed>) -> Vec<Vec<Listed>> {
    let mut portions: Vec<Vec<Listed>> = Vec::new();
    let mut bytes = 0;
    for packet in packets {
        let fits = |portion: &&mut Vec<Listed>| {
            let same = portion.first().is_some_and(|first| first.place.visit() == packet.place.visit());
            same && portion.len() < PORTION_ROWS && bytes + packet.bytes <= PORTION_BYTES
        };
        match portions.last_mut().filter(fits) {
            Some(portion) => {
                bytes += packet.bytes;
                portion.push(packet);
            }
            None => {
                bytes = packet.bytes;
                portions.push(vec![packet]);
            }
        }
    }
    portions
}

/// Puts packets together, in batches.
async fn build(
    archive: &Archive,
    snapshot: &Snapshot,
    form: &Form,
    portion: Portion,
    packets: Vec<Listed>,
) -> Result<Arc<[RecordBatch]>, StorageError> {
    let (Some(first), Some(last)) = (portion.places.first(), portion.places.last()) else { return Ok(Arc::new([])) };
    let wanted = Wanted {
        survey: portion.survey.to_string(),
        span: Span { first: first.visit(), last: last.visit() },
        places: Some(Arc::clone(&portion.places)),
        contents: form.contents(),
    };
    let mut batches = Vec::new();
    let mut rows = Rows::new(&portion.survey, form);
    let mut listed = packets.iter();
    let mut units = std::pin::pin!(read(archive, snapshot, wanted));
    while let Some(unit) = units.try_next().await? {
        for found in unit {
            // A packet that is listed and not found was purged meanwhile.
            let Some(packet) = listed.find(|packet| packet.place == found.place) else { break };
            rows.add(packet, found.packet)?;
            if rows.is_full() {
                batches.push(rows.finish()?);
            }
        }
    }
    if rows.count > 0 {
        batches.push(rows.finish()?);
    }
    Ok(batches.into())
}

/// Rows of a batch that is being made.
struct Rows<'f> {
    form: &'f Form,
    survey: &'f str,
    count: usize,
    listed: Vec<Listed>,
    rights: StringBuilder,
    schemas: StringBuilder,
    fingerprints: StringBuilder,
    frames: StringBuilder,
    hashes: FixedSizeBinaryBuilder,
    packets: LargeBinaryBuilder,
    bytes: usize,
    lost: StringBuilder,
}

impl<'f> Rows<'f> {
    fn new(survey: &'f str, form: &'f Form) -> Self {
        Self {
            form,
            survey,
            count: 0,
            listed: Vec::new(),
            rights: StringBuilder::new(),
            schemas: StringBuilder::new(),
            fingerprints: StringBuilder::new(),
            frames: StringBuilder::new(),
            hashes: FixedSizeBinaryBuilder::new(32),
            packets: LargeBinaryBuilder::with_capacity(BATCH_ROWS, BATCH_BYTES),
            bytes: 0,
            lost: StringBuilder::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.count >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn add(&mut self, listed: &Listed, packet: Result<StoredPacket, StorageError>) -> Result<(), StorageError> {
        self.count += 1;
        self.listed.push(listed.clone());
        let packet = match packet {
            Ok(packet) => packet,
            // What was given up by order is told, and the replay goes on; what is damaged ends it.
            Err(e) if e.kind() == ErrorKind::NotFound => return self.add_lost(&e.to_string()),
            Err(e) => return Err(e),
        };
        let Some((bytes, fingerprint, frame)) = self.form.bytes(&packet)? else {
            let schema = packet.schema.label();
            return self.add_lost(&format!("the schema of its packet, {schema}, has none of the fields"));
        };
        self.rights.append_value(&packet.rights);
        self.schemas.append_value(packet.schema.label());
        self.fingerprints.append_value(fingerprint.to_hex());
        self.frames.append_value(frame);
        self.hashes.append_value(packet.hash.0)?;
        self.bytes += bytes.len();
        self.packets.append_value(bytes);
        self.lost.append_null();
        Ok(())
    }

    fn add_lost(&mut self, why: &str) -> Result<(), StorageError> {
        self.rights.append_null();
        self.schemas.append_null();
        self.fingerprints.append_null();
        self.frames.append_null();
        self.hashes.append_null();
        self.packets.append_null();
        self.lost.append_value(why);
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch, StorageError> {
        let listed = std::mem::take(&mut self.listed);
        let places = || listed.iter().map(|packet| packet.place);
        let alerts: ArrayRef = match self.form.text_ids {
            true => Arc::new(listed.iter().map(|p| p.alert.as_ref().map(ToString::to_string)).collect::<StringArray>()),
            false => Arc::new(
                listed
                    .iter()
                    .map(|packet| match packet.alert {
                        Some(Id::Number(number)) => Some(number),
                        _ => None,
                    })
                    .collect::<Int64Array>(),
            ),
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![self.survey; listed.len()])),
            Arc::new(places().map(|place| Some(place.night.0)).collect::<Date32Array>()),
            Arc::new(places().map(|place| place.visit).collect::<Int64Array>()),
            Arc::new(places().map(|place| place.detector).collect::<Int64Array>()),
            Arc::new(places().map(|place| i64::try_from(place.commit).ok()).collect::<Int64Array>()),
            Arc::new(places().map(|place| Some(place.seq)).collect::<Int32Array>()),
            Arc::new(listed.iter().map(|packet| Some(packet.mjd_tai)).collect::<Float64Array>()),
            alerts,
            Arc::new(listed.iter().map(|packet| Some(packet.revision)).collect::<Int32Array>()),
            Arc::new(self.rights.finish()),
            Arc::new(self.schemas.finish()),
            Arc::new(self.fingerprints.finish()),
            Arc::new(self.frames.finish()),
            Arc::new(self.hashes.finish()),
            Arc::new(self.packets.finish()),
            Arc::new(self.lost.finish()),
        ];
        (self.count, self.bytes) = (0, 0);
        // Sized for what the last one held: cached batches are weighed by what they hold on to.
        self.packets = LargeBinaryBuilder::with_capacity(BATCH_ROWS, BATCH_BYTES);
        Ok(RecordBatch::try_new(Arc::clone(&self.form.schema), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use noctuary_packet::time::Night;

    use super::*;

    #[test]
    fn portions_are_of_one_visit_and_not_too_large() {
        let packet = |visit: i64, seq: i32, bytes: u64| Listed {
            place: Place { night: Night(1), visit: Some(visit), detector: None, commit: 1, seq },
            mjd_tai: 0.0,
            bytes,
            alert: None,
            revision: 0,
        };
        let mut all: Vec<Listed> = (0..1_300).map(|seq| packet(1, seq, 10)).collect();
        all.extend((0..3).map(|seq| packet(2, seq, PORTION_BYTES)));
        all.extend((0..2).map(|seq| packet(3, seq, PORTION_BYTES / 2)));
        let portions = portions(all);
        let lengths: Vec<usize> = portions.iter().map(Vec::len).collect();
        assert_eq!(lengths, [512, 512, 276, 1, 1, 1, 2]);
    }
}
