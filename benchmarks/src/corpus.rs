//! The packets of a workload: made or found before anything is timed, and read into memory where a step wants them
//! there.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use noctuary_packet::blocks::Blocks;
use noctuary_packet::container::MAGIC;
use noctuary_packet::frame::confluent;
use noctuary_packet::schema::{Schema, SchemaStore};
use noctuary_simulator::Simulation;

use crate::workload::{Input, Workload};
use crate::{Failure, Options};

/// Packets on disk.
#[derive(Debug)]
pub struct Corpus {
    /// Files and folders that hold them.
    pub sources: Vec<PathBuf>,
    /// Ids of the simulated ones.
    pub ids: Vec<i64>,
}

/// Makes or finds the packets of a workload. `None` if they are real ones and not here.
pub fn prepare(workload: &Workload, options: &Options, work: &Path) -> Result<Option<Corpus>, Failure> {
    match &workload.input {
        Input::Real { folders } => {
            let Some(data) = real_data() else { return Ok(None) };
            let sources = folders.iter().map(|folder| data.join(folder)).collect();
            Ok(Some(Corpus { sources, ids: Vec::new() }))
        }
        Input::Log { .. } | Input::Flat(_) => Ok(Some(Corpus { sources: Vec::new(), ids: Vec::new() })),
        Input::Simulated { bytes, quick_bytes, plan } => {
            let wanted = if options.quick { *quick_bytes } else { *bytes };
            eprintln!("  making {} MB of packets", wanted / 1_000_000);
            let tar = work.join(format!("{}.tar", workload.name));
            let ids = simulate(&Simulation::new(plan.clone())?, wanted, &tar).map_err(|e| Failure::at(&tar, e))?;
            Ok(Some(Corpus { sources: vec![tar], ids }))
        }
    }
}

/// `NOCTUARY_TEST_DATA`, or the data folder beside the project.
fn real_data() -> Option<PathBuf> {
    let folder = match std::env::var_os("NOCTUARY_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let project = Path::new(env!("CARGO_MANIFEST_DIR"));
            project.ancestors().map(|up| up.join("../shared/data")).find(|folder| folder.join("lsst").is_dir())?
        }
    };
    folder.canonicalize().ok().filter(|folder| folder.join("lsst").is_dir())
}

fn simulate(simulation: &Simulation, wanted: u64, tar: &Path) -> std::io::Result<Vec<i64>> {
    let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 20, File::create(tar)?));
    let (mut ids, mut written) = (Vec::new(), 0);
    for packet in simulation.packets() {
        if written >= wanted {
            break;
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(packet.bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{}.bin", packet.alert_id), packet.bytes.as_slice())?;
        written += packet.bytes.len() as u64;
        ids.push(packet.alert_id);
    }
    builder.into_inner()?.flush()?;
    Ok(ids)
}

/// Calls for every packet of files, folders and tars, one file or member each, gzip undone.
pub fn each(sources: &[PathBuf], mut take: impl FnMut(Vec<u8>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut files = Vec::new();
    for source in sources {
        list(source, &mut files)?;
    }
    for path in files {
        let file = File::open(&path).map_err(|e| Failure::at(&path, e))?;
        if path.extension().is_some_and(|e| e == "tar") {
            for entry in tar::Archive::new(std::io::BufReader::with_capacity(1 << 20, file)).entries()? {
                let mut entry = entry?;
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
                entry.read_to_end(&mut bytes)?;
                take(bytes)?;
            }
        } else {
            let bytes = std::fs::read(&path)?;
            take(if bytes.starts_with(&[0x1f, 0x8b]) { gunzip(&bytes)? } else { bytes })?;
        }
    }
    Ok(())
}

fn list(path: &Path, out: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        out.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|e| Failure::at(path, e))?;
    let mut entries: Vec<PathBuf> = entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| list(entry, out))
}

/// Undoes gzip.
pub fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

/// A packet in memory.
pub struct Packet {
    /// As transmitted.
    pub bytes: Vec<u8>,
    /// What wrote it.
    pub schema: Arc<Schema>,
    datum: Datum,
}

/// Where a datum is: in its packet if it stands there as it is, so that memory holds it once.
enum Datum {
    Within(Range<usize>),
    Unpacked(Vec<u8>),
}

impl Packet {
    /// Its datum.
    pub fn datum(&self) -> &[u8] {
        match &self.datum {
            Datum::Within(range) => &self.bytes[range.clone()],
            Datum::Unpacked(bytes) => bytes,
        }
    }
}

/// Reads all packets into memory.
pub fn in_memory(sources: &[PathBuf]) -> Result<Vec<Packet>, Failure> {
    let known = SchemaStore::with_known();
    let mut headers: Vec<(String, Arc<Schema>)> = Vec::new();
    let mut packets = Vec::new();
    each(sources, |bytes| {
        if bytes.starts_with(&MAGIC) {
            let mut blocks = Blocks::open(bytes.as_slice()).map_err(|e| Failure(e.to_string()))?;
            let header = Arc::clone(blocks.header());
            let schema = match headers.iter().find(|(text, _)| text == header.schema()) {
                Some((_, schema)) => Arc::clone(schema),
                None => {
                    let schema = Arc::new(Schema::parse(header.schema())?);
                    headers.push((header.schema().to_owned(), Arc::clone(&schema)));
                    schema
                }
            };
            let block = blocks.next().and_then(Result::ok).filter(|block| block.records == 1);
            let datum = block.ok_or_else(|| Failure("a container that does not hold one packet".into()))?.bytes;
            packets.push(Packet { bytes, schema, datum: Datum::Unpacked(datum) });
        } else {
            let (id, datum) = confluent(&bytes).map_err(|e| Failure(e.to_string()))?;
            let schema = known.by_id(id).ok_or_else(|| Failure(format!("no schema has the id {}", id.0)))?;
            packets.push(Packet { schema: Arc::clone(schema), bytes, datum: Datum::Within(datum) });
        }
        Ok(())
    })?;
    Ok(packets)
}

/// Bytes of a file, or of everything in a folder.
pub fn size_of(path: &Path) -> Result<u64, Failure> {
    let mut files = Vec::new();
    list(path, &mut files)?;
    files.iter().try_fold(0, |sum, file| Ok(sum + std::fs::metadata(file)?.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framed_packets_are_held_once() {
        let plan =
            noctuary_simulator::Plan { nights: 1, visits_per_night: 1, alerts_per_visit: 2, ..Default::default() };
        let tar = std::env::temp_dir().join(format!("noctuary-corpus-{}.tar", std::process::id()));
        let ids = simulate(&Simulation::new(plan).unwrap(), u64::MAX, &tar).unwrap();
        let packets = in_memory(std::slice::from_ref(&tar)).unwrap();
        std::fs::remove_file(&tar).unwrap();
        assert_eq!((ids.len(), packets.len()), (2, 2));
        for packet in packets {
            assert!(matches!(packet.datum, Datum::Within(_)));
            assert_eq!(packet.datum(), &packet.bytes[5..]);
        }
    }
}
