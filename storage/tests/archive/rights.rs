//! Who may see a packet: as few as may see any record inside it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::frame::Frame;
use noctuary_packet::schema::{NodeId, Schema};
use noctuary_packet::walk::{Leaf, Visitor, walk};
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Archive, Table};

use crate::dump::rows;
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, datum, lantern_datum};
use crate::sent::data;
use crate::support::{assert_verified, empty, take_packets};

/// What ZTF sends, shortened, with all three places that carry `programid`.
const ZTF: &str = r#"{"type": "record", "name": "alert", "namespace": "ztf", "version": "4.02", "fields": [
    {"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
        {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"}, {"name": "candid", "type": "long"},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}]}},
    {"name": "prv_candidates", "type": ["null", {"type": "array", "items": {"type": "record", "name": "prv", "fields": [
        {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"}]}}]},
    {"name": "fp_hists", "type": ["null", {"type": "array", "items": {"type": "record", "name": "fp", "fields": [
        {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"}]}}]}
]}"#;

fn ztf(id: i64, trigger: i64, history: &[i64], forced: &[i64]) -> Vec<u8> {
    let each = |values: &[i64]| Value::Each(values.iter().map(|v| Value::Whole(*v)).collect());
    let values = [
        ("objectId", "ZTF18aaaaaaa".into()),
        ("candid", id.into()),
        ("candidate.candid", id.into()),
        ("candidate.jd", 2_458_451.7.into()),
        ("candidate.programid", trigger.into()),
        ("candidate.ra", 10.0.into()),
        ("prv_candidates", Value::Items(history.len())),
        ("prv_candidates[].programid", each(history)),
        ("fp_hists", Value::Items(forced.len())),
        ("fp_hists[].programid", each(forced)),
    ];
    container(ZTF, "null", &[(1, datum(&Schema::parse(ZTF).unwrap(), &values))])
}

/// The label of each alert, through both tables and through `find`.
async fn labels(archive: &Archive) -> BTreeMap<String, String> {
    let snapshot = archive.snapshot().await.unwrap();
    let of = |rows: Vec<BTreeMap<String, String>>| -> BTreeMap<String, String> {
        rows.into_iter().map(|row| (row["_alert"].clone(), row["_rights"].clone())).collect()
    };
    let labels = of(rows(archive, &snapshot, Table::Alerts).await);
    assert_eq!(labels, of(rows(archive, &snapshot, Table::Packets).await));
    for (id, label) in &labels {
        for (access, sees) in [
            (Access::Everything, true),
            (Access::public(), label == "public"),
            ("public,partnership".parse().unwrap(), matches!(label.as_str(), "public" | "partnership")),
            ("nothing".parse().unwrap(), false),
        ] {
            let found = find(archive, &snapshot, id, None, &access).await.unwrap();
            assert_eq!(found.len(), usize::from(sees), "alert {id} ({label}) for {access}");
        }
    }
    assert_verified(archive).await;
    labels
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_as_restricted_as_its_most_restricted_record() {
    let cases: [(i64, &[i64], &[i64], &str); 9] = [
        (1, &[], &[], "public"),
        (1, &[1, 1], &[1], "public"),
        (2, &[], &[], "partnership"),
        (3, &[], &[], "caltech"),
        (1, &[1, 2, 1], &[], "partnership"),
        (1, &[1], &[1, 3, 2], "caltech"),
        (3, &[1], &[1], "caltech"),
        // Values that nobody has explained are nobody's business.
        (0, &[], &[], "caltech"),
        (1, &[-7], &[], "caltech"),
    ];
    let archive = empty().await;
    let packets = cases.iter().zip(1..).map(|((t, h, f, _), id)| ztf(id, *t, h, f)).collect();
    let report = take_packets(&archive, "programs", packets).await;
    assert_eq!(report.counts.stored, 9, "{report:?}");
    let labels = labels(&archive).await;
    for ((trigger, history, forced, label), id) in cases.iter().zip(1..) {
        assert_eq!(labels[&id.to_string()], *label, "{trigger} {history:?} {forced:?}");
    }
    // The entry of the log says it too, so that a file without public rows need not be opened.
    let snapshot = archive.snapshot().await.unwrap();
    let said: BTreeMap<String, u64> = snapshot.files(Table::Packets, None).next().unwrap().stats.rights.clone();
    assert_eq!(said, BTreeMap::from([("caltech".into(), 5), ("partnership".into(), 2), ("public".into(), 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_may_be_text_and_any_words() {
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let packet = |name: &str, access: &'static str, before: &[&str]| {
        let before_access = Value::Each(before.iter().map(|b| Value::from(*b)).collect());
        let changes = [
            ("seen.access", access.into()),
            ("before", Value::Items(before.len())),
            ("before[].access", before_access),
        ];
        container(LANTERN_SCHEMA, "null", &[(1, lantern_datum(name, 1, &changes))])
    };
    let packets = vec![
        packet("open", "open", &["open"]),
        packet("friends", "open", &["open", "friends"]),
        packet("unheard of", "open", &["whoever"]),
        packet("nobody", "nobody", &[]),
    ];
    take_packets(&archive, "words", packets).await;
    let labels: Vec<(String, String)> = labels(&archive).await.into_iter().collect();
    let expected = [("friends", "friends"), ("nobody", "sealed"), ("open", "public"), ("unheard of", "sealed")];
    assert_eq!(labels, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_may_be_seen_by_others_than_the_first() {
    let archive = empty().await;
    take_packets(&archive, "both", vec![ztf(1, 2, &[], &[]), ztf(1, 1, &[], &[])]).await;
    let snapshot = archive.snapshot().await.unwrap();
    let found = find(&archive, &snapshot, "1", Some("ztf"), &Access::public()).await.unwrap();
    assert_eq!(found.iter().map(|p| p.revision).collect::<Vec<_>>(), [1]);
    assert_eq!(found[0].bytes().unwrap(), ztf(1, 1, &[], &[]));
}

/// Where the values of one node lie.
struct Places(NodeId, Vec<Range<usize>>);

impl Visitor for Places {
    fn leaf(&mut self, node: NodeId, _: Leaf<'_>, span: Range<usize>) {
        if node == self.0 {
            self.1.push(span);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
async fn real_packets_with_another_program_are_labelled_so() {
    let mut files: Vec<_> =
        std::fs::read_dir(data("ztf/v3.3-ZTF21abiuvdk")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "avro"));
    files.sort();
    let mut packets = Vec::new();
    let mut expected = BTreeMap::new();
    for (n, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        let mut blocks = Blocks::open(&bytes[..]).unwrap();
        let header = Arc::clone(blocks.header());
        let schema = Schema::parse(header.schema()).unwrap();
        let mut datum = blocks.next().unwrap().unwrap().bytes;
        let path = ["candidate.programid", "prv_candidates.programid"][n % 2];
        let mut places = Places(schema.find(path).unwrap(), Vec::new());
        walk(&schema, &datum, &mut places).unwrap();
        let program = [1, 2, 3][n % 3];
        let label = match places.1.last() {
            // A small number is one byte, so the packet keeps its length.
            Some(span) => {
                assert_eq!(span.len(), 1);
                datum[span.start] = program * 2;
                ["public", "partnership", "caltech"][n % 3]
            }
            None => "public",
        };
        let mut candid = Places(schema.find("candid").unwrap(), Vec::new());
        walk(&schema, &datum, &mut candid).unwrap();
        let id = noctuary_packet::cursor::Cursor::new(&datum[candid.1[0].clone()]).long().unwrap();
        expected.insert(id.to_string(), label.to_owned());
        packets.push(Frame::Container { header }.wrap(&datum));
    }
    assert!(packets.len() >= 20);
    let archive = empty().await;
    take_packets(&archive, "programs", packets).await;
    assert_eq!(labels(&archive).await, expected);
}
