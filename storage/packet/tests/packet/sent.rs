//! The real packets as files hold them: unpacked, taken out of their frames, with the schema that wrote them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::frame::{self, Form, Frame};
use noctuary_packet::schema::{Schema, SchemaStore};

/// Where the real packets lie. Tests that use them are ignored where they are absent.
pub fn data(folder: &str) -> PathBuf {
    Path::new(option_env!("NOCTUARY_REAL_PACKETS").unwrap_or_default()).join(folder)
}

/// One packet.
pub struct Sent {
    pub file: PathBuf,
    pub schema: Arc<Schema>,
    pub frame: Frame,
    pub datum: Vec<u8>,
    /// The file, unpacked: of a file with one packet, the packet as transmitted.
    pub transmitted: Vec<u8>,
}

/// Every packet below a folder, in the order of the names of its files. Datums without a frame are of LSST 9.0.
pub fn packets(folder: &Path) -> Vec<Sent> {
    let known = SchemaStore::with_known();
    let bare = known.named("lsst/9.0").unwrap();
    let mut by_text: BTreeMap<String, Arc<Schema>> = BTreeMap::new();
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut packets = Vec::new();
    for file in paths {
        let transmitted = unpacked(&file);
        let framed = frame::confluent(&transmitted).ok().and_then(|(id, at)| Some((id, at, known.by_id(id)?)));
        let mut one = |schema: &Arc<Schema>, frame: Frame, datum: Vec<u8>| {
            let (file, transmitted, schema) = (file.clone(), transmitted.clone(), Arc::clone(schema));
            packets.push(Sent { file, schema, frame, datum, transmitted });
        };
        match (frame::form_of(&transmitted), framed) {
            (Form::Container, _) => {
                let blocks = Blocks::open(&transmitted[..]).unwrap();
                let header = Arc::clone(blocks.header());
                let text = header.schema().to_owned();
                let schema = by_text.entry(text).or_insert_with_key(|text| Arc::new(Schema::parse(text).unwrap()));
                for block in blocks {
                    let block = block.unwrap();
                    assert_eq!(block.records, 1, "{}", file.display());
                    one(schema, Frame::Container { header: Arc::clone(&header) }, block.bytes);
                }
            }
            (_, Some((id, at, schema))) => one(schema, Frame::Confluent(id), transmitted[at].to_vec()),
            _ => one(&bare, Frame::Bare, transmitted.clone()),
        }
    }
    packets
}

fn unpacked(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    plain
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.to_string_lossy().contains(".avro") {
            out.push(path);
        }
    }
}
