//! Where rows lie in the order of the sky.

use std::collections::HashMap;
use std::hash::Hash;

/// The HEALPix cell of a place in degrees: order 29, NESTED. `None` if it is not on the sphere.
pub(crate) fn cell_of(ra: f64, dec: f64) -> Option<i64> {
    let on_the_sphere = (0.0..360.0).contains(&ra) && (-90.0..=90.0).contains(&dec);
    let cell = on_the_sphere.then(|| cdshealpix::nested::get(29).hash(ra.to_radians(), dec.to_radians()))?;
    i64::try_from(cell).ok()
}

/// The cell where each row lies: that of the first row of its object, which is hardly ever seen at the very same one again,
/// or its own if it has none. Rows come as their object and own cell, in the order in which they came in.
pub(crate) fn anchors<K: Eq + Hash>(rows: impl Iterator<Item = (Option<K>, Option<i64>)>) -> Vec<Option<i64>> {
    let mut first: HashMap<K, Option<i64>> = HashMap::new();
    let anchor = |(object, cell)| match object {
        Some(object) => *first.entry(object).or_insert(cell),
        None => cell,
    };
    rows.map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_lies_where_it_was_first() {
        let rows =
            [(Some("a"), Some(5)), (None, Some(7)), (Some("b"), None), (Some("a"), Some(6)), (Some("b"), Some(1))];
        assert_eq!(anchors(rows.into_iter()), [Some(5), Some(7), None, Some(5), None]);
    }

    #[test]
    fn what_is_not_on_the_sphere_has_no_cell() {
        assert!(cell_of(0.0, -90.0).is_some() && cell_of(359.999, 90.0).is_some());
        for (ra, dec) in [(360.0, 0.0), (-0.1, 0.0), (0.0, 90.1), (f64::NAN, 0.0), (0.0, f64::NAN)] {
            assert_eq!(cell_of(ra, dec), None, "{ra} {dec}");
        }
    }
}
