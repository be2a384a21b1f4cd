//! When records were measured, as their own column tells.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type};
use noctuary_packet::survey::Survey;
use serde::{Deserialize, Serialize};

use crate::range::widen;

/// The least and greatest time of the records of a file, in the count of their survey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnTime {
    /// The column: a survey's mapping may come to name another one.
    pub column: String,
    /// Ends included; what is null or not a number is in neither. `None` where no record has a time.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::entry::exact")]
    pub range: Option<(f64, f64)>,
}

impl OwnTime {
    /// What a survey's mapping calls the time of a trigger, by the last part of its path: records of all kinds call theirs
    /// the same or have no such column.
    #[must_use]
    pub fn column_of(survey: &Survey) -> Option<&str> {
        survey.time.field.iter().find_map(|path| path.rsplit_once('.')).map(|(_, name)| name)
    }

    /// Widens what is told of a file by rows that go into it. Nothing is told of times that are not floating point.
    pub(crate) fn see(told: &mut Option<Self>, survey: &Survey, rows: &RecordBatch) {
        let Some(name) = Self::column_of(survey) else { return };
        let Some(column) = rows.column_by_name(name) else { return };
        let (double, single) = (column.as_primitive_opt::<Float64Type>(), column.as_primitive_opt::<Float32Type>());
        if double.is_none() && single.is_none() {
            return;
        }
        let double = double.into_iter().flatten().flatten();
        let single = single.into_iter().flatten().flatten().map(f64::from);
        let told = told.get_or_insert_with(|| Self { column: name.to_owned(), range: None });
        widen(&mut told.range, double.chain(single).filter(|time| !time.is_nan()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array};
    use noctuary_packet::survey::Surveys;

    use super::*;

    #[test]
    fn times_are_those_of_all_rows() {
        let surveys = Surveys::built_in();
        let survey = surveys.list().iter().find(|survey| survey.name == "lsst").unwrap();
        let rows = |times: ArrayRef| RecordBatch::try_from_iter([("midpointMjdTai", times)]).unwrap();
        let mut told = None;
        OwnTime::see(&mut told, survey, &rows(Arc::new(Float64Array::from(vec![f64::NAN]))));
        assert_eq!(told.as_ref().unwrap().range, None);
        for times in [vec![None, Some(5.0), Some(3.0)], vec![Some(f64::NAN), Some(4.0)], vec![Some(7.5)]] {
            OwnTime::see(&mut told, survey, &rows(Arc::new(Float64Array::from(times))));
        }
        let told = told.unwrap();
        assert_eq!((told.column.as_str(), told.range), ("midpointMjdTai", Some((3.0, 7.5))));
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<OwnTime>(&text).unwrap(), told);

        let mut none = None;
        OwnTime::see(&mut none, survey, &rows(Arc::new(Int64Array::from(vec![1]))));
        assert_eq!(none, None);
        OwnTime::see(&mut none, survey, &rows(Arc::new(Float32Array::from(vec![1.5]))));
        assert_eq!(none.unwrap().range, Some((1.5, 1.5)));
    }
}
