//! The questions of the catalogue, on a sky of a few objects of which the answers are known.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use chrono::NaiveDate;
use datafusion::catalog::MemTable;
use noctuary_engine::Session;
use noctuary_packet::schema::Schema;
use noctuary_queries::{Entry, catalogue, named};
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::ingest::Source;
use noctuary_storage::{Archive, Meter};

use crate::make::{Value, container, datum, framed, lsst_datum};
use crate::support::{ask, empty, session_of, take};

type Values = Vec<(&'static str, Value)>;

const ARCSECOND: f64 = 1.0 / 3600.0;
const RISING: (f64, f64) = (150.0, 2.0);
const BESIDE: (f64, f64) = (150.0, 2.0 + ARCSECOND);
const BURSTING: (f64, f64) = (150.5, 2.0);
const FAR: (f64, f64) = (200.0, -40.0);
const MOVING: (f64, f64) = (10.0, 5.0);

/// An alert whose signal to noise is a tenth of its flux.
fn alert(id: i64, object: i64, place: (f64, f64), time: f64, flux: f64, more: Values) -> Vec<u8> {
    let mut values: Values = vec![
        ("diaSource.diaObjectId", if object == 0 { Value::Null } else { object.into() }),
        ("diaSource.ra", place.0.into()),
        ("diaSource.dec", place.1.into()),
        ("diaSource.midpointMjdTai", time.into()),
        ("diaSource.band", "r".into()),
        ("diaSource.psfFlux", flux.into()),
        ("diaSource.psfFluxErr", 10.0.into()),
        ("diaSource.snr", (flux / 10.0).into()),
        ("diaSource.scienceFlux", (flux + 1_000.0).into()),
        ("diaSource.isNegative", 0.into()),
    ];
    values.extend(more);
    framed(1101, &lsst_datum(id, &values))
}

/// Id, time, difference flux and science flux.
type Earlier = (i64, f64, f64, f64);

/// Sources before the alert.
fn history(object: i64, place: (f64, f64), sources: &[Earlier]) -> Values {
    let each = |of: &dyn Fn(&Earlier) -> Value| Value::Each(sources.iter().map(of).collect());
    vec![
        ("prvDiaSources", Value::Items(sources.len())),
        ("prvDiaSources[].diaSourceId", each(&|s| s.0.into())),
        ("prvDiaSources[].diaObjectId", each(&|_| object.into())),
        ("prvDiaSources[].ra", each(&|_| place.0.into())),
        ("prvDiaSources[].dec", each(&|_| place.1.into())),
        ("prvDiaSources[].midpointMjdTai", each(&|s| s.1.into())),
        ("prvDiaSources[].band", each(&|_| "r".into())),
        ("prvDiaSources[].psfFlux", each(&|s| s.2.into())),
        ("prvDiaSources[].psfFluxErr", each(&|_| 10.0.into())),
        ("prvDiaSources[].scienceFlux", each(&|s| s.3.into())),
    ]
}

fn forced(object: i64, measured: &[(i64, f64, f64)]) -> Values {
    let each = |of: &dyn Fn(&(i64, f64, f64)) -> Value| Value::Each(measured.iter().map(of).collect());
    vec![
        ("prvDiaForcedSources", Value::Items(measured.len())),
        ("prvDiaForcedSources[].diaForcedSourceId", each(&|m| m.0.into())),
        ("prvDiaForcedSources[].diaObjectId", each(&|_| object.into())),
        ("prvDiaForcedSources[].midpointMjdTai", each(&|m| m.1.into())),
        ("prvDiaForcedSources[].band", each(&|_| "r".into())),
        ("prvDiaForcedSources[].psfFlux", each(&|m| m.2.into())),
        ("prvDiaForcedSources[].psfFluxErr", each(&|_| 10.0.into())),
    ]
}

fn object(id: i64, place: (f64, f64), detections: i64, mean: f64) -> Values {
    vec![
        ("diaObject.diaObjectId", id.into()),
        ("diaObject.ra", place.0.into()),
        ("diaObject.dec", place.1.into()),
        ("diaObject.nDiaSources", detections.into()),
        ("diaObject.r_psfFluxMean", mean.into()),
        ("diaObject.r_psfFluxMeanErr", 1.0.into()),
    ]
}

fn body(id: i64, designation: &str) -> Values {
    vec![
        ("diaSource.ssObjectId", id.into()),
        ("ssSource.ssObjectId", id.into()),
        ("ssSource.designation", designation.into()),
        ("ssSource.helioRange", 2.5.into()),
        ("ssSource.topoRange", 1.5.into()),
        ("ssSource.phaseAngle", 7.0.into()),
    ]
}

/// Two commits of packets, and one of which the only packet is refused.
async fn sky() -> Archive {
    let early = vec![
        alert(11, 1, RISING, 61_130.0, 100.0, object(1, RISING, 1, 100.0)),
        alert(12, 1, RISING, 61_131.0, 200.0, vec![]),
        alert(21, 2, BESIDE, 61_131.0, 1_000.0, vec![]),
        alert(51, 0, MOVING, 61_135.0, 400.0, body(777, "2007 JQ")),
    ];
    // The copy of 12 in a history is not quite what its own alert said.
    let rising = [history(1, RISING, &[(9, 61_100.0, 50.0, 1_050.0), (12, 61_131.0, 201.0, 1_201.0)])];
    let rising = rising.into_iter().chain([forced(1, &[(901, 61_129.5, 5.0), (902, 61_130.5, 6.0)])]).flatten();
    let quiet = [(32, 61_135.0, 1.0, 1_000.0), (33, 61_136.0, 2.0, 1_000.0), (34, 61_137.0, 3.0, 1_000.0)];
    let burst: Values = vec![("diaSource.scienceFlux", 5_000.0.into()), ("diaSource.isDipole", 1.into())];
    let burst = [burst, history(3, BURSTING, &quiet), object(3, BURSTING, 4, 500.0)].concat();
    let late = vec![
        alert(13, 1, RISING, 61_132.0, 300.0, rising.chain(object(1, RISING, 4, 200.0)).collect()),
        alert(22, 2, BESIDE, 61_140.0, 900.0, object(2, BESIDE, 2, 950.0)),
        alert(31, 3, BURSTING, 61_139.0, 500.0, burst),
        alert(41, 4, FAR, 61_141.0, 50.0, vec![]),
        alert(52, 0, MOVING, 61_150.0, 400.0, body(778, "P/O'Neill")),
    ];
    let archive = empty().await;
    for (name, packets) in [("early", early), ("late", late), ("broken", vec![framed(1101, b"no alert")])] {
        take(&archive, vec![Source::packets(name, Box::new(packets.into_iter()))]).await;
    }
    archive
}

struct Case {
    name: &'static str,
    /// `name=value`, with blanks between them.
    given: String,
    rows: &'static [&'static str],
}

fn case(name: &'static str, given: impl Into<String>, rows: &'static [&'static str]) -> Case {
    Case { name, given: given.into(), rows }
}

const RISE: [&str; 4] =
    ["9 61100 r 50 10 history", "11 61130 r 100 10 trigger", "12 61131 r 200 10 trigger", "13 61132 r 300 10 trigger"];

/// Questions, and the answers that the sky has to them. `far` are the cells of orders 3 and 5 of what is far.
fn cases(far: (i64, i64)) -> Vec<Case> {
    let place = "ra=150 dec=2 ";
    let window = |cell: i64| format!("order=5 cell={cell} start=61141 stop=61142");
    vec![
        case("light_curve", "object=1", &RISE),
        case("light_curve", "object=999", &[]),
        case(
            "light_curves",
            "objects=4,2,999",
            &["2 21 61131 r 1000 10 trigger", "2 22 61140 r 900 10 trigger", "4 41 61141 r 50 10 trigger"],
        ),
        case(
            "object_with_sources",
            "object=1",
            &[
                "1 150 2 4 9 61100 r 50 10 0",
                "1 150 2 4 11 61130 r 100 10 0",
                "1 150 2 4 12 61131 r 200 10 0",
                "1 150 2 4 13 61132 r 300 10 0",
            ],
        ),
        case("object_with_sources", "object=4", &["4 - - - 41 61141 r 50 10 -"]),
        case("forced_photometry", "object=1", &["901 61129.5 r 5 10", "902 61130.5 r 6 10"]),
        case(
            "cone_search",
            format!("{place} radius=0.5"),
            &["9 1 61100 r 50 10 0", "11 1 61130 r 100 10 0", "12 1 61131 r 200 10 0", "13 1 61132 r 300 10 0"],
        ),
        case("cone_search", "ra=200 dec=-40 radius=0", &["41 4 61141 r 50 10 0"]),
        case(
            "objects_in_cone",
            format!("{place} radius=0.6"),
            &["1 4 61100 61132 0", "2 2 61131 61140 0", "3 4 61135 61139 0.5"],
        ),
        case("objects_in_cone", "ra=10 dec=5", &[]),
        case(
            "cone_within_window",
            format!("{place} start=61131 stop=61140"),
            &["2 2 2 61131 61140", "3 4 4 61135 61139"],
        ),
        case(
            "cone_across_window",
            format!("{place} start=61131 stop=61133"),
            &["1 2 4 61100 61132", "2 1 2 61131 61140"],
        ),
        case(
            "cone_light_curves",
            "ra=150 dec=2 radius=0.5",
            &[
                "1 9 61100 r 50 10 history",
                "1 11 61130 r 100 10 trigger",
                "1 12 61131 r 200 10 trigger",
                "1 13 61132 r 300 10 trigger",
            ],
        ),
        case("close_pairs", place, &["1 2 1"]),
        // The two are in strips of declination that touch.
        case("close_pairs", format!("{place} separation=1.0001"), &["1 2 1"]),
        case("close_pairs", format!("{place} separation=0.9"), &[]),
        case("list_matches", "radius=1", &["10 150 2 1 150 2 4 61132 0", "20 150.5 2 3 150.5 2 4 61139 0"]),
        case("list_matches", "radius=0.1", &["10 150 2 1 150 2 4 61132 0"]),
        case("objects_in_range", "least=150 most=600", &["3 500 1 150.5 2 61139", "1 200 1 150 2 61132"]),
        // What an older record said does not count.
        case("objects_in_range", "least=50 most=150", &[]),
        case("objects_by_detections", "least=4", &["1 4 150 2 61132", "3 4 150.5 2 61139"]),
        case("objects_by_detections", "least=1 most=2", &["2 2 150 2 61140"]),
        case("rising", "until=61132 days=5", &["1 r 3 100 7.071 300"]),
        case("rising", "until=61132 days=5 sigma=15", &[]),
        case("rising", "until=61132 days=1", &[]),
        case("new_since", "since=61135", &["3 61135 61139 4 150.5 2", "4 61141 61141 1 200 -40"]),
        case("watchlist_outbursts", "objects=1,3 factor=4", &["3 31 61139 r 5000 - 1000 5"]),
        case("watchlist_outbursts", "objects=1,3 factor=4 since=61140", &[]),
        case("healpix_window", window(far.1), &["41 4 61141 200 -40"]),
        // Too great for its order by what the shift would drop.
        case("healpix_window", window(far.1 + (1 << 16)), &[]),
        case("sky_map_search", format!("moc=3/{} start=61130 stop=61145", far.0), &["41 4 61141 200 -40 r 50 -"]),
        case("solar_system_object", "designation=P/O'Neill", &["52 61150 10 5 778 2.5 1.5 7"]),
        case("solar_system_object", "designation=Ceres", &[]),
        case("solar_system_without_object", "start=61135", &["777 51 61135 10 5 r 400 10"]),
        case(
            "solar_system_without_object",
            "start=61135 days=15.5",
            &["777 51 61135 10 5 r 400 10", "778 52 61150 10 5 r 400 10"],
        ),
        case(
            "l01_good_quality",
            "",
            &["11 1 100 10", "12 1 200 10", "13 1 300 10", "21 2 1000 10", "22 2 900 10", "51 - 400 10", "52 - 400 10"],
        ),
        case("l03_likely_transients", "", &["13 1 30 4", "22 2 90 2"]),
        case("l10_quality", "", &["12 1 20 -", "13 1 30 -", "21 2 100 -", "22 2 90 -"]),
        case(
            "alerts_per_night",
            "",
            &[
                "2026-03-30 lsst 1 1 0 0",
                "2026-03-31 lsst 2 2 0 0",
                "2026-04-01 lsst 1 1 0 0",
                "2026-04-04 lsst 1 1 0 0",
                "2026-04-08 lsst 1 1 0 0",
                "2026-04-09 lsst 1 1 0 0",
                "2026-04-10 lsst 1 1 0 0",
                "2026-04-19 lsst 1 1 0 0",
                "- - 1 0 0 1",
            ],
        ),
        case("what_is_missing", "", &["made:broken union-index 1 0"]),
    ]
}

/// Filters of the other survey.
fn others() -> Vec<Case> {
    vec![
        case("z01_quality", "", &["1 a 0.9 0", "3 c 0.9 0"]),
        case("z03_early_kilonova", "", &["1 a 0.9 0.9 0.125"]),
        case("z05_supernova", "", &["1 a 0.9 2 0.125"]),
        case("z07_bright", "", &["1 a 18 0.9 2"]),
    ]
}

const ZTF: &str = r#"{"type": "record", "name": "ztf.alert", "fields": [
    {"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
        {"name": "candid", "type": "long"}, {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}, {"name": "rcid", "type": "int"},
        {"name": "magpsf", "type": "float"}, {"name": "classtar", "type": "float"}, {"name": "rb", "type": "float"},
        {"name": "drb", "type": "float"}, {"name": "nbad", "type": "int"}, {"name": "ndethist", "type": "int"},
        {"name": "jdstarthist", "type": "double"}]}}]}"#;

/// An alert that is all right, one that is not, and one that is and was seen once, long ago.
fn others_packets() -> Vec<Vec<u8>> {
    let schema = Schema::parse(ZTF).unwrap();
    let packet = |(id, object, score, mag, age, seen): (i64, &str, f64, f64, f64, i64)| {
        let values: Values = vec![
            ("objectId", object.into()),
            ("candid", id.into()),
            ("candidate.candid", id.into()),
            ("candidate.programid", 1.into()),
            ("candidate.jd", 2_460_000.5.into()),
            ("candidate.jdstarthist", (2_460_000.5 - age).into()),
            ("candidate.ndethist", seen.into()),
            ("candidate.magpsf", mag.into()),
            ("candidate.classtar", score.into()),
            ("candidate.rb", score.into()),
            ("candidate.drb", score.into()),
        ];
        container(ZTF, "null", &[(1, datum(&schema, &values))])
    };
    [(1, "a", 0.9, 18.0, 0.125, 2), (2, "b", 0.1, 20.0, 0.125, 2), (3, "c", 0.9, 18.0, 100.0, 1)].map(packet).to_vec()
}

fn given(text: &str) -> Vec<(String, String)> {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A list of positions: at one object, half an arcsecond off another, and where nothing is.
fn with_list(session: Session) -> Session {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![10, 20, 30]))),
        ("ra", Arc::new(Float64Array::from(vec![RISING.0, BURSTING.0, 10.0]))),
        ("dec", Arc::new(Float64Array::from(vec![RISING.1, BURSTING.1 + 0.5 * ARCSECOND, -80.0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    session.with_tables(&[("mine".to_owned(), Arc::new(table) as _)]).unwrap()
}

/// Cells with three decimals, if they are numbers that have any.
fn tidy(cell: &str) -> String {
    let number = if cell.contains('.') || cell.contains('e') { cell.parse::<f64>().ok() } else { None };
    number.map_or_else(|| cell.to_owned(), |number| ((number * 1e3).round() / 1e3).to_string())
}

async fn check(session: &Session, cases: &[Case], state: &str) {
    for Case { name, given: values, rows } in cases {
        let entry = named(name).unwrap_or_else(|| panic!("{name}"));
        let sql = entry.fill(&given(values)).unwrap_or_else(|e| panic!("{e}"));
        let answer = ask(session, &sql).await;
        let mut found: Vec<String> =
            answer.iter().map(|row| row.iter().map(|cell| tidy(cell)).collect::<Vec<_>>().join(" ")).collect();
        // Filters promise no order.
        if !entry.statement().contains("ORDER BY") {
            found.sort();
        }
        assert_eq!(found, *rows, "{name} {values}, {state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_the_catalogue_find_what_is_there() {
    let archive = sky().await;
    let session = with_list(session_of(archive.clone()).await);
    let cells = ask(&session, "SELECT healpix(3, 200, -40), healpix(5, 200, -40)").await;
    let cases = cases((cells[0][0].parse().unwrap(), cells[0][1].parse().unwrap()));
    check(&session, &cases, "as committed").await;
    let policy = Policy { now: true, ..Policy::of(NaiveDate::from_ymd_opt(2080, 1, 1).unwrap()) };
    compact(&archive, &policy, &Meter::default()).await.unwrap();
    check(&with_list(session_of(archive).await), &cases, "merged").await;

    let archive = empty().await;
    take(&archive, vec![Source::packets("others", Box::new(others_packets().into_iter()))]).await;
    check(&session_of(archive).await, &others(), "as committed").await;
}

#[test]
fn every_question_has_a_case_with_an_answer() {
    let cases: Vec<Case> = cases((0, 0)).into_iter().chain(others()).collect();
    let answered: BTreeSet<&str> = cases.iter().filter(|case| !case.rows.is_empty()).map(|case| case.name).collect();
    assert_eq!(catalogue().iter().map(|entry| entry.name).collect::<BTreeSet<_>>(), answered);
}

/// Packets of some surveys bring their schemas with them; before the first, nobody knows their columns.
#[tokio::test(flavor = "multi_thread")]
async fn no_question_is_refused_where_nothing_is_stored() {
    let session = with_list(session_of(empty().await).await);
    let others: Vec<&str> = others().iter().map(|case| case.name).collect();
    for entry in catalogue().iter().filter(|entry| !others.contains(&entry.name)) {
        let rows = ask(&session, entry.sql).await;
        assert!(rows.is_empty(), "{}", entry.name);
    }
}

/// The list for readers, made of the headers of the files.
fn listed() -> String {
    let mut out = String::from(
        "# Questions\n\n\
         What people ask, ready to be asked: `noctuary ask` lists these questions, `noctuary ask NAME --show` shows one \
         with its\nSQL, and `noctuary ask NAME --param NAME=VALUE` asks it. Each is a file of `queries/science/`.\n\n\
         Times are modified Julian dates in TAI, angles are ICRS. A list of ids has commas between them; \
         `--param objects=@FILE`\ntakes it from a file. Values are put into the SQL as literals of their types, so that \
         they choose the files that are\nread, and never as SQL.\n",
    );
    for (heading, survey) in [("LSST", Some("lsst")), ("ZTF", Some("ztf")), ("The archive", None)] {
        let _ = write!(out, "\n## {heading}\n");
        for entry in catalogue().iter().filter(|entry| entry.survey == survey) {
            section(&mut out, entry);
        }
    }
    out
}

fn section(out: &mut String, entry: &Entry) {
    let example = entry.example.iter().map(|(name, value)| format!(" --param {name}={value}"));
    let _ = write!(
        out,
        "\n### {}\n\n{}. {}\n\n```sh\nnoctuary ask {}{}\n```\n\n",
        entry.name,
        entry.title,
        entry.story,
        entry.name,
        example.collect::<String>()
    );
    for parameter in &entry.parameters {
        let _ = writeln!(out, "- `{}`{}", parameter.name, &parameter.to_string()[parameter.name.len()..]);
    }
    let _ = writeln!(out, "- result: {}\n- caveat: {}\n- cost: {}", entry.result, entry.caveat, entry.cost);
}

#[test]
fn the_list_of_questions_is_in_step() {
    let listed = listed();
    if include_str!("../../../docs/questions.md") != listed {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/questions.md");
        std::fs::write(path, listed).unwrap();
        panic!("docs/questions.md is not what the files say; the list as it should be is {path}");
    }
}
