//! Every real packet goes in and comes back.

use std::io::Read;
use std::path::{Path, PathBuf};

use noctuary_packet::schema::SchemaStore;
use noctuary_packet::survey::Surveys;
use noctuary_storage::Access;
use noctuary_storage::ingest::IngestOptions;
use noctuary_storage::packets::find;

use crate::support::{assert_verified, data, empty, take};

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

/// Folder and packets, as data/README.md counts them.
const FOLDERS: [(&str, i64, i64); 12] = [
    ("lsst/v10.0-raw", 5, 0),
    ("lsst/v10.0-restored", 78, 0),
    ("lsst/v9.0-schemaless", 5, 0),
    ("lsst/v9.0-ocf", 293, 5),
    ("lsst/v7.4-raw", 5, 0),
    ("lsst/schemas", 6, 5),
    ("ztf/v3.2-2018-11-29", 498, 0),
    ("ztf/v3.3-2020-01-01", 50, 0),
    ("ztf/v3.3-v4.01_kowalski", 36, 0),
    ("ztf/v4.02-boom", 12, 0),
    ("ztf/v3.0-2018-08-19_ampel", 30, 0),
    ("ztf/v3.3-ZTF21abiuvdk", 20, 0),
];

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn every_packet_is_stored_and_comes_back_byte_for_byte() {
    let known = SchemaStore::with_known();
    let options = IngestOptions { schema: Some(known.named("lsst/9.0").unwrap()), ..IngestOptions::default() };
    for (folder, count, revisions) in FOLDERS {
        let archive = empty().await;
        let report = take(&archive, &data(folder), &options).await;
        let counts = report.counts;
        assert_eq!((counts.received, counts.quarantined), (count, 0), "{folder}: {report:?}");
        assert_eq!(counts.stored + counts.duplicate, count, "{folder}");
        assert_eq!(counts.revisions, revisions, "{folder}");
        let mut paths = Vec::new();
        files(&data(folder), &mut paths);
        let snapshot = archive.snapshot().await.unwrap();
        for path in paths {
            let mut sent = std::fs::read(&path).unwrap();
            if sent.starts_with(&[0x1f, 0x8b]) {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&sent[..]).read_to_end(&mut plain).unwrap();
                sent = plain;
            }
            let id = id_of(&sent);
            let found = find(&archive, &snapshot, &id, None, &Access::Everything).await.unwrap();
            let same = found.iter().filter(|p| p.bytes().unwrap() == sent).count();
            assert_eq!(same, 1, "{}: {} revisions of alert {id}", path.display(), found.len());
        }
        assert_verified(&archive).await;
    }
}

/// The id of the alert in a packet, read without the archive.
fn id_of(sent: &[u8]) -> String {
    use noctuary_packet::blocks::Blocks;
    use noctuary_packet::frame::{Form, confluent, form_of};
    use noctuary_packet::schema::Schema;
    use noctuary_packet::survey::KeyReader;
    let known = SchemaStore::with_known();
    let (schema, datum) = match form_of(sent) {
        Form::Container => {
            let mut blocks = Blocks::open(sent).unwrap();
            let schema = std::sync::Arc::new(Schema::parse(blocks.header().schema()).unwrap());
            (schema, blocks.next().unwrap().unwrap().bytes)
        }
        Form::Confluent if known.by_id(confluent(sent).unwrap().0).is_some() => {
            let (id, datum) = confluent(sent).unwrap();
            (known.by_id(id).unwrap().clone(), sent[datum].to_vec())
        }
        _ => (known.named("lsst/9.0").unwrap(), sent.to_vec()),
    };
    let surveys = Surveys::built_in();
    KeyReader::new(surveys.recognise(&schema).unwrap(), &schema).read(&datum).unwrap().alert.to_string()
}
