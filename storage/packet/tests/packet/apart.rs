//! Taken apart and put together again.

use std::sync::Arc;

use noctuary_packet::apart::{Anatomy, Apart, Part, Rebuild, RecordEncoder, take_apart};
use noctuary_packet::cursor::put_long;
use noctuary_packet::decode::Decoder;
use noctuary_packet::schema::{NodeId, Schema, Shape};
use noctuary_packet::survey::{Survey, Surveys};
use proptest::prelude::*;
use serde_json::json;

use crate::any::{Writer, datum, name_types, record, schemas, types};
use crate::sent::{data, packets};

/// A survey whose history is `h`, whose forced photometry is `f`, and whose images are `i` and `j`.
fn survey() -> Survey {
    let mapping = r#"
        name = "parts"
        title = "Parts"
        recognise = [{ fields = ["h"] }]
        ids = { alert = ["id"] }
        position = { ra = [], dec = [] }
        time = { field = [], form = "mjd", scale = "tai" }
        night = { utc_offset_hours = 0.0 }
        records = { history = ["h"], forced = ["f"] }
        cutouts = [{ kind = "i", field = "i" }, { kind = "j", field = "j" }]
        rights = { levels = ["public"] }"#;
    Survey::parse(mapping).unwrap()
}

/// Schemas with such parts between fields of any type.
fn with_parts() -> impl Strategy<Value = Arc<Schema>> {
    let records = || prop::collection::vec(types(), 1..4).prop_map(|t| json!({"type": "array", "items": record(t)}));
    (records(), records(), types(), any::<bool>()).prop_map(|(history, forced, other, first)| {
        let forced = if first { json!(["null", forced]) } else { json!([forced, "null"]) };
        let fields = [("a", other.clone()), ("h", history), ("i", json!("bytes")), ("f", forced)];
        let more =
            [("b", json!("long")), ("j", json!(["null", "bytes"])), ("c", json!({"type": "map", "values": other}))];
        let fields: Vec<_> =
            fields.into_iter().chain(more).map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        let mut schema = json!({"type": "record", "name": "?", "fields": fields});
        // Named types may be declared only once.
        schema["fields"]
            .as_array_mut()
            .unwrap()
            .retain(|f| f["name"] != "c" || !other.to_string().contains("\"name\""));
        name_types(&mut schema, &mut 0);
        Arc::new(Schema::parse(&schema.to_string()).unwrap())
    })
}

/// The datum again, from the rest and the parts as they were cut out.
fn rebuilt(apart: &Apart<'_>, length: usize) -> Vec<u8> {
    let mut rebuild = Rebuild::new(&apart.rest, length);
    for cut in &apart.cuts {
        match &cut.part {
            Part::Records { records, .. } => {
                rebuild.records(cut.at, records.len(), |out| records.iter().for_each(|r| out.extend_from_slice(r)));
            }
            Part::Image { bytes, .. } => rebuild.image(cut.at, bytes.len(), |out| out.extend_from_slice(bytes)),
        }
    }
    rebuild.finish()
}

/// Records as rows, and as bytes again.
fn through_columns(schema: &Arc<Schema>, node: NodeId, records: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::exact(schema, node, records.len()).unwrap();
    for record in records {
        decoder.push(record).unwrap();
    }
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), records.len());
    let encoder = RecordEncoder::new(schema, node, &batch).unwrap();
    let write = |row| {
        let mut out = Vec::new();
        encoder.put(row, &mut out);
        out
    };
    let whole: Vec<_> = (0..batch.num_rows()).map(write).collect();
    // Rows of a part of a batch are the same.
    let second = batch.slice(1, batch.num_rows() - 1);
    let encoder = RecordEncoder::new(schema, node, &second).unwrap();
    for row in 0..second.num_rows() {
        let mut out = Vec::new();
        encoder.put(row, &mut out);
        assert_eq!(out, whole[row + 1]);
    }
    whole
}

fn is_empty_list(part: &Part<'_>) -> bool {
    matches!(part, Part::Records { records, .. } if records.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_record_is_its_columns(schema in schemas(), seeds in prop::collection::vec(any::<u64>(), 1..6)) {
        let datums: Vec<Vec<u8>> = seeds.iter().map(|seed| datum(&schema, *seed, Writer::Usual)).collect();
        let datums: Vec<&[u8]> = datums.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(through_columns(&schema, NodeId::ROOT, &datums), datums);
    }

    #[test]
    fn a_datum_is_its_parts(schema in with_parts(), seed: u64, usual: bool) {
        let anatomy = Anatomy::new(&survey(), &schema);
        prop_assert_eq!((anatomy.lists().len(), anatomy.images().len()), (2, 2));
        let datum = datum(&schema, seed, if usual { Writer::Usual } else { Writer::Any });
        let apart = take_apart(&anatomy, &datum).unwrap();
        prop_assert_eq!(&rebuilt(&apart, datum.len()), &datum);
        prop_assert!(apart.cuts.is_sorted_by_key(|cut| cut.at));
        if usual {
            prop_assert!(apart.left.iter().all(is_empty_list));
        }
        for cut in &apart.cuts {
            let Part::Records { list, records } = &cut.part else { continue };
            let again = through_columns(&schema, anatomy.lists()[*list].record, records);
            if usual {
                prop_assert_eq!(&again, records);
            }
        }
    }

    #[test]
    fn holes_in_wrong_places_do_no_harm(rest: Vec<u8>, holes in prop::collection::vec(any::<usize>(), 0..4)) {
        let mut rebuild = Rebuild::new(&rest, 0);
        for at in &holes {
            rebuild.image(*at, 1, |out| out.push(7));
        }
        prop_assert_eq!(rebuild.finish().len(), rest.len() + 2 * holes.len());
    }
}

/// A record with every shape that a list can have: none, empty, one, in blocks, with its size.
#[test]
fn lists_in_blocks_are_left_where_they_are() {
    let schema = Arc::new(
        Schema::parse(
            r#"{"type": "record", "name": "r", "fields": [{"name": "h", "type": ["null", {"type": "array",
                "items": {"type": "record", "name": "s", "fields": [{"name": "v", "type": "int"}]}}]}]}"#,
        )
        .unwrap(),
    );
    let anatomy = Anatomy::new(&survey(), &schema);
    let cases: [(&[u8], &[usize], &[usize]); 7] = [
        (&[0], &[], &[]),
        (&[2, 0], &[], &[0]),
        (&[2, 2, 8, 0], &[1], &[]),
        (&[2, 4, 8, 10, 0], &[2], &[]),
        // Two blocks; a block with its size; a count in more bytes than it needs.
        (&[2, 2, 8, 2, 10, 0], &[], &[2]),
        (&[2, 1, 2, 8, 0], &[], &[1]),
        (&[2, 0x82, 0, 8, 0], &[], &[1]),
    ];
    for (datum, cut, left) in cases {
        let apart = take_apart(&anatomy, datum).unwrap();
        let records = |part: &Part<'_>| match part {
            Part::Records { records, .. } => records.len(),
            Part::Image { .. } => 0,
        };
        assert_eq!(apart.cuts.iter().map(|c| records(&c.part)).collect::<Vec<_>>(), cut, "{datum:?}");
        assert_eq!(apart.left.iter().map(records).collect::<Vec<_>>(), left, "{datum:?}");
        assert_eq!(rebuilt(&apart, 0), datum);
    }
}

#[test]
fn nan_keeps_every_bit() {
    let schema = Arc::new(
        Schema::parse(
            r#"{"type": "record", "name": "r", "fields": [{"name": "f", "type": ["float", "null"]},
                {"name": "d", "type": ["null", "double"]}]}"#,
        )
        .unwrap(),
    );
    let mut datums = vec![vec![2, 0]];
    for (float, double) in
        [(0x7fc0_0000u32, 0x7ff8_0000_0000_0000u64), (0xffc0_1234, 0xfff8_0000_dead_beef), (1 << 31, 1 << 63)]
    {
        let mut datum = vec![0];
        datum.extend(float.to_le_bytes());
        put_long(&mut datum, 1);
        datum.extend(double.to_le_bytes());
        datums.push(datum);
    }
    let datums: Vec<&[u8]> = datums.iter().map(Vec::as_slice).collect();
    assert_eq!(through_columns(&schema, NodeId::ROOT, &datums), datums);
}

#[test]
#[cfg_attr(not(real_packets), ignore = "needs the real packets")]
fn every_real_packet_is_its_parts() {
    let surveys = Surveys::built_in();
    let (mut records_seen, mut images_seen) = (0, 0);
    for packet in packets(&data("")) {
        let what = packet.file.display();
        let anatomy = Anatomy::new(surveys.recognise(&packet.schema).unwrap(), &packet.schema);
        let apart = take_apart(&anatomy, &packet.datum).unwrap();
        assert!(apart.left.iter().all(is_empty_list), "{what}");
        assert_eq!(rebuilt(&apart, packet.datum.len()), packet.datum, "{what}");
        for cut in &apart.cuts {
            match &cut.part {
                Part::Records { list, records } => {
                    records_seen += records.len();
                    let again = through_columns(&packet.schema, anatomy.lists()[*list].record, records);
                    assert_eq!(again, *records, "{what}");
                }
                Part::Image { .. } => images_seen += 1,
            }
        }
        let trigger = anatomy.lists().iter().all(|l| matches!(packet.schema.node(l.record).shape, Shape::Record(_)));
        assert!(trigger && apart.rest.len() < 30_000, "{what}: {} bytes are left", apart.rest.len());
    }
    assert!(records_seen > 100_000 && images_seen > 3_000, "{records_seen} records, {images_seen} images");
}
