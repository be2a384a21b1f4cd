//! Every real packet goes in and comes back.

use noctuary_packet::schema::SchemaStore;
use noctuary_packet::survey::{KeyReader, Surveys};
use noctuary_storage::Access;
use noctuary_storage::ingest::IngestOptions;
use noctuary_storage::packets::find;

use crate::sent::{data, packets};
use crate::support::{assert_verified, empty, take};

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
        let (snapshot, surveys) = (archive.snapshot().await.unwrap(), Surveys::built_in());
        for packet in packets(&data(folder)) {
            let keys = KeyReader::new(surveys.recognise(&packet.schema).unwrap(), &packet.schema);
            let id = keys.read(&packet.datum).unwrap().alert.to_string();
            let found = find(&archive, &snapshot, &id, None, &Access::Everything).await.unwrap();
            let same =
                found.iter().filter(|p| p.frame == packet.frame && p.bytes().unwrap() == packet.transmitted).count();
            assert_eq!(same, 1, "{}: {} revisions of alert {id}", packet.file.display(), found.len());
        }
        assert_verified(&archive).await;
    }
}
