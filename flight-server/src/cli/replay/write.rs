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
    /// Packets of each night so far: of several surveys, whose nights do not begin together, each goes on by itself.
    numbers: BTreeMap<Night, u64>,
    /// The night that each survey is in.
    nights: BTreeMap<String, Night>,
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
                    datum.extend(block.map_err(|lost| lost.rejection)?.bytes);
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
        let (numbers, nights) = Default::default();
        Ok(Self { folder: folder.map(Path::to_owned), schemas, numbers, nights, open })
    }

    /// Writes the packets of a batch, and says how many have no bytes. What goes to a pipe is in it then.
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
        self.flush()?;
        Ok(lost)
    }

    fn put(&mut self, packet: &Packet<'_>) -> Result<()> {
        let night = packet.night.date().format("%Y%m%d").to_string();
        if self.nights.get(packet.survey) != Some(&packet.night) {
            self.nights.insert(packet.survey.to_owned(), packet.night);
            self.close_before(packet.survey, packet.night)?;
        }
        let number = self.numbers.entry(packet.night).or_default();
        *number += 1;
        let number = *number;
        let file = format!("{night}/{number:07}-{}.{}", packet.name(), packet.ending());
        match (&mut self.open, &self.folder) {
            (Open::Plain(Some(out)), _) => {
                let length = u32::try_from(packet.bytes.len()).map_err(|e| Failure::internal(e.to_string()))?;
                out.write_all(&length.to_be_bytes())?;
                out.write_all(packet.bytes)?;
            }
            (Open::Plain(None), folder) => {
                let path = folder.as_deref().unwrap_or(Path::new(".")).join(file);
                if let (1, Some(folder)) = (number, path.parent()) {
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

    /// Gives what is on its way to a pipe: whoever reads it may wait for the last packet of a visit.
    fn flush(&mut self) -> Result<()> {
        match &mut self.open {
            Open::Plain(Some(out)) => out.flush()?,
            Open::Containers(files) if self.folder.is_none() => files.values_mut().try_for_each(Sink::flush)?,
            Open::Tar(tar) => tar.get_mut().flush()?,
            _ => {}
        }
        Ok(())
    }

    /// Finishes files of nights that are over: those of a survey come one after the other.
    fn close_before(&mut self, survey: &str, night: Night) -> Result<()> {
        match &mut self.open {
            Open::Containers(files) if self.folder.is_some() => {
                let over = |(of, own, _): &(String, Night, String)| of == survey && *own < night;
                let keys: Vec<_> = files.keys().filter(|key| over(key)).cloned().collect();
                for key in keys {
                    files.remove(&key).map_or(Ok(()), Sink::finish)?;
                }
            }
            Open::Tars(files) => {
                let over = |(of, own): &(String, Night)| of == survey && *own < night;
                let keys: Vec<_> = files.keys().filter(|key| over(key)).cloned().collect();
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
    pub fn finish(self) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int32Array, Int64Array, LargeBinaryArray, StringArray};
    use arrow::datatypes::Schema;
    use flate2::read::GzDecoder;

    use super::*;

    /// One packet in a Confluent frame, of a survey and night.
    fn packet(survey: &str, night: i32, alert: i64) -> RecordBatch {
        let bytes: Vec<u8> = vec![0, 0, 0, 0, 1, u8::try_from(alert).unwrap()];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("_survey", Arc::new(StringArray::from(vec![survey]))),
            ("_night", Arc::new(Date32Array::from(vec![night]))),
            ("_alert", Arc::new(Int64Array::from(vec![alert]))),
            ("_revision", Arc::new(Int32Array::from(vec![0]))),
            ("_fingerprint", Arc::new(StringArray::from(vec!["abc"]))),
            ("_frame", Arc::new(StringArray::from(vec!["confluent"]))),
            ("packet", Arc::new(LargeBinaryArray::from_vec(vec![&bytes]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// What files hold, by their names: the last bytes of their packets.
    fn written(form: Form, packets: &[RecordBatch]) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let told = HashMap::from([("writer:abc".to_owned(), r#""long""#.to_owned())]);
        let schema = Arc::new(Schema::empty().with_metadata(told));
        let mut writer = Writer::new(form, Some(folder.path()), &schema).unwrap();
        for packet in packets {
            assert_eq!(writer.write(packet).unwrap(), 0);
        }
        writer.finish().unwrap();
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.path().to_owned()];
        while let Some(open) = folders.pop() {
            for entry in std::fs::read_dir(open).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = std::fs::read(&path).unwrap();
                let held: Vec<u8> = match form {
                    Form::Frames => vec![bytes[5]],
                    Form::Avro => {
                        Blocks::open(bytes.as_slice()).unwrap().map(|block| block.unwrap().bytes[0]).collect()
                    }
                    Form::Tar => {
                        let mut tar = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
                        let last = |entry: std::io::Result<tar::Entry<'_, _>>| {
                            let mut packet = Vec::new();
                            std::io::Read::read_to_end(&mut entry.unwrap(), &mut packet).unwrap();
                            packet[5]
                        };
                        tar.entries().unwrap().map(last).collect()
                    }
                };
                let name = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
                files.insert(name, held);
            }
        }
        files
    }

    #[test]
    fn nights_of_surveys_that_come_in_turns_lose_nothing() {
        // At one time it is another night for each of them.
        let turns = [("a", 5, 1), ("b", 6, 2), ("a", 5, 3), ("b", 6, 4), ("a", 6, 5), ("b", 7, 6), ("a", 6, 7)];
        let packets: Vec<RecordBatch> =
            turns.iter().map(|(survey, night, alert)| packet(survey, *night, *alert)).collect();
        for form in [Form::Frames, Form::Avro, Form::Tar] {
            let files = written(form, &packets);
            let all: Vec<u8> = files.values().flatten().copied().collect();
            assert_eq!(all.len(), turns.len(), "{form:?}: {files:?}");
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (1..=7).collect(), "{form:?}: {files:?}");
            if form != Form::Frames {
                let held: Vec<&Vec<u8>> = files.values().collect();
                assert_eq!(held, [&vec![1, 3], &vec![5, 7], &vec![2, 4], &vec![6]], "{form:?}");
            }
        }
        let frames: Vec<String> = written(Form::Frames, &packets).into_keys().collect();
        assert_eq!(frames[..2], ["19700106/0000001-1.bin", "19700106/0000002-3.bin"]);
        assert_eq!(frames[2..4], ["19700107/0000001-2.bin", "19700107/0000002-4.bin"]);
    }
}
