//! Features of light curves in SQL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use noctuary_engine::{EngineError, ErrorKind, Session};
use noctuary_storage::ingest::Source;

use crate::make::{framed, lsst_datum};
use crate::support::{ask, empty, session, session_of, take};

/// Two objects, of which the second has one measurement and one that does not count.
const CURVES: &str = "(VALUES
    ('a', 1.0, 10.0, 1.0, 'g'), ('a', 2.0, 15.0, 2.0, 'r'), ('a', 4.0, 12.0, 1.0, 'g'), ('a', 8.0, 11.0, 0.5, 'r'),
    ('a', 9.0, 17.0, 0.0, 'g'), ('a', NULL, 17.0, 1.0, 'i'), ('a', 3.0, 'nan'::double, 1.0, 'r'),
    ('b', 1.0, 7.0, 1.0, 'g'), ('b', 2.0, NULL, 1.0, 'g')
    ) AS curves (object, t, x, e, band)";

/// Numbers of an answer; null is not a number.
async fn numbers(session: &Session, sql: &str) -> Vec<Vec<f64>> {
    let row = |row: Vec<String>| row.iter().map(|v| v.parse().unwrap_or(f64::NAN)).collect();
    ask(session, sql).await.into_iter().map(row).collect()
}

fn same(own: &[Vec<f64>], known: &[Vec<f64>]) -> bool {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
    own.len() == known.len() && own.iter().zip(known).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(close))
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_have_their_own_answers() {
    let session = session(&[]).await;
    // What has no time counts where none is asked for.
    let mean = 86.75 / 7.25;
    let chi2: f64 = [(10.0, 1.0), (15.0, 0.25), (12.0, 1.0), (11.0, 4.0), (17.0, 1.0)]
        .map(|(x, weight): (f64, f64)| weight * (x - mean).powi(2))
        .iter()
        .sum();
    for (function, a, b) in [
        ("amplitude(x)", 3.5, 0.0),
        ("percentile(x, 0.25)", 11.25, 7.0),
        ("mad(x)", 3.0, 0.0),
        ("weighted_mean(x, e)", mean, 7.0),
        ("weighted_mean_err(x, e)", 1.0 / 7.25f64.sqrt(), 1.0),
        ("reduced_chi2(x, e)", chi2 / 4.0, f64::NAN),
        ("time_span(t)", 8.0, 1.0),
        ("max_gap(t)", 4.0, 1.0),
        ("max_slope(t, x)", 6.0, f64::NAN),
        ("linear_slope(t, x)", 17.0 / 50.8, f64::NAN),
        ("colour(band, x, e, 'g', 'r')", 11.0 - (3.75 + 44.0) / 4.25, f64::NAN),
        ("flux_colour(band, x, e, 'g', 'r')", -2.5 * (11.0f64 / (47.75 / 4.25)).log10(), f64::NAN),
        ("ls_period(t, x, e)", f64::NAN, f64::NAN),
    ] {
        let sql = format!("SELECT {function} FROM {CURVES} GROUP BY object ORDER BY object");
        let own = numbers(&session, &sql).await;
        assert!(same(&own, &[vec![a], vec![b]]), "{function}: {own:?}");
        let whole = numbers(&session, &format!("SELECT {function} FROM {CURVES} WHERE object = 'a'")).await;
        assert!(same(&whole, &[vec![a]]), "{function}: {whole:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gives_null() {
    let session = session(&[]).await;
    let functions = "amplitude(x), weighted_mean(x, e), mad(x), max_gap(t), linear_slope(t, x), ls_power(t, x, e), \
                     colour(band, x, e, 'g', 'r'), skew(x)";
    let sql = format!("SELECT {functions} FROM {CURVES} WHERE t > 100");
    assert_eq!(ask(&session, &sql).await, [["-"; 8]]);
    let sql = format!("SELECT {functions} FROM {CURVES} WHERE t > 100 GROUP BY object");
    assert!(ask(&session, &sql).await.is_empty());
    assert_eq!(ask(&session, "SELECT amplitude(NULL), weighted_mean(1, NULL)").await, [["-"; 2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_type_and_bands_of_any_name_are_taken() {
    let session = session(&[]).await;
    let rows = "(VALUES (1, 2, 10.5), (2, 4, 11.5), (1, 8, 9.0)) AS v (fid, n, mag)";
    for (function, known) in [
        ("amplitude(n)", 3.0),
        ("amplitude(n::real)", 3.0),
        ("amplitude(n::tinyint)", 3.0),
        ("amplitude(mag::decimal(6, 2))", 1.25),
        ("percentile(n, 1)", 8.0),
        ("percentile(n, 0.25 + 0.25)", 4.0),
        ("colour(fid, mag, 1, 1, 2)", -1.75),
        ("COLOUR(fid::varchar, mag, 1, '1', '2')", -1.75),
        ("weighted_mean(mag, 0.1 + 0.1)", 31.0 / 3.0),
    ] {
        let own = numbers(&session, &format!("SELECT {function} FROM {rows}")).await;
        assert!(same(&own, &[vec![known]]), "{function}: {own:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_may_be_filtered_and_taken_once() {
    let session = session(&[]).await;
    let rows = "(VALUES (1, 5.0), (1, 5.0), (1, 6.0), (1, 9.0), (2, 1.0)) AS v (k, x)";
    let sql = format!(
        "SELECT mad(x) FILTER (WHERE x > 1), mad(DISTINCT x) FILTER (WHERE x > 1), percentile(x, 0.5), \
         percentile(DISTINCT x, 0.5), weighted_mean(DISTINCT x, 1), weighted_mean(x, 1) FILTER (WHERE k = 1), \
         amplitude(x ORDER BY k) FROM {rows}"
    );
    let known = vec![0.5, 1.0, 5.0, 5.5, 5.25, 6.25, 4.0];
    let own = numbers(&session, &sql).await;
    assert!(same(&own, std::slice::from_ref(&known)), "{own:?}");
    let sql = format!(
        "SELECT k, weighted_mean(DISTINCT x, 1), mad(DISTINCT x), iqr(x) FILTER (WHERE x < 7) FROM {rows} GROUP BY k ORDER BY k"
    );
    let own = numbers(&session, &sql).await;
    assert!(same(&own, &[vec![1.0, 20.0 / 3.0, 1.0, 0.5], vec![2.0, 1.0, 0.0, 0.0]]), "{own:?}");
    // Each alone: a question about nothing else takes another way.
    let own = numbers(&session, &format!("SELECT k, mad(DISTINCT x) FROM {rows} GROUP BY k ORDER BY k")).await;
    assert!(same(&own, &[vec![1.0, 1.0], vec![2.0, 0.0]]), "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_grow_and_move() {
    let session = session(&[]).await;
    let rows = "(VALUES (1, 4.0), (2, 1.0), (3, NULL), (4, 8.0), (5, 2.0)) AS v (t, x)";
    for function in ["amplitude(x)", "mad(x)", "max_slope(t, x)", "weighted_mean(x, 1)"] {
        for frame in ["ROWS UNBOUNDED PRECEDING", "ROWS 2 PRECEDING", "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING"] {
            let sql = format!("SELECT {function} OVER (ORDER BY t {frame}) FROM {rows} ORDER BY t");
            let windows = numbers(&session, &sql).await;
            let (before, after) = match frame {
                "ROWS UNBOUNDED PRECEDING" => (9, 0),
                "ROWS 2 PRECEDING" => (2, 0),
                _ => (1, 1),
            };
            for (t, window) in (1..=5).zip(windows) {
                let range = format!("t BETWEEN {t} - {before} AND {t} + {after}");
                let plain = numbers(&session, &format!("SELECT {function} FROM {rows} WHERE {range}")).await;
                assert!(same(std::slice::from_ref(&window), &plain), "{function} {frame} {t}: {window:?} {plain:?}");
            }
        }
    }
    let sql = format!(
        "SELECT t, x - weighted_mean(x, e) OVER (PARTITION BY object) FROM {CURVES} WHERE object = 'b' ORDER BY t"
    );
    assert_eq!(ask(&session, &sql).await, [["1.0", "0.0"], ["2.0", "-"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anything_is_read() {
    let session = session(&[]).await;
    for (function, message) in [
        ("percentile(x, 1.5)", "percentile: p must be from 0 to 1, and is 1.5"),
        ("percentile(x, -1)", "percentile: p must be from 0 to 1, and is -1"),
        ("percentile(x, NULL)", "p of percentile must be a finite number"),
        ("percentile(x, 'nan'::double)", "p of percentile must be a finite number"),
        ("percentile(x, t)", "p of percentile must be a constant"),
        ("inter_percentile_range(x, 0.75)", "p must be from 0 to 0.5, and is 0.75"),
        ("beyond_n_std(x, -1)", "n must be 0 or more, and is -1"),
        ("ls_period(t, x, 0, 10)", "ls_period: min_period must be above 0, and is 0"),
        ("ls_power(t, x, e, 10, 1)", "ls_power: max_period must be above min_period, and they are 1 and 10"),
        ("colour(band, x, e, 'g', 'g')", "colour: first and second must differ, and both are 'g'"),
        ("colour(band, x, e, 'g', band)", "second of colour must be a constant"),
        ("colour(band, x, e, 'g', NULL)", "second of colour must be a text"),
    ] {
        let error = session.plan(&format!("SELECT {function} FROM {CURVES}")).await.unwrap_err();
        assert!(error.to_string().contains(message), "{function}: {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{function}");
    }
    for function in ["amplitude(x, t)", "amplitude('a text')", "amplitude(band)", "ls_period(t)", "mad()"] {
        let error = session.plan(&format!("SELECT {function} FROM {CURVES}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{function}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_work_is_an_error_that_says_what_to_do() {
    let session = session(&[]).await;
    let rows = "(SELECT value * 1.7 AS t, value % 5 AS x FROM (SELECT unnest(range(0, 100)) AS value) AS v) AS v";
    let planned = session.plan(&format!("SELECT ls_period(t, x, 0.0000001, 100) FROM {rows}")).await.unwrap();
    let rows = planned.execute().await.unwrap();
    let error = EngineError::from(rows.try_collect::<Vec<_>>().await.unwrap_err());
    assert!(error.to_string().contains("narrow the range of periods"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_may_be_filled_in_later() {
    let session = session(&[]).await;
    let planned = session.plan(&format!("SELECT percentile(x, $1) FROM {CURVES} WHERE object = 'a'")).await.unwrap();
    let filled = planned.clone().with_parameters(vec![0.25.into()]).unwrap();
    let rows: Vec<RecordBatch> = filled.execute().await.unwrap().try_collect().await.unwrap();
    assert_eq!(rows[0].column(0).as_ref(), &Float64Array::from(vec![11.25]) as &dyn arrow::array::Array);
    let error = planned.with_parameters(vec![2.0.into()]).unwrap_err();
    assert!(error.to_string().contains("p must be from 0 to 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_of_alerts_are_light_curves() {
    let archive = empty().await;
    let packets = (0..30_i64).map(|n| {
        let (t, object) = (61_000.0 + n as f64 * 1.7, 7 + n % 2);
        let flux = 100.0 + 10.0 * (std::f64::consts::TAU * t / 11.5).sin();
        let values = [
            ("diaSource.diaObjectId", object.into()),
            ("diaSource.midpointMjdTai", t.into()),
            ("diaSource.psfFlux", flux.into()),
            ("diaSource.psfFluxErr", 0.5.into()),
            ("diaSource.band", "r".into()),
        ];
        framed(1101, &lsst_datum(1_000 + n, &values))
    });
    take(&archive, vec![Source::packets("curves", Box::new(packets))]).await;
    let session = session_of(archive).await;
    // At even times shorter periods are the same sine.
    let sql = "SELECT diaObjectId, time_span(midpointMjdTai), ls_period(midpointMjdTai, psfFlux, psfFluxErr, 7, 40), \
               ls_power(midpointMjdTai, psfFlux, psfFluxErr, 7, 40) FROM lsst.sources WHERE band = 'r' GROUP BY 1 ORDER BY 1";
    let rows = numbers(&session, sql).await;
    for (row, object) in rows.iter().zip([7.0, 8.0]) {
        assert_eq!(row[0], object);
        assert!((row[1] - 28.0 * 1.7).abs() < 1e-6);
        assert!((row[2] - 11.5).abs() < 0.01 && row[3] > 0.999, "{row:?}");
    }
    assert_eq!(rows.len(), 2);
}

/// Every function once or more.
const ALL: &str = "amplitude(x), percent_amplitude(x), percentile(x, 0.37), inter_percentile_range(x, 0.1), iqr(x), \
    mad(x), skew(x), kurtosis(x), beyond_n_std(x, 1.5), weighted_mean(x, e), weighted_mean_err(x, e), \
    reduced_chi2(x, e), stetson_k(x, e), excess_variance(x, e), colour(band, x, e, 'g', 'r'), \
    flux_colour(band, x, e, 'g', 'r'), time_span(t), max_gap(t), max_slope(t, x), von_neumann_eta(t, x), \
    von_neumann_eta_e(t, x), cusum(t, x), linear_slope(t, x), linear_slope(t, x, e), linear_slope_err(t, x), \
    linear_slope_err(t, x, e), ls_period(t, x, e), ls_power(t, x), weighted_mean(DISTINCT x, e), \
    mad(x) FILTER (WHERE band = 'r')";

const GROUPS: i64 = 300;

/// The answer for all functions and groups, of rows in so many partitions; how often something went to disk.
async fn in_partitions(partitions: usize, memory: usize) -> (Vec<Vec<f64>>, usize) {
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let rows = 12_000;
    let groups: Int64Array = (0..rows).map(|row| row * 37 % GROUPS).collect();
    let mut column = |from: f64, to: f64| -> ArrayRef {
        Arc::new((0..rows).map(|_| from + (to - from) * random()).collect::<Float64Array>())
    };
    let (t, x, e) = (column(61_000.0, 61_900.0), column(50.0, 90.0), column(-0.1, 3.0));
    let bands: StringArray = (0..rows).map(|row| Some(["g", "r", "i"][(row % 3) as usize])).collect();
    let columns = [("k", Arc::new(groups) as ArrayRef), ("t", t), ("x", x), ("e", e), ("band", Arc::new(bands))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let size = batch.num_rows().div_ceil(partitions * 7);
    let pieces = (0..batch.num_rows()).step_by(size).map(|at| batch.slice(at, size.min(batch.num_rows() - at)));
    let mut parts = vec![Vec::new(); partitions];
    for (n, piece) in pieces.enumerate() {
        parts[n % partitions].push(piece);
    }
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory))).build_arc().unwrap();
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(32);
    let context = SessionContext::new_with_config_rt(config, runtime);
    noctuary_queries::register(&context);
    context.register_table("curves", Arc::new(MemTable::try_new(batch.schema(), parts).unwrap())).unwrap();
    let sql = format!("SELECT k, {ALL} FROM curves GROUP BY k");
    let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
    let mut answers = Vec::new();
    for batch in collect(Arc::clone(&plan), context.task_ctx()).await.unwrap() {
        for row in 0..batch.num_rows() {
            let number = |column: &ArrayRef| {
                let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Float64).unwrap();
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&column).value(row)
            };
            answers.push(batch.columns().iter().map(number).collect());
        }
    }
    // Sorted here: in SQL it would need memory of its own.
    answers.sort_by(|a: &Vec<f64>, b| a[0].total_cmp(&b[0]));
    (answers, spills(&*plan))
}

fn spills(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|m| m.spill_count()).unwrap_or(0);
    own + plan.children().into_iter().map(|child| spills(&**child)).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_disk_do_not_matter() {
    let (plain, on_disk) = in_partitions(1, 1 << 30).await;
    assert_eq!((plain.len(), on_disk), (GROUPS as usize, 0));
    assert!(plain.iter().flatten().all(|v| v.is_finite()));
    for partitions in [2, 5] {
        let (own, _) = in_partitions(partitions, 1 << 30).await;
        assert!(same(&own, &plain), "{partitions} partitions");
    }
    // Not enough to keep the points of all groups.
    let (own, on_disk) = in_partitions(2, 6 << 20).await;
    assert!(on_disk > 0, "memory was enough");
    assert!(same(&own, &plain), "with little memory");
}
