use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use proptest::prelude::*;

use super::*;
use crate::anchor::cell_of;

/// A row: its object, the place of its object, and its own position.
type Row = (Option<i64>, Option<(f64, f64)>, Option<(f64, f64)>);

fn index(rows: &[Row], own: &[Option<i64>]) -> RowIndex {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "_anchor",
            Arc::new(
                rows.iter().map(|(_, place, _)| cell_of(place.as_ref()?.0, place.as_ref()?.1)).collect::<Int64Array>(),
            ),
        ),
        ("_object", Arc::new(rows.iter().map(|(object, ..)| *object).collect::<Int64Array>())),
        ("own", Arc::new(own.iter().copied().collect::<Int64Array>())),
        ("ra", Arc::new(rows.iter().map(|(_, _, at)| at.map(|at| at.0)).collect::<Float64Array>())),
        ("dec", Arc::new(rows.iter().map(|(_, _, at)| at.map(|at| at.1)).collect::<Float64Array>())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, c)| (name, c, true))).unwrap();
    let name = |name: &str| Some(name.to_owned());
    let mut builder = Builder::new(OwnColumns { object: name("own"), ra: name("ra"), dec: name("dec") });
    // In two batches, as files are read.
    let half = rows.len() / 2;
    builder.push(&batch.slice(0, half)).unwrap();
    builder.push(&batch.slice(half, rows.len() - half)).unwrap();
    builder.finish()
}

fn holds(rows: &Rows, row: usize) -> bool {
    rows.iter().any(|range| range.contains(&(row as u32)))
}

/// Angles, with those at which something changes among them.
fn angle_in(from: f64, to: f64) -> impl Strategy<Value = f64> {
    prop_oneof![from..to, prop::sample::select(vec![from, to - 1e-9, (from + to) / 2.0, 0.0])]
}

fn place() -> impl Strategy<Value = (f64, f64)> {
    (angle_in(0.0, 360.0), prop_oneof![angle_in(-90.0, 90.0), prop::sample::select(vec![-90.0, 90.0])])
}

fn objects() -> impl Strategy<Value = Vec<Row>> {
    let row = |place: Option<(f64, f64)>| {
        let near = (-1.0..1.0f64, -1.0..1.0f64, prop_oneof![Just(1e-6), Just(1e-3), Just(3.0)]).prop_map(
            move |(x, y, size)| {
                let (ra, dec) = place.unwrap_or((10.0, 10.0));
                Some(((ra + x * size).rem_euclid(360.0), (dec + y * size).clamp(-90.0, 90.0)))
            },
        );
        prop_oneof![8 => near, 1 => Just(None), 1 => Just(Some((f64::NAN, 0.0)))]
    };
    let object = (prop::option::weighted(0.8, 0..12_i64), prop::option::weighted(0.9, place()));
    let rows = object.prop_flat_map(move |(object, place)| {
        prop::collection::vec(row(place), 1..6)
            .prop_map(move |own| own.into_iter().map(|own| (object, place, own)).collect::<Vec<_>>())
    });
    prop::collection::vec(rows, 1..20).prop_map(|all| all.into_iter().flatten().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_inside_of_a_circle_is_left_out(rows in objects(), centre in place(), radius in prop_oneof![0.0..0.01f64, 0.0..5.0f64, 0.0..40.0f64, 0.0..181.0f64, Just(0.0), Just(180.0)], on in any::<prop::sample::Index>()) {
        // Half of the circles have a row in the middle.
        let own = rows.get(on.index(rows.len() * 2)).and_then(|(_, _, own)| *own).filter(|own| own.0.is_finite());
        let centre = own.unwrap_or(centre);
        let index = index(&rows, &vec![None; rows.len()]);
        let circle = Circle { ra: centre.0, dec: centre.1, radius };
        let found = index.within(&Cover::of_circle(circle)).unwrap();
        for pair in found.windows(2) {
            prop_assert!(pair[0].end < pair[1].start, "{found:?}");
        }
        for (row, (_, _, own)) in rows.iter().enumerate() {
            if own.is_some_and(|own| angle(own, centre) <= radius) {
                prop_assert!(holds(&found, row), "{row} of {rows:?} within {circle:?}: {found:?}");
            }
        }
    }

    #[test]
    fn rows_of_objects_are_all_and_no_others(rows in objects(), wanted in prop::collection::vec(0..14_i64, 0..5), odd in prop::option::of(any::<prop::sample::Index>())) {
        let mut own: Vec<Option<i64>> = rows.iter().map(|(object, ..)| *object).collect();
        if let Some(odd) = odd {
            own[odd.index(rows.len())] = Some(13);
        }
        let differs = own.iter().zip(&rows).any(|(own, (object, ..))| own.is_some() && own != object);
        let index = index(&rows, &own);
        let ids: Vec<Id> = wanted.iter().copied().map(Id::Number).collect();
        let found = index.of_objects(By::Alert, ids.iter()).unwrap();
        for (row, (object, ..)) in rows.iter().enumerate() {
            prop_assert_eq!(holds(&found, row), object.is_some_and(|object| wanted.contains(&object)));
        }
        // By the record's own column only where that says the same.
        prop_assert_eq!(index.of_objects(By::Record, ids.iter()), (!differs).then_some(found));
    }
}

#[test]
fn a_small_circle_leaves_most_out() {
    let rows: Vec<Row> = (0..10_000_i64)
        .map(|n| {
            let at = ((n as f64 * 0.77) % 360.0, (n as f64 * 0.37) % 120.0 - 60.0);
            (Some(n), Some(at), Some((at.0 + 1e-5, at.1)))
        })
        .collect();
    let index = index(&rows, &vec![None; rows.len()]);
    let found = index.within(&Cover::of_circle(Circle { ra: 0.0, dec: -60.0, radius: 1.0 })).unwrap();
    let count: usize = found.iter().map(ExactSizeIterator::len).sum();
    assert!((1..30).contains(&count), "{found:?}");
    assert_eq!(index.within(&Cover::of_circle(Circle { ra: 0.0, dec: 89.0, radius: 0.1 })).unwrap(), Rows::new());
    assert_eq!(index.within(&Cover::of_circle(Circle { ra: 0.0, dec: 0.0, radius: 180.0 })).unwrap(), vec![0..10_000]);
}
