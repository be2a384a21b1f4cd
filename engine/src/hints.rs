//! What a condition on the packet's own fields means for the key columns, as an expression.
//!
//! Parquet files know the least and greatest values of key columns by row group and page, and of no others. The hint
//! is true wherever the condition is; it is used to skip row groups and pages, never to decide about a row.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ident, lit};
use noctuary_storage::tables::{IdType, IdTypes};

use crate::conditions::{Condition, Key, Relation, Value};
use crate::pruning::end;
use crate::regions::Extent;

/// DataFusion looks at longer lists not at all; they become as many ranges, split at the widest gaps.
const RANGES: usize = 16;

/// The hint of a condition, if it has one.
pub(crate) fn hint(condition: &Condition, ids: IdTypes) -> Option<Expr> {
    match condition {
        Condition::And(a, b) => match (hint(a, ids), hint(b, ids)) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (one, other) => one.or(other),
        },
        Condition::Or(a, b) => Some(hint(a, ids)?.or(hint(b, ids)?)),
        Condition::Range { key, relation, low, high } => {
            let ends = (end(low.as_ref(), *relation, -1.0), end(high.as_ref(), *relation, 1.0));
            odd(*key, *relation, between(*key, ids, ends.0.as_ref(), ends.1.as_ref())?)
        }
        // What lies outside of a range with one end lies on the other side of it.
        Condition::Not(inner) => match &**inner {
            Condition::Range { key, relation, low: None, high: Some(limit) } => {
                let limit = end(Some(limit), *relation, -1.0);
                odd(*key, *relation, between(*key, ids, limit.as_ref(), None)?)
            }
            Condition::Range { key, relation, low: Some(limit), high: None } => {
                let limit = end(Some(limit), *relation, 1.0);
                odd(*key, *relation, between(*key, ids, None, limit.as_ref())?)
            }
            _ => None,
        },
        Condition::OneOf { key, relation, values } => {
            let ranges = ranges(values).into_iter().map(|(low, high)| {
                let ends = (end(Some(low), *relation, -1.0), end(Some(high), *relation, 1.0));
                between(*key, ids, ends.0.as_ref(), ends.1.as_ref())
            });
            let any = ranges.collect::<Option<Vec<_>>>()?.into_iter().reduce(Expr::or)?;
            odd(*key, *relation, any)
        }
        Condition::Within { ra, dec, extent } => {
            let same = *ra == Relation::Same && *dec == Relation::Same;
            let inside = inside(extent);
            Some(if same { inside } else { inside.or(ident("_ra").is_null()).or(ident("_dec").is_null()) })
        }
        Condition::Unknown | Condition::Constant(_) | Condition::IsNull { .. } => None,
    }
}

fn odd(key: Key, relation: Relation, hint: Expr) -> Option<Expr> {
    Some(if relation == Relation::Same { hint } else { hint.or(ident(key.column()).is_null()) })
}

fn between(key: Key, ids: IdTypes, low: Option<&Value>, high: Option<&Value>) -> Option<Expr> {
    let column = || ident(key.column());
    let literal = |value: &Value| scalar(key, ids, value).map(lit);
    match (low, high) {
        (Some(low), Some(high)) if low == high => Some(column().eq(literal(low)?)),
        (Some(low), Some(high)) => Some(column().gt_eq(literal(low)?).and(column().lt_eq(literal(high)?))),
        (Some(low), None) => Some(column().gt_eq(literal(low)?)),
        (None, Some(high)) => Some(column().lt_eq(literal(high)?)),
        (None, None) => None,
    }
}

fn scalar(key: Key, ids: IdTypes, value: &Value) -> Option<ScalarValue> {
    let text = match key {
        Key::Alert => ids.alert == IdType::Text,
        Key::Object => ids.object == IdType::Text,
        _ => false,
    };
    Some(match (key, value) {
        (Key::Night, Value::Int(day)) => ScalarValue::Date32(Some(i32::try_from(*day).ok()?)),
        (Key::Time | Key::Ra | Key::Dec, Value::Float(v)) => ScalarValue::Float64(Some(*v)),
        (Key::Alert | Key::Object, Value::Text(v)) if text => ScalarValue::Utf8(Some(v.clone())),
        (Key::Alert | Key::Object | Key::Visit | Key::Healpix, Value::Int(v)) if !text => ScalarValue::Int64(Some(*v)),
        _ => return None,
    })
}

/// A region as ranges of the key columns. Positions that are not on the sphere are left to the exact test.
fn inside(extent: &Extent) -> Expr {
    let (south, north) = extent.bounds().dec();
    let mut inside = ident("_dec").gt_eq(lit(south)).and(ident("_dec").lt_eq(lit(north)));
    let any = |ranges: &mut dyn Iterator<Item = Expr>| ranges.reduce(Expr::or);
    if let Some(ras) = extent.bounds().ra() {
        let range = |(west, east): &(f64, f64)| ident("_ra").gt_eq(lit(*west)).and(ident("_ra").lt_eq(lit(*east)));
        inside = any(&mut ras.iter().map(range)).map_or(inside.clone(), |ras| inside.and(ras));
    }
    if let Some(cells) = extent.few_cells(RANGES) {
        let cell = || ident(Key::Healpix.column());
        let range = |(first, last): (i64, i64)| cell().gt_eq(lit(first)).and(cell().lt_eq(lit(last)));
        inside = inside.and(any(&mut cells.into_iter().map(range)).unwrap_or_else(|| lit(false)));
    }
    let outside = [
        ident("_ra").lt(lit(0.0)),
        ident("_ra").gt_eq(lit(360.0)),
        ident("_dec").lt(lit(-90.0)),
        ident("_dec").gt(lit(90.0)),
    ];
    outside.into_iter().fold(inside, Expr::or)
}

/// Ascending values as a few ranges that hold them all.
fn ranges(values: &[Value]) -> Vec<(&Value, &Value)> {
    let gap = |pair: &[Value]| match pair {
        [Value::Int(a), Value::Int(b)] => b.abs_diff(*a) as f64,
        [Value::Float(a), Value::Float(b)] => b - a,
        _ => 0.0,
    };
    let mut gaps: Vec<(f64, usize)> = values.windows(2).enumerate().map(|(at, pair)| (gap(pair), at + 1)).collect();
    gaps.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut cuts: Vec<usize> = gaps.into_iter().take(RANGES - 1).map(|(_, at)| at).collect();
    cuts.sort_unstable();
    cuts.push(values.len());
    let mut from = 0;
    let mut out = Vec::with_capacity(cuts.len());
    for to in cuts {
        if let (Some(low), Some(high)) = (values.get(from), values.get(to.wrapping_sub(1))) {
            out.push((low, high));
        }
        from = to;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_at_the_widest_gaps() {
        let values: Vec<Value> = (0..40).map(|n| Value::Int(n * n)).collect();
        let ranges = ranges(&values);
        assert_eq!(ranges.len(), RANGES);
        for value in &values {
            assert!(ranges.iter().any(|(low, high)| value >= *low && value <= *high));
        }
    }
}
