//! What must hold for every function of the table, and each formula against a plain way to the same number.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::EmitTo;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::arguments::{Options, Role};
use super::{Argument, Call, Feature, all};

/// A row as it comes: time, value, error and band, any of which may be no number.
type Row = (Option<f64>, Option<f64>, Option<f64>, bool);

/// Constants that suit a function.
fn constants(feature: &Feature, form: &[Argument]) -> Options {
    let mut options = Options::default();
    for argument in form.iter().filter(|a| a.role.constant()) {
        match (argument.name, argument.role) {
            ("first", _) => options.texts.push("g".into()),
            ("second", _) => options.texts.push("r".into()),
            ("p", _) => options.numbers.push(0.3),
            ("n", _) => options.numbers.push(1.0),
            ("min_period", _) => options.numbers.push(1.5),
            ("max_period", _) => options.numbers.push(30.0),
            other => panic!("{}: {other:?}", feature.name),
        }
    }
    (feature.check)(&options).unwrap();
    options
}

fn calls(distinct: bool) -> Vec<Call> {
    let calls = |feature: &'static Feature| {
        let form = move |form: &&'static [Argument]| Call::new(feature, form, constants(feature, form), distinct);
        feature.forms.iter().map(form)
    };
    all().flat_map(calls).collect()
}

/// The arguments of a call as arrays, constants among them.
fn arrays(call: &Call, rows: &[Row]) -> Vec<ArrayRef> {
    let form = call.feature.forms.iter().find(|form| {
        let columns = form.iter().filter(|a| !a.role.constant()).map(|a| a.role);
        columns.eq(call.layout.roles())
    });
    let numbers = |of: fn(&Row) -> Option<f64>| Arc::new(rows.iter().map(of).collect::<Float64Array>()) as ArrayRef;
    let array = |argument: &Argument| match argument.role {
        Role::Time => numbers(|r| r.0),
        Role::Value => numbers(|r| r.1),
        Role::Error => numbers(|r| r.2),
        Role::Band => Arc::new(rows.iter().map(|r| Some(if r.3 { "r" } else { "g" })).collect::<StringArray>()),
        Role::Number | Role::Text => numbers(|_| None),
    };
    form.unwrap().iter().map(array).collect()
}

/// What a function makes of points of time, value and error, with these constants.
pub(super) fn ask(name: &str, arguments: usize, points: &[(f64, f64, f64)], numbers: &[f64]) -> Option<f64> {
    let feature = all().find(|feature| feature.name == name).unwrap();
    let form = feature.forms.iter().find(|form| form.len() == arguments).unwrap();
    let options = Options { numbers: numbers.to_vec(), ..Options::default() };
    let rows: Vec<Row> = points.iter().map(|p| (Some(p.0), Some(p.1), Some(p.2), false)).collect();
    whole(&Call::new(feature, form, options, false), &rows)
}

/// Points that a formula is tried on, in order of time.
pub(super) fn points(least: usize) -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    vec((0.1..9.0f64, -50.0..50.0f64, 0.1..5.0f64), least..40).prop_map(|points| {
        let mut time = 60_000.0;
        let later = |(step, value, error)| {
            time += step;
            (time, value, error)
        };
        points.into_iter().map(later).collect()
    })
}

/// Whether a function gives what a plain way gives, to rounding.
pub(super) fn agrees(own: Option<f64>, plain: f64) -> bool {
    own.is_some_and(|own| (own - plain).abs() <= 1e-9 * plain.abs().max(1.0))
}

fn answer(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(value) => *value,
        other => panic!("{other:?}"),
    }
}

/// The answer of one accumulator over all rows.
fn whole(call: &Call, rows: &[Row]) -> Option<f64> {
    let mut one = call.clone().single();
    one.update_batch(&arrays(call, rows)).unwrap();
    answer(&one.evaluate().unwrap())
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0),
        (None, None) => true,
        _ => false,
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Times and values on a grid, so that some are equal.
    let number = |range: std::ops::Range<i32>| {
        weighted(
            0.95,
            prop_oneof![30 => range.prop_map(|v| f64::from(v) / 8.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)],
        )
    };
    vec((number(0..400), number(-80..800), number(-2..40), any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn neither_order_nor_partitions_matter(
        (rows, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in vec(0usize..60, 0..4),
        distinct in any::<bool>(),
    ) {
        for call in calls(distinct) {
            let plain = whole(&call, &rows);
            prop_assert!(plain.is_none_or(f64::is_finite), "{} {plain:?}", call.feature.name);
            prop_assert!(close(plain, whole(&call, &shuffled)), "{} of other order", call.feature.name);

            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (rows.len() + 1)).collect();
            cuts.extend([0, rows.len()]);
            cuts.sort_unstable();
            let parts: Vec<Vec<ArrayRef>> =
                cuts.windows(2).map(|pair| arrays(&call, &shuffled[pair[0]..pair[1]])).collect();

            let mut last = call.clone().single();
            let mut groups = call.clone().groups();
            let mut of_rows = call.clone().groups();
            for part in &parts {
                let mut one = call.clone().single();
                one.update_batch(part).unwrap();
                let state: Vec<ArrayRef> = one.state().unwrap().iter().map(|s| s.to_array().unwrap()).collect();
                last.merge_batch(&state).unwrap();

                let size = part[0].len();
                let mut partial = call.clone().groups();
                partial.update_batch(part, &vec![1; size], None, 2).unwrap();
                groups.merge_batch(&partial.state(EmitTo::All).unwrap(), &[0, 1], 2).unwrap();

                // Every row as a group of its own, the way of questions with many groups.
                let states = partial.convert_to_state(part, None).unwrap();
                prop_assert_eq!(states[0].len(), size);
                of_rows.merge_batch(&states, &vec![0; size], 1).unwrap();
            }
            prop_assert!(close(plain, answer(&last.evaluate().unwrap())), "{} in parts", call.feature.name);
            let answers = groups.evaluate(EmitTo::All).unwrap();
            let at = |row| answer(&ScalarValue::try_from_array(&answers, row).unwrap());
            prop_assert_eq!(at(0), None, "{} of nothing", call.feature.name);
            prop_assert!(close(plain, at(1)), "{} of groups", call.feature.name);
            let answers = of_rows.evaluate(EmitTo::First(1)).unwrap();
            let own = answer(&ScalarValue::try_from_array(&answers, 0).unwrap());
            prop_assert!(close(plain, own), "{} of rows", call.feature.name);
        }
    }

    #[test]
    fn windows_forget_what_left_them(rows in rows(), width in 1usize..20) {
        for call in calls(false) {
            let mut window = call.clone().window();
            prop_assert!(window.supports_retract_batch());
            for end in 1..=rows.len() {
                window.update_batch(&arrays(&call, &rows[end - 1..end])).unwrap();
                if end > width {
                    window.retract_batch(&arrays(&call, &rows[end - width - 1..end - width])).unwrap();
                }
                let fresh = whole(&call, &rows[end.saturating_sub(width)..end]);
                prop_assert!(close(fresh, answer(&window.evaluate().unwrap())), "{}", call.feature.name);
            }
        }
    }

    /// What a formula promises when all values are moved and stretched: m x + c with errors m err.
    #[test]
    fn values_may_be_moved_and_stretched(rows in rows(), move_by in -64i32..64, stretch in 1i32..5) {
        let (c, m) = (f64::from(move_by), f64::from(1 << stretch));
        let moved: Vec<Row> =
            rows.iter().map(|r| (r.0, r.1.map(|v| m * v + c), r.2.map(|e| m * e), r.3)).collect();
        for call in calls(false) {
            let (own, other) = (whole(&call, &rows), whole(&call, &moved));
            let name = call.feature.name;
            let expected = match name {
                "weighted_mean" | "percentile" => own.map(|v| m * v + c),
                "amplitude" | "inter_percentile_range" | "iqr" | "mad" | "weighted_mean_err" | "colour" | "max_slope"
                | "linear_slope" | "linear_slope_err" | "time_span" | "max_gap" => own.map(|v| m * v),
                "skew" | "kurtosis" | "beyond_n_std" | "reduced_chi2" | "stetson_k" | "von_neumann_eta"
                | "von_neumann_eta_e" | "cusum" | "ls_power" | "ls_period" => own,
                "percent_amplitude" | "excess_variance" | "flux_colour" => continue,
                other => panic!("what does {other} promise?"),
            };
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                // The peak is flat: its place is known less well than its height.
                (Some(a), Some(b)) if name == "ls_period" => (a - b).abs() <= 1e-6 * a,
                (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
                (a, b) => a == b,
            };
            // Which of two peaks is the higher one may be up to rounding; how high it is, ls_power tells.
            let tie = name == "ls_period" && own.is_some() && other.is_some();
            prop_assert!(close(expected, other) || tie, "{name}: {expected:?} {other:?}");
        }
    }
}

#[test]
fn rows_that_are_filtered_out_do_not_count() {
    let rows: Vec<Row> =
        (0..20).map(|i| (Some(f64::from(i)), Some(f64::from(i * i % 7)), Some(1.0), i % 2 == 0)).collect();
    let keep: Vec<bool> = (0..20).map(|i| i % 3 != 0).collect();
    let kept: Vec<Row> = rows.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| *row).collect();
    let filter = BooleanArray::from(keep);
    for call in calls(false) {
        let (arrays, plain) = (arrays(&call, &rows), whole(&call, &kept));
        let mut groups = call.clone().groups();
        groups.update_batch(&arrays, &[0; 20], Some(&filter), 1).unwrap();
        let answers = groups.evaluate(EmitTo::All).unwrap();
        assert!(close(plain, answer(&ScalarValue::try_from_array(&answers, 0).unwrap())), "{}", call.feature.name);
        let states = call.clone().groups().convert_to_state(&arrays, Some(&filter)).unwrap();
        let mut groups = call.clone().groups();
        groups.merge_batch(&states, &[0; 20], 1).unwrap();
        let answers = groups.evaluate(EmitTo::All).unwrap();
        assert!(close(plain, answer(&ScalarValue::try_from_array(&answers, 0).unwrap())), "{}", call.feature.name);
    }
}

#[test]
fn memory_is_counted_and_given_back() {
    let rows: Vec<Row> = (0..1_000).map(|i| (Some(f64::from(i)), Some(1.0), Some(1.0), false)).collect();
    for call in calls(false) {
        let mut groups = call.clone().groups();
        let empty = groups.size();
        groups.update_batch(&arrays(&call, &rows), &[0; 1_000], None, 1).unwrap();
        let full = groups.size();
        assert!(full > empty, "{}", call.feature.name);
        groups.state(EmitTo::All).unwrap();
        assert!(groups.size() < full, "{}", call.feature.name);
    }
}

#[test]
fn too_few_points_give_null_and_enough_an_answer() {
    // Values that differ and are not about 0, at times that differ.
    let row = |i: i32| (Some(f64::from(i) * 1.3), Some(5.0 + f64::from(i * i % 5)), Some(0.5), i % 2 == 0);
    for call in calls(false) {
        // Both bands are needed.
        let bands = call.layout.roles().any(|role| role == Role::Band);
        let least = if bands { 2 } else { call.feature.least };
        let rows: Vec<Row> = (1..=least as i32).map(row).collect();
        assert_eq!(whole(&call, &rows[1..]), None, "{} of {} points", call.feature.name, least - 1);
        assert!(whole(&call, &rows).is_some(), "{} of {least} points", call.feature.name);
    }
}

#[test]
fn the_table_is_whole() {
    let mut names = BTreeSet::new();
    for feature in all() {
        assert!(names.insert(feature.name), "{} is there twice", feature.name);
        assert!(feature.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        assert!(feature.forms.is_sorted_by_key(|form| form.len()), "{}", feature.name);
        for text in [feature.gives, feature.unit, feature.formula, feature.source] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", feature.name);
        }
    }
    let context = datafusion::prelude::SessionContext::new();
    let built_in = context.state();
    for name in &names {
        assert!(!built_in.aggregate_functions().contains_key(*name), "{name} is one of DataFusion's own");
        assert!(!built_in.scalar_functions().contains_key(*name), "{name} is one of DataFusion's own");
    }
}

/// `docs/features.md` holds what the table says, so that there is one place to change it.
#[test]
fn the_page_says_what_the_table_says() {
    let page = include_str!("../../../docs/features.md");
    let section = |feature: &Feature| {
        let calls: Vec<String> = feature.calls().iter().map(|call| format!("`{call}`")).collect();
        let mut section = format!("### {}\n\n{}\n\n", feature.name, calls.join(", "));
        for argument in feature.arguments() {
            section += &format!("- `{}`: {}\n", argument.name, argument.about);
        }
        section +=
            &format!("- gives: {}\n- unit: {}\n- points: {} or more\n", feature.gives, feature.unit, feature.least);
        section + &format!("- formula: {}\n- source: {}\n", feature.formula, feature.source)
    };
    let missing: Vec<String> = all().map(section).filter(|section| !page.contains(section)).collect();
    assert!(missing.is_empty(), "docs/features.md should have\n\n{}", missing.join("\n"));
    assert_eq!(page.matches("\n### ").count(), all().count(), "docs/features.md tells of functions that are not there");
}
