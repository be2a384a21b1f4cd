//! Bad object container files.

use noctuary_packet::container::put_block_prefix;
use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::Schema;
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Archive};

use crate::bad_input::among_good_ones;
use crate::dump::dump;
use crate::make::{LANTERN_SCHEMA, SYNC, Value, container, datum, header, lantern_datum, lsst, lsst_datum};

const LANTERN: Option<&str> = Some("lantern.v1_0.alert 1.0");

fn lantern(n: i64) -> Vec<u8> {
    lantern_datum(&format!("L{n:04}"), n, &[])
}

fn block(records: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_block_prefix(&mut out, records, bytes.len());
    out.extend_from_slice(bytes);
    out
}

/// Which of the alerts `L0000` and on are stored.
async fn stored(archive: &Archive, ids: std::ops::Range<i64>) -> Vec<i64> {
    let snapshot = archive.snapshot().await.unwrap();
    let mut there = Vec::new();
    for id in ids {
        let found = find(archive, &snapshot, &format!("L{id:04}"), None, &Access::Everything).await.unwrap();
        assert!(found.len() <= 1);
        if let [one] = &found[..] {
            assert_eq!(one.datum, lantern(id));
            there.push(id);
        }
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_every_codec_are_read_and_given_back() {
    let codecs = ["null", "deflate", "snappy", "zstandard"];
    let files: Vec<_> = codecs
        .iter()
        .zip(0..)
        .map(|(codec, n)| {
            let blocks: Vec<_> =
                (0..3).map(|b| (3, (0..3).flat_map(|r| lantern(n * 9 + b * 3 + r)).collect::<Vec<u8>>())).collect();
            (*codec, container(LANTERN_SCHEMA, codec, &blocks))
        })
        .map(|(codec, bytes)| (format!("{codec}.avro"), bytes))
        .collect();
    let files: Vec<_> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let (archive, found) = among_good_ones(&files).await;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(stored(&archive, 0..40).await, (0..36).collect::<Vec<_>>());
    let snapshot = archive.snapshot().await.unwrap();
    for (codec, n) in codecs.iter().zip(0..) {
        // What comes back is a container of one record, in the writer's own compression.
        let id = format!("L{:04}", n * 9 + 4);
        let back = find(&archive, &snapshot, &id, None, &Access::Everything).await.unwrap();
        assert_eq!(back[0].bytes().unwrap(), container(LANTERN_SCHEMA, codec, &[(1, lantern(n * 9 + 4))]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_headers_are_refused_whole() {
    let good = container(LANTERN_SCHEMA, "null", &[(1, lantern(0))]);
    let head = header(LANTERN_SCHEMA, "null").len();
    let other = |schema: &str, codec: &str| {
        let mut file = header(schema, codec);
        file.extend_from_slice(&block(1, &lantern(0)));
        file.extend_from_slice(&SYNC);
        file
    };
    let deep = format!("{}\"int\"{}", r#"{"type": "array", "items": "#.repeat(100), "}".repeat(100));
    let deep = format!(r#"{{"type": "record", "name": "r", "fields": [{{"name": "f", "type": {deep}}}]}}"#);
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("cut-in-header.avro", good[..head / 2].to_vec(), &["truncated", "bad-length"]),
        ("cut-in-marker.avro", good[..head - 3].to_vec(), &["truncated"]),
        ("magic-only.avro", good[..4].to_vec(), &["truncated"]),
        ("not-json.avro", other("{\"type\": ", "null"), &["bad-schema"]),
        ("not-avro.avro", other(r#"{"type": "recrod", "name": "x"}"#, "null"), &["bad-schema"]),
        ("no-fields.avro", other(r#"{"type": "record", "name": "x"}"#, "null"), &["bad-schema"]),
        ("too-deep.avro", other(&deep, "null"), &["bad-schema"]),
        ("codec.avro", other(LANTERN_SCHEMA, "bzip2"), &["unknown-codec"]),
        (
            "survey.avro",
            other(r#"{"type":"record","name":"x","fields":[{"name":"y","type":"int"}]}"#, "null"),
            &["unknown-survey"],
        ),
        ("no-blocks.avro", good[..head].to_vec(), &["empty"]),
    ];
    let files: Vec<_> = cases.iter().map(|(n, b, _)| (*n, b.clone())).collect();
    let (_, found) = among_good_ones(&files).await;
    for (name, bytes, reasons) in &cases {
        let [one] = &found[*name][..] else { panic!("{name}: {:?}", found[*name]) };
        assert!(reasons.contains(&one.reason.as_str()), "{name}: {one:?}");
        assert_eq!((&one.packet, one.complete), (bytes, true), "{name}");
    }
    assert!(found["codec.avro"][0].detail.contains("bzip2"));
    assert!(found["survey.avro"][0].detail.contains("noctuary survey add"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_block_takes_no_other_with_it() {
    let blocks: Vec<(usize, Vec<u8>)> = (0..5).map(|n| (1, lantern(n))).collect();
    let damage = |codec: &str, change: &dyn Fn(&mut Vec<u8>, usize, usize)| {
        let mut file = container(LANTERN_SCHEMA, codec, &blocks);
        let before = container(LANTERN_SCHEMA, codec, &blocks[..2]).len();
        let after = container(LANTERN_SCHEMA, codec, &blocks[..3]).len();
        change(&mut file, before, after);
        (file, before as u64)
    };
    let marker = damage("null", &|file, _, after| file[after - 1] ^= 1);
    let count = damage("null", &|file, before, _| file[before] = 1);
    let length = damage("null", &|file, before, _| file[before + 1] ^= 0x7f);
    let negative = damage("null", &|file, before, _| file[before + 1] = 0x01);
    let deflate = damage("deflate", &|file, before, _| file[before + 8..before + 20].fill(0xff));
    let snappy = damage("snappy", &|file, _, after| file[after - 17] ^= 1);
    let zstandard = damage("zstandard", &|file, before, _| file[before + 3] ^= 0xff);
    let huge = damage("null", &|file, before, after| {
        let mut prefix = Vec::new();
        put_long(&mut prefix, 1);
        put_long(&mut prefix, 1 << 60);
        file.splice(before..before + 2, prefix);
        let _ = after;
    });
    let cases = [
        ("marker.avro", marker, vec!["bad-sync"]),
        ("count.avro", count, vec!["bad-length"]),
        ("length.avro", length, vec!["bad-length"]),
        ("negative.avro", negative, vec!["bad-length"]),
        ("deflate.avro", deflate, vec!["corrupt"]),
        ("snappy.avro", snappy, vec!["corrupt"]),
        ("zstandard.avro", zstandard, vec!["corrupt"]),
        ("huge.avro", huge, vec!["too-large"]),
    ];
    for (name, (file, offset), reasons) in &cases {
        let (archive, found) = among_good_ones(&[(name, file.clone())]).await;
        let [one] = &found[*name][..] else { panic!("{name}: {found:?}") };
        assert!(reasons.contains(&one.reason.as_str()), "{name}: {one:?}");
        assert_eq!(one.offset, *offset, "{name}: {one:?}");
        assert!(one.byte.is_none_or(|byte| byte < one.length), "{name}: {one:?}");
        assert!(file.windows(one.packet.len()).any(|w| w == one.packet), "{name}: the bytes are those of the file");
        assert_eq!(stored(&archive, 0..5).await, [0, 1, 3, 4], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_cut_short_keeps_what_was_whole() {
    let blocks: Vec<(usize, Vec<u8>)> = (0..3).map(|n| (1, lantern(n))).collect();
    let file = container(LANTERN_SCHEMA, "null", &blocks);
    let two = container(LANTERN_SCHEMA, "null", &blocks[..2]).len();
    for cut in [two + 1, two + 2, two + 30, file.len() - 16, file.len() - 1] {
        let (archive, found) = among_good_ones(&[("cut.avro", file[..cut].to_vec())]).await;
        let [one] = &found["cut.avro"][..] else { panic!("{found:?}") };
        assert_eq!((one.reason.as_str(), one.offset), ("truncated", two as u64), "{one:?}");
        assert_eq!(one.packet, file[two..cut]);
        assert_eq!(stored(&archive, 0..3).await, [0, 1]);
    }
}

/// One bad record in a block of several: the ones beside it are stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_in_a_block_takes_no_other_with_it() {
    let broken =
        |n: i64, path: &'static str, raw: Vec<u8>| lantern_datum(&format!("L{n:04}"), n, &[(path, Value::Raw(raw))]);
    let bad: [(&str, Vec<u8>, &str, Option<&str>); 4] = [
        ("union.avro", broken(2, "star", vec![9]), "union-index", Some("star")),
        ("enum.avro", broken(2, "seen.access", vec![0x7e]), "bad-value", Some("seen.access")),
        ("length.avro", broken(2, "picture", vec![2, 0x01]), "bad-length", Some("picture")),
        ("name.avro", broken(2, "alertName", vec![4, 0xff, 0xff]), "bad-value", Some("alertName")),
    ];
    for (name, bytes, reason, field) in &bad {
        for codec in ["null", "zstandard"] {
            let records = [lantern(0), lantern(1), bytes.clone(), lantern(3), lantern(4)].concat();
            let file = container(LANTERN_SCHEMA, codec, &[(5, records), (1, lantern(5))]);
            let (archive, found) = among_good_ones(&[(name, file)]).await;
            let [one] = &found[*name][..] else { panic!("{name}: {found:?}") };
            assert_eq!((one.reason.as_str(), one.field.as_deref()), (*reason, *field), "{name}: {one:?}");
            assert_eq!(one.schema.as_deref(), LANTERN);
            assert_eq!(stored(&archive, 0..6).await, [0, 1, 3, 4, 5], "{name}");
            // What was refused is kept as a container of its own, so that it can be tried again.
            assert_eq!(one.packet, container(LANTERN_SCHEMA, codec, &[(1, bytes.clone())]), "{name}");
            // The byte is counted from the beginning of the packet as transmitted: a container of one record.
            let before = header(LANTERN_SCHEMA, codec).len() as u64;
            let byte = one.byte.unwrap();
            assert!(byte > before && byte < before + bytes.len() as u64 + 8, "{name}: {one:?}");
        }
    }
}

/// Also where it is the first or the last, and where there are several.
#[tokio::test(flavor = "multi_thread")]
async fn several_bad_records_in_a_block_take_no_other_with_them() {
    for places in [&[0][..], &[5], &[0, 5], &[1, 3], &[2, 3], &[0, 2, 4], &[1, 2, 4]] {
        let records: Vec<u8> = (0..6)
            .flat_map(|n| {
                let mut record = lsst_datum(n + 50, &[]);
                if places.contains(&n) {
                    // The branch of `observation_reason`, which comes behind the id.
                    record[1] = 0x7f;
                }
                record
            })
            .collect();
        let file = container(lsst().json(), "null", &[(6, records)]);
        let (archive, found) = among_good_ones(&[("several.avro", file)]).await;
        let snapshot = archive.snapshot().await.unwrap();
        for n in 0..6 {
            let there = find(&archive, &snapshot, &(n + 50).to_string(), None, &Access::Everything).await.unwrap();
            assert_eq!(there.len(), usize::from(!places.contains(&n)), "{places:?}: {n}");
        }
        // Bad ones side by side cannot be told apart.
        assert!(!found.is_empty() && found["several.avro"].len() <= places.len(), "{places:?}: {found:?}");
        let kept: usize = found["several.avro"].iter().map(|q| q.packet.len()).sum();
        assert!(kept >= places.len() * lsst_datum(50, &[]).len(), "{places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_lie_are_told() {
    let two = [lantern(0), lantern(1)].concat();
    let file = |records: usize| container(LANTERN_SCHEMA, "null", &[(records, two.clone()), (1, lantern(2))]);
    let (archive, found) = among_good_ones(&[("more.avro", file(3))]).await;
    assert_eq!(found["more.avro"][0].reason, "truncated");
    assert_eq!(stored(&archive, 0..3).await, [0, 1, 2]);
    let (archive, found) = among_good_ones(&[("fewer.avro", file(1))]).await;
    assert_eq!(found["fewer.avro"][0].reason, "trailing-bytes");
    assert_eq!(stored(&archive, 2..3).await, [2]);
    let (archive, found) = among_good_ones(&[("none.avro", file(0)), ("huge.avro", file(1 << 50))]).await;
    let reasons = ["none.avro", "huge.avro"].map(|name| found[name].iter().map(|q| &*q.reason).collect::<Vec<_>>());
    assert_eq!(reasons, [["trailing-bytes"], ["truncated"]]);
    assert_eq!(stored(&archive, 0..3).await, [0, 1, 2]);
}

/// A record of no bytes could be there any number of times.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_no_bytes_do_not_keep_us_busy() {
    let nothing = r#"{"type": "record", "name": "alert", "fields": [{"name": "candid", "type": "null"},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "candid", "type": "null"}, {"name": "jd", "type": "null"}]}}]}"#;
    let mut file = header(nothing, "null");
    file.extend_from_slice(&block(1 << 60, &[0]));
    file.extend_from_slice(&SYNC);
    let (_, found) = among_good_ones(&[("nothing.avro", file)]).await;
    assert_eq!(found["nothing.avro"].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_hold_themselves_are_refused_not_followed() {
    let tree = r#"{"type": "record", "name": "alert", "fields": [{"name": "candid", "type": "long"},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "candid", "type": "long"}, {"name": "jd", "type": "double"}]}},
        {"name": "next", "type": ["null", "alert"]}]}"#;
    let one = datum(&Schema::parse(tree).unwrap(), &[("candid", 1.into())]);
    let open = [&one[..one.len() - 1], &[2]].concat();
    let deep = [open.repeat(100_000), one.clone()].concat();
    let endless = r#"{"type": "record", "name": "alert", "fields": [{"name": "candid", "type": "long"},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "candid", "type": "long"}, {"name": "jd", "type": "double"}, {"name": "self", "type": "candidate"}]}}]}"#;
    let (_, found) = among_good_ones(&[
        ("shallow.avro", container(tree, "null", &[(1, one.clone())])),
        ("deep.avro", container(tree, "null", &[(1, deep)])),
        ("endless.avro", container(endless, "null", &[(1, vec![0; 100])])),
    ])
    .await;
    for name in ["shallow.avro", "deep.avro", "endless.avro"] {
        assert_eq!(found[name].len(), 1);
        assert_eq!(found[name][0].reason, "not-columns", "{:?}", found[name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_adds_up_in_every_row() {
    let mut blocks: Vec<(usize, Vec<u8>)> =
        (0..4).map(|b| (3, (0..3).flat_map(|r| lantern(b * 3 + r)).collect())).collect();
    blocks[1].1[0] = 0x7f;
    blocks.push((2, [lantern(0), lantern(1)].concat()));
    let file = container(LANTERN_SCHEMA, "null", &blocks);
    let (archive, found) = among_good_ones(&[("mixed.avro", file)]).await;
    let sums = dump(&archive).await.ledger.values().fold([0; 7], |mut sum, counts| {
        sum.iter_mut().zip(counts).for_each(|(s, c)| *s += c);
        sum
    });
    // Twelve records, one of them broken, two that come again, and the two good frames.
    assert_eq!(sums[..4], [16, 13, 2, 1], "{found:?}");
}
