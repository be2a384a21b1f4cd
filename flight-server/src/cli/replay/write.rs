//! Packets as files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, SchemaRef};
use arrow::util::display::array_value_to_string;
use flate2::Compression;
use flate2::write::GzEncoder;
use noctuary_packet::blocks::Blocks;
use noctuary_packet::container::{Header, put_block_prefix};
use noctuary_packet::frame;
use noctuary_packet::time::Night;

use super::Form;
use crate::error::{Failure, Result};
use crate::output::Sink;

/// Marker of the container files that are written here; any sixteen bytes will do.
const MARKER: [u8; 16] = *b"noctuary-replay\n";

/// Writes packets in one of the forms.
pub struct Writer {
    folder: Option<PathBuf>,
    /// Writer schemas by their fingerprints.
    schemas: BTreeMap<String, String>,
    /// Packets of the night so far.
    nth: (Night, u64),
    open: Open,
}

enum Open {
    /// Nothing, or standard output.
    Plain(Option<Sink>),
    /// Container files, by survey, night and fingerprint.
    Containers(BTreeMap<(String, Night, String), Sink>),
    /// Tars, by survey and night.
    Tars(BTreeMap<(String, Night), Tar>),
    /// One on standard output.
    Tar(tar::Builder<Sink>),
}

type Tar = tar::Builder<GzEncoder<Sink>>;

/// A packet in a batch.
struct Packet<'b> {
    survey: &'b str,
    night: Night,
    alert: String,
    revision: i32,
    fingerprint: &'b str,
    frame: &'b str,
    bytes: &'b [u8],
}

impl Packet<'_> {
    /// The name of its file, without what is before or behind it.
    fn name(&self) -> String {
        match self.revision {
            0 => self.alert.clone(),
            revision => format!("{}_{revision}", self.alert),
        }
    }

    fn ending(&self) -> &'static str {
        if self.frame == "container" { "avro" } else { "bin" }
    }

    /// The datum inside.
    fn datum(&self) -> Result<Vec<u8>> {
        match self.frame {
            "confluent" => Ok(self.bytes.get(frame::CONFLUENT_PREFIX..).unwrap_or_default().to_vec()),
            "container" => {
                let mut datum = Vec::new();
                for block in Blocks::open(self.bytes)? {
                    datum.extend(block?.bytes);
                }
                Ok(datum)
            }
            _ => Ok(self.bytes.to_vec()),
        }
    }
}

impl Writer {
    /// To a folder, or to standard output.
    ///
    /// # Errors
    /// When the folder cannot be made, or bytes would go to a terminal.
    pub fn new(form: Form, folder: Option<&Path>, schema: &SchemaRef) -> Result<Self> {
        let folder = folder.filter(|path| path.as_os_str() != "-");
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .map_err(|e| Failure::from(e).during(format!("{} should be a folder for packets", folder.display())))?;
        }
        let open = match (form, folder) {
            (Form::Frames, Some(_)) => Open::Plain(None),
            (Form::Frames, None) => Open::Plain(Some(stdout()?)),
            (Form::Avro, _) => Open::Containers(BTreeMap::new()),
            (Form::Tar, Some(_)) => Open::Tars(BTreeMap::new()),
            (Form::Tar, None) => Open::Tar(tar::Builder::new(stdout()?)),
        };
        let of_writer = |(key, json): (&String, &String)| Some((key.strip_prefix("writer:")?.to_owned(), json.clone()));
        let schemas = schema.metadata().iter().filter_map(of_writer).collect();
        Ok(Self { folder: folder.map(Path::to_owned), schemas, nth: (Night(i32::MIN), 0), open })
    }

    /// Writes the packets of a batch, and says how many have no bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<u64> {
        let lacks = |name: &str| Failure::internal(format!("packets without {name}"));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| lacks(name));
        let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| lacks(name));
        let (surveys, prints, frames) = (text("_survey")?, text("_fingerprint")?, text("_frame")?);
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| lacks("_night"))?;
        let revisions = column("_revision")?.as_primitive_opt::<Int32Type>().ok_or_else(|| lacks("_revision"))?;
        let packets = column("packet")?.as_binary_opt::<i64>().ok_or_else(|| lacks("packet"))?;
        let alerts = column("_alert")?;
        let mut lost = 0;
        for row in 0..batch.num_rows() {
            if packets.is_null(row) {
                lost += 1;
                continue;
            }
            self.put(&Packet {
                survey: surveys.value(row),
                night: Night(nights.value(row)),
                alert: array_value_to_string(alerts, row)?,
                revision: revisions.value(row),
                fingerprint: prints.value(row),
                frame: frames.value(row),
                bytes: packets.value(row),
            })?;
        }
        Ok(lost)
    }

    fn put(&mut self, packet: &Packet<'_>) -> Result<()> {
        let night = packet.night.date().format("%Y%m%d").to_string();
        if self.nth.0 != packet.night {
            self.nth = (packet.night, 0);
            self.close_before(packet.night)?;
        }
        self.nth.1 += 1;
        let file = format!("{night}/{:07}-{}.{}", self.nth.1, packet.name(), packet.ending());
        match (&mut self.open, &self.folder) {
            (Open::Plain(Some(out)), _) => {
                let length = u32::try_from(packet.bytes.len()).map_err(|e| Failure::internal(e.to_string()))?;
                out.write_all(&length.to_be_bytes())?;
                out.write_all(packet.bytes)?;
            }
            (Open::Plain(None), folder) => {
                let path = folder.as_deref().unwrap_or(Path::new(".")).join(file);
                if let (1, Some(folder)) = (self.nth.1, path.parent()) {
                    std::fs::create_dir_all(folder)?;
                }
                let mut sink = Sink::open(Some(&path))?;
                sink.write_all(packet.bytes)?;
                sink.finish()?;
            }
            (Open::Containers(files), folder) => {
                let key = (packet.survey.to_owned(), packet.night, packet.fingerprint.to_owned());
                let several = folder.is_none() && !files.is_empty() && !files.contains_key(&key);
                if several && files.keys().any(|(_, _, print)| print != packet.fingerprint) {
                    return Err(Failure::request(
                        "packets of several schemas do not go into one container file; give a folder with -o",
                    ));
                }
                let key = if several { files.keys().next().cloned().unwrap_or(key) } else { key };
                let sink = match files.entry(key) {
                    Entry::Occupied(open) => open.into_mut(),
                    Entry::Vacant(entry) => {
                        let json = self.schemas.get(packet.fingerprint);
                        let json = json.ok_or_else(|| Failure::internal("a schema was not told"))?;
                        let print: String = packet.fingerprint.chars().take(12).collect();
                        let path = folder.as_ref().map(|f| f.join(format!("{}_{night}_{print}.avro", packet.survey)));
                        let mut sink = if path.is_some() { Sink::open(path.as_deref())? } else { stdout()? };
                        sink.write_all(&Header::write(json, "null", &MARKER))?;
                        entry.insert(sink)
                    }
                };
                let datum = packet.datum()?;
                let mut block = Vec::with_capacity(datum.len() + 32);
                put_block_prefix(&mut block, 1, datum.len());
                block.extend_from_slice(&datum);
                block.extend_from_slice(&MARKER);
                sink.write_all(&block)?;
            }
            (Open::Tars(files), folder) => {
                let tar = match files.entry((packet.survey.to_owned(), packet.night)) {
                    Entry::Occupied(open) => open.into_mut(),
                    Entry::Vacant(entry) => {
                        let name = format!("{}_{night}.tar.gz", packet.survey);
                        let path = folder.as_deref().unwrap_or(Path::new(".")).join(name);
                        let packed = GzEncoder::new(Sink::open(Some(&path))?, Compression::fast());
                        entry.insert(tar::Builder::new(packed))
                    }
                };
                append(tar, &format!("{}.{}", packet.name(), packet.ending()), packet.bytes)?;
            }
            (Open::Tar(tar), _) => append(tar, &file, packet.bytes)?,
        }
        Ok(())
    }

    /// Finishes files of nights that are over: nights come one after the other.
    fn close_before(&mut self, night: Night) -> Result<()> {
        match &mut self.open {
            Open::Containers(files) if self.folder.is_some() => {
                let over = |(_, own, _): &(String, Night, String)| *own < night;
                let keys: Vec<_> = files.keys().filter(|key| over(key)).cloned().collect();
                for key in keys {
                    files.remove(&key).map_or(Ok(()), Sink::finish)?;
                }
            }
            Open::Tars(files) => {
                let keys: Vec<_> = files.keys().filter(|(_, own)| *own < night).cloned().collect();
                for key in keys {
                    files.remove(&key).map_or(Ok(()), end)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Finishes everything.
    ///
    /// # Errors
    /// When what is left cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.close_before(Night(i32::MAX))?;
        match self.open {
            Open::Plain(sink) => sink.map_or(Ok(()), Sink::finish),
            Open::Containers(files) => files.into_values().try_for_each(Sink::finish),
            Open::Tars(files) => files.into_values().try_for_each(end),
            Open::Tar(tar) => tar.into_inner()?.finish(),
        }
    }
}

fn stdout() -> Result<Sink> {
    let sink = Sink::stdout();
    sink.refuse_terminal("a stream of packets")?;
    Ok(sink)
}

fn end(tar: Tar) -> Result<()> {
    tar.into_inner()?.finish()?.finish()
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(tar.append_data(&mut header, name, bytes)?)
}
