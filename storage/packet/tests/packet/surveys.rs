//! Keys and flags, read by mappings.

use std::sync::Arc;

use noctuary_packet::id::Id;
use noctuary_packet::reason::Reason;
use noctuary_packet::schema::Schema;
use noctuary_packet::survey::{Flags, KeyReader, Survey, Surveys};

const SCHEMA: &str = r#"{"type": "record", "name": "bell.alert", "fields": [
    {"name": "name", "type": ["null", "string"]},
    {"name": "copy", "type": ["null", "string"]},
    {"name": "ra", "type": ["null", "double"]},
    {"name": "dec", "type": "double"},
    {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "who", "type": ["null", "int"]},
    {"name": "parts", "type": {"type": "array", "items": {"type": "record", "name": "part", "fields": [
        {"name": "who", "type": "int"}]}}}]}"#;

const MAPPING: &str = r#"
name = "bell"
title = "Bells"
[[recognise]]
fields = ["name", "parts.who"]
[ids]
alert = ["id", "name"]
repeats = [["name", "copy"]]
[position]
ra = ["ra"]
dec = ["dec"]
[time]
field = ["t"]
form = "micros"
scale = "utc"
[night]
utc_offset_hours = -12.0
[rights]
levels = ["public", "members", "owner"]
fields = ["who", "parts.who"]
values = { 1 = "public", 2 = "members" }
"#;

struct Bell {
    name: Option<&'static str>,
    copy: Option<&'static str>,
    ra: Option<f64>,
    dec: f64,
    micros: i64,
    who: Option<i64>,
    parts: &'static [i64],
}

const GOOD: Bell = Bell {
    name: Some("a"),
    copy: Some("a"),
    ra: Some(1.0),
    dec: 2.0,
    micros: 1_775_600_000_000_000,
    who: Some(1),
    parts: &[],
};

fn datum(bell: &Bell) -> Vec<u8> {
    use noctuary_packet::cursor::put_long;
    let mut out = Vec::new();
    for text in [bell.name, bell.copy] {
        match text {
            None => out.push(0),
            Some(text) => {
                out.push(2);
                put_long(&mut out, text.len() as i64);
                out.extend(text.bytes());
            }
        }
    }
    match bell.ra {
        None => out.push(0),
        Some(ra) => {
            out.push(2);
            out.extend(ra.to_le_bytes());
        }
    }
    out.extend(bell.dec.to_le_bytes());
    put_long(&mut out, bell.micros);
    match bell.who {
        None => out.push(0),
        Some(who) => {
            out.push(2);
            put_long(&mut out, who);
        }
    }
    if !bell.parts.is_empty() {
        put_long(&mut out, bell.parts.len() as i64);
        bell.parts.iter().for_each(|who| put_long(&mut out, *who));
    }
    out.push(0);
    out
}

fn reader() -> KeyReader {
    let mut surveys = Surveys::built_in();
    surveys.add(Survey::parse(MAPPING).unwrap());
    let schema = Arc::new(Schema::parse(SCHEMA).unwrap());
    let survey = surveys.recognise(&schema).unwrap();
    assert_eq!(survey.name, "bell");
    KeyReader::new(survey, &schema)
}

#[test]
fn keys_are_where_the_mapping_says() {
    let keys = reader().read(&datum(&GOOD)).unwrap();
    assert_eq!((keys.alert, keys.object), (Id::from("a"), None));
    assert_eq!((keys.ra, keys.dec), (Some(1.0), Some(2.0)));
    // 2026-04-07 22:13:20 UTC, in TAI.
    assert!((keys.time.unwrap().0 - (61_137.0 + (22.0 * 3600.0 + 13.0 * 60.0 + 20.0 + 37.0) / 86_400.0)).abs() < 1e-8);
    assert_eq!(keys.night.unwrap().to_string(), "2026-04-07");
    assert_eq!((keys.visit, keys.detector, keys.rights), (None, None, 0));
    assert!(keys.flags.is_empty());
}

#[test]
fn what_is_odd_is_flagged() {
    let cases = [
        (Bell { ra: None, ..GOOD }, Flags::NO_POSITION),
        (Bell { dec: f64::NAN, ..GOOD }, Flags::NO_POSITION),
        (Bell { dec: 91.0, ..GOOD }, Flags::POSITION_OUT_OF_RANGE),
        (Bell { micros: 0, ..GOOD }, Flags::TIME_IMPOSSIBLE),
        (Bell { micros: i64::MAX, ..GOOD }, Flags::TIME_IMPOSSIBLE),
        (Bell { copy: Some("b"), ..GOOD }, Flags::IDS_DIFFER),
        // One that is missing differs from nothing.
        (Bell { copy: None, ..GOOD }, Flags::default()),
    ];
    for (bell, flags) in cases {
        assert_eq!(reader().read(&datum(&bell)).unwrap().flags, flags, "{flags}");
    }
    for name in [None, Some("")] {
        assert_eq!(reader().read(&datum(&Bell { name, ..GOOD })).unwrap_err().reason, Reason::NoId);
    }
}

#[test]
fn rights_are_those_of_the_most_restricted_record() {
    let cases: [(Option<i64>, &'static [i64], u8); 8] = [
        (Some(1), &[], 0),
        (Some(1), &[1, 1], 0),
        (Some(2), &[1], 1),
        (Some(1), &[1, 2, 1], 1),
        (Some(1), &[1, 2, 3], 2),
        (Some(99), &[], 2),
        // Unknown is not public.
        (None, &[1], 2),
        (Some(2), &[-1], 2),
    ];
    for (who, parts, rank) in cases {
        assert_eq!(reader().read(&datum(&Bell { who, parts, ..GOOD })).unwrap().rights, rank, "{who:?} {parts:?}");
    }
    let survey = Arc::clone(reader().survey());
    assert_eq!([0, 1, 2, 77].map(|rank| survey.rights.label(rank)), ["public", "members", "owner", "owner"]);
}

#[test]
fn rights_count_whichever_type_they_have() {
    let schema = SCHEMA.replace(
        r#"{"name": "who", "type": ["null", "int"]}"#,
        r#"{"name": "who", "type": ["null", "string", "int"]}"#,
    );
    let mut surveys = Surveys::built_in();
    surveys.add(Survey::parse(MAPPING).unwrap());
    let schema = Arc::new(Schema::parse(&schema).unwrap());
    let reader = KeyReader::new(surveys.recognise(&schema).unwrap(), &schema);
    // Everything but `who`, which lies before the last byte; the parts alone say "public".
    let with = |who: &[u8]| {
        let mut datum = datum(&Bell { who: None, parts: &[1], ..GOOD });
        let at = datum.len() - 4;
        datum.splice(at..=at, who.iter().copied());
        reader.read(&datum).unwrap().rights
    };
    assert_eq!(with(&[4, 2]), 0);
    assert_eq!(with(&[4, 4]), 1);
    assert_eq!(with(&[4, 1]), 2, "-1 is nobody's: as restricted as can be");
    assert_eq!(with(&[2, 2, b'1']), 0);
    assert_eq!(with(&[2, 2, b'2']), 1);
    assert_eq!(with(&[0]), 2);
}

#[test]
fn times_are_read_in_their_form_and_scale() {
    let seconds = 1_775_600_000.0;
    let mjd = 40_587.0 + seconds / 86_400.0;
    for (form, value) in [("mjd", mjd), ("jd", mjd + 2_400_000.5), ("unix", seconds), ("micros", seconds * 1e6)] {
        for (scale, later) in [("utc", 37.0), ("tai", 0.0)] {
            let text = MAPPING.replace("\"micros\"", &format!("{form:?}")).replace("\"utc\"", &format!("{scale:?}"));
            let tai = Survey::parse(&text).unwrap().time.to_mjd_tai(value).0;
            assert!((tai - (mjd + later / 86_400.0)).abs() < 1e-8, "{form} {scale}: {tai}");
        }
    }
}

#[test]
fn mappings_that_cannot_work_are_refused() {
    let change = |from: &str, to: &str| {
        assert!(MAPPING.contains(from), "{from}");
        MAPPING.replace(from, to)
    };
    for (bad, word) in [
        (change("name = \"bell\"", "name = \"Bell!\""), "lower-case"),
        (change("name = \"bell\"", "name = \"archive\""), "archive"),
        (change("[\"id\", \"name\"]", "[]"), "ids.alert"),
        (change("-12.0", "99.0"), "utc_offset_hours"),
        (change("2 = \"members\"", "2 = \"member\""), "member"),
        (change("[\"public\", \"members\", \"owner\"]", "[]"), "rights"),
        (change("fields = [\"name\", \"parts.who\"]", "fields = []"), "recognise"),
        (change("[\"public\", \"members\", \"owner\"]", "[\"members\", \"owner\"]"), "public"),
        (change("\"owner\"]", "\"all\"]"), "all"),
        (change("\"owner\"]", "\"a,b\"]"), "a,b"),
        (change("name = \"bell\"", "name = \"information_schema\""), "information_schema"),
        (change("form = \"micros\"", "form = \"moons\""), "moons"),
        (change("title", "titel"), "titel"),
        (String::new(), "name"),
    ] {
        let words = Survey::parse(&bad).unwrap_err().to_string();
        assert!(words.contains(word), "{words}");
    }
}
