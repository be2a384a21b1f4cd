//! Packets as files: what brokers and archives are fed with. Every file appears once it is whole, and the same plan
//! makes the same files to the last byte.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use noctuary_packet::container::MAGIC;
use noctuary_packet::frame::CONFLUENT_PREFIX;
use serde::{Deserialize, Serialize};

use crate::container::Header;
use crate::press::SimulatedPacket;
use crate::{Simulation, Survey};

/// How packets lie in files. Nights and visits are those in which packets arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Form {
    /// As transmitted, a file each: `20261109/0000001-170239611403501617.bin`. Names follow the order of arrival.
    Frames,
    /// An Avro object container file for each visit, `20261109/2026110900001.avro`, with a block for each packet.
    /// Packets that are damaged, and those that are containers themselves, have files of their own beside it.
    Containers,
    /// An Avro object container file for each packet: `20261109/0000001-170239611403501617.avro`.
    PacketContainers,
    /// A compressed tar for each night, `lsst_20261109.tar.gz`, whose members are the files of [`Self::Frames`].
    Tar,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Frames, Self::Containers, Self::PacketContainers, Self::Tar];
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Files that now have their names.
    pub files: u64,
    /// Packets in them, damaged ones included.
    pub packets: u64,
    /// Bytes of the packets, without what the form adds or compression takes.
    pub bytes: u64,
}

impl Simulation {
    /// Writes packets below a folder, which is made if it is not there. Files of the same names are replaced. `seen` is
    /// called for each packet, and can stop the writing with an error; files that are whole by then stay.
    ///
    /// # Errors
    /// Those of the file system, and that of `seen`.
    ///
    /// ```
    /// # use noctuary_simulator::{Form, Plan, Simulation};
    /// # let folder = std::env::temp_dir().join(format!("noctuary-simulator-{}", std::process::id()));
    /// let simulation = Simulation::new(Plan { nights: 1, visits_per_night: 3, ..Plan::default() })?;
    /// let written = simulation.write(simulation.packets(), Form::Containers, &folder, |_| Ok(()))?;
    /// assert_eq!((written.files, written.packets), (3, 75));
    /// assert!(folder.join("20261109/2026110900001.avro").exists());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(
        &self,
        packets: impl IntoIterator<Item = SimulatedPacket>,
        form: Form,
        folder: &Path,
        mut seen: impl FnMut(&SimulatedPacket) -> io::Result<()>,
    ) -> io::Result<Written> {
        let mut output = Output {
            folder,
            survey: self.plan().survey,
            seed: self.plan().seed,
            schema: self.press.schema_json(),
            night: 0,
            nth: 0,
            open: None,
            written: Written::default(),
        };
        fs::create_dir_all(folder)?;
        for packet in packets {
            seen(&packet)?;
            output.put(form, &packet)?;
        }
        output.close()?;
        Ok(output.written)
    }
}

struct Output<'a> {
    folder: &'a Path,
    survey: Survey,
    seed: u64,
    schema: &'a str,
    /// The night of the last packet, and how many there were of it.
    night: i32,
    nth: u64,
    open: Option<Open>,
    written: Written,
}

/// A file that more packets go into.
enum Open {
    /// Of a visit.
    Container { visit: i64, header: Header, file: Part<BufWriter<File>> },
    /// Of a night.
    Tar { night: i32, file: Part<Box<Tar>> },
}

type Tar = tar::Builder<GzEncoder<BufWriter<File>>>;

impl Output<'_> {
    fn put(&mut self, form: Form, packet: &SimulatedPacket) -> io::Result<()> {
        if packet.arrival_night != self.night {
            (self.night, self.nth) = (packet.arrival_night, 0);
            if form != Form::Tar {
                fs::create_dir_all(self.folder.join(self.night.to_string()))?;
            }
        }
        self.nth += 1;
        self.written.packets += 1;
        self.written.bytes += packet.bytes.len() as u64;
        let datum = datum(packet);
        match (form, datum) {
            (Form::Containers, Some(datum)) => self.put_in_container(packet, datum),
            (Form::PacketContainers, Some(datum)) => {
                let file = Header::of_schema(self.schema, self.seed, packet.alert_id as u64).with_record(datum);
                self.alone(packet, &file)
            }
            (Form::Tar, _) => self.put_in_tar(packet),
            _ => self.alone(packet, &packet.bytes),
        }
    }

    fn alone(&mut self, packet: &SimulatedPacket, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(self.night.to_string()).join(name(packet, bytes, self.nth));
        let mut file = Part::create(&path)?;
        file.to.write_all(bytes)?;
        self.written.files += 1;
        file.finish(|mut to| to.flush())
    }

    fn put_in_container(&mut self, packet: &SimulatedPacket, datum: &[u8]) -> io::Result<()> {
        let of = packet.arrival_visit;
        if !matches!(&self.open, Some(Open::Container { visit, .. }) if *visit == of) {
            self.close()?;
            let header = Header::of_schema(self.schema, self.seed, of as u64);
            let mut file = Part::create(&self.folder.join(self.night.to_string()).join(format!("{of}.avro")))?;
            file.to.write_all(&header.bytes)?;
            self.open = Some(Open::Container { visit: of, header, file });
        }
        if let Some(Open::Container { header, file, .. }) = &mut self.open {
            let mut block = Vec::with_capacity(datum.len() + 32);
            header.put_block(&mut block, 1, datum);
            file.to.write_all(&block)?;
        }
        Ok(())
    }

    fn put_in_tar(&mut self, packet: &SimulatedPacket) -> io::Result<()> {
        if !matches!(&self.open, Some(Open::Tar { night, .. }) if *night == self.night) {
            self.close()?;
            let name = format!("{}_{}.tar.gz", self.survey.as_str(), self.night);
            // Neither the time nor the machine goes into the header of such a stream.
            let tar = |file| Box::new(tar::Builder::new(GzEncoder::new(file, Compression::fast())));
            let file = Part::create(&self.folder.join(name))?.inside(tar);
            self.open = Some(Open::Tar { night: self.night, file });
        }
        if let Some(Open::Tar { file, .. }) = &mut self.open {
            let mut header = tar::Header::new_ustar();
            header.set_size(packet.bytes.len() as u64);
            header.set_mode(0o644);
            let name = format!("{}/{}", self.night, name(packet, &packet.bytes, self.nth));
            file.to.append_data(&mut header, name, packet.bytes.as_slice())?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.written.files += 1;
        match open {
            Open::Container { file, .. } => file.finish(|mut to| to.flush()),
            Open::Tar { file, .. } => file.finish(|to| to.into_inner()?.finish()?.flush()),
        }
    }
}

/// The datum of a packet that is a whole Confluent frame.
fn datum(packet: &SimulatedPacket) -> Option<&[u8]> {
    let is_frame = packet.damage.is_none() && packet.bytes.first() == Some(&0);
    packet.bytes.get(CONFLUENT_PREFIX..).filter(|_| is_frame)
}

fn name(packet: &SimulatedPacket, bytes: &[u8], nth: u64) -> String {
    let ending = if bytes.starts_with(&MAGIC) { "avro" } else { "bin" };
    format!("{nth:07}-{}.{ending}", packet.alert_id)
}

/// A file that gets its name when it is finished. Its first name begins with a dot, which those who look for alerts
/// pass by.
struct Part<W> {
    to: W,
    part: PathBuf,
    path: PathBuf,
}

impl Part<BufWriter<File>> {
    fn create(path: &Path) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".part");
        let part = path.with_file_name(name);
        let to = BufWriter::with_capacity(1 << 18, File::create(&part)?);
        Ok(Self { to, part, path: path.to_owned() })
    }
}

impl<W> Part<W> {
    /// The same file with something around the writer.
    fn inside<V>(self, around: impl FnOnce(W) -> V) -> Part<V> {
        Part { to: around(self.to), part: self.part, path: self.path }
    }

    fn finish(self, end: impl FnOnce(W) -> io::Result<()>) -> io::Result<()> {
        end(self.to)?;
        fs::rename(self.part, self.path)
    }
}
