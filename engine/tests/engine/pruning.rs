//! Leaving files out changes no answer.

use noctuary_engine::{Session, SessionOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::lamp::{archive, lamp};
use crate::make::Value;
use crate::support::{cost, session_of, sorted, take};

/// Twenty files of lamps in order, a few odd ones among them.
async fn files() -> (Session, Session) {
    let archive = archive().await;
    for file in 0..20_i64 {
        let packets = (0..10).map(|n| {
            let id = file * 10 + n;
            let version = if file % 3 == 0 { 1 } else { 2 };
            let ra = (f64::from(id as i32) * 1.8 + 350.0) % 360.0;
            let mut more: Vec<(&str, Value)> =
                vec![("glow.ra", ra.into()), ("glow.dec", (id as f64 * 0.9 - 90.0).into())];
            match id {
                42 => more.push(("glow.ra", Value::Real(f64::NAN))),
                57 => more.push(("glow.ra", Value::Real(f64::INFINITY))),
                64 => more.push(("glow.dec", Value::Real(123.0))),
                71 => more.push(("glow.mjd", Value::Real(f64::NAN))),
                88 => more.push(("glow.post", Value::Null)),
                _ => {}
            }
            lamp(version, id + 1, &more)
        });
        take(&archive, &format!("file {file}"), packets.collect(), 1 << 20).await;
    }
    let pruned = session_of(&archive, SessionOptions::default(), true).await;
    let full = session_of(&archive, SessionOptions::default(), false).await;
    (pruned, full)
}

fn comparison() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["=", "<", "<=", ">", ">=", "<>"]);
    let whole = prop::sample::select(vec!["_alert", "lampId", "_visit", "glow.visit", "_object", "glow.post"]);
    let real = prop::sample::select(vec!["_ra", "glow.ra", "_dec", "glow.dec", "_mjd_tai", "glow.mjd"]);
    let number = |column: &str, n: i64| match column.trim_start_matches('_') {
        "visit" | "glow.visit" => n * 100,
        "object" | "glow.post" => n / 10,
        _ => n,
    };
    let place = |column: &str, n: i64| match column {
        "_mjd_tai" | "glow.mjd" => 60_000.0 + n as f64 + 0.25 * (n % 3) as f64,
        "_dec" | "glow.dec" => n as f64 * 0.9 - 90.0,
        _ => n as f64 * 1.8,
    };
    prop_oneof![
        (op.clone(), 0..25_i64).prop_map(|(op, n)| format!("_commit {op} {n}")),
        (whole.clone(), op.clone(), 0..210_i64).prop_map(move |(c, op, n)| format!("{c} {op} {}", number(c, n))),
        (whole.clone(), op.clone(), 0..210_i64).prop_map(move |(c, op, n)| format!("{} {op} {c}", number(c, n))),
        (real.clone(), op, 0..210_i64).prop_map(move |(c, op, n)| format!("{c} {op} {}", place(c, n))),
        (real.clone(), 0..210_i64, 0..50_i64).prop_map(move |(c, n, w)| format!(
            "{c} BETWEEN {} AND {}",
            place(c, n),
            place(c, n + w)
        )),
        (whole.clone(), prop::collection::vec(0..210_i64, 1..40), any::<bool>()).prop_map(move |(c, list, not)| {
            let list: Vec<String> = list.into_iter().map(|n| number(c, n).to_string()).collect();
            format!("{c} {}IN ({})", if not { "NOT " } else { "" }, list.join(", "))
        }),
        (prop_oneof![whole, real], any::<bool>())
            .prop_map(|(c, not)| format!("{c} IS {}NULL", if not { "NOT " } else { "" })),
        (0..250_i32).prop_map(|n| format!("_night > DATE '2023-02-25' + INTERVAL '{n} days'")),
        (0..250_i32).prop_map(|n| format!("_night = DATE '2023-02-25' + {n}")),
        Just("glow.brightFlux > 100".to_owned()),
        Just("glow.flags_string IS NULL".to_owned()),
        Just("NULL".to_owned()),
        Just("glow.ra > 'nan'::double".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner.prop_map(|a| format!("({a}) IS NOT TRUE")),
        ]
    })
}

#[test]
fn pruned_is_full() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (pruned, full) = runtime.block_on(files());
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let run = runner.run(&condition(), |condition| {
        let sql = format!("SELECT _alert, _ra FROM lamp.alerts WHERE {condition}");
        let planned = runtime.block_on(full.plan(&sql));
        // Not every comparison of types is SQL; what is none for one is none for the other.
        if planned.is_err() {
            prop_assert!(runtime.block_on(pruned.plan(&sql)).is_err());
            return Ok(());
        }
        prop_assert_eq!(runtime.block_on(sorted(&pruned, &sql)), runtime.block_on(sorted(&full, &sql)), "{}", sql);
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_keys_choose_files_by_whichever_name() {
    let (pruned, full) = files().await;
    for (condition, most) in [
        ("_alert = 55", 1),
        ("lampId = 55", 1),
        ("LAMPID IN (3, 55, 100)", 3),
        ("glow.post = 7", 2),
        ("glow.visit BETWEEN 3000 AND 3900", 2),
        ("glow.mjd > 60195", 2),
        ("glow.mjd < 60011.5", 3),
        ("_mjd_tai >= 60100 AND _mjd_tai < 60110", 2),
        ("NOT (lampId > 12)", 2),
        ("_night = '2023-03-10'", 2),
        ("glow.dec > 80 OR lampId = 1", 4),
        ("_commit > 1000", 0),
        ("_commit BETWEEN 5 AND 8", 4),
        ("_commit <= 4 AND glow.brightFlux > 0", 3),
    ] {
        let sql = format!("SELECT glow.brightFlux FROM lamp.alerts WHERE {condition}");
        let (_, files) = cost(&pruned, &sql).await;
        assert!(files <= most, "{condition} opens {files} files");
        assert_eq!(cost(&full, &sql).await.1, 20);
        assert_eq!(sorted(&pruned, &sql).await, sorted(&full, &sql).await, "{condition}");
    }
}
