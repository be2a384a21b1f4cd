//! Which of several rows at the very same distance is the nearest.
//!
//! The one that comes first by its place and then by the columns that are asked for: whichever of two rows that agree in
//! all of these is taken, the answer is the same, however the work was shared out.

use std::cmp::Ordering;

use arrow::array::{RecordBatch, make_comparator};
use arrow::compute::SortOptions;

/// A row of a batch.
pub(super) type Row<'b> = (&'b RecordBatch, usize);

/// The order of two rows of the same columns.
pub(super) fn order(one: Row<'_>, other: Row<'_>) -> Ordering {
    for (a, b) in one.0.columns().iter().zip(other.0.columns()) {
        // Values of a type that has no order do not decide.
        let Ok(compare) = make_comparator(a.as_ref(), b.as_ref(), SortOptions::default()) else { continue };
        let order = compare(one.1, other.1);
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
