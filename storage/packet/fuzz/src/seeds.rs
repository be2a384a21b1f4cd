//! Inputs to begin with: a small datum of each schema, each schema as text, containers, and real packets where there
//! are some (NOCTUARY_TEST_DATA, else ../shared/data beside the clone).

use std::path::{Path, PathBuf};

use noctuary_packet::container::{Header, MAGIC};
use noctuary_packet::cursor::put_long;
use noctuary_packet::frame;
use noctuary_packet::schema::{NodeId, Schema, SchemaStore, Shape};

use crate::schemas;

/// What is larger slows the search down more than it helps.
const MAX_SEED_BYTES: usize = 200_000;
const CONTAINER: u8 = 0xfe;
const SCHEMA: u8 = 0xff;

/// Writes them into a folder.
pub fn write(to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    let put = |name: String, choice: u8, bytes: &[u8]| {
        let mut seed = vec![choice];
        seed.extend_from_slice(bytes);
        std::fs::write(to.join(name), seed).expect("a seed can be written");
    };
    for (index, schema) in schemas::all().iter().enumerate() {
        let choice = u8::try_from(index).expect("a few schemas");
        let mut datum = Vec::new();
        fill(schema, NodeId::ROOT, &mut datum);
        put(format!("datum-{index}"), choice, &datum);
        put(format!("schema-{index}"), SCHEMA, schema.json().as_bytes());
        for codec in ["null", "deflate"] {
            put(format!("container-{codec}-{index}"), CONTAINER, &container(schema, codec, &datum));
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("NOCTUARY_TEST_DATA").map(PathBuf::from);
    let data = data.or_else(|| here.ancestors().map(|up| up.join("../shared/data")).find(|d| d.is_dir()));
    let known = SchemaStore::with_known();
    for (index, path) in data.into_iter().flat_map(|d| files(&d)).enumerate() {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if bytes.len() > MAX_SEED_BYTES {
            continue;
        }
        if bytes.starts_with(&MAGIC) {
            put(format!("real-{index}"), CONTAINER, &bytes);
        } else if let Ok((id, datum)) = frame::confluent(&bytes)
            && let Some(schema) = known.by_id(id)
            && let Some(choice) = schemas::all().iter().position(|s| s.fingerprint() == schema.fingerprint())
        {
            put(format!("real-{index}"), u8::try_from(choice).expect("a few schemas"), &bytes[datum]);
        }
    }
}

/// One file of each folder is enough: the others differ in numbers only.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    let (folders, plain): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| p.is_dir());
    let first = plain.into_iter().filter(|p| p.extension().is_some_and(|e| e == "avro")).take(2);
    first.chain(folders.iter().flat_map(|f| files(f))).collect()
}

/// The value that says least, with one element in every list.
fn fill(schema: &Schema, node: NodeId, out: &mut Vec<u8>) {
    match &schema.node(node).shape {
        Shape::Null => {}
        Shape::Float => out.extend_from_slice(&1.5_f32.to_le_bytes()),
        Shape::Double => out.extend_from_slice(&1.5_f64.to_le_bytes()),
        Shape::Fixed(size) => out.resize(out.len() + size, 7),
        Shape::Record(fields) => fields.iter().for_each(|f| fill(schema, f.node, out)),
        Shape::Array(item) if out.len() < 4096 && !matches!(schema.node(*item).shape, Shape::Recursion(_)) => {
            put_long(out, 1);
            fill(schema, *item, out);
            out.push(0);
        }
        Shape::Union(branches) => {
            let last = branches.len() - 1;
            let branch = if matches!(schema.node(branches[last]).shape, Shape::Recursion(_)) { 0 } else { last };
            put_long(out, branch as i64);
            fill(schema, branches[branch], out);
        }
        _ => out.push(0),
    }
}

fn container(schema: &Schema, codec: &str, datum: &[u8]) -> Vec<u8> {
    let sync = [0x5a; 16];
    let mut file = Header::write(schema.json(), codec, &sync);
    let header = Header::parse(&file).expect("a header of our own").0;
    let packed = header.codec().compress(datum).expect("a datum packs");
    noctuary_packet::container::put_block_prefix(&mut file, 1, packed.len());
    file.extend_from_slice(&packed);
    file.extend_from_slice(&sync);
    file
}
