//! Least and greatest of some values, as the log tells of files.

/// Least and greatest, both included; `None` of no values. What is like nothing (a float that is not a number) is left out
/// unless it comes first.
pub(crate) fn range<T: PartialOrd + Clone>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |range, value| {
        Some(match range {
            None => (value.clone(), value),
            Some((least, greatest)) => {
                let least = if value < least { value.clone() } else { least };
                let greatest = if value > greatest { value } else { greatest };
                (least, greatest)
            }
        })
    })
}

/// Widens a range by values.
pub(crate) fn widen<T: PartialOrd + Clone>(told: &mut Option<(T, T)>, values: impl Iterator<Item = T>) {
    let ends = told.take().map(|(least, greatest)| [least, greatest]).into_iter().flatten();
    *told = range(ends.chain(values));
}
