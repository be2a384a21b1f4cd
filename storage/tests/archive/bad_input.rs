//! Bad packets: each is quarantined or flagged with its reason and its place, and the good ones beside it are stored.

use std::collections::BTreeMap;

use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{Schema, known_lsst};
use noctuary_storage::packets::find;
use noctuary_storage::quarantine::Quarantined;
use noctuary_storage::{Access, Archive, Table};

use crate::dump::{refused, rows};
use crate::make::{Value, datum, framed, lsst, lsst_datum, lsst_packet, lsst_values};
use crate::support::{assert_verified, commits_of, empty, take};

/// What lies before and behind a bad packet in its folder.
const GOOD: [i64; 2] = [1, 2];

/// Takes in a folder with good packets and these files; gives back what was refused, by the name of its file.
pub async fn among_good_ones(files: &[(&str, Vec<u8>)]) -> (Archive, BTreeMap<String, Vec<Quarantined>>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("0-first.avro", &lsst_packet(GOOD[0]));
    write("z-last.avro", &lsst_packet(GOOD[1]));
    for (name, bytes) in files {
        write(name, bytes);
    }
    let archive = empty().await;
    archive.add_survey(crate::make::LANTERN_MAPPING).await.unwrap();
    let report = take(&archive, folder.path(), &commits_of(5_000)).await;
    let mut by_file: BTreeMap<String, Vec<Quarantined>> = BTreeMap::new();
    for one in refused(&archive).await {
        assert_eq!(one.complete, one.packet.len() as u64 == one.length, "{one:?}");
        by_file.entry(one.source.rsplit('/').next().unwrap().to_owned()).or_default().push(one);
    }
    let count: usize = by_file.values().map(Vec::len).sum();
    assert_eq!(report.counts.quarantined, count as i64, "{report:?}");
    let snapshot = archive.snapshot().await.unwrap();
    for id in GOOD {
        let found = find(&archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap();
        assert_eq!(found.len(), 1, "the good packet {id}");
        assert_eq!(found[0].bytes().unwrap(), lsst_packet(id));
    }
    assert_verified(&archive).await;
    // A second run finds nothing new.
    let again = take(&archive, folder.path(), &commits_of(5_000)).await;
    assert_eq!(again.counts.received, 0);
    (archive, by_file)
}

/// A bad packet, and what is to be said of it.
struct Bad {
    name: &'static str,
    packet: Vec<u8>,
    reason: &'static str,
    /// Byte of the packet; `None` where there is none to name.
    byte: Option<u64>,
    schema: Option<&'static str>,
    field: Option<&'static str>,
}

const LSST: Option<&str> = Some("lsst.v11_1.alert 11.1");

fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_long(&mut out, value);
    out
}

/// A list that begins with this count, in the second branch of its union or the first, whichever is the list.
fn list(counts: &[i64], rest: &[u8]) -> Vec<u8> {
    let branch = match &lsst().node(lsst().fields()[4].node).shape {
        noctuary_packet::schema::Shape::Union(branches) => {
            branches.iter().position(|b| matches!(lsst().node(*b).shape, noctuary_packet::schema::Shape::Array(_)))
        }
        _ => None,
    };
    let mut out = long(branch.unwrap() as i64);
    counts.iter().for_each(|c| out.extend(long(*c)));
    out.extend_from_slice(rest);
    out
}

fn with(path: &'static str, bytes: Vec<u8>) -> Vec<u8> {
    framed(1101, &lsst_datum(9, &[(path, Value::Raw(bytes))]))
}

/// Where the value at a path begins in a packet of `lsst_datum(9)`.
fn begins(path: &'static str) -> u64 {
    // The bytes up to there are the same in two packets that differ from there on.
    let (a, b) = (with(path, vec![0xaa; 3]), with(path, vec![0x55; 3]));
    a.iter().zip(&b).position(|(a, b)| a != b).unwrap() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_frame_is_refused_with_its_reason() {
    let whole = lsst_packet(9);
    let target = "target_name";
    let band = "diaSource.band";
    let bad = |name, packet, reason, byte, field| Bad { name, packet, reason, byte, schema: LSST, field };
    let unframed = |name, packet, reason, byte| Bad { name, packet, reason, byte, schema: None, field: None };
    let cases = [
        unframed("unknown-id", framed(4_000_000, &whole[5..]), "unknown-schema", Some(1)),
        unframed("wrong-magic", [b"Obj\x02", &whole[..]].concat(), "no-frame", Some(0)),
        unframed("text", b"this is no alert at all".to_vec(), "no-frame", Some(0)),
        unframed("json", br#"{"diaSourceId": 1}"#.to_vec(), "no-frame", Some(0)),
        unframed("frame-only", whole[..5].to_vec(), "no-frame", Some(0)),
        unframed("empty", Vec::new(), "empty", None),
        bad(
            "truncated",
            whole[..whole.len() - 1].to_vec(),
            "truncated",
            Some(whole.len() as u64 - 1),
            Some("cutoutTemplate"),
        ),
        bad("cut-in-half", whole[..60].to_vec(), "truncated", Some(60), None),
        bad("trailing", [&whole[..], &[0]].concat(), "trailing-bytes", Some(whole.len() as u64), None),
        bad("twice", [&whole[..], &whole[5..]].concat(), "trailing-bytes", Some(whole.len() as u64), None),
        bad("union-index", with(target, long(2)), "union-index", Some(begins(target)), Some(target)),
        bad("negative-union-index", with(target, long(-1)), "union-index", Some(begins(target)), Some(target)),
        bad("huge-union-index", with(target, long(i64::MAX)), "union-index", Some(begins(target)), Some(target)),
        bad(
            "negative-length",
            with(band, [long(1), long(-5)].concat()),
            "bad-length",
            Some(begins(band) + 1),
            Some(band),
        ),
        bad(
            "huge-length",
            with(band, [long(1), long(1 << 40)].concat()),
            "bad-length",
            Some(begins(band) + 1),
            Some(band),
        ),
        bad(
            "greatest-length",
            with(band, [long(1), long(i64::MAX)].concat()),
            "bad-length",
            Some(begins(band) + 1),
            Some(band),
        ),
        bad(
            "not-utf8",
            with(band, [long(1), long(2), vec![0xff, 0xfe]].concat()),
            "bad-value",
            Some(begins(band) + 1),
            Some(band),
        ),
        bad(
            "long-number",
            with("diaSource.visit", vec![0xff; 11]),
            "bad-value",
            Some(begins("diaSource.visit")),
            Some("diaSource.visit"),
        ),
        bad(
            "wide-int",
            with("diaSource.detector", long(1 << 40)),
            "bad-value",
            Some(begins("diaSource.detector")),
            Some("diaSource.detector"),
        ),
        bad(
            "bad-boolean",
            with("diaSource.isNegative", vec![2, 7]),
            "bad-value",
            Some(begins("diaSource.isNegative") + 1),
            Some("diaSource.isNegative"),
        ),
        bad(
            "huge-count",
            with("prvDiaSources", list(&[1 << 50], &[])),
            "bad-length",
            Some(begins("prvDiaSources") + 1),
            Some("prvDiaSources"),
        ),
        bad(
            "greatest-count",
            with("prvDiaSources", list(&[i64::MAX], &[])),
            "bad-length",
            Some(begins("prvDiaSources") + 1),
            Some("prvDiaSources"),
        ),
        bad(
            "least-count",
            with("prvDiaSources", list(&[i64::MIN, 0], &[])),
            "bad-length",
            Some(begins("prvDiaSources") + 1),
            Some("prvDiaSources"),
        ),
        bad(
            "wrong-block-size",
            with("prvDiaSources", list(&[-1, 3], &record())),
            "bad-length",
            Some(begins("prvDiaSources") + 1),
            Some("prvDiaSources"),
        ),
        bad(
            "negative-block-size",
            with("prvDiaSources", list(&[-1, -1], &record())),
            "bad-length",
            Some(begins("prvDiaSources") + 1),
            Some("prvDiaSources"),
        ),
    ];
    let files: Vec<(String, Vec<u8>)> = cases.iter().map(|c| (format!("{}.avro", c.name), c.packet.clone())).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, p)| (&**n, p.clone())).collect();
    let (_, found) = among_good_ones(&files).await;
    for case in cases {
        let [one] = &found[&format!("{}.avro", case.name)][..] else { panic!("{}: not one", case.name) };
        let name = case.name;
        assert_eq!(one.reason, case.reason, "{name}: {one:?}");
        assert_eq!(one.byte, case.byte, "{name}: {one:?}");
        assert_eq!(one.schema.as_deref(), case.schema, "{name}: {one:?}");
        if case.field.is_some() {
            assert_eq!(one.field.as_deref(), case.field, "{name}: {one:?}");
        }
        assert_eq!((one.offset, &one.packet, one.complete), (0, &case.packet, true), "{name}");
        assert_eq!(one.sha256, noctuary_packet::hash::PacketHash::of(&[&case.packet]).to_hex());
        assert!(one.source.starts_with("file:///") && !one.detail.is_empty());
    }
    assert_eq!(found.len(), 25);
}

/// An empty element of `prvDiaSources`, and the end of the list.
fn record() -> Vec<u8> {
    let datum = lsst_datum(9, &[("prvDiaSources", Value::Items(1))]);
    let at = begins("prvDiaSources") as usize - 5;
    let rest = &datum[at + 2..];
    let plain = lsst_datum(9, &[]);
    // Behind the list both packets are the same.
    let tail = plain.len() - (at + 1);
    rest[..rest.len() - tail].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_its_size_is_as_good_as_one_without() {
    let sized = |size: i64| with("prvDiaSources", list(&[-1, size], &record()));
    // The end of the list is not part of the block.
    let good = sized(record().len() as i64 - 1);
    let (archive, found) = among_good_ones(&[("sized.avro", good.clone())]).await;
    assert!(found.is_empty(), "{found:?}");
    let snapshot = archive.snapshot().await.unwrap();
    let back = find(&archive, &snapshot, "9", None, &Access::Everything).await.unwrap();
    assert_eq!(back[0].bytes().unwrap(), good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_names_another_version_is_noticed() {
    let of = |version: &str| {
        let schema = known_lsst(version).unwrap();
        let known = |path: &str| schema.find(path).is_some();
        let values: Vec<_> = lsst_values(9).into_iter().filter(|(path, _)| known(path)).collect();
        datum(&schema, &values)
    };
    let (_, found) = among_good_ones(&[
        ("ten.avro", framed(1101, &of("10.0"))),
        ("nine.avro", framed(1101, &of("9.0"))),
        ("eleven.avro", framed(1000, &of("11.1"))),
    ])
    .await;
    // A packet this empty reads as more versions than one: which is named is not promised.
    for (file, named) in [("ten", "11.1"), ("nine", "11.1"), ("eleven", "10.0")] {
        let [one] = &found[&format!("{file}.avro")][..] else { panic!("{file}: not one") };
        assert_eq!(one.reason, "wrong-schema", "{file}: {one:?}");
        assert!(one.schema.as_deref().unwrap().ends_with(named), "{file}: {one:?}");
        assert!(one.detail.contains("reads as lsst."), "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_alerts_are_stored_and_say_so() {
    let real = |path: &'static str, value: f64| vec![(path, Value::Real(value))];
    let (ra, dec, time) = ("diaSource.ra", "diaSource.dec", "diaSource.midpointMjdTai");
    let cases = [
        (real(ra, f64::NAN), "no-position"),
        (real(dec, f64::NAN), "no-position"),
        (real(ra, f64::INFINITY), "no-position"),
        (real(ra, 360.0), "position-out-of-range"),
        (real(ra, -0.001), "position-out-of-range"),
        (real(dec, 90.000_1), "position-out-of-range"),
        (real(dec, -1e300), "position-out-of-range"),
        (real(time, f64::NAN), "no-time"),
        (real(time, f64::NEG_INFINITY), "no-time"),
        (real(time, 0.0), "time-impossible"),
        (real(time, 1e300), "time-impossible"),
        (real(time, 2_461_138.0), "time-impossible"),
        (vec![("diaSource.diaSourceId", 7.into())], "ids-differ"),
        ([real(ra, f64::NAN), real(time, f64::NAN)].concat(), "no-position,no-time"),
        // The edges of what is right.
        (real(ra, 0.0), ""),
        (real(ra, 359.999_999_999), ""),
        (real(dec, -90.0), ""),
        (real(dec, 90.0), ""),
    ];
    let packets: Vec<_> = (100..).zip(&cases).map(|(id, (c, _))| framed(1101, &lsst_datum(id, c))).collect();
    let names: Vec<_> = (100..).take(cases.len()).map(|id: i64| format!("{id}.avro")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(packets.iter().cloned()).collect();
    let (archive, found) = among_good_ones(&files).await;
    assert!(found.is_empty(), "{found:?}");
    let snapshot = archive.snapshot().await.unwrap();
    let alerts = rows(&archive, &snapshot, Table::Alerts).await;
    for ((id, packet), (_, flags)) in (100..).zip(&packets).zip(&cases) {
        let row = alerts.iter().find(|row| row["_alert"] == id.to_string()).unwrap();
        assert_eq!(row["_flags"], *flags, "{id}");
        assert_eq!(row["_healpix_29"].is_empty(), flags.contains("position"), "{id}");
        let back = find(&archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap();
        assert_eq!(back[0].bytes().unwrap(), *packet);
    }
    let flagged: i64 = crate::dump::dump(&archive).await.ledger.values().map(|counts| counts[5]).sum();
    assert_eq!(flagged, 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_without_id_is_refused() {
    let nameless = crate::make::lantern_datum("", 1, &[]);
    let container = crate::make::container(crate::make::LANTERN_SCHEMA, "null", &[(1, nameless)]);
    let (_, found) = among_good_ones(&[("nameless.avro", container)]).await;
    assert_eq!(found["nameless.avro"][0].reason, "no-id");
    assert_eq!(found["nameless.avro"][0].schema.as_deref(), Some("lantern.v1_0.alert 1.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_datums_are_never_guessed() {
    let bare = lsst_datum(9, &[]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bare.avro"), &bare).unwrap();
    std::fs::write(folder.path().join("framed.avro"), lsst_packet(10)).unwrap();
    std::fs::write(folder.path().join("cut.avro"), &bare[..50]).unwrap();
    let archive = empty().await;
    let options = noctuary_storage::ingest::IngestOptions { schema: Some(lsst()), ..Default::default() };
    let report = take(&archive, folder.path(), &options).await;
    assert_eq!((report.counts.stored, report.counts.quarantined), (2, 1), "{report:?}");
    let snapshot = archive.snapshot().await.unwrap();
    let back = find(&archive, &snapshot, "9", None, &Access::Everything).await.unwrap();
    assert_eq!(back[0].bytes().unwrap(), bare);
    let [cut] = &refused(&archive).await[..] else { panic!("one") };
    assert_eq!((cut.reason.as_str(), cut.byte), ("truncated", Some(50)));
    // Without a name for its schema it waits, and says what to do.
    let (_, found) = among_good_ones(&[("bare.avro", bare)]).await;
    assert_eq!(found["bare.avro"][0].reason, "no-frame");
    assert!(found["bare.avro"][0].detail.contains("--schema"));
}

#[test]
fn the_schemas_of_these_tests_are_read() {
    for text in [crate::make::LANTERN_SCHEMA, lsst().json()] {
        Schema::parse(text).unwrap();
    }
}
